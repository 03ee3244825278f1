"""NDEF messages: records in bytes, and back (NFC Forum, NFC Data Exchange Format 1.0). Knows no tag and no reader.

    flags MB ME CF SR IL | TNF (3 bits), type length, payload length (1 byte where SR, else 4), [id length], type, [id],
    payload

Strict and bounded: no chunks, nothing after the last record, and the shortest form of each length, which is what every
writer of today writes. So what decodes encodes to the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from oob.errors import PeerError, UsageError

MAX_NDEF: Final = 4352
"""The longest message that is written or read, in bytes: one of 4096, with the records around it."""
MAX_RECORDS: Final = 16
MAX_TYPE: Final = 255
MAX_ID: Final = 255

_MB, _ME, _CF, _SR, _IL, _TNF = 0x80, 0x40, 0x20, 0x10, 0x08, 0x07
_SHORT = 256
_STEP: Final = "ndef"


class Tnf(IntEnum):
    """How the type of a record is meant (section 3.2.6). UNCHANGED (6) is for chunks, and 7 is reserved: refused."""

    EMPTY = 0
    WELL_KNOWN = 1
    MEDIA = 2
    ABSOLUTE_URI = 3
    EXTERNAL = 4
    UNKNOWN = 5


@dataclass(frozen=True, slots=True)
class Record:
    """A record: `type` and `id` of at most 255 bytes. Its payload may be secret. UsageError if they do not go together.

    An EMPTY record has neither type, id nor payload, an UNKNOWN one no type, any other has one.
    """

    tnf: Tnf
    type: bytes = b""
    payload: bytes = field(default=b"", repr=False)
    id: bytes = b""

    def __post_init__(self) -> None:
        """Check what goes together (sections 3.2.6 and 3.2.8)."""
        if len(self.type) > MAX_TYPE or len(self.id) > MAX_ID:
            raise UsageError("an NDEF type or id is longer than 255 bytes", step=_STEP)
        if (self.tnf in (Tnf.EMPTY, Tnf.UNKNOWN)) == bool(self.type):
            raise UsageError(
                f"an NDEF record that is {self.tnf.name} and has a type of {len(self.type)} bytes", step=_STEP
            )
        if self.tnf is Tnf.EMPTY and (self.id or self.payload):
            raise UsageError("an empty NDEF record that is not empty", step=_STEP)


def encode(records: Sequence[Record]) -> bytes:
    """Return the message of these records, none for b"". Raises UsageError for more than 16, or than 4352 bytes."""
    if len(records) > MAX_RECORDS:
        raise UsageError(f"an NDEF message of {len(records)} records, at most {MAX_RECORDS} are written", step=_STEP)
    last = len(records) - 1
    message = b"".join(_encode(record, index == 0, index == last) for index, record in enumerate(records))
    if len(message) > MAX_NDEF:
        raise UsageError(f"an NDEF message of {len(message)} bytes, at most {MAX_NDEF} are written", step=_STEP)
    return message


def decode(message: bytes) -> tuple[Record, ...]:
    """Return the records of a message, none of b"", which is what a blank tag holds. Raises PeerError."""
    if len(message) > MAX_NDEF:
        raise PeerError(f"an NDEF message of {len(message)} bytes is above {MAX_NDEF}", step=_STEP)
    return tuple(_records(message))


def only(records: Sequence[Record], tnf: Tnf, type: bytes) -> Record | None:
    """Return the record of this type, or None if there is none. PeerError for two: which of them is meant?

    External types are compared without case (NFC Forum, Record Type Definition 1.0, section 3.4).
    """
    fold = bytes.lower if tnf is Tnf.EXTERNAL else bytes
    found = [record for record in records if record.tnf is tnf and fold(record.type) == fold(type)]
    if len(found) > 1:
        raise PeerError(f"{len(found)} NDEF records of one type", step=_STEP)
    return found[0] if found else None


def _encode(record: Record, first: bool, last: bool) -> bytes:
    short = len(record.payload) < _SHORT
    flags = _MB * first | _ME * last | _SR * short | _IL * bool(record.id) | record.tnf
    head = bytes((flags, len(record.type))) + len(record.payload).to_bytes(1 if short else 4, "big")
    return head + (bytes((len(record.id),)) if record.id else b"") + record.type + record.id + record.payload


def _records(message: bytes) -> Iterator[Record]:
    at, count = 0, 0
    while at < len(message):
        if count == MAX_RECORDS:
            raise PeerError(f"an NDEF message of more than {MAX_RECORDS} records", step=_STEP)
        flags = message[at]
        if bool(flags & _MB) != (count == 0):
            raise PeerError("an NDEF message does not begin where it should", step=_STEP)
        record, at = _decode(message, at)
        count += 1
        if bool(flags & _ME) != (at == len(message)):
            raise PeerError("an NDEF message does not end where it should", step=_STEP)
        yield record


def _decode(message: bytes, at: int) -> tuple[Record, int]:
    """Return the record that begins at `at`, and where the next one does."""
    flags = message[at]
    if flags & _CF or flags & _TNF > max(Tnf):
        raise PeerError(f"an NDEF record with flags {flags:#04x}: a chunk, or of no known kind", step=_STEP)
    short, has_id = flags & _SR, flags & _IL
    lengths = memoryview(message)[at + 1 : at + 3 + (0 if short else 3) + bool(has_id)]
    if len(lengths) < (2 if short else 5) + bool(has_id):
        raise _cut_short()
    type_length, id_length = lengths[0], lengths[-1] if has_id else 0
    payload_length = int.from_bytes(lengths[1 : 2 if short else 5], "big")
    if (not short and payload_length < _SHORT) or (has_id and not id_length):
        raise PeerError("an NDEF record in more bytes than it needs", step=_STEP)
    begin = at + 1 + len(lengths)
    ends = [begin + type_length, begin + type_length + id_length, begin + type_length + id_length + payload_length]
    if ends[-1] > len(message):
        raise _cut_short()
    type, id, payload = message[begin : ends[0]], message[ends[0] : ends[1]], message[ends[1] : ends[2]]
    try:
        return Record(Tnf(flags & _TNF), type, payload, id), ends[-1]
    except UsageError as error:
        raise PeerError(error.cause, step=_STEP) from error


def _cut_short() -> PeerError:
    return PeerError("an NDEF message is cut short", step=_STEP)
