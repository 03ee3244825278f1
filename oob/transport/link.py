"""The narrow link, and the one driver loop for every carrier.

Rules of the exchange, which is half-duplex:

1. Each side has one message in flight. The next message of the peer acknowledges it.
2. Only the initiator resends unasked: its whole last message, when nothing at all was heard for a while.
3. The responder resends its whole last message when the initiator repeats a request that was answered.
4. Either side asks by NAK for the frames that are missing from a message that stopped half-way.
5. Every wait has a deadline; nothing runs in the background, so nothing is left behind.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar, runtime_checkable

from oob.errors import LinkBusy, LinkError, LinkTimeout, PeerError
from oob.framing.gatt import MessageType, Reassembler, fragment, nak

T = TypeVar("T")

MAX_QUEUED_FRAMES: Final = 512
"""Frames that wait for the reader; a peer that sends more loses them, as on any radio."""


@runtime_checkable
class Link(Protocol):
    """What the client and device runtimes see: whole messages, half-duplex."""

    bytes_sent: int
    """Bytes put on the carrier by this end: payload, framing, and what was sent again."""
    bytes_received: int
    """Bytes taken from the carrier by this end."""
    carrier: str
    """The kind of carrier: "ble", "memory", ..."""

    async def send(self, type: MessageType, message: bytes) -> None:
        """Send one message. Raises LinkError (lost), LinkTimeout, UsageError (too long)."""
        ...

    async def receive(self, timeout: float) -> tuple[MessageType, bytes]:
        """Return the next message. Raises LinkTimeout after `timeout` seconds, LinkError, LinkBusy, PeerError."""
        ...

    async def close(self) -> None:
        """Let go of the carrier; the peer sees the connection end. May be called twice."""
        ...


class Carrier(Protocol):
    """Moves single frames: the five things that a radio, a socket or a queue must offer."""

    name: str

    @property
    def max_frame(self) -> int:
        """The longest frame that may be sent now, in bytes, 20 to 512."""
        ...

    async def send(self, frame: bytes, last: bool) -> None:
        """Send one frame; `last` ends a burst, and returns once the peer's stack has it where the carrier can tell."""
        ...

    async def receive(self) -> bytes:
        """Return the next frame. Raises LinkError once the connection is lost and all that came before was read.

        The link cancels this whenever a wait is over: no frame, nor part of one, may get lost by that.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection. May be called twice."""
        ...


class Listener(Protocol):
    """The device side of a carrier: yields one link for each client that turns up."""

    async def start(self) -> None:
        """Let clients connect; a carrier that advertises stays invisible until it is told what."""
        ...

    async def advertise(self, tag: bytes | None) -> None:
        """Advertise with this tag, 6 bytes, or b"" for none; None: be invisible and not connectable. Raises LinkError.

        Carriers on which nobody looks around have nothing to do here.
        """
        ...

    async def accept(self) -> Link:
        """Wait for the next client. Raises LinkError once closed."""
        ...

    async def close(self) -> None:
        """Become invisible and drop whoever is connected. May be called twice."""
        ...


class Inbox:
    """Frames on their way from a carrier's callbacks to its one reader: bounded, and failing after the last frame."""

    __slots__ = ("_error", "_frames", "_waiter")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._error: LinkError | PeerError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def error(self) -> LinkError | PeerError | None:
        """Why no more frames come, or None."""
        return self._error

    def put(self, frame: bytes) -> None:
        """Queue a frame; it is dropped when the reader is 512 frames behind or the connection is over."""
        if self._error is None and len(self._frames) < MAX_QUEUED_FRAMES:
            self._frames.append(frame)
            self._wake()

    def fail(self, error: LinkError | PeerError) -> None:
        """End the stream: the reader gets what is queued, then `error`. The first error stands."""
        self._error = self._error or error
        self._wake()

    async def get(self) -> bytes:
        """Return the next frame, or raise the error that ended the stream."""
        while not self._frames:
            if self._error is not None:
                raise self._error.with_traceback(None)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._frames.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def connection_lost() -> LinkError:
    """Return the error for a connection that ended on its own."""
    return LinkError("connection lost", step="link", remedy="Keep the two within reach of each other and try again")


def link_closed() -> LinkError:
    """Return the error for the use of a link that this end has closed."""
    return LinkError("the link is closed", step="link")


@dataclass(frozen=True, slots=True)
class Timing:
    """The waits of a link, in seconds."""

    nak: float = 0.25
    """Silence in the middle of a message after which the missing frames are asked for."""
    resend: float = 1.0
    """Silence after which the initiator sends its message again; doubles each time, up to 8 times as long."""
    send: float = 10.0
    """The most that one message may take to leave."""
    retries: int = 16
    """How often the peer is asked in vain; after that the link only waits for its deadline."""


class FramedLink:
    """A Link over any Carrier: framing, recovery of lost frames, byte counters.

    `initiator` is the side that speaks first; it alone repeats itself unasked.
    """

    def __init__(self, carrier: Carrier, *, initiator: bool, timing: Timing | None = None) -> None:
        self.bytes_sent = 0
        self.bytes_received = 0
        self.carrier = carrier.name
        self._carrier = carrier
        self._initiator = initiator
        self._timing = timing or Timing()
        self._reassembler = Reassembler()
        self._msgid = 0
        self._sent: list[bytes] = []  # the last message, while it may have to be sent again
        self._awaiting = False  # the peer owes an answer to it
        self._closed = False

    async def __aenter__(self) -> Self:
        """Return the link itself; leaving the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the link."""
        await self.close()

    async def send(self, type: MessageType, message: bytes) -> None:
        """Send one message; returns when all frames left. Raises LinkError, LinkTimeout, UsageError (too long)."""
        frames = fragment(type, self._msgid, message, self._carrier.max_frame)
        if not type.is_control:
            self._msgid = (self._msgid + 1) & 0xFF
            self._sent, self._awaiting = frames, True
        await self._transmit(frames)

    async def receive(self, timeout: float) -> tuple[MessageType, bytes]:
        """Return the peer's next message within `timeout` seconds; lost frames are recovered meanwhile.

        Raises LinkTimeout, LinkError (connection lost), LinkBusy, PeerError.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._converse()
        except TimeoutError:
            raise self._silence(timeout) from None

    async def repeat(self) -> None:
        """Send the last message once more, frame by frame, as if it might have got lost; nothing once it is answered.

        Raises LinkError, LinkTimeout.
        """
        await self._transmit(self._sent)

    async def send_frames(self, frames: list[bytes]) -> None:
        """Send frames as they are, outside the sequence of messages: for trying out what a peer takes.

        Raises LinkError, LinkTimeout.
        """
        await self._transmit(frames)

    async def close(self) -> None:
        """Let go of the carrier. May be called twice; what was not received is gone."""
        self._closed = True
        await self._carrier.close()

    async def _converse(self) -> tuple[MessageType, bytes]:
        """Read frames until a message is whole, and recover what got lost."""
        tries = 0
        while True:
            try:
                async with asyncio.timeout(self._pause(tries)):
                    frame = await self._next_frame()
            except TimeoutError:
                tries += 1
                await self._recover()
                continue
            tries = 0  # whoever is heard may be asked again
            message = await self._process(frame)
            if message is not None:
                return message

    async def _next_frame(self) -> bytes:
        if self._closed:
            raise link_closed()
        frame = await self._carrier.receive()
        self.bytes_received += len(frame)
        return frame

    async def _transmit(self, frames: list[bytes]) -> None:
        if self._closed:
            raise link_closed()
        final = len(frames) - 1
        try:
            async with asyncio.timeout(self._timing.send):
                for i, frame in enumerate(frames):
                    await self._carrier.send(frame, i == final)
                    self.bytes_sent += len(frame)
        except TimeoutError:
            raise LinkTimeout(f"a message did not leave within {self._timing.send:g} s", step="link") from None

    async def _process(self, frame: bytes) -> tuple[MessageType, bytes] | None:
        """Take one frame: return the payload message that it completes, and serve whatever else it asks for."""
        message = self._reassembler.receive(frame)
        if message is None:
            return None
        if message.duplicate:
            # Rule 3. An initiator that sees a reply twice has nothing to do, nor has a responder still at work.
            if not self._initiator and self._sent:
                await self._transmit(self._sent)
        elif message.type is MessageType.NAK:
            await self._resend(message.data)
        elif message.type.is_control:
            self._refused(message.type)
        else:
            self._awaiting = False
            self._sent = []
            return message.type, message.data
        return None

    async def _resend(self, request: bytes) -> None:
        """Send the frames that a NAK names, if it means the last message."""
        if self._sent and request[:1] == self._sent[0][1:2]:
            wanted = sorted({i for i in request[1:] if i < len(self._sent)})
            if wanted:
                await self._transmit([self._sent[i] for i in wanted])

    def _refused(self, type: MessageType) -> None:
        """Raise what a control message other than NAK means."""
        if type is MessageType.BUSY and self._initiator:
            raise LinkBusy("the device serves another client", step="link", remedy="Wait until that one is done")
        raise PeerError(f"an unexpected {type.name} message", step="link")

    def _pause(self, tries: int) -> float | None:
        """Return the seconds of silence after which something is to be done; None where there is nothing to do."""
        if tries < self._timing.retries:
            if self._reassembler.msgid is not None:
                return self._timing.nak
            if self._initiator and self._awaiting:
                return self._timing.resend * min(1 << tries, 8)
        return None

    async def _recover(self) -> None:
        """Ask for what is missing from a message under way (rule 4), else repeat the last request (rule 2)."""
        msgid = self._reassembler.msgid
        if msgid is not None:
            await self._transmit([nak(msgid, self._reassembler.missing(), self._carrier.max_frame)])
        else:
            await self._transmit(self._sent)

    def _silence(self, timeout: float) -> LinkTimeout:
        what = "stopped in the middle of a message" if self._reassembler.is_partial else "did not answer"
        return LinkTimeout(
            f"the peer {what} within {timeout:g} s", step="link", remedy="Check that it is on and near, and try again"
        )


async def finish(task: asyncio.Task[T]) -> T:
    """Return what `task` returns; when cancelled meanwhile, let it come to its end first.

    For what must not stop half-way: a carrier that is being closed, a stack that is being told something.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # the cancellation goes first
        raise
