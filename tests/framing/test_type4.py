"""Type 4 tags: the reader's procedures against the card, and against whatever else may answer."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import PeerError, UsageError
from oob.framing.procedure import Procedure
from oob.framing.type4 import MAX_DATA, OK, Type4Memory, open_type4
from oob.framing.type4_card import StoredNdef, Type4Card

Commands = list[bytes]


def run(card: Type4Card, procedure: Procedure[object], commands: Commands | None = None) -> object:
    """Run a procedure with a card; note the commands."""
    try:
        command = next(procedure)
        while True:
            if commands is not None:
                commands.append(command)
            command = procedure.send(card.process(command))
    except StopIteration as stop:
        return stop.value


def opened(card: Type4Card) -> Type4Memory:
    card.activate()
    memory = run(card, open_type4())
    assert isinstance(memory, Type4Memory)
    return memory


@given(
    st.lists(st.binary(max_size=600), min_size=1, max_size=4), st.integers(15, MAX_DATA), st.sampled_from([600, 4352])
)
def test_what_is_written_is_read(messages: list[bytes], max_data: int, capacity: int) -> None:
    card = Type4Card(StoredNdef(), capacity=capacity, max_data=max_data)
    memory = opened(card)
    assert memory.capacity == capacity
    for message in messages:
        run(card, memory.write(message))
        assert run(card, memory.read()) == message


def test_a_message_that_fits_takes_one_command_each_way() -> None:
    card, commands = Type4Card(StoredNdef()), Commands()
    memory = opened(card)
    run(card, memory.write(bytes(MAX_DATA - 2)), commands)
    run(card, memory.read(), commands)
    assert len(commands) == 2


def test_a_longer_one_is_written_with_its_length_last() -> None:
    card, commands = Type4Card(StoredNdef(b"old")), Commands()
    memory = opened(card)
    run(card, memory.write(b"m" * 600), commands)
    assert [int.from_bytes(each[2:4], "big") for each in commands] == [0, MAX_DATA, 2 * MAX_DATA, 0]
    assert commands[0][5:7] == b"\x00\x00"
    assert commands[-1][5:] == (600).to_bytes(2, "big")


@pytest.mark.parametrize("size", [3, 600])
def test_torn_at_every_command_it_is_old_empty_or_new(size: int) -> None:
    new, commands = b"n" * size, Commands()
    card = Type4Card(StoredNdef())
    run(card, opened(card).write(new), commands)
    for count in range(len(commands) + 1):
        card = Type4Card(StoredNdef(b"o" * 300))
        opened(card)
        for command in commands[:count]:
            assert card.process(command) == OK
        memory = opened(card)
        assert run(card, memory.read()) in (b"o" * 300, b"", new)
        run(card, memory.write(b"again"))
        assert run(card, memory.read()) == b"again"


def test_a_read_only_card_and_one_that_is_too_small() -> None:
    card = Type4Card(StoredNdef(b"kept"), capacity=10)
    memory = opened(card)
    with pytest.raises(UsageError, match="2 too many"):
        run(card, memory.write(bytes(12)))
    run(card, memory.lock())
    memory = opened(card)
    assert not memory.is_writable
    with pytest.raises(UsageError, match="read-only"):
        run(card, memory.write(b"new"))
    assert run(card, memory.read()) == b"kept"
    assert card.process(b"\x00\xd6\x00\x00\x02\x00\x00") == b"\x69\x82"


def test_a_card_that_its_maker_locks() -> None:
    class Unlockable(StoredNdef):
        def lock(self) -> bool:
            return False

    card = Type4Card(Unlockable(b"kept"))
    memory = opened(card)
    with pytest.raises(UsageError, match="cannot be locked"):
        run(card, memory.lock())
    assert run(card, memory.read()) == b"kept"


GOOD = bytes.fromhex("000F20 00F6 00F6 0406 E104 0400 00 00".replace(" ", ""))
OPENING = [OK, OK, GOOD + OK, OK]


def answers(procedure: Procedure[object], responses: list[bytes]) -> object:
    """Run a procedure with these responses, the last one again and again, at most 10,000 times."""
    command = next(procedure)
    try:
        for count in range(10_000):
            assert len(command) <= 5 + 255
            command = procedure.send(responses[min(count, len(responses) - 1)])
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it does not end")


def test_the_bytes_on_the_air() -> None:
    """Whatever a container claims, no command has more than 246 bytes of data, and none asks for more."""
    container, commands = bytes.fromhex("000F 20 FFFF FFFF 0406 E104 0400 00 00 9000"), Commands()
    answer = iter([b"\x90\x00", b"\x90\x00", container, b"\x90\x00", b"\x00\x02hi\x90\x00", b"\x90\x00", b"\x90\x00"])

    def send(procedure: Procedure[object]) -> object:
        try:
            command = next(procedure)
            while True:
                commands.append(command)
                command = procedure.send(next(answer))
        except StopIteration as stop:
            return stop.value

    memory = send(open_type4())
    assert isinstance(memory, Type4Memory)
    assert send(memory.read()) == b"hi"
    send(memory.write(b"ho"))
    assert [command.hex().upper() for command in commands] == [
        *("00A4040007D276000085010100", "00A4000C02E103", "00B000000F", "00A4000C02E104", "00B00000F6"),
        "00D60000040002686F",
    ]


@pytest.mark.parametrize(("version", "max_write"), [("20", "0001"), ("2F", "00F6"), ("30", "00F6")])
def test_other_containers_that_are_taken(version: str, max_write: str) -> None:
    container = bytes.fromhex(f"000F {version} 000F {max_write} 0406 E104 0400 00 00")
    assert isinstance(answers(open_type4(), [OK, OK, container + OK, OK]), Type4Memory)


@pytest.mark.parametrize(
    ("response", "said"), [(b"\x6a\x82", "answers 6A82$"), (b"x\x69\x82", "answers 6982$"), (b"", "answers nothing$")]
)
def test_what_a_card_answered_is_told(response: bytes, said: str) -> None:
    with pytest.raises(PeerError) as caught:
        answers(open_type4(), [response])
    assert re.search(said, caught.value.cause)


@pytest.mark.parametrize(("said", "kept"), [(OK, b"\x00"), (b"\x69\x82", b"\xff")])
def test_a_lock_counts_where_the_card_takes_it_and_keeps_it(said: bytes, kept: bytes) -> None:
    memory = answers(open_type4(), OPENING)
    assert isinstance(memory, Type4Memory)
    with pytest.raises(UsageError, match="cannot be locked"):
        answers(memory.lock(), [OK, said, GOOD[:14] + kept + OK, OK])


@pytest.mark.parametrize(
    ("at", "response"),
    [
        (0, b""),
        (0, b"\x90"),
        (0, b"\x6a\x82"),
        (1, b"\x6a\x82"),
        (2, OK),
        (2, GOOD[:14] + OK),
        (2, GOOD + b"\x00" + OK),
        (2, b"\x00\x0e" + GOOD[2:] + OK),
        (2, GOOD[:2] + b"\x10" + GOOD[3:] + OK),
        (2, GOOD[:2] + b"\x40" + GOOD[3:] + OK),
        (2, GOOD[:3] + b"\x00\x0e" + GOOD[5:] + OK),
        (2, GOOD[:5] + b"\x00\x00" + GOOD[7:] + OK),
        (2, GOOD[:7] + b"\x06\x08" + GOOD[9:] + OK),
        (2, GOOD[:11] + b"\x00\x02" + GOOD[13:] + OK),
        (2, GOOD[:13] + b"\xff\x00" + OK),
        (3, b"\x69\x82"),
    ],
)
def test_a_card_that_does_not_open_as_it_should(at: int, response: bytes) -> None:
    with pytest.raises(PeerError):
        answers(open_type4(), [*OPENING[:at], response, *OPENING[at + 1 :]])


@pytest.mark.parametrize(
    "responses",
    [
        [OK],
        [b"\x00" + OK],
        [b"\x04\x01" + OK],
        [b"\x00\x05abc" + OK, OK],
        [b"\x00\x05abc" + OK, b"longer" + OK],
        [b"\x00\x05abc" + OK, b"\x6b\x00"],
        [b"\x00\x05abc" + OK, b""],
        [bytes(MAX_DATA + 1) + OK],
    ],
)
def test_a_card_that_cannot_be_read_as_it_says(responses: list[bytes]) -> None:
    memory = answers(open_type4(), OPENING)
    assert isinstance(memory, Type4Memory)
    with pytest.raises(PeerError):
        answers(memory.read(), responses)


def test_a_card_that_sends_byte_after_byte_comes_to_an_end() -> None:
    memory = answers(open_type4(), OPENING)
    assert isinstance(memory, Type4Memory)
    assert answers(memory.read(), [b"\x03\xfe" + OK, b"x" + OK]) == b"x" * 1022


def test_whatever_a_card_answers_there_is_an_end() -> None:
    random = Random(4)
    card = Type4Card(StoredNdef(b"m" * 700))
    honest = opened(card)
    for _ in range(5_000):
        procedure: Procedure[object] = random.choice([open_type4(), honest.read(), honest.write(b"n" * 700)])
        try:
            command = next(procedure)
            for _ in range(10_000):
                response = bytearray(card.process(command))
                if random.random() < 0.3:
                    response[random.randrange(len(response)) :] = random.randbytes(random.randrange(4))
                command = procedure.send(bytes(response))
            raise AssertionError("it does not end")
        except (StopIteration, PeerError):
            pass
