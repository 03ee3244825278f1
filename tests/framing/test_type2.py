"""Type 2 tags: what is written is read, wherever it must be and whenever the tag goes; no response does any harm."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oob.errors import LinkLost, PeerError, UsageError
from oob.sim.tags import SimulatedNtag
from tests.framing.driving import drive, fuzz, lock, opened, read, torn_writes, write

NTAGS = {"NTAG213": 137, "NTAG215": 492, "NTAG216": 868}
each_ntag = pytest.mark.parametrize("name", NTAGS)


def formatted(data: bytes, units: int = 0x12, access: int = 0) -> SimulatedNtag:
    """A tag whose data area, of 8 * units bytes, begins with this."""
    chip = SimulatedNtag("NTAG216")
    chip.memory[12:16] = bytes((0xE1, 0x10, units, access))
    chip.memory[16 : 16 + len(data)] = data
    return chip


@each_ntag
def test_a_new_tag_is_empty_and_takes_what_its_data_sheet_says(name: str) -> None:
    chip = SimulatedNtag(name)
    memory = opened(chip)
    assert (memory.capacity, memory.is_writable) == (NTAGS[name], True)
    assert read(chip) == b""
    message = bytes(range(1, 256)) * 4
    write(chip, message[: NTAGS[name]])
    assert read(chip) == message[: NTAGS[name]]
    with pytest.raises(UsageError, match="2 too many"):
        write(chip, message[: NTAGS[name] + 2])
    assert read(chip) == message[: NTAGS[name]]


def test_the_bytes_are_those_of_the_specification() -> None:
    chip = SimulatedNtag()
    write(chip, b"abcdef")
    assert chip.memory[16:32] == bytes.fromhex("0103a00c34 0306 616263646566 fe 0000")
    chip = SimulatedNtag("NTAG215")
    write(chip, bytes(255))
    assert chip.memory[16:20] == bytes.fromhex("03ff00ff")
    assert chip.memory[16 + 4 + 255] == 0xFE


@pytest.mark.parametrize(
    ("room", "capacity"), [(2, 0), (3, 1), (256, 254), (257, 254), (258, 254), (259, 255), (260, 256), (872, 868)]
)
def test_the_length_field_takes_its_share(room: int, capacity: int) -> None:
    size = -(-room // 8)
    padding = size * 8 - room
    chip = formatted(b"\x00" * padding + b"\x03\x00", units=size)
    assert opened(chip).capacity == capacity
    write(chip, b"\x5a" * capacity)
    assert read(chip) == b"\x5a" * capacity


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("00 00 03 02 4142 fe", b"AB"),
        ("fd 03 010203 03 02 4142 fe", b"AB"),
        ("fd ff0003 010203 03 ff0002 4142 fe", b"AB"),
        ("03 02 4142", b"AB"),
        ("fe 03 02 4142", b""),
        ("", b""),
    ],
)
def test_tlvs_before_the_message(data: str, message: bytes) -> None:
    chip = formatted(bytes.fromhex(data))
    assert read(chip) == message
    write(chip, b"a longer one, written over it")
    assert read(chip) == b"a longer one, written over it"
    stood = bytes.fromhex(data.partition("03 ")[0].partition("fe")[0])
    assert bytes(chip.memory[16 : 16 + len(stood)]) == stood


@pytest.mark.parametrize(
    ("control", "reserved"),
    [
        ("02 03 2505 04", range(37, 42)),  # page address 2 of 16 bytes, and 5 bytes more; 5 bytes
        ("01 03 2520 04", range(37, 41)),  # 32 lock bits
        ("01 03 2521 04", range(37, 42)),
        ("02 03 2c00 04", range(44, 300)),
        ("02 03 5302 03", range(43, 45)),
    ],
)
def test_reserved_bytes_are_left_alone(control: str, reserved: range) -> None:
    chip = formatted(bytes.fromhex(control) + b"\x03\x00", units=0x30)
    for address in reserved:
        chip.memory[address] = 0xEE
    free = 0x30 * 8 - 5 - len(reserved)
    assert opened(chip).capacity == free - (2 if free < 257 else 4)
    message = bytes(range(100, 200))
    write(chip, message)
    assert read(chip) == message
    assert {chip.memory[address] for address in reserved} == {0xEE}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("fd ffffff", "does not end"),
        ("fd 90", "does not end"),
        ("00" * 143 + "03", "does not end"),
        ("00" * 141 + "03 ff 00", "does not end"),
        ("01 02 0000", "3 bytes"),
        ("02 04 00000000", "3 bytes"),
    ],
)
def test_tlvs_that_contradict_themselves(data: str, words: str) -> None:
    with pytest.raises(PeerError, match=words):
        opened(formatted(bytes.fromhex(data)))


def test_a_tlv_may_end_with_the_tag() -> None:
    memory = opened(formatted(b"\xfd\x06" + bytes(6), units=1))
    assert (memory.capacity, memory.is_writable) == (0, False)


def test_a_tag_that_was_locked_is_not_writable_any_more() -> None:
    chip = SimulatedNtag()
    memory = opened(chip)
    drive(memory.lock(), chip.process)
    assert not memory.is_writable


def test_a_message_beyond_the_tag_can_be_written_over() -> None:
    chip = formatted(b"\x03\x90")
    with pytest.raises(PeerError, match="does not end"):
        read(chip)
    write(chip, b"ours")
    assert read(chip) == b"ours"


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ("00000000", "not formatted"),
        ("e1201200", "not formatted"),
        ("e11012f0", "everybody"),
        ("e1101210", "everybody"),
    ],
)
def test_what_is_no_readable_ndef_tag(container: str, words: str) -> None:
    chip = SimulatedNtag()
    chip.memory[12:16] = bytes.fromhex(container)
    with pytest.raises(UsageError, match=words):
        opened(chip)


@pytest.mark.parametrize("access", [0x0F, 0x08, 0x01])
def test_a_read_only_tag(access: int) -> None:
    chip = formatted(b"\x03\x01A\xfe", access=access)
    assert not opened(chip).is_writable
    with pytest.raises(UsageError, match="read-only"):
        write(chip, b"B")
    assert read(chip) == b"A"


@pytest.mark.parametrize("response", [b"", b"\x00", b"\x0a", bytes(15), bytes(17)])
def test_what_is_no_answer_to_read(response: bytes) -> None:
    chip = SimulatedNtag()
    memory = opened(chip)
    with pytest.raises(PeerError, match="does not give"):
        drive(memory.read(), lambda _: response)


@pytest.mark.parametrize("response", [b"", b"\x00", b"\x0a\x0a", bytes(16)])
def test_what_is_no_answer_to_write(response: bytes) -> None:
    chip = SimulatedNtag()
    memory = opened(chip)
    with pytest.raises(PeerError, match="does not take"):
        drive(memory.write(b"A"), lambda command: response if command[0] == 0xA2 else chip.process(command))


def test_what_is_there_already_is_not_written() -> None:
    chip = SimulatedNtag()
    write(chip, b"the same, and more of the same")
    before = chip.writes
    write(chip, b"the same, and more of the same")
    assert chip.writes == before
    write(chip, b"the same, and more of the sane")
    assert chip.writes - before == 3  # the length, what changes, the length


@given(
    st.integers(1, 0x30),
    st.sampled_from(["", "00", "0000", "000000", "0103a00c34", "fd0155", "02031503 04", "0203240204"]),
    st.lists(st.binary(max_size=300), max_size=4),
)
@example(1, "0203150304", [b""])
@settings(max_examples=150)
def test_any_writes_read_back(units: int, first: str, messages: list[bytes]) -> None:
    data = bytes.fromhex(first)[: units * 8]
    chip = formatted(data, units=units)
    held = b""
    for message in messages:
        memory = opened(chip)
        if len(message) > memory.capacity or not memory.is_writable:  # it may have no room for a TLV
            with pytest.raises(UsageError):
                write(chip, message)
        else:
            write(chip, message)
            held = message
        assert read(chip) == held
        assert bytes(chip.memory[16 + 8 * units : 16 + 8 * units + 4]) in (bytes(4), bytes.fromhex("000000bd"))


TEARS: list[tuple[Callable[[], SimulatedNtag], bytes, bytes]] = [
    (SimulatedNtag, b"", b"new " * 10),
    (SimulatedNtag, b"the old one" * 5, b"new " * 10),
    (SimulatedNtag, b"old", b"new " * 34),
    (partial(SimulatedNtag, "NTAG215"), bytes(range(250)), bytes(range(255)) + b"more"),
    (partial(SimulatedNtag, "NTAG215"), bytes(range(256)), b"less"),
    (partial(SimulatedNtag, "NTAG216"), b"old" * 100, b"new" * 150),
    *((partial(formatted, b"\x00" * at + b"\x03\x00"), b"old" * 90, b"new" * 90) for at in range(4)),
    *((partial(formatted, b"\x00" * at + b"\x03\x00", 0x30), b"old" * 90, b"new" * 91) for at in range(4)),
]


@pytest.mark.parametrize(("make", "old", "new"), TEARS)
def test_a_torn_write_leaves_the_old_message_none_or_the_new_one(
    make: Callable[[], SimulatedNtag], old: bytes, new: bytes
) -> None:
    if len(new) > opened(make()).capacity:
        old, new = old[:100], new[:120]
    seen = torn_writes(make, old, new)
    assert len(seen) > 3
    assert set(seen) <= {old, b""}
    assert seen == sorted(seen, reverse=True)  # first the old one, then none
    assert b"" in seen


@pytest.mark.parametrize("end", ["", "fe"])
@pytest.mark.parametrize("at", range(4))
def test_a_torn_first_write_leaves_nothing(end: str, at: int) -> None:
    """Where there is no TLV for the message yet, data must not be taken for TLVs."""
    first = b"\xfd" + bytes((at,)) + bytes(at)
    new = bytes.fromhex("0302aaaa") * 10
    for commands in range(100):
        chip = formatted(first + bytes.fromhex(end))
        chip.torn_after = commands
        try:
            write(chip, new)
            break
        except LinkLost:
            chip.torn_after = None
        assert read(chip) == b""
        write(chip, new)
        assert read(chip) == new
    else:
        pytest.fail("never done")


@each_ntag
def test_lock_is_for_ever(name: str) -> None:
    chip = SimulatedNtag(name)
    write(chip, b"stays")
    lock(chip)
    assert not opened(chip).is_writable
    assert read(chip) == b"stays"
    before = bytes(chip.memory)
    for page in range(2, len(before) // 4 - 2):  # the password may change; it protects nothing
        chip.process(bytes((0xA2, page)) + bytes.fromhex("ffffffff"))
    after = bytes(chip.memory)
    lock_page = len(after) // 4 - 5
    assert chip.page(lock_page + 2) == bytes.fromhex("40050000")
    assert after[: lock_page * 4] == before[: lock_page * 4]
    assert after[lock_page * 4 + 4 :] == before[lock_page * 4 + 4 :]


@each_ntag
def test_a_torn_lock_can_be_completed(name: str) -> None:
    for commands in range(100):
        chip = SimulatedNtag(name)
        write(chip, b"stays")
        chip.torn_after = commands
        try:
            lock(chip)
            break
        except LinkLost:
            chip.torn_after = None
        assert read(chip) == b"stays"
        lock(chip)
        whole = SimulatedNtag(name)
        write(whole, b"stays")
        lock(whole)
        assert chip.memory == whole.memory
    else:
        pytest.fail("never done")


def other_maker() -> SimulatedNtag:
    return SimulatedNtag(uid=b"\x02sim\x01\x02\x03")


def longer() -> SimulatedNtag:
    chip = SimulatedNtag()
    chip.memory += bytes(4)
    return chip


@pytest.mark.parametrize("make", [other_maker, longer, partial(formatted, b"", 0x12), partial(formatted, b"", 0x06)])
def test_what_cannot_be_locked_stays_as_it_is(make: Callable[[], SimulatedNtag]) -> None:
    chip = make()
    before = bytes(chip.memory)
    with pytest.raises(UsageError, match="NTAG213, 215 or 216"):
        lock(chip)
    assert chip.memory == before


@pytest.mark.parametrize("response", [b"", b"\x00", bytes(16), bytes(4)])
def test_a_tag_that_does_not_say_where_its_memory_ends(response: bytes) -> None:
    chip = SimulatedNtag()
    before = bytes(chip.memory)
    memory = opened(chip)
    with pytest.raises(UsageError, match="NTAG213, 215 or 216"):
        drive(memory.lock(), lambda command: response if command == b"\x30\x2c" else chip.process(command))
    assert chip.memory == before


def test_a_tag_that_only_says_that_it_is_locked() -> None:
    chip = SimulatedNtag()
    memory = opened(chip)
    with pytest.raises(PeerError, match="not locked"):
        drive(memory.lock(), lambda command: b"\x0a" if command[0] == 0xA2 else chip.process(command))


@pytest.mark.parametrize(("name", "rounds"), [("NTAG213", 10_000), ("NTAG215", 2_000)])
def test_tags_that_lie(name: str, rounds: int) -> None:
    used = SimulatedNtag(name)
    write(used, b"a message of theirs" * 4)
    refused = fuzz(lambda: deepcopy(used), rounds, seed=1)
    assert rounds * 0.5 < refused < rounds * 0.95


def test_what_was_read_is_not_shown() -> None:
    chip = SimulatedNtag()
    write(chip, b"secret")
    memory = opened(chip)
    assert drive(memory.read(), chip.process) == b"secret"
    assert "known" not in repr(vars(memory))
