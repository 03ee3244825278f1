"""Tags by their ATR, and their commands in the words of a PC/SC reader."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import LinkError, PeerError
from oob.framing.procedure import TagType
from oob.transport.pcsc_commands import (
    ACK,
    MAX_RESPONSES,
    NAK,
    exchange_apdu,
    exchange_of,
    exchange_type_2,
    is_contactless,
    type_of,
)
from oob.transport.pcsc_failures import Refused
from tests.transport.virtual_card import NTAG_ATR, TYPE_4_ATR, storage_atr

YUBIKEY = bytes.fromhex("3BFD1300008131FE158073C021C057597562694B657940")


class Slot:
    """A slot whose tag gives these responses, one after the other, and notes what it was asked."""

    def __init__(self, *responses: str, has_left: bool = False) -> None:
        self._responses: Iterator[bytes] = map(bytes.fromhex, responses)
        self._has_left = has_left
        self.asked: list[str] = []

    def transmit(self, apdu: bytes) -> bytes:
        self.asked.append(apdu.hex().upper())
        return next(self._responses)

    def has_left(self) -> bool:
        return self._has_left


def test_the_atr_of_an_ultralight_is_that_of_the_manuals() -> None:
    assert NTAG_ATR.hex().upper() == "3B8F8001804F0CA0000003060300030000000068"


@pytest.mark.parametrize("name", [0x0003, 0x003A, 0x003D, 0x0044])
def test_ultralights_and_what_has_no_other_name_are_type_2(name: int) -> None:
    assert type_of(storage_atr(0x03, name)) is TagType.TYPE_2


@pytest.mark.parametrize("atr", [TYPE_4_ATR, YUBIKEY, b"", NTAG_ATR[:14]])
def test_all_that_is_no_storage_card_is_type_4(atr: bytes) -> None:
    assert type_of(atr) is TagType.TYPE_4


@pytest.mark.parametrize(
    ("standard", "name", "words"),
    [
        (0x11, 0x003B, "a FeliCa tag"),
        (0x03, 0xF011, "a FeliCa tag"),
        (0x03, 0x0001, "a MIFARE Classic card"),
        (0x0B, 0x0014, "this kind of tag"),
    ],
)
def test_other_storage_cards_are_named(standard: int, name: int, words: str) -> None:
    with pytest.raises(LinkError, match=f"{words} cannot be read through PC/SC"):
        type_of(storage_atr(standard, name))


def test_what_is_contactless() -> None:
    assert is_contactless(TYPE_4_ATR)
    assert is_contactless(NTAG_ATR)
    assert not is_contactless(YUBIKEY)
    assert not is_contactless(b"")


@given(st.binary(max_size=40))
def test_no_atr_is_a_surprise(atr: bytes) -> None:
    is_contactless(atr)
    try:
        type_of(atr)
    except LinkError as error:
        assert error.remedy


def test_each_type_has_its_way() -> None:
    assert exchange_of(TagType.TYPE_2) is exchange_type_2
    assert exchange_of(TagType.TYPE_4) is exchange_apdu


def test_read_and_write_of_a_type_2_tag() -> None:
    slot = Slot("00" * 16 + "9000", "9000")
    assert exchange_type_2(slot, b"\x30\x04") == bytes(16)
    assert exchange_type_2(slot, b"\xa2\x05\x01\x02\x03\x04") == ACK
    assert slot.asked == ["FFB0000410", "FFD600050401020304"]


def test_an_empty_page_is_no_ack() -> None:
    assert exchange_type_2(Slot("9000"), b"\x30\x04") == b""


@pytest.mark.parametrize("status", ["6300", "6981", "6A82", "00", ""])
def test_a_refusal_is_a_nak_if_the_tag_is_still_there(status: str) -> None:
    assert exchange_type_2(Slot(status), b"\x30\x04") == NAK
    with pytest.raises(Refused, match="0x80100069"):
        exchange_type_2(Slot(status, has_left=True), b"\x30\x04")


@pytest.mark.parametrize("command", ["60", "3A0010", "30", "300400", "A205010203", "1B00000000", ""])
def test_what_readers_have_no_common_word_for_gets_a_nak(command: str) -> None:
    slot = Slot()
    assert exchange_type_2(slot, bytes.fromhex(command)) == NAK
    assert slot.asked == []


@pytest.mark.parametrize(
    ("apdu", "again"),
    [
        ("00B0000000", "00B000000F"),
        ("00B00000", "00B000000F"),
        ("00A4040002ABCD", "00A4040002ABCD0F"),
        ("00A4040002ABCD00", "00A4040002ABCD0F"),
    ],
)
def test_the_length_that_a_card_wants(apdu: str, again: str) -> None:
    slot = Slot("6C0F", "00" * 15 + "9000")
    assert exchange_apdu(slot, bytes.fromhex(apdu)) == bytes(15) + b"\x90\x00"
    assert slot.asked == [apdu, again]


def test_a_card_that_never_says_its_length_is_asked_twice() -> None:
    assert exchange_apdu(Slot("6C0F", "6C0E"), b"\x00\xb0\x00\x00\x00") == b"\x6c\x0e"


def test_a_response_in_parts() -> None:
    slot = Slot("AA6102", "BBCC6100", "DD9000")
    assert exchange_apdu(slot, b"\x00\xb0\x00\x00\x00") == bytes.fromhex("AABBCCDD9000")
    assert slot.asked[1:] == ["00C0000002", "00C0000000"]


def test_parts_without_end() -> None:
    slot = Slot(*["6100"] * 100)
    with pytest.raises(PeerError, match="no end"):
        exchange_apdu(slot, b"\x00\xb0\x00\x00\x00")
    assert len(slot.asked) == MAX_RESPONSES + 1


@pytest.mark.parametrize("response", ["", "90", "61", "6A82", "6C6C0F", "619000"])
def test_all_else_is_the_callers_affair(response: str) -> None:
    slot = Slot(response)
    assert exchange_apdu(slot, b"\x00\xb0\x00\x00\x00") == bytes.fromhex(response)
    assert len(slot.asked) == 1
