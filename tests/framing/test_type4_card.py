"""A Type 4 tag from the tag's side: every command that is not right, and what a reader may do between two."""

from random import Random

import pytest

from oob.framing.type4 import AID, CC_FILE, OK
from oob.framing.type4_card import NDEF_FILE, StoredNdef, Type4Card

SELECT_APPLICATION = b"\x00\xa4\x04\x00\x07" + AID + b"\x00"
SELECT_CC = b"\x00\xa4\x00\x0c\x02" + CC_FILE
SELECT_NDEF = b"\x00\xa4\x00\x0c\x02" + NDEF_FILE
READ = b"\x00\xb0\x00\x00\xf6"


class Noted(StoredNdef):
    """Writes down what it is told."""

    def __init__(self, message: bytes = b"") -> None:
        super().__init__(message)
        self.told: list[object] = []

    def begin(self) -> None:
        self.told.append("begin")

    def written(self, message: bytes) -> None:
        super().written(message)
        self.told.append(message)

    def end(self) -> None:
        self.told.append("end")


def card_with(message: bytes, *commands: bytes) -> Type4Card:
    card = Type4Card(StoredNdef(message), capacity=100)
    card.activate()
    for command in (SELECT_APPLICATION, *commands):
        assert card.process(command)[-2:] == OK
    return card


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"", "6700"),
        (b"\x00\xb0\x00", "6700"),
        (b"\x80\xb0\x00", "6700"),
        (b"\x80\xb0\x00\x00\x01", "6E00"),
        (b"\x00\xca\x00\x00", "6D00"),
        (b"\x00\xa4\x04\x00\x02\x3f\x00", "6A82"),
        (b"\x00\xa4\x00\x0c\x02\xe1\x05", "6A82"),
        (b"\x00\xa4\x00\x0c\x05" + NDEF_FILE, "6A82"),
        (b"\x00\xb0\x00\x00", "6700"),
        (b"\x00\xb0\x00\x00\x00\x10\x00", "6700"),
        (b"\x00\xb0\x00\x66\x01", "6B00"),
        (b"\x00\xd6\x00\x00", "6700"),
        (b"\x00\xd6\x00\x00\x03\x00", "6700"),
        (b"\x00\xd6\x00\x65\x02ab", "6B00"),
    ],
)
def test_a_wrong_command_is_answered_by_its_status(command: bytes, status: str) -> None:
    card = card_with(b"kept", SELECT_NDEF)
    assert card.process(command).hex().upper() == status
    assert card.process(READ) == b"\x00\x04kept" + OK


def test_nothing_is_read_or_written_before_it_is_selected() -> None:
    card = Type4Card(StoredNdef(b"kept"))
    card.activate()
    for command in (SELECT_NDEF, READ, b"\x00\xd6\x00\x00\x02\x00\x00"):
        assert card.process(command) in (b"\x6a\x82", b"\x69\x86")
    card = card_with(b"kept", SELECT_NDEF)
    card.deactivate()
    card.activate()
    assert card.process(READ) == b"\x69\x86"


def test_a_reading_goes_to_the_end_of_the_message_and_no_further() -> None:
    card = card_with(b"kept", SELECT_NDEF)
    assert card.process(b"\x00\xb0\x00\x00\x00") == b"\x00\x04kept" + OK
    assert card.process(b"\x00\xb0\x00\x02\x02") == b"ke" + OK
    assert card.process(b"\x00\xb0\x00\x10\x04") == bytes(4) + OK
    assert card.process(b"\x00\xb0\x00\x64\x10") == bytes(2) + OK


def test_the_container_says_what_the_card_takes() -> None:
    expected = bytes.fromhex("000F 20 00F6 00F6 0406 E104 0066 00 00")
    assert card_with(b"", SELECT_CC).process(b"\x00\xb0\x00\x00\x0f") == expected + OK


def test_a_file_may_be_full_and_longer_than_a_command() -> None:
    """Le of 0 stands for 256 bytes, and an offset has two."""
    file, message = Noted(), bytes(range(250)) * 4
    card = Type4Card(file, capacity=len(message))
    card.activate()
    for command in (SELECT_APPLICATION, SELECT_NDEF):
        card.process(command)
    for at in range(0, len(message), 200):
        written = (2 + at).to_bytes(2, "big") + b"\xc8" + message[at : at + 200]
        assert card.process(b"\x00\xd6" + written) == OK
    assert card.process(b"\x00\xd6\x00\x00\x02\x03\xe8") == OK
    assert file.told == ["begin", message]  # it is told once there is a length
    read = [card.process(b"\x00\xb0" + at.to_bytes(2, "big") + b"\x00") for at in range(0, 1024, 256)]
    assert [len(each) for each in read] == [258, 258, 258, 1002 - 3 * 256 + 2]
    assert b"".join(each[:-2] for each in read) == b"\x03\xe8" + message


def test_what_changes_between_two_readings_is_seen_from_the_beginning_only() -> None:
    file = StoredNdef(b"first message")
    card = Type4Card(file)
    card.activate()
    for command in (SELECT_APPLICATION, SELECT_NDEF):
        card.process(command)
    assert card.process(b"\x00\xb0\x00\x00\x07") == b"\x00\x0dfirst" + OK
    file.message = b"another, longer message"
    assert card.process(b"\x00\xb0\x00\x07\x08") == b" message" + OK
    assert card.process(b"\x00\xb0\x00\x00\x07") == b"\x00\x17anoth" + OK


def test_the_container_can_be_locked_and_nothing_else() -> None:
    card = card_with(b"kept", SELECT_CC)
    for command in (b"\x00\xd6\x00\x0e\x01\x00", b"\x00\xd6\x00\x00\x01\x00", b"\x00\xd6\x00\x0d\x02\xff\xff"):
        assert card.process(command) == b"\x69\x82"
    assert card.process(b"\x00\xd6\x00\x0e\x01\xff") == OK


def test_a_length_beyond_the_file_is_no_message() -> None:
    card = card_with(b"kept", SELECT_NDEF)
    assert card.process(b"\x00\xd6\x00\x00\x02\x00\x65") == OK
    assert card.process(READ) == b"\x00\x00" + OK


def test_what_one_reader_wrote_is_nothing_for_the_next() -> None:
    card = card_with(b"", SELECT_NDEF)
    card.process(b"\x00\xd6\x00\x02\x06secret")
    card.activate()  # before the field of the first was seen to go
    for command in (SELECT_APPLICATION, SELECT_NDEF, b"\x00\xd6\x00\x00\x02\x00\x06"):
        card.process(command)
    assert card.process(READ) == b"\x00\x06" + bytes(6) + OK


def test_what_one_reader_was_shown_is_not_what_the_next_one_is() -> None:
    file = Noted(b"secret")
    card = Type4Card(file)
    for shown in (b"secret", b"other!"):
        card.activate()
        file.message = shown
        for command in (SELECT_APPLICATION, SELECT_NDEF):
            card.process(command)
        assert card.process(b"\x00\xb0\x00\x02\x06") == shown + OK
    card.process(b"\x00\xd6\x00\x02\x06secret")
    card.deactivate()
    assert not any(card._image + card._buffer)
    assert file.told == ["begin", "begin", "end"]


def test_what_was_erased_is_not_read_on() -> None:
    card = card_with(b"secret", SELECT_NDEF, b"\x00\xb0\x00\x00\x02", b"\x00\xd6\x00\x00\x02\x00\x00")
    assert card.process(b"\x00\xb0\x00\x02\x06") == bytes(6) + OK


def test_a_message_is_taken_once() -> None:
    file = StoredNdef()
    card = Type4Card(file)
    card.activate()
    for command in (SELECT_APPLICATION, SELECT_NDEF, b"\x00\xd6\x00\x00\x06\x00\x04once"):
        card.process(command)
    assert file.message == b"once"
    card.process(b"\x00\xd6\x00\x00\x02\x00\x04")  # its length once more
    assert file.message == bytes(4)


def test_it_answers_whatever_comes() -> None:
    random = Random(5)
    card = card_with(b"kept", SELECT_NDEF)
    known = [SELECT_APPLICATION, SELECT_CC, SELECT_NDEF, READ, b"\x00\xd6\x00\x00\x02\x00\x04"]
    for _ in range(20_000):
        command = bytearray(random.choice(known))
        for _ in range(random.randrange(3)):
            command[random.randrange(len(command))] = random.randrange(256)
        answer = card.process(bytes(command[: random.randrange(len(command) + 1)]))
        assert 2 <= len(answer) <= 258
