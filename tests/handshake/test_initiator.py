"""The initiator's end: what it refuses in message_2 and message_4, and what it composes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.crypto import Curve, EcdhKey, EcdhPublic
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.handshake import SUITES, Credential, Session, State, schedule
from oob.handshake.messages import encode_bstr
from oob.handshake.proof import xor
from tests.pair import C_I, LABELS, LOW_ORDER, OFF_CURVE, Pair, Random, failure, identity, only_event


def seal_2(message_1: bytes, g_x: EcdhPublic, plaintext: bytes) -> bytes:
    """Encrypt any PLAINTEXT_2 as a responder with a fresh key would."""
    y = EcdhKey.generate(g_x.curve, Random("y"))
    hash = SUITES[2].hash
    th_2 = schedule.th_2(hash, y.x, message_1)
    prk_2e = schedule.prk_2e(hash, th_2, y.exchange(g_x))
    return encode_bstr(y.x + xor(plaintext, schedule.keystream_2(hash, prk_2e, th_2, len(plaintext))))


@pytest.mark.parametrize("message_2", [b"", b"\x40", encode_bstr(bytes(32)), encode_bstr(bytes(64))[:-1], b"\xf6"])
def test_malformed_message_2(message_2: bytes) -> None:
    pair = Pair().run(State.MESSAGE_2)
    pair.initiator.receive(message_2)
    assert isinstance(failure(pair.initiator), PeerError)


@pytest.mark.parametrize(("suite", "g_y"), [(6, LOW_ORDER), (6, bytes(32)), (2, OFF_CURVE), (2, b"\xff" * 32)])
def test_bad_points_in_message_2(suite: int, g_y: bytes) -> None:
    pair = Pair(suite=suite).run(State.MESSAGE_2)
    pair.initiator.receive(encode_bstr(g_y + bytes(100)))
    assert isinstance(failure(pair.initiator), PeerError)


MAC = bytes(8)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [5, b"\x2a"],
        [5, b"\x2a", MAC[1:]],
        [5, b"\x2a", bytes(16)],
        [5, {4: b"\x2a"}, MAC],  # not compact
        [5, b"\x0a", MAC],  # an integer to be
        [b"\x05", b"\x2a", MAC],
        [5, True, MAC],
        [5, {}, MAC],
        [5, 24, MAC],
        [5, "kid", MAC],
        [5, b"\x2a", "MAC"],
        [5, b"\x2a", MAC, b"no label"],
        [5, b"\x2a", MAC, None, -99],
    ],
)
@pytest.mark.parametrize("method", [3])
def test_malformed_plaintext_2(method: int, values: list[Any]) -> None:
    pair = Pair(method=method, suite=2)
    message_1 = pair.start()
    g_x = EcdhPublic.load(Curve.P256, cbor.decode_sequence(message_1)[2])
    pair.initiator.receive(seal_2(message_1, g_x, cbor.encode_sequence(*values)))
    assert isinstance(failure(pair.initiator), PeerError)


@settings(max_examples=60)
@given(plaintext=st.binary(max_size=60))
def test_any_plaintext_2_is_a_claim_or_a_failure(plaintext: bytes) -> None:
    pair = Pair(method=3, suite=2)
    message_1 = pair.start()
    g_x = EcdhPublic.load(Curve.P256, cbor.decode_sequence(message_1)[2])
    pair.initiator.receive(seal_2(message_1, g_x, plaintext))
    assert pair.initiator.state in (State.CREDENTIAL_R, State.FAILED)
    if pair.initiator.state is State.CREDENTIAL_R:
        pair.initiator.accept(pair.identity_r.credential)
        failure(pair.initiator)


@pytest.mark.parametrize(("method", "suite"), [(0, 6), (3, 2)])
def test_another_key_than_the_claimed_one(method: int, suite: int) -> None:
    pair = Pair(method=method, suite=suite).run(State.CREDENTIAL_R)
    kid = cbor.decode(pair.identity_r.credential.id_cred)[4]
    pair.initiator.accept(identity(suite, method == 0, "stranger", kid=kid).credential)
    assert isinstance(failure(pair.initiator), AuthenticationError)
    with pytest.raises(UsageError):
        pair.initiator.exporter()


@pytest.mark.parametrize("signs", [True, False])
def test_a_credential_of_the_wrong_kind(signs: bool) -> None:
    """The peer's key is for the other way to authenticate, or of another curve."""
    method, suite = (0, 6) if signs else (3, 2)
    pair = Pair(method=method, suite=suite).run(State.CREDENTIAL_R)
    kid = cbor.decode(pair.identity_r.credential.id_cred)[4]
    wrong = identity(0 if not signs else 6, False, "wrong", kid=kid).credential
    pair.initiator.accept(wrong)
    assert isinstance(failure(pair.initiator), PeerError)


def test_a_credential_that_was_not_named() -> None:
    pair = Pair().run(State.CREDENTIAL_R)
    pair.initiator.accept(identity(6, True, "responder", kid=b"\x0b").credential)
    assert "not the one" in str(failure(pair.initiator))


def test_reflection() -> None:
    """A peer that holds our own key, or says so, is refused under every name."""
    pair = Pair(kid_i=None, kid_r=None)
    mirror = Session.responder(pair.identity_i, suites=(6,))
    mirror.receive(pair.start())
    mirror.engage(pair.ephemeral(), b"\x06")
    mirror.reply()
    pair.initiator.receive(*mirror.messages_to_send())
    pair.initiator.accept(Credential.by_value(only_event(pair.initiator).id_cred))  # type: ignore[union-attr]
    assert "our own credential" in str(failure(pair.initiator))


def test_its_own_message_comes_back() -> None:
    pair = Pair()
    message_1 = pair.start()
    pair.initiator.receive(message_1)
    failure(pair.initiator)


@pytest.mark.parametrize(
    "message_4", [b"", b"\x40", b"\x48" + bytes(8), encode_bstr(bytes(16)), encode_bstr(bytes(17))]
)
def test_message_4_that_does_not_verify(message_4: bytes) -> None:
    pair = Pair().run(State.MESSAGE_4)
    pair.initiator.receive(message_4)
    assert isinstance(failure(pair.initiator), PeerError | AuthenticationError)
    with pytest.raises(UsageError):
        pair.initiator.exporter()


def test_message_3_comes_back_as_message_4() -> None:
    pair = Pair().run(State.MESSAGE_4)
    pair.initiator.receive(pair.messages[2])
    assert isinstance(failure(pair.initiator), AuthenticationError)


@pytest.mark.parametrize(("method", "suite", "signs"), [(0, 6, False), (3, 2, True), (0, 0, True), (3, 0, False)])
def test_an_identity_that_does_not_fit(method: int, suite: int, signs: bool) -> None:
    own = identity(2, signs, "own")
    session = Session.initiator(own, method=method, suites=(suite,), labels=LABELS)
    with pytest.raises(UsageError):
        session.start(EcdhKey.generate(SUITES[suite].curve, Random("x")), C_I)
    assert session.state is State.START
    assert not session.messages_to_send()


def test_an_ephemeral_key_of_another_curve() -> None:
    pair = Pair(suite=6)
    with pytest.raises(UsageError, match="another curve"):
        pair.initiator.start(EcdhKey.generate(Curve.P256, Random("x")), C_I)
    assert pair.initiator.state is State.START
