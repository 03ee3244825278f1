"""The tag's side of ISO-DEP, the half-duplex blocks that carry APDUs (ISO/IEC 14443-4), sans-IO.

    I-block  000c i01n   information; c: more of it follows
    R-block  101k i01n   k = 0: ACK, go on; k = 1: NAK, what was the last block?
    S-block  11xx i010   xx = 00: DESELECT; 11: WTX, which is never asked for here

n is the block number; i says that a byte with the card identifier (CID) follows. A node address (NAD) is not taken. A
block that came damaged is dropped where it is received: the reader asks again, and recovers what was lost.
"""

from dataclasses import dataclass, field
from typing import Final

from oob.errors import PeerError

FRAME_SIZES: Final = (16, 24, 32, 40, 48, 64, 96, 128, 256)
"""What FSDI and FSCI stand for: bytes of a frame with its PCB and its CRC (section 5.1, table 1)."""
LONGEST_COMMAND: Final = 4 + 3 + 65_535 + 2
"""Bytes of the longest APDU that there is: header, extended Lc, data, extended Le (ISO/IEC 7816-4, section 5.1)."""
FC: Final = 13.56e6
"""The carrier, in Hz."""
RATS: Final = 0xE0
"""The first byte of a request for an answer to select, which is no block."""
_CRC: Final = 2
_CID: Final = 0x08
_CHAINING: Final = 0x10
_NAK: Final = 0x10


@dataclass(frozen=True, slots=True)
class Command:
    """A complete APDU, which waits for its response."""

    apdu: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ats:
    """What a tag says of itself when it is selected (section 5.2)."""

    frame_size: int
    """Bytes of the longest frame that the tag takes, with its PCB and its CRC."""
    fwi: int
    """The tag answers within 4096 / fc * 2**fwi seconds."""

    @property
    def waiting_time(self) -> float:
        """Seconds that the tag has for a block (section 7.2)."""
        return 4096 / FC * (1 << self.fwi)

    def encode(self) -> bytes:
        """Return the ATS of a tag that knows one bit rate, 106 kbit/s, and CID; `frame_size` is one of FRAME_SIZES."""
        return bytes((5, 0x70 | FRAME_SIZES.index(self.frame_size), 0x80, self.fwi << 4, 0x02))

    @classmethod
    def decode(cls, ats: bytes) -> "Ats":
        """Read an ATS, each part of which but its length may be missing. Raises PeerError for one that is cut off."""
        form = ats[1] if len(ats) > 1 else 0x02  # FSCI 2 where nothing is said (section 5.2.3)
        if not ats or len(ats) != ats[0] or len(ats) < min(ats[0], 2) + (form >> 4 & 7).bit_count():
            raise PeerError("the tag's answer to its selection is cut off", step="ATS")
        place = 2 + bool(form & 0x10)  # TB(1) comes after TA(1)
        fwi = ats[place] >> 4 if form & 0x20 else 4  # the default, also for what is reserved (section 5.2.5)
        return cls(FRAME_SIZES[min(form & 0x0F, 8)], fwi if fwi < 15 else 4)


class IsoDepTarget:
    """Takes blocks, gives blocks; knows the numbers and what must be sent again (section 7.5)."""

    def __init__(self, frame_size: int, cid: int = 0) -> None:
        """Begin for a reader that takes frames of `frame_size` bytes, CRC included."""
        self.is_deselected = False
        """Whether the reader has let go; nothing is answered any more."""
        self._frame_size = frame_size
        self._cid = cid
        self._header = b""  # the CID of the answer, if the question had one
        self._number = 1  # rule C
        self._incoming = bytearray()
        self._outgoing = b""
        self._last: bytes | None = None

    @classmethod
    def selected_by(cls, rats: bytes, longest: int = FRAME_SIZES[-1]) -> "IsoDepTarget":
        """Begin as a request for an answer to select says, 2 bytes (section 5.1). Raises PeerError for none.

        `longest` are the bytes of the longest frame that can be sent, CRC included.
        """
        if len(rats) != 2 or rats[0] != RATS or rats[1] & 0x0F == 15:
            raise PeerError("the reader does not select a Type 4 tag", step="RATS")
        return cls(min(FRAME_SIZES[min(rats[1] >> 4, 8)], longest), rats[1] & 0x0F)

    def receive(self, block: bytes) -> bytes | Command | None:
        """Return the block to answer with; a Command, which is answered with `respond`; None for no answer."""
        if not block or self.is_deselected:
            return None
        if block[0] == 0xD0 | self._cid and self._last is None:
            return self._choose_rate(block)
        pcb, head = block[0], 1 + bool(block[0] & _CID)
        if block[1:head] != (bytes((self._cid,)) if pcb & _CID or self._cid else b""):
            return None  # it is meant for another card (section 7.1.1.2)
        self._header = block[1:head]
        if pcb & 0xE6 == 0x02:
            return self._take(block[head:], more=bool(pcb & _CHAINING))
        if pcb & 0xE6 == 0xA2 and len(block) == head:
            return self._recover(pcb)
        if pcb & 0xF7 == 0xC2 and len(block) == head:
            self.is_deselected = True
            return block
        return None

    def respond(self, response: bytes) -> bytes:
        """Return the first block of the response to the Command."""
        self._outgoing = response
        return self._next_part()

    def _choose_rate(self, block: bytes) -> bytes | None:
        """Answer a PPS: only what the ATS offers, 106 kbit/s both ways, is agreed to (section 5.3)."""
        agreed = block[1:] in (b"\x01", b"\x11\x00")
        return block[:1] if agreed else None

    def _take(self, inf: bytes, *, more: bool) -> bytes | Command | None:
        self._number ^= 1  # rule D: whatever the number of the block
        self._outgoing = b""
        self._incoming += inf
        if len(self._incoming) > LONGEST_COMMAND:
            self._incoming.clear()
            return None
        if more:
            return self._keep(self._acknowledgement())  # rule 2
        apdu = bytes(self._incoming)
        self._incoming.clear()
        return Command(apdu) if apdu else self._next_part()  # an empty one asks whether the tag is still there

    def _recover(self, pcb: int) -> bytes | None:
        if pcb & 1 == self._number:
            return self._last  # rule 11
        if pcb & _NAK:
            return self._acknowledgement()  # rule 12
        if self._outgoing:
            self._number ^= 1  # rules E and 13
            return self._next_part()
        return None

    def _next_part(self) -> bytes:
        room = self._frame_size - _CRC - 1 - len(self._header)
        part, self._outgoing = self._outgoing[:room], self._outgoing[room:]
        return self._keep(self._framed(0x02 | (_CHAINING if self._outgoing else 0)) + part)

    def _acknowledgement(self) -> bytes:
        return self._framed(0xA2)

    def _framed(self, pcb: int) -> bytes:
        return bytes((pcb | self._number | (_CID if self._header else 0),)) + self._header

    def _keep(self, block: bytes) -> bytes:
        self._last = block
        return block
