"""Messages to and fro through a tag, sans-IO, both sides (NFC Forum, Tag NDEF Exchange Protocol 1.0, TNEP).

    initial NDEF  [...] [Tp service parameters]
    reader        writes [Ts service name]   then reads [Te status]                  select
                  writes records             then reads [Te status] records          as often as it wants
                  writes [Ts ""]                                                     deselect

The tag answers in single response mode: one message for each that is written. Empty NDEF means that it is busy; the
reader waits `Service.wait` and reads again, `extensions` times at most. Before that the tag says by a status alone that
it has nothing yet, and the reader asks again by an EMPTY record whenever it likes: so a tag may take its time.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

from oob.errors import LinkLost, PeerError, UsageError
from oob.framing.ndef import MAX_NDEF, MAX_RECORDS, Record, Tnf, decode, encode, only

T = TypeVar("T")

VERSION: Final = 0x10
SINGLE_RESPONSE: Final = 0
SUCCESS: Final = 0
PROTOCOL_ERROR: Final = 1
MAX_WAIT_INT: Final = 63
MAX_EXTENSIONS: Final = 15
MAX_QUEUED: Final = 64
"""Records that wait at a tag for a reader that writes and does not read; those beyond are dropped."""

_PARAMETERS, _SELECT, _STATUS = b"Tp", b"Ts", b"Te"
_FIXED: Final = 7
_STEP: Final = "tnep"


@dataclass(frozen=True, slots=True)
class Service:
    """What a tag offers: `name`, a URI of 1 to 255 bytes of ASCII; UsageError if a value is out of its range.

    `wait_int`, 0 to 63, says how long a reader waits before it reads, `extensions`, 0 to 15, how often it does so in
    vain, and `max_message` how long a message may be, in bytes.
    """

    name: str
    wait_int: int = 0
    extensions: int = MAX_EXTENSIONS
    max_message: int = MAX_NDEF

    def __post_init__(self) -> None:
        """Check the ranges (section 4.1)."""
        if not (self.name.isascii() and self.name.isprintable() and 0 < len(self.name) <= 255):
            raise UsageError("a TNEP service name has 1 to 255 printable ASCII characters", step=_STEP)
        if not (0 <= self.wait_int <= MAX_WAIT_INT and 0 <= self.extensions <= MAX_EXTENSIONS):
            raise UsageError("the waiting times of a TNEP service are out of range", step=_STEP)
        if not 0 < self.max_message <= 0xFFFF:
            raise UsageError("the longest message of a TNEP service is out of range", step=_STEP)

    @property
    def wait(self) -> float:
        """The least time between writing and reading, in seconds (section 4.1.6): 0.5 ms to 27.6 s."""
        return float(2 ** (self.wait_int / 4 - 1)) / 1000

    def to_record(self) -> Record:
        """Return the service parameter record."""
        times = bytes((SINGLE_RESPONSE, self.wait_int, self.extensions)) + self.max_message.to_bytes(2, "big")
        return Record(Tnf.WELL_KNOWN, _PARAMETERS, bytes((VERSION, len(self.name))) + self.name.encode() + times)

    @classmethod
    def from_record(cls, record: Record) -> "Service":
        """Read a service parameter record. PeerError for another version or mode, or for a malformed one."""
        payload = record.payload
        if len(payload) < _FIXED or len(payload) != _FIXED + payload[1]:
            raise PeerError("a malformed TNEP service parameter record", step=_STEP)
        mode, wait_int, extensions = payload[-5:-2]
        if payload[0] >> 4 != VERSION >> 4 or mode != SINGLE_RESPONSE:
            raise PeerError("a TNEP service of a version or mode that is not known here", step=_STEP)
        try:
            name = payload[2:-5].decode("ascii")
            return cls(name, wait_int, extensions, int.from_bytes(payload[-2:], "big"))
        except (UsageError, UnicodeDecodeError) as error:
            raise PeerError("a TNEP service parameter record with values out of range", step=_STEP) from error


def find_service(records: Sequence[Record], name: str) -> Service | None:
    """Return the service of this name that a tag offers, if it does. PeerError where its record is malformed."""
    wanted = bytes((len(name),)) + name.encode()
    found = [
        each
        for each in records
        if each.tnf is Tnf.WELL_KNOWN and each.type == _PARAMETERS and each.payload[1 : 1 + len(wanted)] == wanted
    ]
    if len(found) > 1:
        raise PeerError("a tag offers one TNEP service twice", step=_STEP)
    return Service.from_record(found[0]) if found else None


# --- the reader's side


@dataclass(frozen=True, slots=True)
class Write:
    """Write this NDEF message to the tag."""

    message: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Read:
    """Read the NDEF message of the tag, and send it to the generator."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds."""

    seconds: float


Poll = Generator[Write | Read | Wait, bytes, T]
"""What a reader does: it yields steps, and is sent what was read after each `Read`, b"" after the others."""

NOTHING_NEW: Final = Record(Tnf.EMPTY)
"""What a reader writes that has nothing to say, and asks whether the tag has."""


def select(service: Service) -> Poll[None]:
    """Select the service. Raises LinkLost where the tag refuses or stays busy, PeerError for what is no answer."""
    yield from _exchange(service, [_selection(service.name)])


def exchange(service: Service, records: Sequence[Record]) -> Poll[tuple[Record, ...]]:
    """Write these records; return those of the answer, none where the tag has nothing yet.

    Raises UsageError for a message that is longer than the service takes; else as `select`.
    """
    return (yield from _exchange(service, records or [NOTHING_NEW]))


def deselect() -> Poll[None]:
    """Say that no more will come."""
    yield Write(encode([_selection("")]))


def _exchange(service: Service, records: Sequence[Record]) -> Poll[tuple[Record, ...]]:
    message = encode(records)
    if len(message) > service.max_message:
        cause = f"a message of {len(message)} bytes, and the tag takes {service.max_message}"
        raise UsageError(cause, step=_STEP)
    yield Write(message)
    for _ in range(service.extensions + 1):
        yield Wait(service.wait)
        answer = yield Read()
        if answer:
            return _answered(decode(answer))
    raise LinkLost("the tag stayed busy", step=_STEP, remedy="Take it away, and hold it to the reader again")


def _answered(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """Return what stands beside the status. LinkLost where the tag is not in the exchange any more, else PeerError."""
    status = only(records, Tnf.WELL_KNOWN, _STATUS)
    if status is None or len(status.payload) != 1:
        raise PeerError("a TNEP answer without a status", step=_STEP)
    if status.payload[0] == PROTOCOL_ERROR:
        raise LinkLost("the tag has ended the exchange", step=_STEP, remedy="Begin anew")
    if status.payload[0] != SUCCESS:
        raise PeerError(f"the tag answers with the TNEP status {status.payload[0]}", step=_STEP)
    return tuple(each for each in records if each is not status)


def _selection(name: str) -> Record:
    return Record(Tnf.WELL_KNOWN, _SELECT, bytes((len(name),)) + name.encode())


# --- the tag's side


class Event(Enum):
    """What a message that was written to the tag means."""

    SELECTED = "selected"
    DESELECTED = "deselected"
    RECEIVED = "received"
    """Records for the service, perhaps none."""
    NOTHING = "nothing"
    """Nothing that concerns the service: it was not selected, or the message was none."""


class TnepTag:
    """The tag's side of one service: what is written goes in at `receive`, what is to be read comes from `content`.

    `send` queues a record for the answer; one that was read goes when the reader writes again.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._greeting: tuple[Record, ...] = ()
        self._selected = False
        self._failed = False  # what was written last was no message of TNEP
        self._queue: list[Record] = []
        self._offered = 0  # how many of them are in the answer that was read
        self._left = 0  # how often the reader may still find the tag busy

    def begin(self, greeting: Sequence[Record]) -> None:
        """Show these records to a reader that comes anew, the service parameters among them; nothing is selected."""
        self._greeting = tuple(greeting)
        self._selected = self._failed = False
        self._queue, self._offered, self._left = [], 0, 0

    def refuse(self) -> None:
        """End the exchange: what was written is answered by a protocol error."""
        self._selected, self._failed = False, True

    def send(self, record: Record) -> None:
        """Put a record into the answer that is awaited, or into the next; it is dropped where 64 wait already."""
        if len(self._queue) < MAX_QUEUED:
            self._queue.append(record)

    def receive(self, message: bytes) -> tuple[Event, tuple[Record, ...]]:
        """Take what was written, b"" as a writing begins; return what it means, with the records for the service."""
        if not message:
            return Event.NOTHING, ()
        try:
            records = decode(message)
            selection = only(records, Tnf.WELL_KNOWN, _SELECT)
        except PeerError:
            self._failed = True
            return Event.NOTHING, ()
        del self._queue[: self._offered]
        self._offered, self._failed, self._left = 0, False, self.service.extensions
        if selection is not None:
            return self._select(selection.payload), ()
        if not self._selected:
            self.refuse()
            return Event.NOTHING, ()
        return Event.RECEIVED, tuple(each for each in records if each.tnf is not Tnf.EMPTY)

    def content(self) -> bytes:
        """Return the NDEF message to be read now, b"" while the tag is busy."""
        if self._failed:
            return encode([_status(PROTOCOL_ERROR)])
        if not self._selected:
            return encode(self._greeting)
        if not self._queue and self._left > 0:
            self._left -= 1
            return b""
        answer = self._fitting()
        self._offered = len(answer)
        return encode([_status(SUCCESS), *answer])

    def _select(self, payload: bytes) -> Event:
        was_selected, self._selected = self._selected, payload == _selection(self.service.name).payload
        self._queue.clear()
        self._left = 0  # selection is answered at once
        if self._selected:
            return Event.SELECTED
        return Event.DESELECTED if was_selected else Event.NOTHING

    def _fitting(self) -> list[Record]:
        """Return the records at the head of the queue that fit a message; the others wait for the next."""
        answer = self._queue[: MAX_RECORDS - 1]
        room = self.service.max_message - len(encode([_status(SUCCESS)]))
        while len(answer) > 1 and sum(len(encode([each])) for each in answer) > room:
            answer.pop()
        return answer


def _status(status: int) -> Record:
    return Record(Tnf.WELL_KNOWN, _STATUS, bytes((status,)))
