"""The model `compare`: the commitment, the number, and who says yes when."""

import hashlib
import hmac
from math import inf, nan

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import AuthenticationError, PeerError, UsageError
from oob.pairing import CompareInitiator, CompareResponder, Model
from oob.pairing.compare import COMMITMENT_LENGTH, LIFETIME, NONCE_LENGTH, commitment, comparison_number

TH_2, TH_3, TH_4 = bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32
G_X, CRED_I, CRED_R = b"x" * 32, b"credential of I", b"credential of R"
N = bytes(range(16))
END = pytest.mark.parametrize("end", ["client", "device"])
Ends = tuple[CompareInitiator, CompareResponder]


def sequence(*values: object) -> bytes:
    return b"".join(map(cbor2.dumps, values))


def shown() -> Ends:
    """Both ends, as soon as each has a number."""
    initiator, responder = CompareInitiator(N, CRED_I), CompareResponder()
    responder.check_1(initiator.ead_1(G_X), G_X)
    initiator.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    responder.check_3(initiator.ead_3(TH_3, CRED_I), TH_3, CRED_I)
    return initiator, responder


def finish(end: CompareInitiator | CompareResponder) -> None:
    """Take the last step of either end, which waits for the user's yes."""
    if isinstance(end, CompareInitiator):
        end.check_4(b"", TH_4)
    else:
        assert end.ead_4(TH_4) == b""


def chosen(end: str) -> CompareInitiator | CompareResponder:
    return shown()[end == "device"]


def test_the_values_on_the_radio() -> None:
    initiator, responder = CompareInitiator(N, CRED_I), CompareResponder()
    c = hashlib.sha256(sequence("oob-1 commit", 4, N, G_X, CRED_I)).digest()
    ead_1 = initiator.ead_1(G_X)
    assert ead_1 == b"\x04\x58\x20" + c
    responder.check_1(ead_1, G_X)
    assert responder.ead_2(TH_2, CRED_R) == b""
    initiator.check_2(b"", TH_2, CRED_R)
    assert initiator.ead_3(TH_3, CRED_I) == N
    responder.check_3(N, TH_3, CRED_I)
    number = int.from_bytes(hmac.digest(N, sequence("oob-1 sas", 4, TH_3, CRED_I), "sha256"), "big") % 10**6
    text = f"{number:06d}"
    for end in (initiator, responder):
        assert end.show(5) == f"{text[:3]} {text[3:]}"
        end.confirm(6)
        finish(end)
        assert end.channel_secret() == b""


def test_lengths() -> None:
    assert (NONCE_LENGTH, COMMITMENT_LENGTH, LIFETIME) == (16, 32, 60)


def test_the_proof() -> None:
    for end in shown():
        assert (end.proof.model, end.proof.strength, end.proof.bits) == (Model.COMPARE, "compare", 19)
        assert (end.proof.mutual, end.proof.dynamic, end.proof.confirmed) == (True, True, True)


@given(th_3=st.binary(min_size=32, max_size=32))
def test_a_number_has_six_digits_in_two_groups(th_3: bytes) -> None:
    number = comparison_number(N, th_3, CRED_I)
    assert len(number) == 7
    assert number[3] == " "
    assert (number[:3] + number[4:]).isdigit()


def test_zeros_in_front_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oob.pairing.compare.prf", lambda *_: (7_000_042).to_bytes(32, "big"))
    assert comparison_number(N, TH_3, CRED_I) == "000 042"


def test_the_number_depends_on_each_input() -> None:
    inputs = [(N, TH_3, CRED_I), (bytes(16), TH_3, CRED_I), (N, TH_4, CRED_I), (N, TH_3, CRED_R)]
    assert len({comparison_number(*each) for each in inputs}) == 4


def test_the_commitment_depends_on_each_input() -> None:
    inputs = [(N, G_X, CRED_I), (bytes(16), G_X, CRED_I), (N, TH_2, CRED_I), (N, G_X, CRED_R)]
    assert len({commitment(*each) for each in inputs}) == 4


# --- the order of things


def test_no_number_before_its_time() -> None:
    """compare.py, show: the client has one when message_3 is composed, the device once the commitment has opened."""
    initiator, responder = CompareInitiator(N, CRED_I), CompareResponder()

    def nothing_yet(*ends: CompareInitiator | CompareResponder) -> None:
        for end in ends:
            with pytest.raises(UsageError, match="no number to compare yet"):
                end.show(0)
            with pytest.raises(UsageError, match="nobody saw"):
                end.confirm(0)

    nothing_yet(initiator, responder)
    responder.check_1(initiator.ead_1(G_X), G_X)
    nothing_yet(initiator, responder)
    initiator.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    nothing_yet(initiator, responder)
    nonce = initiator.ead_3(TH_3, CRED_I)
    nothing_yet(responder)
    responder.check_3(nonce, TH_3, CRED_I)
    assert initiator.show(0) == responder.show(0)


@pytest.mark.parametrize(("nonce", "g_x", "cred_i"), [(bytes(16), G_X, CRED_I), (N, TH_2, CRED_I), (N, G_X, CRED_R)])
def test_attack_a_commitment_that_does_not_open(nonce: bytes, g_x: bytes, cred_i: bytes) -> None:
    """compare.py, CompareResponder.check_3: another N, G_X or CRED_I than was committed to; no number is shown."""
    responder = CompareResponder()
    responder.check_1(CompareInitiator(N, CRED_I).ead_1(G_X), g_x)
    responder.ead_2(TH_2, CRED_R)
    with pytest.raises(AuthenticationError, match="message_3"):
        responder.check_3(nonce, TH_3, cred_i)
    with pytest.raises(UsageError, match="no number"):
        responder.show(0)


@END
def test_nothing_is_concluded_without_a_yes(end: str) -> None:
    last = chosen(end)
    last.show(0)
    with pytest.raises(AuthenticationError, match="nobody confirmed"):
        finish(last)
    last.confirm(1)  # too late: the failed step ended the object
    with pytest.raises(UsageError, match="out of order"):
        finish(last)
    with pytest.raises(UsageError, match="no channel secret"):
        last.channel_secret()


@END
def test_a_number_that_nobody_saw_is_not_confirmed(end: str) -> None:
    last = chosen(end)
    with pytest.raises(UsageError, match="nobody saw"):
        last.confirm(0)
    with pytest.raises(AuthenticationError, match="nobody confirmed"):
        finish(last)


@END
@pytest.mark.parametrize("after", [0, 1, 59.9, 60])
def test_a_number_lives_for_60_seconds(end: str, after: float) -> None:
    last = chosen(end)
    last.show(1000)
    last.confirm(1000 + after)
    finish(last)


@END
@pytest.mark.parametrize("after", [60.1, 3600, -1, inf, nan])
def test_attack_a_late_yes(end: str, after: float) -> None:
    """compare.py, confirm: nor one from before it was shown, by a clock that was set back."""
    last = chosen(end)
    last.show(1000)
    with pytest.raises(AuthenticationError, match="within 60 s"):
        last.confirm(1000 + after)
    with pytest.raises(AuthenticationError, match="nobody confirmed"):
        finish(last)


@END
def test_showing_it_again_gives_no_more_time(end: str) -> None:
    last = chosen(end)
    assert last.show(0) == last.show(59)
    with pytest.raises(AuthenticationError, match="within 60 s"):
        last.confirm(61)


# --- malformed


@pytest.mark.parametrize("length", [0, 31, 33])
def test_attack_a_commitment_of_another_length(length: int) -> None:
    head = bytes([0x58, length]) if length > 23 else bytes([0x40 + length])
    with pytest.raises(PeerError, match="wrong length"):
        CompareResponder().check_1(b"\x04" + head + bytes(length), G_X)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_attack_a_nonce_of_another_length(length: int) -> None:
    """Also one that opens the commitment, which a client may have made over anything."""
    nonce, responder = bytes(length), CompareResponder()
    responder.check_1(b"\x04\x58\x20" + commitment(nonce, G_X, CRED_I), G_X)
    responder.ead_2(TH_2, CRED_R)
    with pytest.raises(PeerError, match="wrong length"):
        responder.check_3(nonce, TH_3, CRED_I)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_nonce_has_16_bytes(length: int) -> None:
    with pytest.raises(UsageError, match="16 bytes"):
        CompareInitiator(bytes(length), CRED_I)


def test_the_commitment_is_to_the_credential_that_is_used() -> None:
    initiator = CompareInitiator(N, CRED_I)
    initiator.ead_1(G_X)
    initiator.check_2(b"", TH_2, CRED_R)
    with pytest.raises(UsageError, match="another credential"):
        initiator.ead_3(TH_3, CRED_R)
    with pytest.raises(UsageError, match="no number"):
        initiator.show(0)


def test_no_number_in_a_repr() -> None:
    for end in shown():
        number = end.show(0)
        assert number not in repr(end)
        assert repr(N) not in repr(end)
