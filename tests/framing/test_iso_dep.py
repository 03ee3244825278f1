"""ISO-DEP: the tag's side against nfcpy's reader, over an air that loses and damages blocks."""

import nfc.clf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nfc.tag.tt4 import IsoDepInitiator

from oob.errors import PeerError
from oob.framing.iso_dep import FRAME_SIZES, LONGEST_COMMAND, Ats, Command, IsoDepTarget


def answer(target: IsoDepTarget, block: str) -> str | None:
    """Return what a tag that echoes its commands answers to a block."""
    said = target.receive(bytes.fromhex(block))
    if isinstance(said, Command):
        said = target.respond(said.apdu)
    return None if said is None else said.hex(" ")


class Air:
    """What nfcpy's reader takes for a front-end. Each fault is followed by two blocks that arrive."""

    FAULTS = ("", "lost to the tag", "lost to the reader", "damaged")

    def __init__(self, target: IsoDepTarget, faults: list[str]) -> None:
        self.target = target
        self.faults = [each for fault in faults for each in (fault, "", "")]
        self.commands: list[bytes] = []
        self.longest_block = 0

    def exchange(self, data: bytes, timeout: float) -> bytearray:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost to the tag":
            raise nfc.clf.TimeoutError
        said = self.target.receive(bytes(data))
        if isinstance(said, Command):
            self.commands.append(said.apdu)
            said = self.target.respond(said.apdu[::-1])
        if said is None or fault == "lost to the reader":
            raise nfc.clf.TimeoutError
        if fault == "damaged":
            raise nfc.clf.TransmissionError
        self.longest_block = max(self.longest_block, len(said))
        return bytearray(said)


@given(
    apdus=st.lists(st.binary(min_size=1, max_size=70), min_size=1, max_size=6),
    frame=st.sampled_from(FRAME_SIZES),
    own_frame=st.sampled_from(FRAME_SIZES),
    faults=st.lists(st.sampled_from(Air.FAULTS), max_size=40),
)
def test_each_command_arrives_once_and_so_does_its_response(
    apdus: list[bytes], frame: int, own_frame: int, faults: list[str]
) -> None:
    air = Air(IsoDepTarget(frame), faults)
    reader = IsoDepInitiator(air, own_frame, 0.005)
    assert [bytes(reader.exchange(apdu)) for apdu in apdus] == [apdu[::-1] for apdu in apdus]
    assert air.commands == apdus
    assert air.longest_block <= frame - 2


@given(blocks=st.lists(st.binary(max_size=12), max_size=20), cid=st.integers(0, 14))
def test_whatever_comes_is_answered_or_not(blocks: list[bytes], cid: int) -> None:
    target = IsoDepTarget(16, cid)
    for block in blocks:
        said = target.receive(block)
        if isinstance(said, Command):
            said = target.respond(said.apdu)
        assert said is None or 0 < len(said) <= 14


@pytest.mark.parametrize(
    ("blocks", "answers"),
    [
        (["02 aa", "03 bb", "02 cc"], ["02 aa", "03 bb", "02 cc"]),
        (["12 aa", "13 bb", "02 cc"], ["a2", "a3", "02 aa bb cc"]),  # chained to the tag
        (["02" + "aa" * 20, "a3", "a2"], ["12 " + "aa " * 12 + "aa", "03" + " aa" * 7, None]),  # and to the reader
        (["02" + "aa" * 14, "13 bb", "a2"], ["12 " + "aa " * 12 + "aa", "a3", None]),  # what was not fetched is gone
        (["02 aa", "b2"], ["02 aa", "02 aa"]),  # rule 11: it was lost
        (["12 aa", "b2"], ["a2", "a2"]),
        (["b2", "b2", "02 aa"], ["a3", "a3", "02 aa"]),  # rule 12: nothing has come yet
        (["b3"], [None]),
        (["02 aa", "a3"], ["02 aa", None]),  # nothing is left to go on with
        (["02", "b2", "03 aa"], ["02", "02", "03 aa"]),  # empty: is the tag still there?
        (["c2", "02 aa", "c2"], ["c2", None, None]),  # DESELECT
        (["f2 01"], [None]),  # nobody has asked for more time
        (["02 aa", "26", "06 01 aa", "e2 00", "c3", "b6"], ["02 aa", None, None, None, None, None]),
    ],
)
def test_the_blocks_are_those_of_the_standard(blocks: list[str], answers: list[str | None]) -> None:
    target = IsoDepTarget(16)
    assert [answer(target, block) for block in blocks] == answers


def test_a_card_identifier_comes_back_and_another_one_is_not_heard() -> None:
    target = IsoDepTarget.selected_by(b"\xe0\x03")
    assert answer(target, "0a 03 aa") == "0a 03 aa"
    assert answer(target, "0a 04 aa") is None
    assert answer(target, "0b") is None
    assert answer(target, "02 aa") is None, "meant for a card without one"
    assert answer(target, "0b 03" + "bb" * 20) == "1b 03" + " bb" * 12
    assert answer(target, "aa 03") == "0a 03" + " bb" * 8
    assert answer(target, "ca 03") == "ca 03"
    assert answer(IsoDepTarget(16), "0a 00 aa") == "0a 00 aa"


def test_the_bit_rate_stays() -> None:
    target = IsoDepTarget(16)
    assert answer(target, "d0 11 04") is None
    assert answer(target, "d0 11 00") == "d0"
    assert answer(target, "d0 01") == "d0"
    assert answer(target, "d1 01") is None
    assert answer(target, "02 aa") == "02 aa"
    assert answer(target, "d0 01") is None, "that time is over"


def test_a_command_without_an_end_is_dropped() -> None:
    target, block = IsoDepTarget(256), b"\x12" + bytes(253)
    said = [target.receive(block) for _ in range(LONGEST_COMMAND // 253 + 1)]
    assert said[-1] is None
    assert None not in said[:-1]
    assert answer(target, "02 aa") in ("02 aa", "03 aa")


def test_what_a_reader_says_when_it_selects() -> None:
    target = IsoDepTarget.selected_by(b"\xe0\x20")
    assert answer(target, "02" + "aa" * 99) == "12" + " aa" * (32 - 3)
    assert answer(IsoDepTarget.selected_by(b"\xe0\xf0", 64), "02" + "aa" * 99) == "12" + " aa" * (64 - 3)
    for rats in (b"", b"\xe0", b"\xe1\x80", b"\xe0\x8f", b"\xe0\x80\x00"):
        with pytest.raises(PeerError, match="does not select"):
            IsoDepTarget.selected_by(rats)


@pytest.mark.parametrize(
    ("ats", "frame_size", "fwi"),
    [
        ("05 78 80 70 02", 256, 7),
        ("01", 32, 4),
        ("02 05", 64, 4),
        ("03 28 a0", 256, 10),  # no TA(1)
        ("06 75 77 81 02 80", 64, 8),  # historical bytes follow
        ("03 18 80", 256, 4),
        ("05 7f 80 f0 02", 256, 4),  # reserved values
    ],
)
def test_what_a_tag_says_when_it_is_selected(ats: str, frame_size: int, fwi: int) -> None:
    assert Ats.decode(bytes.fromhex(ats)) == Ats(frame_size, fwi)


@pytest.mark.parametrize("ats", ["", "00", "02", "05 78 80 70", "03 78 80", "02 70", "06 78 80 70 02"])
def test_what_is_cut_off_is_refused(ats: str) -> None:
    with pytest.raises(PeerError, match="cut off"):
        Ats.decode(bytes.fromhex(ats))


def test_an_answer_is_read_as_it_was_written() -> None:
    for frame_size in FRAME_SIZES:
        assert Ats.decode(Ats(frame_size, 8).encode()) == Ats(frame_size, 8)
    assert Ats(256, 8).encode().hex(" ") == "05 78 80 80 02"
    assert Ats(256, 8).waiting_time == pytest.approx(0.0773, abs=1e-4)


@given(ats=st.binary(max_size=20))
def test_any_bytes_are_an_answer_or_refused(ats: bytes) -> None:
    try:
        read = Ats.decode(ats)
    except PeerError:
        return
    assert read.frame_size in FRAME_SIZES
    assert 0 <= read.fwi <= 14


def test_what_a_command_carries_is_not_shown() -> None:
    assert "secret" not in repr(Command(b"secret"))
