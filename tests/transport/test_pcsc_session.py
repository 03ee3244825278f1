"""One context of PC/SC, over a simulated service."""

import sys

import pytest

from oob.errors import UsageError
from oob.transport.pcsc_failures import Refused
from oob.transport.pcsc_session import Session, load_scard
from tests.transport.fake_scard import ATR, PRESENT, FakeScard, install

READER = "ACS ACR122U PICC Interface (0123456789) 00 00"


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> FakeScard:
    return install(monkeypatch)


def test_without_pyscard_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(UsageError, match=r"pip install 'oob\[pcsc\]'"):
        load_scard()


def test_it_connects_alone_by_either_protocol(scard: FakeScard) -> None:
    session = Session(load_scard(), "")
    assert session.look() == ATR
    assert session.reader == READER
    assert scard.calls == [("connect", READER, scard.SCARD_SHARE_EXCLUSIVE, 3)]


def test_it_asks_for_changes_since_it_looked_last(scard: FakeScard, monkeypatch: pytest.MonkeyPatch) -> None:
    known = []
    states = iter([0x10010, 0x20010, 0x20010, PRESENT])

    def change(_: int, timeout: int, asked: list[tuple[str, int]]) -> list[object]:
        known.append((timeout, *asked))
        return [0, [(READER, next(states) | scard.SCARD_STATE_CHANGED, list(ATR))]]

    monkeypatch.setattr(scard, "SCardGetStatusChange", change)
    session = Session(load_scard(), "acr122u")
    assert [session.look() for _ in range(4)] == [None, None, None, ATR]
    assert known == [(250, (READER, 0)), (250, (READER, 0x10010)), (250, (READER, 0x20010)), (250, (READER, 0x20010))]


def test_no_change_is_no_failure(scard: FakeScard) -> None:
    session, scard.refusals["SCardGetStatusChange"] = Session(load_scard(), ""), [0x8010000A]
    assert session.look() is None
    assert session.has_looked


def test_readers_that_are_not_meant_are_named_without_their_serial(scard: FakeScard) -> None:
    with pytest.raises(Refused) as caught:
        Session(load_scard(), "OMNIKEY").look()
    error = caught.value.renamed()
    assert error.cause == "PC/SC knows no reader with 'omnikey' in its name, but ACS ACR122U PICC Interface 00 00"


def test_of_several_readers_the_one_with_a_tag(scard: FakeScard, monkeypatch: pytest.MonkeyPatch) -> None:
    scard.readers = ["one", "two"]
    seen = [("one", 0x10, []), ("two", PRESENT, list(ATR))]
    monkeypatch.setattr(scard, "SCardGetStatusChange", lambda *_: [0, seen])
    session = Session(load_scard(), "")
    session.look()
    assert session.reader == "two"


def test_a_response_of_nothing_is_a_tag_that_left(scard: FakeScard) -> None:
    session, scard.answer = Session(load_scard(), ""), lambda _: b""
    session.look()
    with pytest.raises(Refused, match="0x80100069"):
        session.transmit(b"\x00\xb0\x00\x00\x00")


def test_closed_it_says_that_the_tag_is_gone(scard: FakeScard) -> None:
    session = Session(load_scard(), "")
    session.close()
    session.look()
    session.close()
    session.close()
    assert scard.calls[1:] == [("disconnect", scard.SCARD_UNPOWER_CARD), ("release",)]
    with pytest.raises(Refused):
        session.transmit(b"")


@pytest.mark.parametrize("is_back", [True, False])
def test_a_lost_tag_that_is_back_begins_anew_and_a_gone_one_is_left_alone(scard: FakeScard, *, is_back: bool) -> None:
    session, scard.refusals["SCardTransmit"] = Session(load_scard(), ""), [0x80100016]
    session.look()
    with pytest.raises(Refused):
        session.transmit(b"")
    scard.state = PRESENT if is_back else 0x10
    session.close()
    assert scard.calls[1] == ("disconnect", scard.SCARD_UNPOWER_CARD if is_back else scard.SCARD_LEAVE_CARD)


def test_a_code_is_known_as_windows_has_it_too(scard: FakeScard) -> None:
    scard.refusals["SCardConnect"] = [scard.SCARD_W_CHV_BLOCKED]
    with pytest.raises(Refused, match="SCARD_W_CHV_BLOCKED"):
        Session(load_scard(), "").look()
