"""The model `passcode`: the digits, and the two ends."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import AuthenticationError, OobError, PeerError, UsageError
from oob.pairing import Model, Passcode, PasscodeInitiator, PasscodeResponder, cpace
from oob.pairing.models import prf, tag
from oob.pairing.passcode import channel_identifier

TH_2, TH_3, TH_4 = bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32
G_X, CRED_I, CRED_R = b"x" * 32, b"credential of I", b"credential of R"
CODE = Passcode.from_number(1234567)
OTHER = Passcode.from_number(1234568)
CODES = st.integers(0, 9_999_999).map(Passcode.from_number)
LOW_ORDER = [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]


def source(*draws: int) -> Callable[[int], bytes]:
    left = iter(draws)
    return lambda length: next(left).to_bytes(length, "big")


def test_the_check_digit_of_damm() -> None:
    assert Passcode.from_number(572).digits == "00005724"  # the example of H. M. Damm, with leading zeros


@given(code=CODES, place=st.integers(0, 7), digit=st.sampled_from("0123456789"))
def test_every_wrong_digit_is_found(code: Passcode, place: int, digit: str) -> None:
    typed = code.digits[:place] + digit + code.digits[place + 1 :]
    if typed != code.digits:
        with pytest.raises(UsageError, match="mistyped"):
            Passcode.parse(typed)


@given(code=CODES, place=st.integers(0, 6))
def test_every_swap_of_neighbours_is_found(code: Passcode, place: int) -> None:
    one, two = code.digits[place], code.digits[place + 1]
    typed = code.digits[:place] + two + one + code.digits[place + 2 :]
    if one != two:
        with pytest.raises(UsageError, match="mistyped"):
            Passcode.parse(typed)


def test_nine_of_ten_random_codes_are_refused() -> None:
    for number in range(0, 10_000_000, 99_991):
        head = Passcode.from_number(number).digits[:7]
        taken = [digit for digit in "0123456789" if _parses(head + digit)]
        assert len(taken) == 1


def _parses(text: str) -> bool:
    try:
        Passcode.parse(text)
    except UsageError:
        return False
    return True


@given(code=CODES)
def test_display_round_trip(code: Passcode) -> None:
    assert Passcode.parse(code.display()) == code
    assert Passcode.parse(f" {code.digits[:4]}-{code.digits[4:]} ") == code
    assert len(code.display()) == 9
    assert code.display()[4] == " "


def test_attack_six_digits_in_the_passcode_field() -> None:
    with pytest.raises(UsageError, match="may be a comparison number") as caught:
        Passcode.parse("123 456")
    assert "never typed" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "1234567", "123456789", "1234567a", "１２３４５６７８", "1234_5678", "²2345678"])  # noqa: RUF001
def test_other_texts(text: str) -> None:
    with pytest.raises(UsageError):
        Passcode.parse(text)


@given(text=st.text(max_size=12) | st.text("0123456789 -", min_size=4, max_size=12))
def test_any_text_is_taken_or_refused_without_quoting_it(text: str) -> None:
    message = ""
    try:
        assert Passcode.parse(text).digits == "".join(c for c in text if c not in " -")
    except UsageError as error:
        message = str(error)
    assert len(text) < 5 or text not in message


def test_generate_is_uniform_by_rejection() -> None:
    assert Passcode.generate(source(7)) == Passcode.from_number(7)
    assert Passcode.generate(source(10_000_007)) == Passcode.from_number(7)
    assert Passcode.generate(source(4_290_000_000, 2**32 - 1, 5)) == Passcode.from_number(5)
    assert Passcode.generate(source(4_289_999_999)) == Passcode.from_number(9_999_999)


@pytest.mark.parametrize("number", [-1, 10_000_000])
def test_there_are_ten_million_codes(number: int) -> None:
    with pytest.raises(UsageError):
        Passcode.from_number(number)


def test_no_digits_in_a_repr() -> None:
    ends = PasscodeInitiator(CODE, b"a" * 32), PasscodeResponder(CODE, b"b" * 32)
    for value in (CODE, *ends):
        for text in (repr(value), str(value), f"{value}"):
            assert CODE.digits not in text
            assert CODE.display() not in text


def start(
    code_i: Passcode = CODE, code_r: Passcode = CODE, identity_i: bytes = b"", identity_r: bytes = b""
) -> tuple[PasscodeInitiator, PasscodeResponder]:
    initiator, responder = (
        PasscodeInitiator(code_i, b"a" * 32, identity_i),
        PasscodeResponder(code_r, b"b" * 32, identity_r),
    )
    responder.check_1(initiator.ead_1(G_X), G_X)
    initiator.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    return initiator, responder


def test_the_values_on_the_radio() -> None:
    prs, ci = CODE.digits.encode(), b"\x05oob-1\x01\x03\x09initiator\x09responder\x06Lamp 7"
    assert channel_identifier(b"Lamp 7") == ci
    y_a, y_b = (cpace.public_share(prs, ci, G_X, scalar) for scalar in (b"a" * 32, b"b" * 32))
    isk = cpace.session_key(b"a" * 32, G_X, cpace.Share(y_a), cpace.Share(y_b), initiator=True).isk
    k = prf(isk, Model.PASSCODE, "k")
    initiator, responder = PasscodeInitiator(CODE, b"a" * 32, b"Lamp 7"), PasscodeResponder(CODE, b"b" * 32, b"Lamp 7")
    ead_1 = initiator.ead_1(G_X)
    assert ead_1 == b"\x03\x58\x20" + y_a
    responder.check_1(ead_1, G_X)
    assert responder.ead_2(TH_2, CRED_R) == y_b
    initiator.check_2(y_b, TH_2, CRED_R)
    t_i = initiator.ead_3(TH_3, CRED_I)
    assert t_i == tag(k, Model.PASSCODE, "I", TH_3, CRED_I)
    responder.check_3(t_i, TH_3, CRED_I)
    t_r = responder.ead_4(TH_4)
    assert t_r == tag(k, Model.PASSCODE, "R", TH_4)
    initiator.check_4(t_r, TH_4)
    assert initiator.channel_secret() == responder.channel_secret() == prf(isk, Model.PASSCODE, "channel")
    assert k != initiator.channel_secret()


def test_the_proof() -> None:
    proof = PasscodeInitiator(CODE, bytes(32)).proof
    assert (proof.model, proof.strength, proof.bits, proof.mutual) == (Model.PASSCODE, "passcode", 23, True)
    assert 2**proof.bits <= 10**7 < 2 ** (proof.bits + 1)


def test_attack_wrong_code_at_the_device() -> None:
    initiator, responder = start(code_i=OTHER)
    with pytest.raises(AuthenticationError, match="message_3"):
        responder.check_3(initiator.ead_3(TH_3, CRED_I), TH_3, CRED_I)
    with pytest.raises(UsageError):  # one guess: the object is spent
        responder.check_3(initiator._t_i(TH_3, CRED_I), TH_3, CRED_I)


def test_attack_a_rogue_device_without_the_code() -> None:
    initiator, rogue = start(code_r=OTHER)
    initiator.ead_3(TH_3, CRED_I)
    with pytest.raises(AuthenticationError, match="message_4"):
        initiator.check_4(rogue._t_r(TH_4), TH_4)


def test_attack_another_identity_than_the_one_shown() -> None:
    initiator, responder = start(identity_i=b"Lamp 7", identity_r=b"Lamp 8")
    with pytest.raises(AuthenticationError):
        responder.check_3(initiator.ead_3(TH_3, CRED_I), TH_3, CRED_I)


def test_attack_shares_of_another_session() -> None:
    initiator, responder = PasscodeInitiator(CODE, b"a" * 32), PasscodeResponder(CODE, b"b" * 32)
    responder.check_1(initiator.ead_1(G_X), b"y" * 32)
    initiator.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    with pytest.raises(AuthenticationError):
        responder.check_3(initiator.ead_3(TH_3, CRED_I), TH_3, CRED_I)


@pytest.mark.parametrize("share", LOW_ORDER)
def test_attack_low_order_share(share: bytes) -> None:
    responder = PasscodeResponder(CODE, b"b" * 32)
    responder.check_1(b"\x03\x58\x20" + share, G_X)  # k is not derived before message_2
    with pytest.raises(PeerError, match="low order"):
        responder.ead_2(TH_2, CRED_R)
    initiator = PasscodeInitiator(CODE, b"a" * 32)
    initiator.ead_1(G_X)
    with pytest.raises(PeerError, match="low order"):
        initiator.check_2(share, TH_2, CRED_R)


@pytest.mark.parametrize("share", [b"", bytes(31), bytes([9] * 33)])
def test_attack_share_of_another_length(share: bytes) -> None:
    initiator = PasscodeInitiator(CODE, b"a" * 32)
    initiator.ead_1(G_X)
    with pytest.raises(PeerError, match="wrong length"):
        initiator.check_2(share, TH_2, CRED_R)
    item = bytes([0x58, len(share)]) + share if len(share) > 23 else bytes([0x40 + len(share)]) + share
    with pytest.raises(PeerError, match="wrong length"):
        PasscodeResponder(CODE, b"b" * 32).check_1(b"\x03" + item, G_X)


def test_attack_absent_proof() -> None:
    initiator, responder = start()
    with pytest.raises(AuthenticationError):
        responder.check_3(b"", TH_3, CRED_I)
    initiator.ead_3(TH_3, CRED_I)
    with pytest.raises(AuthenticationError):
        initiator.check_4(b"", TH_4)


def test_a_scalar_has_32_bytes() -> None:
    with pytest.raises(UsageError):
        PasscodeInitiator(CODE, b"a" * 31).ead_1(G_X)


@given(code=CODES, guess=CODES)
def test_only_the_right_code_pairs(code: Passcode, guess: Passcode) -> None:
    initiator, responder = start(code_i=guess, code_r=code)
    try:
        responder.check_3(initiator.ead_3(TH_3, CRED_I), TH_3, CRED_I)
    except OobError:
        assert guess != code
    else:
        assert guess == code
