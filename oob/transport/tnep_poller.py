"""The client side of NFC: a tap, what the tag says, and frames to and fro through it by TNEP."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from oob.errors import DeviceNotFound, LinkError, LinkLost, LinkTimeout, OobError, PeerError, UsageError
from oob.framing.gatt import MAX_FRAME
from oob.framing.ndef import Record, Tnf, decode
from oob.framing.tnep import Poll, Read, Service, Wait, Write, deselect, exchange, find_service, select
from oob.progress import Progress, Report, silent
from oob.transport.carrier import Inbox, connection_lost, finish, link_closed
from oob.transport.link import FramedLink, Timing
from oob.transport.ndef_tag import NdefTag, open_tag
from oob.transport.nfc import Reader, no_tag
from oob.transport.tnep_stack import SERVICE

T = TypeVar("T")

RETAP: Final = 30.0
"""Seconds in which the tag must come again after a tap broke off."""
GOODBYE: Final = 1.0
"""Seconds that the tag gets to hear that no more will come."""
ASK, MAX_ASK = 0.02, 0.2
"""Seconds before a tag that has nothing yet is asked again; doubled each time, up to the second."""
REST: Final = 0.1
"""Seconds before a tag that could not be read is tried again."""


@dataclass(frozen=True, slots=True)
class Tapped:
    """A tag that was tapped and read: its records, and the pairing service where it has one."""

    reader: Reader
    tag: NdefTag
    records: tuple[Record, ...]
    service: Service | None

    async def close(self) -> None:
        """Let go of the tag, not of the reader."""
        await self.tag.close()


async def tap(reader: Reader, timeout: float, *, report: Report = silent) -> Tapped:
    """Wait for a tag and read it; one that leaves too early is waited for again.

    Raises DeviceNotFound for none within `timeout` seconds, LinkError, PeerError for what is no NDEF tag.
    """
    report(Progress("client", "waiting for a tap", f"on {reader.name}, {timeout:g} s at most"))
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        try:
            return await _tap(reader, max(0.0, deadline - asyncio.get_running_loop().time()))
        except DeviceNotFound:
            raise no_tag(timeout) from None  # not within the time that was left of it
        except LinkLost as error:
            report(Progress("client", "tap again", error.cause))


async def _tap(reader: Reader, timeout: float) -> Tapped:
    tag = await reader.tap(timeout)
    try:
        ndef = await open_tag(tag)
        records = decode(await ndef.read())
        return Tapped(reader, ndef, records, find_service(records, SERVICE.name))
    except BaseException:
        await tag.close()
        raise


async def connect(tapped: Tapped, *, timing: Timing | None = None, report: Report = silent) -> FramedLink:
    """Select the pairing service of a tag; return the link, which closes the tag in the end, not the reader.

    A tap that breaks off goes on with the next one, within the `resume` of `timing`. Raises UsageError where the tag
    has no such service.
    """
    if tapped.service is None:
        raise UsageError("the tag only tells how to pair; nothing goes through it", step="tap")
    return FramedLink(_PollerCarrier(tapped, tapped.service, report), initiator=True, timing=timing)


class _PollerCarrier:
    """Frames through one tag, tap after tap. The tag is asked for more while somebody waits for a frame."""

    name = "nfc"
    max_frame = MAX_FRAME

    def __init__(self, tapped: Tapped, service: Service, report: Report) -> None:
        self._reader, self._report = tapped.reader, report
        self._tag, self._service = tapped.tag, service
        self._selected = False
        self._inbox = Inbox()
        self._burst: list[bytes] = []
        self._turn = asyncio.Lock()  # one exchange at a time
        self._readers = 0  # who wait for a frame
        self._asking: asyncio.Task[None] | None = None

    async def send(self, frame: bytes, last: bool) -> None:
        """Keep a frame until the burst is complete; then write it, and read what the device has for us."""
        self._burst.append(frame)
        if last:
            burst, self._burst = self._burst, []
            await finish(asyncio.create_task(self._exchange(burst)))

    async def receive(self) -> bytes:
        """Return the next frame."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        self._readers += 1
        try:
            return await self._inbox.get()
        finally:
            self._readers -= 1

    async def reconnect(self) -> None:
        """Wait for the next tap of such a device, within 30 s. Raises LinkLost, LinkError."""
        await self._let_go(connection_lost())
        self._report(Progress("client", "tap again", "the tap broke off"))
        async with asyncio.timeout(RETAP):
            while True:
                try:
                    return await self._take_up()
                except (LinkLost, LinkTimeout, PeerError):
                    await asyncio.sleep(REST)  # it left again, or is another tag

    async def close(self) -> None:
        """Say that no more will come, and let go of the tag. May be called twice."""
        was_open = self._inbox.error is None
        self._inbox.fail(link_closed())
        await finish(asyncio.create_task(self._hang_up(was_open)))

    async def _take_up(self) -> None:
        tapped = await _tap(self._reader, RETAP)
        if tapped.service is None:
            await tapped.close()
            raise PeerError("another tag", step="tap")
        self._tag, self._service, self._selected = tapped.tag, tapped.service, False
        self._inbox = Inbox()

    async def _ask(self) -> None:
        pause = ASK
        while self._inbox.error is None:
            await asyncio.sleep(pause)
            if not self._readers:
                return
            with suppress(OobError):  # which whoever waits gets
                await finish(asyncio.create_task(self._exchange([])))
            pause = min(2 * pause, MAX_ASK)

    async def _exchange(self, frames: list[bytes]) -> None:
        """Write frames, read frames. An error ends the stream, and is raised."""
        async with self._turn:
            if self._inbox.error is not None:
                raise self._inbox.error.with_traceback(None)
            try:
                if not self._selected:
                    await _run(select(self._service), self._tag)
                    self._selected = True
                records = [Record(Tnf.UNKNOWN, payload=frame) for frame in frames]
                answer = await _run(exchange(self._service, records), self._tag)
            except (LinkError, PeerError) as error:
                self._inbox.fail(error)
                raise
            for record in answer:
                self._inbox.put(record.payload)

    async def _hang_up(self, say_so: bool) -> None:
        if say_so and self._selected:
            with suppress(OobError, TimeoutError):
                async with asyncio.timeout(GOODBYE), self._turn:
                    await _run(deselect(), self._tag)
        await self._let_go(link_closed())

    async def _let_go(self, error: LinkError) -> None:
        self._inbox.fail(error)
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.wait({asking})
        await self._tag.close()


async def _run(poll: Poll[T], tag: NdefTag) -> T:
    """Take the steps of TNEP at a tag. Raises what they raise, LinkLost, LinkTimeout."""
    try:
        step = next(poll)
        while True:
            sent = b""
            match step:
                case Write(message):
                    await tag.write(message)
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case Read():
                    sent = await tag.read()
            step = poll.send(sent)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        poll.close()
