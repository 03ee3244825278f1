"""What a tag is, by the ATR that a PC/SC reader makes up for it, and how its commands are said to the reader."""

from collections.abc import Callable
from typing import Final, Protocol

from oob.errors import LinkError, PeerError
from oob.framing.procedure import TagType
from oob.transport.pcsc_failures import REMOVED, STEP, Refused

ACK: Final = b"\x0a"
NAK: Final = b"\x00"
MAX_RESPONSES: Final = 8
"""The most parts that a card may send one response in (61 xx)."""

_OK: Final = b"\x90\x00"
# PC/SC, part 3, section 3.1.3.2.3.2, and its supplemental document: an AID with PC/SC's own RID, then the standard and
# the name of the card.
_STORAGE: Final = bytes.fromhex("804F0CA000000306")
_STANDARDS: Final = (0x00, 0x03)
"""No information; ISO/IEC 14443 A, part 3, which Type 2 tags follow."""
_FELICA: Final = "a FeliCa tag"
# F0xxh: the ACR122U's own (ACS, ACR122U API, section 3.1.1).
_OTHERS: Final = {
    0x0001: "a MIFARE Classic card",
    0x0002: "a MIFARE Classic card",
    0x0026: "a MIFARE Mini card",
    0x002F: "a Jewel tag",
    0x0030: "a Topaz tag",
    0x003B: _FELICA,
    0xF004: "a Topaz tag",
    0xF011: _FELICA,
    0xF012: _FELICA,
}


class Slot(Protocol):
    """A reader with a tag in its field. Its methods block."""

    def transmit(self, apdu: bytes) -> bytes:
        """Return the response to an APDU. Raises Refused."""
        ...

    def has_left(self) -> bool:
        """Say whether the tag is gone; waits for the reader to notice."""
        ...


def is_contactless(atr: bytes) -> bool:
    """Say whether a reader made this ATR up for a contactless card (PC/SC, part 3, section 3.1.3.2.3)."""
    return atr[:1] == b"\x3b" and len(atr) > 3 and atr[1] & 0xF0 == 0x80 and atr[2:4] == b"\x80\x01"


def type_of(atr: bytes) -> TagType:
    """Return the type of a tag. Raises LinkError for one that PC/SC has no common commands for.

    NTAG has no name of its own there: readers call it Ultralight, or something newer. So what has no other name counts
    as a Type 2 tag; if it is none, its first response shows it.
    """
    if not atr[4:].startswith(_STORAGE) or len(atr) < 15:
        return TagType.TYPE_4
    name = int.from_bytes(atr[13:15])
    other = _OTHERS.get(name)
    if other is None and atr[12] in _STANDARDS:
        return TagType.TYPE_2
    remedy = "Use a reader that nfcpy drives, or a tag of another type"
    raise LinkError(f"{other or 'this kind of tag'} cannot be read through PC/SC", step=STEP, remedy=remedy)


def exchange_of(tag: TagType) -> Callable[[Slot, bytes], bytes]:
    """Return the function that has a tag of this type answer a command."""
    return exchange_apdu if tag is TagType.TYPE_4 else exchange_type_2


def exchange_type_2(slot: Slot, command: bytes) -> bytes:
    """Have a Type 2 tag answer READ or WRITE, by the reader's pseudo-APDUs; any other command gets a NAK.

    A reader says 63 00 for a tag that refuses and for one that is gone (ACS, ACR122U API, section 5.3).
    """
    if command[:1] == b"\x30" and len(command) == 2:
        apdu, is_read = b"\xff\xb0\x00" + command[1:] + b"\x10", True
    elif command[:1] == b"\xa2" and len(command) == 6:
        apdu, is_read = b"\xff\xd6\x00" + command[1:2] + b"\x04" + command[2:], False
    else:
        return NAK
    response = slot.transmit(apdu)
    if response[-2:] == _OK:
        return response[:-2] if is_read else ACK
    if slot.has_left():
        raise Refused(REMOVED)
    return NAK


def exchange_apdu(slot: Slot, apdu: bytes) -> bytes:
    """Have a card answer an APDU; fetch what it holds back (ISO/IEC 7816-4, section 5.3.4). Raises PeerError."""
    response = slot.transmit(apdu)
    if response[:1] == b"\x6c" and len(response) == 2:  # the length that it wants to be asked for
        response = slot.transmit(_without_le(apdu) + response[1:])
    parts: list[bytes] = []
    while response[-2:-1] == b"\x61" and len(parts) < MAX_RESPONSES:
        parts.append(response[:-2])
        response = slot.transmit(b"\x00\xc0\x00\x00" + response[-1:])
    if len(parts) == MAX_RESPONSES:
        raise PeerError("the tag's response has no end", step="tap", remedy="Use another tag")
    return b"".join(parts) + response


def _without_le(apdu: bytes) -> bytes:
    has_data = len(apdu) > 5
    return apdu[: 5 + apdu[4]] if has_data else apdu[:4]
