"""Readers that nfcpy drives: on USB, on a serial line, or simulated over UDP."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Final

from oob.errors import LinkError, LinkTimeout
from oob.framing.procedure import TagType
from oob.transport.nfc import Reader, Tag, no_tag, tag_lost
from oob.transport.nfcpy_edge import ReaderAbsent, load_nfcpy
from oob.transport.nfcpy_frontend import LAST_RESORT, Frontend, FrontendThread
from oob.transport.nfcpy_tags import Connection

TECHNOLOGIES: Final = ("106A", "106B", "212F")
"""What is looked for, one after the other: types 2 and 4A, type 4B, type 3."""
_PAUSE: Final = 0.02
"""Seconds without the field between two looks: a tag needs 5.1 ms to forget (NFC Forum Activity, tFIELD_OFF)."""
_ABSENT_PAUSE: Final = 0.25
_PATIENCE: Final = 8
"""Looks in vain until a reader that is there counts as unusable: udev needs a moment to let a user have it."""


class NfcpyReader(Reader):
    """A reader of nfcpy; the field is on from `tap` until the tag is closed."""

    def __init__(
        self, path: str = "usb", *, technologies: tuple[str, ...] = TECHNOLOGIES, last_resort: float = LAST_RESORT
    ) -> None:
        """Take a path of nfcpy; nothing is opened yet."""
        self.name = f"nfcpy {path}"
        self._technologies = technologies
        self._thread = FrontendThread(path, last_resort)
        self._tag: _NfcpyTag | None = None

    async def tap(self, timeout: float) -> Tag:
        """Return the tag that is in the field, or comes within `timeout` seconds; an earlier one is let go.

        Raises DeviceNotFound, UsageError where nfcpy is not installed, LinkError for a reader that is not there or
        cannot be used; one that was there and is unplugged meanwhile may come back until the end of that time.
        """
        load_nfcpy()
        loop = asyncio.get_running_loop()
        end, vain, has_worked = loop.time() + timeout, 0, False
        self._tag = None
        while True:
            trouble: LinkError | None = None
            try:
                if connection := await self._look():
                    self._tag = _NfcpyTag(self, connection)
                    return self._tag
                has_worked = True
            except LinkTimeout:
                raise
            except LinkError as error:
                trouble = error
            if isinstance(trouble, ReaderAbsent) and not has_worked:
                raise trouble
            vain = vain + 1 if trouble and not isinstance(trouble, ReaderAbsent) else 0
            if loop.time() >= end or vain >= _PATIENCE:
                raise trouble or no_tag(timeout)
            await asyncio.sleep(_ABSENT_PAUSE if trouble else _PAUSE)

    async def close(self) -> None:
        """Switch the field off and let go of the reader. May be called twice."""
        self._tag = None
        await self._thread.release()

    async def use(self, tag: "_NfcpyTag", connection: Connection, command: bytes) -> bytes:
        """Return the response of the tag that is held, to one command."""
        if tag is not self._tag:
            raise tag_lost()
        return await self._thread.run(lambda frontend: frontend.use(connection, command))

    async def let_go(self, tag: "_NfcpyTag") -> None:
        """Switch the field off, if it is this tag that is held."""
        if tag is self._tag:
            self._tag = None
            with suppress(LinkError):
                await self._thread.run(Frontend.mute)

    async def _look(self) -> Connection | None:
        """Look once for each technology; between two of them, whoever waits may be cancelled."""
        for technology in self._technologies:
            if connection := await self._thread.run(partial(Frontend.sense, technology=technology)):
                self.name = self._thread.name
                return connection
        return None


class _NfcpyTag(Tag):
    """A tag in the field of such a reader, until another tap."""

    def __init__(self, reader: NfcpyReader, connection: Connection) -> None:
        self.type: TagType = connection.type
        self._reader = reader
        self._connection = connection

    async def transceive(self, command: bytes) -> bytes:
        """Return the response to one command. Raises LinkLost, LinkError, PeerError for what breaks the protocol."""
        return await self._reader.use(self, self._connection, command)

    async def close(self) -> None:
        """Switch the field off. May be called twice."""
        await self._reader.let_go(self)
