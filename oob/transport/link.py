"""The narrow link, and the one driver loop for every carrier.

Rules of the exchange, which is half-duplex:

1. Each side has one message in flight. The next message of the peer acknowledges it.
2. Only the initiator resends unasked: its whole last message, when nothing at all was heard for a while.
3. The responder resends its whole last message when the initiator repeats a request that was answered.
4. Either side asks by NAK for the frames that are missing from a message that stopped half-way. Whatever is asked for,
   nothing is sent again more often than twice in the silence before a NAK.
5. Every wait has a deadline; nothing runs in the background, so nothing is left behind.
6. A connection that is lost is made anew by the initiator, who takes the conversation up by RESUME, up to 8 times; both
   repeat what the other may have missed, and waits begin anew.
7. A responder that closes after a message of its own stays until the initiator, who may have missed it, hangs up.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self, runtime_checkable

from oob.errors import LinkBusy, LinkError, LinkLost, LinkTimeout, PeerError
from oob.framing.gatt import MessageType, Reassembler, control, fragment, identify, nak, resume
from oob.transport.carrier import Carrier, connection_lost, link_closed

MAX_RESUMPTIONS: Final = 8


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
    resume: float = 30.0
    """For how long a lost connection may be taken up again."""
    linger: float = 8.0
    """How long the responder stays at most after its last message: enough for three requests (at 1, 3 and 7 s)."""


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
        self._msgid = 0  # of the newest message, whoever sent it
        self._last: tuple[MessageType, int, bytes] | None = None  # the last message, while it may have to be sent again
        self._sent: list[bytes] = []  # its frames
        self._awaiting = False  # the peer owes an answer to it
        self._id: bytes | None = None
        self._answered = False
        self._loss: LinkLost | None = None  # the connection is lost, and not yet taken up
        self._resumptions = 0
        self._waiting: asyncio.Timeout | None = None  # a wait that stands still while there is no connection
        self._gave_up = False  # the peer was waited for in vain
        self._closed = False
        self._repeat_at = 0.0  # when the peer may have something again that was sent before

    @property
    def id(self) -> bytes | None:
        """What names the conversation: 8 bytes, once its first message has been sent or received."""
        return self._id

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
        msgid = self._begin(message) if self._id is None else self._msgid + 1 & 0xFF
        self._sent = fragment(type, msgid, message, self._frame_size)
        self._last, self._msgid, self._awaiting = (type, msgid, message), msgid, True
        if self._initiator:
            self._reassembler.after = msgid
        await self._deliver()

    async def receive(self, timeout: float) -> tuple[MessageType, bytes]:
        """Return the peer's next message within `timeout` seconds; lost frames are recovered meanwhile.

        Raises LinkTimeout, LinkLost, LinkBusy, PeerError, LinkError (closed). Time without a connection does not count.
        """
        try:
            async with asyncio.timeout(timeout) as self._waiting:
                return await self._converse(timeout)
        except TimeoutError:
            self._gave_up = True
            raise self._silence(timeout) from None
        finally:
            self._waiting = None

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
        """Let go of the carrier, the responder after its last message got through. May be called twice.

        A task that is being cancelled does not wait for that.
        """
        task = asyncio.current_task()
        stays = self._awaiting and not (self._initiator or self._loss or self._gave_up)
        try:
            if stays and not (task and task.cancelling()):
                await self._linger()
        finally:
            self._closed = True
            await self._carrier.close()

    async def _linger(self) -> None:
        """Serve whoever asks for the last message again, also on another connection, until something else comes."""
        with suppress(LinkError, PeerError):
            await self.receive(self._timing.linger)

    async def _converse(self, timeout: float) -> tuple[MessageType, bytes]:
        """Read until a message is whole, over as many connections as that takes."""
        while True:
            resumed = self._loss is not None and await self._reconnect(timeout)
            try:
                if resumed and self._initiator:
                    await self._transmit(self._sent)  # nothing, where it was answered
                return await self._read()
            except LinkLost as error:
                self._loss = error

    async def _deliver(self) -> None:
        """Send the last message, over as many connections as that takes."""
        while True:
            if self._loss is not None:
                await self._reconnect(None)
            try:
                return await self._transmit(self._sent)
            except LinkLost as error:
                self._loss = error

    async def _read(self) -> tuple[MessageType, bytes]:
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
            if not self._initiator and self._sent and self._may_repeat():
                await self._transmit(self._sent)
        elif message.type is MessageType.NAK:
            await self._resend(message.data)
        elif message.type.is_control:
            self._refused(message.type, message.data)
        else:
            if self._id is None:
                self._begin(message.data)
            self._msgid = message.msgid
            self._awaiting, self._answered, self._gave_up = False, True, False
            self._sent, self._last = [], None
            return message.type, message.data
        return None

    def _begin(self, first: bytes) -> int:
        """Name the conversation by its first message; return the msgid of that, by which others' do not match."""
        self._id = identify(first)
        return self._id[0]

    @property
    def _frame_size(self) -> int:
        """What fits one frame. A stack that does not tell its client the MTU: what the device could send, it takes."""
        size = self._carrier.max_frame
        return max(size, self._reassembler.largest_frame) if self._initiator else size

    async def _resend(self, request: bytes) -> None:
        """Send the frames that a NAK names, if it means the last message."""
        if self._sent and request[:1] == self._sent[0][1:2]:
            wanted = sorted({i for i in request[1:] if i < len(self._sent)})
            if wanted and self._may_repeat():
                await self._transmit([self._sent[i] for i in wanted])

    def _may_repeat(self) -> bool:
        """Whether the peer may have something again: it asks after a silence only, and a flood of requests is none."""
        now = asyncio.get_running_loop().time()
        if now < self._repeat_at:
            return False
        self._repeat_at = now + self._timing.nak / 2  # the half: what was asked at intervals may arrive in bunches
        return True

    def _refused(self, type: MessageType, payload: bytes) -> None:
        """Raise what a control message other than NAK means, if it is for this end."""
        if not self._initiator:
            raise PeerError(f"an unexpected {type.name} message", step="link")
        if type is MessageType.BUSY and self._sent and payload == identify(self._sent[0]):
            raise LinkBusy("the device serves another client", step="link", remedy="Wait until that one is done")

    async def _reconnect(self, timeout: float | None) -> bool:
        """Take the conversation up on a new connection (rule 6); return True. Raises LinkLost where that fails.

        A wait stands still meanwhile, and begins with `timeout` again.
        """
        loss = self._loss or connection_lost()
        if self._waiting is not None:
            self._waiting.reschedule(None)
        try:
            async with asyncio.timeout(self._timing.resume):
                while self._loss is not None:
                    self._loss = await self._try_to_resume(loss)
        except (TimeoutError, LinkError) as error:
            raise loss from (None if error is loss else error)
        self._repeat_at = 0.0
        if self._last is not None:
            self._sent = fragment(*self._last, self._frame_size)
        if self._waiting is not None and timeout is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time() + timeout)
        return True

    async def _try_to_resume(self, loss: LinkLost) -> LinkLost | None:
        """Return None, or how the new connection was lost in turn. Raises LinkError when there is no more to try."""
        if self._closed or self._resumptions == MAX_RESUMPTIONS or (self._id is None and not self._initiator):
            raise loss
        self._resumptions += 1
        await self._carrier.reconnect()
        self._reassembler.forget_partial()
        try:
            if self._initiator and self._id is not None:
                await self._take_up(self._id)
        except LinkLost as error:
            return error
        return None

    async def _take_up(self, id: bytes) -> None:
        """Ask the device to go on. One that knows nothing of a first message that it never answered begins with it."""
        request = resume(id)
        yes, no, busy = resume(id, True), resume(id, False), control(MessageType.BUSY, identify(request))
        while True:
            await self._transmit([request])
            answer = await self._hear(yes, no, busy)
            if answer == yes or (answer == no and not self._answered):
                return
            if answer == no:
                raise LinkError("the device has given the conversation up", step="link")
            if answer == busy:  # it has not noticed yet that the former connection is lost
                await asyncio.sleep(self._timing.resend)

    async def _hear(self, *expected: bytes) -> bytes | None:
        """Return the first of the expected frames that comes, or None after the silence that makes a resend due."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timing.resend):
                while True:
                    frame = await self._next_frame()
                    if frame in expected:
                        return frame
        return None

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
