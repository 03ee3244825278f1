"""Targets: tags whose memory somebody else has filled. Whatever is there, what is then written is read."""

from collections.abc import Callable

from oob.errors import PeerError, UsageError
from oob.framing.procedure import Procedure, TagMemory
from oob.framing.type2 import open_type2
from oob.framing.type3 import open_type3
from oob.pairing.tag_content import TagContent, is_foreign
from tests.framing.driving import drive


def tag_content(data: bytes) -> bool:
    """An NDEF message, our records among it."""
    is_foreign(data)
    try:
        content = TagContent.decode(data)
    except PeerError:
        return False
    try:
        assert TagContent.decode(content.encode()) == content
    except UsageError:  # only https is written
        assert content.url
    return bool(data)


def type_2(data: bytes) -> bool:
    """The memory of a Type 2 tag, from page 3 on."""
    memory = bytearray(12) + data[:1012] + bytes(1024 - 12 - len(data[:1012]))

    def answer(command: bytes) -> bytes:
        at = command[1] * 4
        if command[0] == 0x30:
            return bytes(memory[at : at + 16])
        memory[at : at + 4] = command[2:]
        return b"\x0a"

    return _used(open_type2, answer)


def type_3(data: bytes) -> bool:
    """The blocks of a Type 3 tag."""
    blocks = {i: data[16 * i : 16 * i + 16].ljust(16, b"\0") for i in range(1 + len(data) // 16)}

    def answer(command: bytes) -> bytes:
        count, rest, numbers = command[4], command[5:], []
        for _ in range(count):
            size = 2 if rest[0] & 0x80 else 3
            numbers.append(int.from_bytes(rest[1:size], "little"))
            rest = rest[size:]
        if command[0] == 0x06:
            return bytes((0, 0, count)) + b"".join(blocks.get(number, bytes(16)) for number in numbers)
        blocks.update((number, rest[16 * i : 16 * i + 16]) for i, number in enumerate(numbers))
        return bytes(2)

    return _used(open_type3, answer)


def _used(open_memory: Callable[[], Procedure[TagMemory]], answer: Callable[[bytes], bytes]) -> bool:
    """Read, write and read; return whether there was a message, or none."""
    try:
        memory = drive(open_memory(), answer)
    except (PeerError, UsageError):
        return False
    try:
        drive(memory.read(), answer)
        is_read = True
    except PeerError:
        is_read = False
    if memory.is_writable:
        for message in (b"m" * memory.capacity, b"", b"n" * (memory.capacity // 2)):
            drive(memory.write(message), answer)
            assert drive(drive(open_memory(), answer).read(), answer) == message
    return is_read
