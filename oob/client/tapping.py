"""A tap: what a tag tells the client, and the link through it where the tag is the device's own."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from oob.errors import LinkLost, UsageError
from oob.pairing import Bootstrap
from oob.pairing.tag_content import TagContent
from oob.progress import Progress, Report, silent
from oob.transport.link import Link, Timing
from oob.transport.nfc import Reader
from oob.transport.readers import open_reader
from oob.transport.tnep_poller import REST, Tapped, connect
from oob.transport.tnep_poller import tap as read_tag

TAP_WAIT = 30.0
"""Seconds that a person has to bring the tag."""


@dataclass(frozen=True, slots=True)
class Tap:
    """A tag that was read. Whoever had it in hand may have copied, rewritten or swapped it: `content` is a claim.

    `content` has the URL, which is never opened, and the bootstrap data, if there are any. `link` goes through the tag
    where that is the device's own, and is None for one that only tells how to reach the device. It lasts no longer than
    the tap is open; a touch that breaks off goes on with the next one, within 30 s.
    """

    content: TagContent
    link: Link | None = field(repr=False)
    _tapped: Tapped = field(repr=False)
    _opened: Reader | None = field(default=None, repr=False)

    async def __aenter__(self) -> Self:
        """Return the tap itself; leaving the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the tap."""
        await self.close()

    @property
    def bootstrap(self) -> Bootstrap:
        """What to pair by. UsageError where the tag tells nothing of the kind."""
        if self.content.bootstrap is None:
            remedy = "Tap the tag of the device" if self.link is None else "Pair by the device's passcode"
            raise UsageError("the tag tells nothing to pair by", step="tap", remedy=remedy)
        return self.content.bootstrap

    async def close(self) -> None:
        """Let go of the tag, and of the reader if it was opened for this tap. May be called twice."""
        await (self._tapped if self.link is None else self.link).close()
        if self._opened is not None:
            await self._opened.close()


async def tap(
    reader: Reader | str | None = None,
    *,
    timeout: float = TAP_WAIT,
    timing: Timing | None = None,
    report: Report = silent,
) -> Tap:
    """Wait for a tag and read it; what is returned is to be closed, for example by `async with`.

    `reader` is "usb", "tty:USB0:pn532", "pcsc" and so on, or None for the first that is found; one that is opened here
    is closed with the tap. Raises DeviceNotFound for no tag within `timeout` seconds, LinkLost for one that
    comes and never lets itself be selected, LinkError and UsageError where there is no reader, PeerError for what is no
    such tag.
    """
    used = open_reader(reader) if reader is None or isinstance(reader, str) else reader
    opened = None if used is reader else used
    left, deadline = timeout, asyncio.get_running_loop().time() + timeout
    try:
        while True:
            tapped = await read_tag(used, left, report=report)
            try:
                return await _held(tapped, opened, timing, report)
            except LinkLost as error:  # what it shows the next time may be new
                if asyncio.get_running_loop().time() + REST > deadline:
                    raise
                report(Progress("client", "tap again", error.cause))
            await asyncio.sleep(REST)
            left = deadline - asyncio.get_running_loop().time()
    except BaseException:
        if opened is not None:
            await opened.close()
        raise


async def _held(tapped: Tapped, opened: Reader | None, timing: Timing | None, report: Report) -> Tap:
    """Understand what the tag says, and take hold of a device's own one: from here on it knows of this client."""
    try:
        content = TagContent.of(tapped.records)
        link = None if tapped.service is None else await connect(tapped, timing=timing, report=report)
    except BaseException:
        await tapped.close()
        raise
    report(Progress("client", "tapped", content.bootstrap.name if content.bootstrap is not None else ""))
    return Tap(content, link, tapped, opened)
