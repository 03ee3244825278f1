"""The calls that all models share, and the encoding of EAD_1."""

import hashlib
import hmac
from collections.abc import Callable

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import AuthenticationError, PeerError, UsageError
from oob.pairing import (
    EAD_LABEL,
    ButtonInitiator,
    InitiatorModel,
    Model,
    Passcode,
    PasscodeInitiator,
    PasscodeResponder,
    PinnedInitiator,
    Proof,
    ResponderModel,
    ResumedInitiator,
    ResumedResponder,
    SecretInitiator,
    SecretResponder,
    UnprovenResponder,
    decode_ead_1,
)
from oob.pairing.models import MUTUAL_PROOFS, PROOFS, encode_ead_1, prf, proof_of, tag
from tests.exchange import HastyCompareInitiator, HastyCompareResponder

TH_2, TH_3, TH_4 = bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32
G_X, CRED_I, CRED_R = b"x" * 32, b"credential of I", b"credential of R"
HASH_R = hashlib.sha256(CRED_R).digest()
CODE = Passcode.from_number(1234567)
Pair = tuple[InitiatorModel, ResponderModel]
Calls = list[Callable[[], bytes | None]]


def secret_pair() -> Pair:
    return SecretInitiator(b"K" * 16, HASH_R, dynamic=True), SecretResponder(b"K" * 16, dynamic=True)


def passcode_pair() -> Pair:
    return PasscodeInitiator(CODE, b"a" * 32, b"Lamp 7"), PasscodeResponder(CODE, b"b" * 32, b"Lamp 7")


def resumed_pair() -> Pair:
    return ResumedInitiator(b"K" * 32, HASH_R), ResumedResponder({b"phone": b"K" * 32})


def compare_pair() -> Pair:
    return HastyCompareInitiator(b"N" * 16, CRED_I), HastyCompareResponder()


def pinned_pair() -> Pair:
    return PinnedInitiator(HASH_R), UnprovenResponder(Model.PINNED)


def button_pair() -> Pair:
    return ButtonInitiator(accept_presence_alone=True), UnprovenResponder(Model.BUTTON)


# Those whose ends share a key, and all.
KEYED = pytest.mark.parametrize("make", [secret_pair, passcode_pair, resumed_pair])
PAIRS = pytest.mark.parametrize(
    "make", [secret_pair, passcode_pair, resumed_pair, compare_pair, pinned_pair, button_pair]
)


def run(initiator: InitiatorModel, responder: ResponderModel) -> None:
    responder.check_1(initiator.ead_1(G_X), G_X)
    initiator.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    responder.check_3(initiator.ead_3(TH_3, CRED_I), TH_3, CRED_I)
    initiator.check_4(responder.ead_4(TH_4), TH_4)


@PAIRS
def test_both_ends_agree(make: Callable[[], Pair]) -> None:
    initiator, responder = make()
    run(initiator, responder)
    assert initiator.channel_secret() == responder.channel_secret()
    keyed = initiator.model in (Model.SECRET, Model.PASSCODE, Model.RESUMED)
    assert len(initiator.channel_secret()) == (32 if keyed else 0)
    assert initiator.proof.told(responder.proof.dynamic) == responder.proof
    assert initiator.model is responder.model is initiator.proof.model
    assert initiator.proof.mutual is (keyed or initiator.model is Model.COMPARE)


@PAIRS
def test_the_steps_are_taken_once_and_in_order(make: Callable[[], Pair]) -> None:
    initiator, responder = make()
    calls_i: Calls = [
        lambda: initiator.ead_1(G_X),
        lambda: initiator.check_2(values[2], TH_2, CRED_R),
        lambda: initiator.ead_3(TH_3, CRED_I),
        lambda: initiator.check_4(values[4], TH_4),
    ]
    calls_r: Calls = [
        lambda: responder.check_1(values[1], G_X),
        lambda: responder.ead_2(TH_2, CRED_R),
        lambda: responder.check_3(values[3], TH_3, CRED_I),
        lambda: responder.ead_4(TH_4),
    ]
    values = {1: b"", 2: b"", 3: b"", 4: b""}

    def refused_but(calls: Calls, step: int) -> None:
        for other, call in enumerate(calls):
            if other != step:
                with pytest.raises(UsageError, match="out of order"):
                    call()

    for step in range(4):
        refused_but(calls_i, step)
        refused_but(calls_r, step)
        with pytest.raises(UsageError, match="no channel secret"):
            initiator.channel_secret()
        if step < 3 or responder.model is Model.COMPARE:
            with pytest.raises(UsageError, match="no channel secret"):
                responder.channel_secret()
        else:
            responder.channel_secret()
        first, second = (calls_i, calls_r) if step in (0, 2) else (calls_r, calls_i)
        values[step + 1] = first[step]() or b""
        second[step]()
    refused_but(calls_i, 4)
    refused_but(calls_r, 4)
    assert initiator.channel_secret() == responder.channel_secret()


@PAIRS
def test_a_failed_check_ends_the_object(make: Callable[[], Pair]) -> None:
    initiator, responder = make()
    value = initiator.ead_1(G_X)
    with pytest.raises((AuthenticationError, PeerError)):
        responder.check_1(value[:-1], G_X)
    for call in (lambda: responder.check_1(value, G_X), lambda: responder.ead_2(TH_2, CRED_R)):
        with pytest.raises(UsageError, match="out of order"):
            call()
    with pytest.raises(UsageError, match="no channel secret"):
        responder.channel_secret()


@KEYED
def test_attack_reflected_t_i_as_t_r(make: Callable[[], Pair]) -> None:
    initiator, responder = make()
    responder.check_1(initiator.ead_1(G_X), G_X)
    if initiator.model is not Model.PASSCODE:
        # Even where all hashes and credentials coincide, T_I is not T_R.
        mirror, _ = make()
        mirror.ead_1(G_X)
        mirror.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
        with pytest.raises(AuthenticationError):
            initiator.check_2(mirror.ead_3(TH_2, CRED_R), TH_2, CRED_R)
    else:
        initiator.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
        with pytest.raises(AuthenticationError):
            initiator.check_4(initiator.ead_3(TH_4, b""), TH_4)


@PAIRS
@pytest.mark.parametrize("model", Model)
def test_attack_other_model_id(make: Callable[[], Pair], model: Model) -> None:
    initiator, responder = make()
    if model is responder.model:
        return
    value = bytes([model]) + initiator.ead_1(G_X)[1:]
    with pytest.raises(AuthenticationError, match=f"asks for the model {model.name.lower()}, this device is armed"):
        responder.check_1(value, G_X)


@KEYED
def test_a_changed_transcript_is_refused(make: Callable[[], Pair]) -> None:
    for th_3, cred_i in ((TH_2, CRED_I), (TH_3, CRED_R)):
        initiator, responder = make()
        responder.check_1(initiator.ead_1(G_X), G_X)
        initiator.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
        with pytest.raises(AuthenticationError, match="out-of-band proof does not verify"):
            responder.check_3(initiator.ead_3(TH_3, CRED_I), th_3, cred_i)


@KEYED
@given(data=st.binary(max_size=64))
def test_any_bytes_are_taken_or_refused_by_name(make: Callable[[], Pair], data: bytes) -> None:
    initiator, responder = make()
    with pytest.raises((PeerError, AuthenticationError)):
        responder.check_1(data, G_X)
    initiator.ead_1(G_X)
    try:
        initiator.check_2(data, TH_2, CRED_R)
    except (PeerError, AuthenticationError):
        return
    initiator.ead_3(TH_3, CRED_I)
    with pytest.raises(AuthenticationError):
        initiator.check_4(data, TH_4)


@PAIRS
@given(data=st.binary(min_size=1, max_size=32))
def test_any_bytes_as_t_i_are_refused(make: Callable[[], Pair], data: bytes) -> None:
    initiator, responder = make()
    responder.check_1(initiator.ead_1(G_X), G_X)
    responder.ead_2(TH_2, CRED_R)
    with pytest.raises((AuthenticationError, PeerError)):
        responder.check_3(data, TH_3, CRED_I)


@PAIRS
@pytest.mark.parametrize("value", [b"\x00", bytes(16)])
def test_attack_a_value_where_none_belongs(make: Callable[[], Pair], value: bytes) -> None:
    """A proof is in one place of a model only: what stands elsewhere belongs to another one."""
    initiator, responder = make()
    responder.check_1(initiator.ead_1(G_X), G_X)
    if initiator.model in (Model.COMPARE, Model.PINNED, Model.BUTTON):
        with pytest.raises(AuthenticationError, match="message_2"):
            initiator.check_2(value, TH_2, CRED_R)
        return
    initiator.check_2(responder.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    initiator.ead_3(TH_3, CRED_I)
    with pytest.raises(AuthenticationError, match="message_4"):
        initiator.check_4(value, TH_4)


@pytest.mark.parametrize("make", [compare_pair, pinned_pair, button_pair])
def test_attack_a_value_in_message_4_where_none_belongs(make: Callable[[], Pair]) -> None:
    initiator, _ = make()
    initiator.ead_1(G_X)
    initiator.check_2(b"", TH_2, CRED_R)
    initiator.ead_3(TH_3, CRED_I)
    with pytest.raises(AuthenticationError, match="message_4"):
        initiator.check_4(bytes(16), TH_4)


# --- what is proven

STATIC_AND_DYNAMIC = {
    Model.PINNED: (False,),
    Model.SECRET: (True, False),
    Model.PASSCODE: (True, False),
    Model.COMPARE: (True,),
    Model.BUTTON: (True,),
    Model.RESUMED: (False,),
}


def test_the_table_of_proofs() -> None:
    assert [(proof.model, proof.dynamic) for proof in PROOFS] == [
        (model, dynamic) for model, both in STATIC_AND_DYNAMIC.items() for dynamic in both
    ]
    strengths = ["pinned", "secret-dynamic", "secret-static", "passcode", "passcode", "compare", "button", "resumed"]
    assert [proof.strength for proof in PROOFS] == strengths
    assert [proof.bits for proof in PROOFS] == [128, 128, 128, 23, 23, 19, 0, 128]
    assert {proof.model for proof in PROOFS if proof.confirmed} == {Model.COMPARE, Model.BUTTON}
    assert 2**19 <= 10**6 < 2**20
    assert 2**23 <= 10**7 < 2**24


def test_an_issuer_takes_no_one_sided_proof() -> None:
    assert {proof.model for proof in MUTUAL_PROOFS} == set(Model) - {Model.PINNED, Model.BUTTON}


@pytest.mark.parametrize("model", Model)
@pytest.mark.parametrize("dynamic", [True, False])
def test_proof_of(model: Model, dynamic: bool) -> None:
    if dynamic in STATIC_AND_DYNAMIC[model]:
        proof = proof_of(model, dynamic=dynamic)
        assert (proof.model, proof.dynamic) == (model, dynamic)
    else:
        with pytest.raises(UsageError, match=f"{model.name.lower()} is never {'dynamic' if dynamic else 'static'}"):
            proof_of(model, dynamic=dynamic)


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("dynamic", [True, False])
def test_only_of_a_passcode_the_device_tells_more(proof: Proof, dynamic: bool) -> None:
    """models.py, told: who read the tag knows whether its K is fresh, who typed digits does not."""
    if dynamic is proof.dynamic:
        assert proof.told(dynamic) is proof
    elif proof.model is Model.PASSCODE:
        assert proof.told(dynamic) == proof_of(Model.PASSCODE, dynamic=dynamic)
    else:
        with pytest.raises(AuthenticationError, match="contradicts"):
            proof.told(dynamic)


@given(model=st.sampled_from(Model), value=st.binary(max_size=64))
def test_ead_1_round_trip(model: Model, value: bytes) -> None:
    assert decode_ead_1(encode_ead_1(model, value)) == (model, value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02",
        b"\x02\x40\x00",
        b"\x00\x40",
        b"\x07\x40",
        b"\xf5\x40",
        b"\x02\x60",
        b"\x18\x02\x40",
        b"\x82\x02\x40",
    ],
)
def test_malformed_ead_1(data: bytes) -> None:
    with pytest.raises(PeerError):
        decode_ead_1(data)


def test_the_mac_is_what_the_specification_says() -> None:
    sequence = cbor2.dumps("oob-1 I") + b"\x03" + cbor2.dumps(TH_3) + cbor2.dumps(CRED_I)
    expected = hmac.new(b"k" * 32, sequence, "sha256").digest()
    assert prf(b"k" * 32, Model.PASSCODE, "I", TH_3, CRED_I) == expected
    assert tag(b"k" * 32, Model.PASSCODE, "I", TH_3, CRED_I) == expected[:16]


def test_the_label_is_of_the_private_range() -> None:
    assert 32768 <= EAD_LABEL <= 65535
