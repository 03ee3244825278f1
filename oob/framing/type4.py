"""NDEF on a Type 4 tag, from the reader's side (NFC Forum, Type 4 Tag Operation 2.0; ISO/IEC 7816-4).

    SELECT application -> SELECT and READ capability container -> SELECT NDEF file -> READ, UPDATE

The NDEF file is NLEN (2 bytes), then the message. A READ at its beginning brings both: one command where the message
fits a response. The numbers here are those of mapping versions 2 and 3 with a file of less than 32 KiB.
"""

from dataclasses import dataclass
from typing import Final

from oob.errors import PeerError, UsageError
from oob.framing.ndef import MAX_NDEF
from oob.framing.procedure import Procedure, require_room

AID: Final = bytes.fromhex("D2760000850101")
"""The NDEF application."""
CC_FILE: Final = bytes.fromhex("E103")
CC_LENGTH: Final = 15
MAX_DATA: Final = 0xF6
"""Bytes of data in an APDU: it fits one ISO-DEP block of 256 bytes, and what readers of today take."""
OK: Final = b"\x90\x00"
WRITE_FORBIDDEN: Final = 0xFF

_NLEN: Final = 2
_MAPPINGS: Final = (2, 3)
_NDEF_FILE_CONTROL: Final = bytes((4, 6))
_WRITE_ACCESS_AT: Final = 14
_STEP: Final = "tag"


def open_type4() -> Procedure["Type4Memory"]:
    """Find the NDEF file of the tag. PeerError where the tag has none, or not one that can be used."""
    yield from _command(b"\x00\xa4\x04\x00" + bytes((len(AID),)) + AID + b"\x00", "there is no NDEF application on it")
    yield from _select(CC_FILE)
    container = yield from _read(0, CC_LENGTH)
    memory = _parse(container)
    yield from _select(memory.file)
    return memory


@dataclass(frozen=True, slots=True)
class Type4Memory:
    """The NDEF file, once it is selected. The longest command and response data are `max_write` and `max_read`."""

    file: bytes
    capacity: int
    is_writable: bool
    max_read: int
    max_write: int

    def read(self) -> Procedure[bytes]:
        """Return the message. PeerError for an answer that is empty, or a length that the file cannot have."""
        head = yield from _read(0, min(self.max_read, _NLEN + self.capacity))
        length = int.from_bytes(head[:_NLEN], "big")
        if len(head) < _NLEN or length > self.capacity:
            raise PeerError(f"a Type 4 tag of {self.capacity} bytes claims {length}", step=_STEP)
        message = head[_NLEN:]
        while len(message) < length:
            part = yield from _read(_NLEN + len(message), min(self.max_read, length - len(message)))
            if not part:
                raise PeerError("a Type 4 tag sends nothing where its message goes on", step=_STEP)
            message += part
        return message[:length]

    def write(self, message: bytes) -> Procedure[None]:
        """Write the message: with its length in one command where it fits, else with the length last.

        UsageError where it does not fit, or the tag is read-only. What is torn off leaves an empty tag.
        """
        require_room(self, message)
        length = len(message).to_bytes(_NLEN, "big")
        if _NLEN + len(message) <= self.max_write:
            return (yield from _update(0, length + message))
        data = bytes(_NLEN) + message
        for at in range(0, len(data), self.max_write):
            yield from _update(at, data[at : at + self.max_write])
        yield from _update(0, length)

    def lock(self) -> Procedure[None]:
        """Forbid writing in the capability container. UsageError where the tag does not let that be done so.

        Most cards are locked by commands of their makers, after an authentication.
        """
        yield from _select(CC_FILE)
        answer = yield b"\x00\xd6\x00" + bytes((_WRITE_ACCESS_AT, 1, WRITE_FORBIDDEN))
        container = yield from _read(0, CC_LENGTH)
        yield from _select(self.file)
        if answer != OK or container[_WRITE_ACCESS_AT] != WRITE_FORBIDDEN:
            remedy = "Lock it with its maker's program"
            raise UsageError("the tag cannot be locked by the commands of NFC Forum", step=_STEP, remedy=remedy)


def _parse(container: bytes) -> Type4Memory:
    """Read the capability container."""
    if len(container) != CC_LENGTH or int.from_bytes(container[:2], "big") < CC_LENGTH:
        raise PeerError("a Type 4 tag with a capability container that is too short", step=_STEP)
    if container[2] >> 4 not in _MAPPINGS or container[7:9] != _NDEF_FILE_CONTROL:
        raise PeerError("a Type 4 tag of a version that is not known here", step=_STEP)
    max_read, max_write, size = (int.from_bytes(container[at : at + 2], "big") for at in (3, 5, 11))
    if max_read < CC_LENGTH or max_write < 1 or size <= _NLEN or container[13] != 0:
        raise PeerError("a Type 4 tag that lets nothing be read", step=_STEP)
    return Type4Memory(
        file=container[9:11],
        capacity=min(size - _NLEN, MAX_NDEF),
        is_writable=container[_WRITE_ACCESS_AT] == 0,
        max_read=min(max_read, MAX_DATA),
        max_write=min(max_write, MAX_DATA),
    )


def _select(file: bytes) -> Procedure[None]:
    yield from _command(b"\x00\xa4\x00\x0c\x02" + file, "a file is missing on it")


def _read(offset: int, length: int) -> Procedure[bytes]:
    """Return up to `length` bytes, 1 to 246."""
    data = yield from _command(b"\x00\xb0" + offset.to_bytes(2, "big") + bytes((length,)), "it cannot be read")
    if len(data) > length:
        raise PeerError(f"a Type 4 tag sends {len(data)} bytes where {length} are asked for", step=_STEP)
    return data


def _update(offset: int, data: bytes) -> Procedure[None]:
    yield from _command(b"\x00\xd6" + offset.to_bytes(2, "big") + bytes((len(data),)) + data, "it cannot be written")


def _command(apdu: bytes, trouble: str) -> Procedure[bytes]:
    """Return the data of the response. PeerError for any status word but 9000h, and for no status word."""
    response = yield apdu
    if response[-2:] != OK:
        status = response[-2:].hex().upper() or "nothing"
        raise PeerError(f"{trouble}: a Type 4 tag answers {status}", step=_STEP, remedy="Use another tag")
    return response[:-2]
