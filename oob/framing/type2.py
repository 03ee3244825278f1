"""Type 2 tags, NTAG213, 215 and 216 above all: where the NDEF message is in their memory (NFC Forum, Type 2 Tag 1.1).

    page 2   two bytes of the serial number's, two of static lock bits
    page 3   capability container: E1h, version, data area in units of 8 bytes, access
    page 4   data area: TLVs, one of which holds the message

A page has 4 bytes; READ gives four of them, WRITE takes one. What lies beyond the first sector, 1 KiB, is not used.
"""

from dataclasses import dataclass, field
from typing import Final

from oob.errors import PeerError, UsageError
from oob.framing.procedure import Procedure, TagMemory, require_room

_READ, _WRITE, _ACK = 0x30, 0xA2, b"\x0a"
_PAGE, _SECTOR, _DATA = 4, 1024, 16
_NULL, _LOCK_CONTROL, _MEMORY_CONTROL, _NDEF, _TERMINATOR = 0x00, 0x01, 0x02, 0x03, 0xFE
_CC, _LOCKS = 3, 2
_LONG = 0xFF
_STEP: Final = "tag"

_NTAG: Final = {
    # by the size of the data area: page of the dynamic lock bits; the bits of all pages, and of their block locks
    0x12: (0x28, b"\xff\x0f\x3f\x00"),
    0x3E: (0x82, b"\xff\x00\x0f\x00"),
    0x6D: (0xE2, b"\xff\x3f\x7f\x00"),
}
"""NTAG213, 215 and 216 (NXP, NTAG213/215/216, section 8.5.3)."""
_NXP: Final = 0x04
_CFGLCK: Final = b"\x40\x00\x00\x00"
"""Of the page two behind the dynamic lock bits: the configuration, with its password protection, is frozen."""


def open_type2() -> Procedure[TagMemory]:
    """Find the message's place. UsageError for a tag without NDEF, PeerError for one that contradicts itself."""
    memory = _Type2()
    yield from memory.open()
    return memory


@dataclass
class _Pages:
    """The pages as far as they were read, and as they were written."""

    known: dict[int, bytes] = field(default_factory=dict, repr=False)

    def get(self, page: int) -> Procedure[bytes]:
        """Return a page, 4 bytes. PeerError for any response that is none."""
        if page not in self.known:
            first = page - page % 4
            response = yield bytes((_READ, first))
            if len(response) != 4 * _PAGE:
                raise PeerError(f"the tag does not give its page {first} ({len(response)} bytes)", step=_STEP)
            self.known.update((first + i, response[i * _PAGE : (i + 1) * _PAGE]) for i in range(4))
        return self.known[page]

    def put(self, page: int, data: bytes) -> Procedure[None]:
        """Write a page of 4 bytes. PeerError where the tag refuses."""
        response = yield bytes((_WRITE, page)) + data
        if response != _ACK:
            remedy = "It may be locked, or protected by a password: use another tag"
            raise PeerError(f"the tag does not take its page {page}", step=_STEP, remedy=remedy)
        self.known[page] = data

    def put_changed(self, page: int, data: bytes) -> Procedure[None]:
        """Write a page where it is not so already."""
        if (yield from self.get(page)) != data:
            yield from self.put(page, data)

    def set_bits(self, page: int, bits: bytes, *, adds: bool) -> Procedure[None]:
        """Set bits, and see that they are. What is written to a page that `adds` clears nothing there."""
        for _ in range(2):
            held = yield from self.get(page)
            both = bytes(one | other for one, other in zip(held, bits, strict=True))
            if both == held:
                return
            yield from self.put(page, bits if adds else both)
            self.known.clear()
        raise PeerError(f"the tag does not keep its page {page}", step=_STEP, remedy="It is not locked")


class _Type2:
    """The message in the TLVs of the data area; what stands behind it gives way to a longer one."""

    capacity = 0
    is_writable = False

    def __init__(self) -> None:
        self._pages = _Pages()
        self._cells: list[int] = []  # the addresses of the message's TLV and of all behind it, none of them reserved
        self._length = 0
        self._begin = 0  # of the message, in cells; 0 where there is no TLV for it

    def open(self) -> Procedure[None]:
        """Read the capability container, and walk the TLVs."""
        magic, version, size, access = yield from self._pages.get(_CC)
        if magic != 0xE1 or version >> 4 != 1:
            remedy = "Use another tag, or format it with an app"
            raise UsageError("the tag is not formatted for NDEF", step=_STEP, remedy=remedy)
        if access >> 4:
            raise UsageError("the tag does not let everybody read it", step=_STEP)
        yield from self._walk(list(range(_DATA, min(_DATA + 8 * size, _SECTOR))))
        room = len(self._cells) - 2
        self.is_writable = not access & 0x0F and room >= 0
        self.capacity = max(0, room if room < _LONG else max(_LONG - 1, room - 2))

    def read(self) -> Procedure[bytes]:
        """Return the message, read anew from the tag. PeerError if it does not end within the data area."""
        self._pages.known.clear()
        yield from self.open()
        cells = self._cells[self._begin : self._begin + self._length]
        if len(cells) < self._length:
            raise PeerError("the NDEF message does not end within the tag", step=_STEP)
        return (yield from self._bytes(cells))

    def write(self, message: bytes) -> Procedure[None]:
        """Write a message: length 0, the rest, and the length at last."""
        require_room(self, message)
        length = bytes((len(message),)) if len(message) < _LONG else bytes((_LONG, *divmod(len(message), 256)))
        block = bytes((_NDEF,)) + length + message
        values = dict(zip(self._cells, block + bytes((_TERMINATOR,)), strict=False))
        pages = sorted({cell // _PAGE for cell in values})
        new = {}
        for page in pages:
            new[page] = yield from self._merged(page, values)
        if all(new[page] == self._pages.known[page] for page in pages):
            return
        kind, first_length = self._cells[:2]
        counts = first_length // _PAGE
        # A message without a length is none. A TLV that is new has its type by now, or gets it with the first page.
        yield from self._pages.put_changed(counts, (yield from self._merged(counts, {kind: _NDEF, first_length: 0})))
        for page in [page for page in pages if page != counts] + [counts]:
            yield from self._pages.put_changed(page, new[page])

    def lock(self) -> Procedure[None]:
        """Set the lock bits of an NTAG213, 215 or 216; what a torn lock has left out, another one does."""
        page, bits = yield from self._lock_bits()
        # The container first: a tag that is half locked says that it is read-only.
        yield from self._pages.set_bits(_CC, b"\x00\x00\x00\x0f", adds=False)
        yield from self._pages.set_bits(page, bits, adds=True)
        yield from self._pages.set_bits(page + 2, _CFGLCK, adds=False)
        yield from self._pages.set_bits(_LOCKS, b"\x00\x00\xff\xff", adds=True)
        self.is_writable = False

    def _lock_bits(self) -> Procedure[tuple[int, bytes]]:
        """Return the page of the dynamic lock bits, and what to write there. UsageError for other chips.

        A chip is known by its maker, its data area, and where its memory ends: READ goes on at page 0 there (NXP,
        NTAG213/215/216, section 10.2). GET_VERSION would say it outright, but cannot be said through PC/SC.
        """
        head = yield from self._bytes(list(range(_DATA)))
        page, bits = _NTAG.get(head[14], (0, b""))
        response = (yield bytes((_READ, page + 4))) if page and head[0] == _NXP else b""
        if response[_PAGE:] != head[:12]:
            raise UsageError("only an NTAG213, 215 or 216 is locked by this program", step=_STEP)
        return page, bits

    def _walk(self, cells: list[int]) -> Procedure[None]:
        """Find the message's TLV, or the place for one: behind all others."""
        at = self._length = self._begin = 0
        self._cells = cells
        while at < len(cells):
            (kind,) = yield from self._bytes(cells[at : at + 1])
            if kind == _TERMINATOR:
                return
            if kind == _NULL:
                at += 1
                continue
            length, value = yield from self._measure(cells, at + 1)
            if kind == _NDEF:
                self._cells, self._length, self._begin = cells[at:], length, value - at
                return
            if value + length > len(cells):
                raise PeerError("a TLV does not end within the tag", step=_STEP)
            at = value + length
            if kind in (_LOCK_CONTROL, _MEMORY_CONTROL):
                reserved = _reserved(kind, (yield from self._bytes(cells[value:at])))
                cells = cells[:at] + [cell for cell in cells[at:] if cell not in reserved]
            self._cells = cells[at:]

    def _measure(self, cells: list[int], at: int) -> Procedure[tuple[int, int]]:
        """Return the length that stands at a cell, of 1 or 3 bytes, and the cell behind it."""
        head = yield from self._bytes(cells[at : at + 1])
        if head != bytes((_LONG,)):
            if head:
                return head[0], at + 1
        elif len(long := (yield from self._bytes(cells[at + 1 : at + 3]))) == 2:
            return int.from_bytes(long, "big"), at + 3
        raise PeerError("a TLV does not end within the tag", step=_STEP)

    def _bytes(self, cells: list[int]) -> Procedure[bytes]:
        data = bytearray()
        for cell in cells:
            page = yield from self._pages.get(cell // _PAGE)
            data.append(page[cell % _PAGE])
        return bytes(data)

    def _merged(self, page: int, values: dict[int, int]) -> Procedure[bytes]:
        """Return a page as it will be, with these values at their addresses."""
        held = yield from self._pages.get(page)
        return bytes(values.get(page * _PAGE + i, byte) for i, byte in enumerate(held))


def _reserved(kind: int, value: bytes) -> range:
    """Return the addresses that a Lock or Memory Control TLV takes from the data area."""
    if len(value) != 3:
        raise PeerError("a control TLV has 3 bytes", step=_STEP)
    position, size, units = value
    begin = (position >> 4) * (1 << (units & 0x0F)) + (position & 0x0F)
    size = size or 256
    return range(begin, begin + ((size + 7) // 8 if kind == _LOCK_CONTROL else size))
