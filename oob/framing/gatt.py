"""GATT framing: one message in frames of 20 to 512 bytes, and back. Knows no carrier, no clock and no loop.

    START  0x80|type, msgid, length (16 bit, big endian), data...
    CONT   index (1 to 127), data...

Every frame but the last is as long as START, so that START alone says how many follow. CONT carries no msgid: it
belongs to the newest START. After that, frames may come in any order and more than once; a gap is named by
`Reassembler.missing`.

A notification may reach every subscribed client, not only the one that it is for (BlueZ knows no other way). So the
msgids of a conversation begin at a number of its own, and what steers a link names the conversation or the frame meant.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from oob.crypto import Hash
from oob.errors import PeerError, UsageError

MIN_FRAME: Final = 20
"""The payload of the smallest ATT MTU, 23 - 3 bytes (Bluetooth Core, volume 3, part F, section 3.2.8)."""
MAX_FRAME: Final = 512
"""The longest attribute value, in bytes (Bluetooth Core, volume 3, part F, section 3.2.9)."""
MAX_MESSAGE: Final = 4096
"""The longest message that either side accepts, in bytes."""
MAX_INDEX: Final = 127
START_OVERHEAD: Final = 4
CONT_OVERHEAD: Final = 1
ID_LENGTH: Final = 8
"""Bytes of what names a conversation or a frame."""
WINDOW: Final = 4
"""How far the msgid of an answer may be ahead of that of its request."""
_START: Final = 0x80


class MessageType(IntEnum):
    """What a message is, 7 bits on the wire. HANDSHAKE and CHANNEL are payload; the others steer the link."""

    HANDSHAKE = 0
    """An EDHOC message or an EDHOC error."""
    CHANNEL = 1
    """A record of the protected channel."""
    NAK = 2
    """Payload: the msgid, then the indices of the frames that are missing."""
    RESUME = 3
    """Take a conversation up on a new connection. Payload: its id; in the answer also whether it goes on, 1 byte."""
    BUSY = 4
    """The device serves another client. Payload: the id of the START frame to which this is the answer."""
    CLOSE = 5
    """The client has all that it wanted: no RESUME will follow. No payload."""

    @property
    def is_control(self) -> bool:
        """Whether the message steers the link: one frame, outside the sequence of msgids."""
        return self >= MessageType.NAK


@dataclass(frozen=True, slots=True)
class Message:
    """A message with its `type`, `msgid` and `data`; `duplicate` when it had been received in full before (no data)."""

    type: MessageType
    msgid: int
    data: bytes
    duplicate: bool = False


def fragment(type: MessageType, msgid: int, message: bytes, max_frame: int) -> list[bytes]:
    """Cut `message` into frames of at most `max_frame` bytes. Raises UsageError where it does not fit in 128 frames."""
    if not MIN_FRAME <= max_frame <= MAX_FRAME:
        raise UsageError(f"a frame of {max_frame} bytes is outside {MIN_FRAME} to {MAX_FRAME}", step="framing")
    first, each = max_frame - START_OVERHEAD, max_frame - CONT_OVERHEAD
    limit = min(MAX_MESSAGE, first + MAX_INDEX * each)
    if type.is_control:
        limit = first
    if len(message) > limit:
        raise UsageError(
            f"a message of {len(message)} bytes does not fit in frames of {max_frame}",
            step="framing",
            remedy=f"Send at most {limit} bytes, or reach a larger MTU",
        )
    head = bytes((_START | type, msgid & 0xFF)) + len(message).to_bytes(2, "big")
    starts = range(first, len(message), each)
    return [head + message[:first], *(bytes((i,)) + message[at : at + each] for i, at in enumerate(starts, 1))]


def identify(data: bytes) -> bytes:
    """Return the 8 bytes that name a conversation, by its first message, or a frame: the head of its SHA-256.

    It tells apart and proves nothing: whoever hears the radio knows it. What follows is protected end to end.
    """
    return Hash.SHA256.digest(data)[:ID_LENGTH]


def control(type: MessageType, payload: bytes = b"") -> bytes:
    """Return the one frame of a control message. Raises UsageError for a payload above 16 bytes."""
    return fragment(type, 0, payload, MIN_FRAME)[0]


def is_start(frame: bytes, *types: MessageType) -> bool:
    """Return whether a frame begins a message, one of `types` where any are given. `frame` has at least a byte."""
    return frame[0] >= _START and (not types or frame[0] & ~_START in types)


def resume(id: bytes, goes_on: bool | None = None) -> bytes:
    """Return the frame by which a client takes up the conversation `id`; with `goes_on`, the device's answer."""
    return control(MessageType.RESUME, id if goes_on is None else id + bytes((goes_on,)))


def nak(msgid: int, missing: Iterable[int], max_frame: int) -> bytes:
    """Return the frame that asks for the `missing` indices of message `msgid`; what does not fit is asked for later."""
    room = max_frame - START_OVERHEAD - 1
    payload = bytes((msgid & 0xFF, *list(missing)[:room]))
    return fragment(MessageType.NAK, 0, payload, max_frame)[0]


@dataclass(frozen=True, slots=True)
class _Start:
    """The parsed START of the message under way, and what follows from it."""

    type: MessageType
    msgid: int
    length: int
    data: bytes

    @property
    def each(self) -> int:
        """The data bytes of a full CONT."""
        return len(self.data) + START_OVERHEAD - CONT_OVERHEAD

    @property
    def last(self) -> int:
        """The index of the last CONT; 0 where START holds all."""
        return -(-(self.length - len(self.data)) // self.each)

    def span(self, index: int) -> slice:
        """The place in the message of the data of CONT `index`."""
        begin = len(self.data) + (index - 1) * self.each
        return slice(begin, min(begin + self.each, self.length))


def _parse_start(frame: bytes) -> _Start:
    """Parse and check a START. Raises PeerError."""
    if len(frame) < START_OVERHEAD:
        raise PeerError("a START frame is cut short", step="framing")
    try:
        type = MessageType(frame[0] & ~_START)
    except ValueError:
        raise PeerError(f"message type {frame[0] & ~_START} is unknown", step="framing") from None
    start = _Start(type, frame[1], int.from_bytes(frame[2:4], "big"), bytes(frame[START_OVERHEAD:]))
    if start.length > MAX_MESSAGE:
        raise PeerError(f"a message of {start.length} bytes is above {MAX_MESSAGE}", step="framing")
    if len(start.data) > start.length:
        raise PeerError("a START frame holds more than its message", step="framing")
    if start.last > (0 if type.is_control else MAX_INDEX):
        raise PeerError(f"a message of {start.last + 1} frames is too long for its type", step="framing")
    return start


class Reassembler:
    """Puts the frames of one direction together. At most 4096 bytes and 127 frames are held, whatever comes in.

    Two different contents for one index (a straggler of the message before) cancel each other: the index counts as
    missing, and is asked for again. A CONT without a START is dropped, and asked for once START has come: it may be of
    a message that was repeated in frames of another size, or was for somebody else.
    """

    __slots__ = ("_done", "_parts", "_start", "after", "largest_frame")

    def __init__(self) -> None:
        self.after: int | None = None
        """The msgid of the request whose answer is awaited: a START that is not within 4 after it is for others."""
        self._start: _Start | None = None  # the message under way, or the last one that was completed
        self._done: bytes | None = None  # that message, once it is complete
        self._parts: dict[int, bytes] = {}
        self.largest_frame = 0
        """The longest frame seen, in bytes: the peer can handle that much."""

    @property
    def is_partial(self) -> bool:
        """Whether some, not all, frames of a message have come."""
        return self._start is not None and self._done is None

    @property
    def msgid(self) -> int | None:
        """The id of the message under way, which a NAK names; None while its START is missing."""
        return self._start.msgid if self._start is not None and self._done is None else None

    def missing(self) -> tuple[int, ...]:
        """Return the indices of the frames of the message under way that have not come."""
        if self._start is None or self._done is not None:
            return ()
        return tuple(i for i in range(1, self._start.last + 1) if i not in self._parts)

    def forget_partial(self) -> None:
        """Forget the message under way: on a new connection it is repeated, and its frames may have another size."""
        self.largest_frame = 0
        if self._done is None:
            self._start, self._parts = None, {}

    def receive(self, frame: bytes) -> Message | None:
        """Take one frame; return the message that it completes, or None. Raises PeerError, and ignores the frame."""
        if not 1 < len(frame) <= MAX_FRAME:
            raise PeerError(f"a frame of {len(frame)} bytes", step="framing")
        self.largest_frame = max(self.largest_frame, len(frame))
        if frame[0] & _START:
            return self._receive_start(_parse_start(frame))
        return self._receive_cont(frame[0], bytes(frame[CONT_OVERHEAD:]))

    def _receive_start(self, start: _Start) -> Message | None:
        if start.type.is_control:
            return Message(start.type, start.msgid, start.data)
        if self.after is not None and not 1 <= start.msgid - self.after & 0xFF <= WINDOW:
            return None
        known = self._start
        if known is not None and known.msgid == start.msgid:
            if self._done is not None:
                return Message(start.type, start.msgid, b"", duplicate=True)
            if known == start:
                return None  # else it is sent anew, in frames of another size
        self._start, self._done, self._parts = start, None, {}
        return self._complete(start)

    def _receive_cont(self, index: int, part: bytes) -> Message | None:
        if index == 0:
            raise PeerError("a CONT frame with index 0", step="framing")
        start = self._start
        if start is None or self._done is not None or not self._fits(start, index, part):
            return None
        if self._parts.get(index, part) != part:
            del self._parts[index]
            return None
        self._parts[index] = part
        return self._complete(start)

    def _complete(self, start: _Start) -> Message | None:
        if len(self._parts) < start.last:
            return None
        self._done = start.data + b"".join(self._parts[i] for i in range(1, start.last + 1))
        self._parts = {}
        return Message(start.type, start.msgid, self._done)

    @staticmethod
    def _fits(start: _Start, index: int, part: bytes) -> bool:
        span = start.span(index)
        return index <= start.last and len(part) == span.stop - span.start
