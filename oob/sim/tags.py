"""Simulated tags: NTAG213, 215 and 216, and FeliCa Lite-S, which answer as their data sheets say; and a Type 4 tag."""

from typing import Final

from oob.framing.procedure import TagType
from oob.framing.type4 import OK
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.transport.nfc import tag_lost

_ACK, _NAK = b"\x0a", b"\x00"
_NO_SUCH_BLOCK, _MALFORMED, _DONE = b"\xff\xa8", b"\xff\xa1", b"\x00\x00"


class SimulatedChip:
    """What any chip is: it answers commands while it is in the field, in the form that `TagType` says."""

    type: TagType
    torn_after: int | None = None
    """After so many more commands it has left the field; None: it stays."""

    def __init__(self) -> None:
        self.commands = 0
        self.writes = 0
        """Pages or blocks that were written."""

    def activate(self) -> None:
        """Begin anew: a reader has selected the chip."""

    def deactivate(self) -> None:
        """End: the reader is gone."""

    def process(self, command: bytes) -> bytes:
        """Return the response. Raises LinkLost where the chip is out of the field."""
        if self.torn_after is not None:
            if not self.torn_after:
                raise tag_lost()
            self.torn_after -= 1
        self.commands += 1
        return self._answer(command)

    def _answer(self, command: bytes) -> bytes:
        raise NotImplementedError


class SimulatedNtag(SimulatedChip):
    """An NTAG21x as NXP delivers it (NXP, NTAG213/215/216, rev. 3.2): pages of 4 bytes, lock bits that only grow."""

    type = TagType.TYPE_2

    def __init__(self, name: str = "NTAG213", uid: bytes = b"\x04sim\x01\x02\x03") -> None:
        super().__init__()
        self.name = name
        self.uid = uid
        self._lock_page, units, self._span, self._storage, first = _NTAGS[name]
        self.memory = bytearray((self._lock_page + 5) * 4)
        """All pages; the last five are the dynamic lock bits, the configuration and the password."""
        self.memory[0:10] = uid[:3] + _xor(b"\x88" + uid[:3]) + uid[3:] + _xor(uid[3:]) + b"\x48"
        self.memory[12:16] = bytes((0xE1, 0x10, units, 0))
        self.memory[16 : 16 + len(first)] = first
        self.memory[self._lock_page * 4 :] = bytes.fromhex("000000bd 040000ff 00050000 00000000 00000000")

    def page(self, number: int) -> bytes:
        """Return 4 bytes of the memory."""
        return bytes(self.memory[number * 4 : number * 4 + 4])

    def _answer(self, command: bytes) -> bytes:
        if command == b"\x60":
            return bytes((0, 4, 4, 2, 1, 0, self._storage, 3))
        pages = len(self.memory) // 4
        if len(command) == 2 and command[0] == 0x30 and command[1] < pages:
            return b"".join(self.page((command[1] + i) % pages) for i in range(4))
        if len(command) == 6 and command[0] == 0xA2 and 2 <= command[1] < pages:
            return self._write(command[1], command[2:])
        return _NAK

    def _write(self, page: int, data: bytes) -> bytes:
        if self._is_locked(page):
            return _NAK
        held = self.page(page)
        if page == 2:
            data = held[:2] + self._static_locks(held[2:], data[2:])
        elif page == self._lock_page:
            data = _or(held[:3], data[:3]) + held[3:]
        elif page == 3:
            data = _or(held, data)
        self.memory[page * 4 : page * 4 + 4] = data
        self.writes += 1
        return _ACK

    def _is_locked(self, page: int) -> bool:
        if page < 16:
            return page > 2 and bool(int.from_bytes(self.memory[10:12], "little") >> page & 1)
        if page < self._lock_page:
            return bool(int.from_bytes(self.page(self._lock_page)[:2], "little") >> (page - 16) // self._span & 1)
        is_configuration = page in (self._lock_page + 1, self._lock_page + 2)
        return is_configuration and bool(self.page(self._lock_page + 2)[0] & 0x40)

    def _static_locks(self, held: bytes, more: bytes) -> bytes:
        """Add lock bits, except those that a block lock has frozen."""
        frozen = sum(pages for bit, pages in enumerate((0x0008, 0x03F0, 0xFC00)) if held[0] >> bit & 1)
        return _or(held, (int.from_bytes(more, "little") & ~frozen).to_bytes(2, "little"))


_NTAGS: Final = {
    # page of the dynamic lock bits, size of the data area / 8, pages of each lock bit, storage size, first TLVs
    "NTAG213": (0x28, 0x12, 2, 0x0F, bytes.fromhex("0103a00c340300fe")),
    "NTAG215": (0x82, 0x3E, 16, 0x11, bytes.fromhex("0300fe")),
    "NTAG216": (0xE2, 0x6D, 16, 0x13, bytes.fromhex("0300fe")),
}


class SimulatedFelica(SimulatedChip):
    """A FeliCa Lite-S that is formatted for NDEF (Sony, FeliCa Lite-S User's Manual). It checks no MAC."""

    type = TagType.TYPE_3
    name = "FeliCa Lite-S"
    idm: Final = bytes.fromhex("02fe73696d010203")
    pmm: Final = bytes.fromhex("00f1000000014300")

    def __init__(self) -> None:
        super().__init__()
        self.blocks = {number: bytes(16) for number in (*range(15), *range(0x80, 0x89), *range(0x90, 0x93))}
        attributes = bytes.fromhex("10 04 01 000d 00000000 00 01 000000")
        self.blocks[0] = attributes + sum(attributes).to_bytes(2, "big")
        self.blocks[0x83] = self.idm + self.pmm
        self.blocks[0x88] = bytes.fromhex("ffffff0107") + bytes(11)

    def _answer(self, command: bytes) -> bytes:
        verb, count = command[:4], command[4] if len(command) > 4 else 0
        if verb == b"\x06\x01\x0b\x00" and 1 <= count <= 4 and len(command) == 5 + 2 * count:
            return self._check(command[5:])
        if verb == b"\x08\x01\x09\x00" and count == 1 and len(command) == 5 + 2 + 16:
            return self._update(command[6], command[7:])
        return _MALFORMED

    def _check(self, elements: bytes) -> bytes:
        numbers = elements[1::2]
        if any(number not in self.blocks for number in numbers):
            return _NO_SUCH_BLOCK
        return _DONE + bytes((len(numbers),)) + b"".join(self.blocks[number] for number in numbers)

    def _update(self, number: int, data: bytes) -> bytes:
        configuration = self.blocks[0x88]
        if number < 15:
            may = int.from_bytes(configuration[:2], "little") >> number & 1
        else:
            may = number in (0x82, 0x84, 0x86, 0x87, 0x88) and configuration[2] == 0xFF
        if not may or number not in self.blocks:
            return _NO_SUCH_BLOCK
        self.blocks[number] = data
        self.writes += 1
        return _DONE


class SimulatedType4(SimulatedChip):
    """A Type 4 tag of 504 bytes, or any other card."""

    type = TagType.TYPE_4
    name = "Type 4"

    def __init__(self, card: Type4Card | None = None) -> None:
        super().__init__()
        self._card = card or Type4Card(StoredNdef(), capacity=504)

    def activate(self) -> None:
        """Begin anew."""
        self._card.activate()

    def deactivate(self) -> None:
        """End."""
        self._card.deactivate()

    def _answer(self, command: bytes) -> bytes:
        response = self._card.process(command)
        self.writes += command[1:2] == b"\xd6" and response == OK
        return response


def simulated_chip(name: str) -> SimulatedChip:
    """Return a new chip: "NTAG213", "NTAG215", "NTAG216", "FeliCa Lite-S" or "Type 4"."""
    others: dict[str, type[SimulatedFelica] | type[SimulatedType4]] = {
        SimulatedFelica.name: SimulatedFelica,
        SimulatedType4.name: SimulatedType4,
    }
    return others[name]() if name in others else SimulatedNtag(name)


def _xor(data: bytes) -> bytes:
    result = 0
    for byte in data:
        result ^= byte
    return bytes((result,))


def _or(one: bytes, other: bytes) -> bytes:
    return bytes(a | b for a, b in zip(one, other, strict=True))
