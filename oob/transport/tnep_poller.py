"""The client side of NFC: a tap, what the tag says, and frames to and fro through it by TNEP."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from oob.errors import DeviceNotFound, LinkError, LinkLost, LinkTimeout, OobError, PeerError, UsageError
from oob.framing.gatt import MAX_FRAME
from oob.framing.ndef import Record, decode
from oob.framing.tnep import Poll, Read, Service, Wait, Write, deselect, exchange, find_service, select
from oob.progress import Progress, Report, silent
from oob.transport.carrier import Inbox, connection_lost, finish, link_closed
from oob.transport.link import FramedLink, Timing
from oob.transport.ndef_tag import NdefTag, drive, open_tag
from oob.transport.nfc import Reader, no_tag
from oob.transport.nfc_profile import SERVICE, frames_of, record_of

T = TypeVar("T")

RETAP: Final = 30.0
"""Seconds in which the tag must come again after a tap broke off."""
GOODBYE: Final = 1.0
"""Seconds that the tag gets to hear that no more will come."""
ASK, MAX_ASK = 0.02, 0.2
"""Seconds before a tag that has nothing yet is asked again; doubled each time, up to the second."""
REST: Final = 0.1
"""Seconds before a tag that could not be read is tried again."""
EXCHANGE_WAIT: Final = 5.0
"""Seconds that a tag has for what was written to it, whatever waiting times it asks for."""


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

    Raises DeviceNotFound for none within `timeout` seconds, LinkLost for one that never stays, other LinkErrors, and
    PeerError for what is no NDEF tag.
    """
    report(Progress("client", "waiting for a tap", f"on {reader.name}, {timeout:g} s at most"))
    time = asyncio.get_running_loop().time
    deadline = time() + timeout
    while True:
        try:
            return await _tap(reader, max(0.0, deadline - time()))
        except DeviceNotFound:
            raise no_tag(timeout) from None  # not within the time that was left of it
        except LinkLost as error:
            if time() + REST > deadline:
                raise
            report(Progress("client", "tap again", error.cause))
        await asyncio.sleep(REST)


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

    From here on a tap that breaks off goes on with the next one, within the `resume` of `timing`: the device knows that
    it may come again, and shows the same then. Raises LinkLost for a tag that has left since it was read, which may
    show something new by now: `tap` again. UsageError where it has no such service, also other LinkErrors, PeerError.
    After an error the tag is let go of.
    """
    if tapped.service is None:
        raise UsageError("the tag only tells how to pair; nothing goes through it", step="tap")
    carrier = _PollerCarrier(tapped, tapped.service, report)
    try:
        await carrier.open()
    except BaseException:
        await carrier.close()
        raise
    return FramedLink(carrier, initiator=True, timing=timing)


class _PollerCarrier:
    """Frames through one tag, tap after tap. The tag is asked for more while somebody waits for a frame."""

    name = "nfc"
    max_frame = MAX_FRAME

    def __init__(self, tapped: Tapped, service: Service, report: Report) -> None:
        self._reader, self._records, self._report = tapped.reader, tapped.records, report
        self._tag, self._service = tapped.tag, service
        self._selected = self._closed = False
        self._inbox = Inbox()
        self._burst: list[bytes] = []
        self._turn = asyncio.Lock()  # one exchange at a time
        self._readers = 0  # who wait for a frame
        self._asking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Select the service. Raises LinkLost, other LinkErrors, PeerError."""
        await finish(asyncio.create_task(self._select()))

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
        """Wait for the next tap of the same device, within 30 s. Raises LinkLost, LinkError."""
        if self._closed:
            raise link_closed()
        await self._let_go(connection_lost())
        self._report(Progress("client", "tap again", "the tap broke off"))
        async with asyncio.timeout(RETAP):
            await self._await_tap()

    async def close(self) -> None:
        """Say that no more will come, and let go of the tag. May be called twice."""
        was_open, self._closed = self._inbox.error is None, True
        self._inbox.fail(link_closed())
        await finish(asyncio.create_task(self._hang_up(was_open)))

    async def _await_tap(self) -> None:
        """Tap until it is the same device, and say what each other tap was, once."""
        said = ""
        while True:
            try:
                return await self._take_up()
            except (LinkLost, LinkTimeout, PeerError) as error:  # it left again, or is another tag
                if error.cause != said:
                    said = error.cause
                    self._report(Progress("client", "tap again", said))
            await asyncio.sleep(REST)

    async def _take_up(self) -> None:
        tapped = await _tap(self._reader, RETAP)
        if self._closed or tapped.records != self._records:
            await tapped.close()
            if self._closed:
                raise link_closed()
            cause = "this is another tag than before, or it shows something new"
            raise LinkLost(cause, step="tap", remedy="Tap again, and use what it shows then")
        self._tag, self._selected, self._inbox = tapped.tag, False, Inbox()

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
                    await self._select()
                answer = await _run(exchange(self._service, [record_of(frame) for frame in frames]), self._tag)
            except (LinkError, PeerError) as error:
                self._inbox.fail(error)
                raise
            for frame in frames_of(answer):
                self._inbox.put(frame)

    async def _select(self) -> None:
        await _run(select(self._service), self._tag)
        self._selected = True

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
    return await drive(poll, partial(_take, tag), EXCHANGE_WAIT)


async def _take(tag: NdefTag, step: Write | Read | Wait) -> bytes:
    """Take one step; return what was read, if something was."""
    match step:
        case Write(message):
            await tag.write(message)
        case Wait(seconds):
            await asyncio.sleep(seconds)
        case Read():
            return await tag.read()
    return b""
