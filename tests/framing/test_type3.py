"""Type 3 tags: what is written is read, whenever the tag goes; no response does any harm."""

from collections.abc import Callable
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob.errors import LinkLost, PeerError, UsageError
from oob.framing.ndef import MAX_NDEF
from oob.framing.procedure import TagType
from oob.sim.tags import SimulatedChip, SimulatedFelica
from tests.framing.driving import drive, fuzz, lock, opened, read, torn_writes, write


def attributes(text: str, checksum: int | None = None) -> bytes:
    block = bytes.fromhex(text)
    return block + (sum(block) if checksum is None else checksum).to_bytes(2, "big")


class LargeTag(SimulatedChip):
    """A Type 3 tag of any size, which takes elements of 2 and 3 bytes."""

    type = TagType.TYPE_3

    def __init__(self, nbr: int, nbw: int, nmaxb: int) -> None:
        super().__init__()
        self.blocks = {0: attributes(f"10{nbr:02x}{nbw:02x}{nmaxb:04x}00000000 00 01 000000")}
        self.most = nmaxb, nbr, nbw

    def _answer(self, command: bytes) -> bytes:
        assert 10 + len(command) <= 255
        verb, count, rest = command[0], command[4], command[5:]
        numbers = []
        for _ in range(count):
            assert rest[0] in (0x80, 0x00)
            size = 2 if rest[0] & 0x80 else 3
            numbers.append(int.from_bytes(rest[1:size], "little"))
            rest = rest[size:]
        assert max(numbers) <= self.most[0]
        assert count <= self.most[1 if verb == 6 else 2]
        if verb == 6:
            return bytes((0, 0, count)) + b"".join(self.blocks.get(number, bytes(16)) for number in numbers)
        assert len(rest) == 16 * count
        self.blocks |= {number: rest[16 * i : 16 * i + 16] for i, number in enumerate(numbers)}
        return bytes(2)


def test_a_new_tag_is_empty_and_takes_what_its_manual_says() -> None:
    chip = SimulatedFelica()
    memory = opened(chip)
    assert (memory.capacity, memory.is_writable) == (208, True)
    assert read(chip) == b""
    write(chip, bytes(range(208)))
    assert read(chip) == bytes(range(208))
    with pytest.raises(UsageError, match="1 too many"):
        write(chip, bytes(209))
    assert read(chip) == bytes(range(208))


def test_the_bytes_are_those_of_the_specification() -> None:
    chip = SimulatedFelica()
    write(chip, b"abcdefghijklmnopq")
    assert chip.blocks[0] == bytes.fromhex("10 04 01 000d 00000000 00 01 000011 0034")
    assert chip.blocks[1] + chip.blocks[2] == b"abcdefghijklmnopq" + bytes(15)
    commands: list[bytes] = []

    def answer(command: bytes) -> bytes:
        commands.append(command)
        return chip.process(command)

    drive(opened(chip).read(), answer)
    assert commands == [bytes.fromhex("06 01 0b00 01 8000"), bytes.fromhex("06 01 0b00 02 8001 8002")]


@pytest.mark.parametrize(("nbr", "nbw", "nmaxb"), [(1, 1, 300), (4, 1, 13), (12, 8, 260), (15, 13, 300), (15, 12, 1)])
def test_tags_of_other_sizes(nbr: int, nbw: int, nmaxb: int) -> None:
    chip = LargeTag(nbr, nbw, nmaxb)
    assert opened(chip).capacity == min(16 * nmaxb, MAX_NDEF)
    message = bytes(i % 251 for i in range(min(16 * nmaxb, MAX_NDEF)))
    write(chip, message)
    assert read(chip) == message


def test_a_tag_larger_than_any_message_and_than_any_frame() -> None:
    chip = LargeTag(15, 12, 0xFFFF)
    chip.blocks[0] = attributes("10 ff ff ffff 00000000 00 01 000000")
    assert opened(chip).capacity == MAX_NDEF
    write(chip, bytes(MAX_NDEF))
    assert read(chip) == bytes(MAX_NDEF)


@pytest.mark.parametrize(
    ("block", "kind", "words"),
    [
        (bytes(16), UsageError, "not formatted"),
        (attributes("20 04 01 000d 00000000 00 01 000000"), UsageError, "not formatted"),
        (attributes("10 04 01 000d 00000000 00 01 000000", checksum=36), PeerError, "damaged"),
        (attributes("10 00 01 000d 00000000 00 01 000000"), PeerError, "no such tag"),
        (attributes("10 04 01 000d 00000000 00 01 0000d1"), PeerError, "no such tag"),
        (attributes("10 04 01 ffff 00000000 00 01 001101"), PeerError, "no such tag"),
        (attributes("10 04 01 000d 00000000 00 01 010000"), PeerError, "no such tag"),
    ],
)
def test_what_is_no_attribute_block(block: bytes, kind: type[Exception], words: str) -> None:
    chip = SimulatedFelica()
    chip.blocks[0] = block
    with pytest.raises(kind, match=words):
        opened(chip)


@pytest.mark.parametrize("text", ["10 04 01 000d 00000000 00 00 000001", "10 04 00 000d 00000000 00 01 000001"])
def test_a_read_only_tag(text: str) -> None:
    chip = SimulatedFelica()
    chip.blocks[0], chip.blocks[1] = attributes(text), b"A" + bytes(15)
    assert not opened(chip).is_writable
    with pytest.raises(UsageError, match="read-only"):
        write(chip, b"B")
    assert read(chip) == b"A"


def test_a_message_that_is_being_written_is_none() -> None:
    chip = SimulatedFelica()
    chip.blocks[0] = attributes("10 04 01 000d 00000000 0f 01 000011")
    assert read(chip) == b""


@pytest.mark.parametrize(
    "response", [b"", b"\x00", bytes(2), bytes(3), bytes(19), b"\0\0\1" + bytes(17), b"\xff\xa8", b"\0\1\1" + bytes(16)]
)
def test_what_is_no_answer_to_check(response: bytes) -> None:
    memory = opened(SimulatedFelica())
    with pytest.raises(PeerError, match="does not give"):
        drive(memory.read(), lambda _: response)


@pytest.mark.parametrize("response", [b"", b"\x00", bytes(3), b"\xff\xa8", b"\0\1"])
def test_what_is_no_answer_to_update(response: bytes) -> None:
    memory = opened(SimulatedFelica())
    with pytest.raises(PeerError, match="does not take"):
        drive(memory.write(b"A"), lambda _: response)


@given(st.integers(1, 15), st.integers(1, 13), st.integers(1, 40), st.lists(st.binary(max_size=300), max_size=4))
@settings(max_examples=150)
def test_any_writes_read_back(nbr: int, nbw: int, nmaxb: int, messages: list[bytes]) -> None:
    chip = LargeTag(nbr, nbw, nmaxb)
    held = b""
    for message in messages:
        if len(message) > opened(chip).capacity:
            with pytest.raises(UsageError):
                write(chip, message)
        else:
            write(chip, message)
            held = message
        assert read(chip) == held


@pytest.mark.parametrize("make", [SimulatedFelica, lambda: LargeTag(3, 2, 20)])
@pytest.mark.parametrize(("old", "new"), [(b"", b"new" * 40), (b"old" * 60, b"new" * 20), (b"old", b"new" * 69)])
def test_a_torn_write_leaves_the_old_message_or_none(make: Callable[[], SimulatedChip], old: bytes, new: bytes) -> None:
    seen = torn_writes(make, old, new)
    assert len(seen) >= 4
    assert seen == [old] * 2 + [b""] * (len(seen) - 2)


def test_lock_is_for_ever() -> None:
    chip = SimulatedFelica()
    write(chip, b"stays")
    lock(chip)
    assert not opened(chip).is_writable
    assert read(chip) == b"stays"
    before = dict(chip.blocks)
    for number in chip.blocks:
        if number != 14:  # the register, which is no part of the message
            chip.process(b"\x08\x01\x09\x00\x01" + bytes((0x80, number)) + b"\xff" * 16)
    assert chip.blocks == before


@pytest.mark.parametrize("chip_code", [0xF0, 0xF1])
def test_what_was_just_written_is_locked_as_it_is(chip_code: int) -> None:
    chip = SimulatedFelica()
    identity = bytearray(chip.blocks[0x83])
    identity[9] = chip_code
    chip.blocks[0x83] = bytes(identity)
    memory = opened(chip)
    drive(memory.write(b"stays"), chip.process)
    drive(memory.lock(), chip.process)
    assert not memory.is_writable
    assert read(chip) == b"stays"


@pytest.mark.parametrize("chip_code", [0x00, 0xEF, 0xF2])
def test_no_other_chip_is_locked(chip_code: int) -> None:
    chip = SimulatedFelica()
    chip.blocks[0x83] = bytes(9) + bytes((chip_code,)) + bytes(6)
    with pytest.raises(UsageError, match="Lite"):
        lock(chip)


def test_a_torn_lock_can_be_completed() -> None:
    for commands in range(100):
        chip = SimulatedFelica()
        write(chip, b"stays")
        chip.torn_after = commands
        try:
            lock(chip)
            break
        except LinkLost:
            chip.torn_after = None
        assert read(chip) == b"stays"
        lock(chip)
        assert chip.blocks[0x88][:3] == b"\x00\xc0\x00"
    else:
        pytest.fail("never done")


def test_what_cannot_be_locked_stays_as_it_is() -> None:
    chip = SimulatedFelica()
    chip.blocks[0x83] = bytes(8) + bytes.fromhex("0020000000000000")
    before = dict(chip.blocks)
    with pytest.raises(UsageError, match="Lite"):
        lock(chip)
    assert chip.blocks == before
    large = LargeTag(1, 1, 4)
    with pytest.raises(UsageError, match="Lite"):
        drive(opened(large).lock(), lambda _: b"\xff\xa8")


def test_a_tag_that_only_says_that_it_is_locked() -> None:
    chip = SimulatedFelica()
    memory = opened(chip)
    with pytest.raises(PeerError, match="not locked"):
        drive(memory.lock(), lambda command: bytes(2) if command[0] == 8 else chip.process(command))


def test_tags_that_lie() -> None:
    used = SimulatedFelica()
    write(used, b"a message of theirs" * 4)
    assert 4_000 < fuzz(lambda: deepcopy(used), 10_000, seed=1) < 9_500
