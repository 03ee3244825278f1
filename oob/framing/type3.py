"""Type 3 tags, FeliCa Lite-S above all: the NDEF message behind its attribute block (NFC Forum, Type 3 Tag 1.0).

    block 0   version, Nbr, Nbw, Nmaxb (2), unused (4), WriteFlag, RWFlag, Ln (3), sum of all before (2)
    block 1   the message

A block has 16 bytes; CHECK gives some, UPDATE takes some.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from oob.errors import PeerError, UsageError
from oob.framing.ndef import MAX_NDEF
from oob.framing.procedure import Procedure, TagMemory, require_room

_CHECK, _UPDATE = b"\x06\x01\x0b\x00", b"\x08\x01\x09\x00"
"""The command, and the one service that it speaks of: to read without a key, and to write without one."""
_BLOCK = 16
_MAX_NBR, _MAX_NBW = 15, 12
"""Blocks that fit in a frame of 255 bytes, however far back they are."""
_WRITING = 0x0F
_D_ID, _MC = 0x83, 0x88
_LITE: Final = (0xF0, 0xF1)
"""IC codes of FeliCa Lite and Lite-S, in their block D_ID (Sony, FeliCa Lite-S User's Manual)."""
_STEP: Final = "tag"


def open_type3() -> Procedure[TagMemory]:
    """Read the attribute block. UsageError for a tag without NDEF, PeerError for one that contradicts itself."""
    memory = _Type3()
    yield from memory.open()
    return memory


@dataclass(frozen=True)
class _Attributes:
    """The attribute block."""

    version: int
    nbr: int
    nbw: int
    nmaxb: int
    unused: bytes
    is_writing: bool
    is_writable: bool
    length: int

    @classmethod
    def decode(cls, block: bytes) -> "_Attributes":
        """Read the block. UsageError where it speaks of no NDEF, PeerError where it is damaged."""
        if block[0] >> 4 != 1:
            remedy = "Use another tag, or format it with an app"
            raise UsageError("the tag is not formatted for NDEF", step=_STEP, remedy=remedy)
        if sum(block[:14]) != int.from_bytes(block[14:], "big"):
            raise PeerError("the tag's attribute block is damaged", step=_STEP)
        nmaxb, length = int.from_bytes(block[3:5], "big"), int.from_bytes(block[11:14], "big")
        flags = block[9] == _WRITING, block[10] == 1 and block[2] > 0
        read = cls(block[0], block[1], block[2], nmaxb, block[5:9], *flags, length)
        if not read.nbr or length > min(nmaxb * _BLOCK, MAX_NDEF):
            raise PeerError("the tag's attribute block is of no such tag", step=_STEP)
        return read

    def encode(self) -> bytes:
        """Return the block, 16 bytes."""
        head = bytes((self.version, self.nbr, self.nbw, *divmod(self.nmaxb, 256))) + self.unused
        block = head + bytes((_WRITING * self.is_writing, self.is_writable)) + self.length.to_bytes(3, "big")
        return block + sum(block).to_bytes(2, "big")


class _Type3:
    """The message in the blocks behind the attribute block."""

    capacity = 0
    is_writable = False

    def __init__(self) -> None:
        self._held: _Attributes

    def open(self) -> Procedure[None]:
        """Read the attribute block."""
        self._held = _Attributes.decode((yield from _check((0,))))
        self.capacity = min(self._held.nmaxb * _BLOCK, MAX_NDEF)
        self.is_writable = self._held.is_writable

    def read(self) -> Procedure[bytes]:
        """Return the message, read anew from the tag; b"" for one that was being written when the tag went."""
        yield from self.open()
        if self._held.is_writing:
            return b""
        data = b""
        for blocks in _groups(self._held.length, min(self._held.nbr, _MAX_NBR)):
            data += yield from _check(blocks)
        return data[: self._held.length]

    def write(self, message: bytes) -> Procedure[None]:
        """Write a message between two attribute blocks, the first of which says that it is being written."""
        require_room(self, message)
        yield from self._put(replace(self._held, is_writing=True))
        padded = message + bytes(-len(message) % _BLOCK)
        for blocks in _groups(len(message), min(self._held.nbw, _MAX_NBW)):
            yield from _update(blocks, padded[(blocks[0] - 1) * _BLOCK : blocks[-1] * _BLOCK])
        yield from self._put(replace(self._held, is_writing=False, length=len(message)))

    def lock(self) -> Procedure[None]:
        """Make a FeliCa Lite or Lite-S read-only; what a torn lock has left out, another one does."""
        # Others have no such block, or another number in it.
        identity = yield _check_command((_D_ID,))
        if len(identity) != 3 + _BLOCK or identity[3 + 9] not in _LITE:
            raise UsageError("only a FeliCa Lite or Lite-S is locked by this program", step=_STEP)
        if self._held.is_writable:
            yield from self._put(replace(self._held, is_writable=False))
        self.is_writable = False
        configuration = yield from _check((_MC,))
        locked = bytes((0, configuration[1] & 0xC0, 0)) + configuration[3:]
        if configuration != locked:
            yield from _update((_MC,), locked)
        if (yield from _check((_MC,))) != locked:
            raise PeerError("the tag does not keep its memory configuration", step=_STEP, remedy="It is not locked")

    def _put(self, attributes: _Attributes) -> Procedure[None]:
        yield from _update((0,), attributes.encode())
        self._held = attributes


def _check(blocks: Sequence[int]) -> Procedure[bytes]:
    """Return what is in these blocks."""
    response = yield _check_command(blocks)
    if len(response) != 3 + _BLOCK * len(blocks) or response[:2] != bytes(2) or response[2] != len(blocks):
        raise PeerError(f"the tag does not give its block {blocks[0]} ({response[:2].hex()})", step=_STEP)
    return response[3:]


def _update(blocks: Sequence[int], data: bytes) -> Procedure[None]:
    """Write these blocks."""
    response = yield _UPDATE + _listed(blocks) + data
    if response != bytes(2):
        remedy = "It may be locked: use another tag"
        raise PeerError(
            f"the tag does not take its block {blocks[0]} ({response[:2].hex()})", step=_STEP, remedy=remedy
        )


def _check_command(blocks: Sequence[int]) -> bytes:
    return _CHECK + _listed(blocks)


def _listed(blocks: Sequence[int]) -> bytes:
    """Return how many blocks, and an element of 2 bytes for each, of 3 where its number needs them."""
    elements = (bytes((0x80, block)) if block < 256 else b"\x00" + block.to_bytes(2, "little") for block in blocks)
    return bytes((len(blocks),)) + b"".join(elements)


def _groups(length: int, most: int) -> Iterator[range]:
    """Yield the blocks of a message of this length, so many at a time."""
    end = 1 + -(-length // _BLOCK)
    return (range(block, min(block + most, end)) for block in range(1, end, most))
