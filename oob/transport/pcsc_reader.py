"""Readers that PC/SC drives: pcscd on Linux, the systems' own services on Windows and macOS."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from oob.errors import LinkTimeout
from oob.transport.nfc import COMMAND_WAIT, no_tag, tag_lost
from oob.transport.pcsc_commands import exchange_of, type_of
from oob.transport.pcsc_failures import Refused, renamed
from oob.transport.pcsc_session import SLICE, Session, load_scard
from oob.transport.readers_survey import without_serial
from oob.transport.worker import Worker

T = TypeVar("T")

CALL_WAIT: Final = 5.0
"""Seconds for PC/SC to answer; it takes the longest to power a tag, about one."""


class _Line:
    """A session and the thread that calls it. If that thread is held up, the session is left behind with it."""

    def __init__(self, name_part: str) -> None:
        self.session = Session(load_scard(), name_part)
        self._worker = Worker("PC/SC")

    async def run(self, call: Callable[[], T], timeout: float) -> T:
        return await self._worker.run(call, timeout)

    async def close(self) -> None:
        """Close the session after the call that it is at; if that has no end, when it ends."""
        try:
            with suppress(LinkTimeout):
                await self._worker.run(self.session.close, COMMAND_WAIT)
        finally:
            self._worker.close()


class PcscTag:
    """A tag that a PC/SC reader has in its field; no other program has it meanwhile."""

    def __init__(self, line: _Line, atr: bytes) -> None:
        self.type = type_of(atr)
        self._line: _Line | None = line
        self._exchange = exchange_of(self.type)

    async def transceive(self, command: bytes) -> bytes:
        """Return the tag's response to one command; see `oob.transport.nfc.Tag`."""
        if (line := self._line) is None:
            raise tag_lost()
        try:
            with renamed():
                return await line.run(lambda: self._exchange(line.session, command), COMMAND_WAIT)
        except LinkTimeout:
            line.session.is_lost = True
            raise tag_lost() from None

    async def close(self) -> None:
        """Let go of the tag. May be called twice."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()


class PcscReader:
    """Any reader of PC/SC whose name contains `name_part`, in capitals or not.

    With "", only what a reader says is contactless counts as a tag: a card in a slot, or a security key, is none.
    """

    def __init__(self, name_part: str = "") -> None:
        self.name = f"PC/SC {name_part}".rstrip()
        self._part = name_part
        self._tag: PcscTag | None = None

    async def tap(self, timeout: float) -> PcscTag:
        """Return the tag that is in the field, or comes within `timeout` seconds; see `oob.transport.nfc.Reader`."""
        await self.close()
        loop = asyncio.get_running_loop()
        end, has_worked = loop.time() + timeout, False
        while True:
            line = _Line(self._part)
            try:
                self._tag = await self._find(line, timeout, end)
                return self._tag
            except Refused as refused:
                has_worked = has_worked or line.session.has_looked
                if not (refused.passes and has_worked and loop.time() < end):
                    raise refused.renamed() from refused
            finally:
                if self._tag is None:
                    await line.close()
            await asyncio.sleep(SLICE)

    async def _find(self, line: _Line, timeout: float, end: float) -> PcscTag:
        while (atr := await line.run(line.session.look, CALL_WAIT)) is None:
            if asyncio.get_running_loop().time() >= end:
                raise no_tag(timeout)
        self.name = without_serial(line.session.reader)
        return PcscTag(line, atr)

    async def close(self) -> None:
        """Let go of the tag that was tapped last. May be called twice."""
        tag, self._tag = self._tag, None
        if tag is not None:
            await tag.close()
