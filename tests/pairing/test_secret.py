"""The model `secret`."""

import hashlib
import hmac

import cbor2
import pytest

from oob.errors import AuthenticationError, PeerError, UsageError
from oob.pairing import Model, SecretInitiator, SecretResponder

TH_2, TH_3, TH_4 = bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32
G_X, CRED_I, CRED_R = b"x" * 32, b"credential of I", b"credential of R"
HASH_R = hashlib.sha256(CRED_R).digest()
K = bytes(range(16))


def mac(label: str, *fields: bytes) -> bytes:
    sequence = b"".join(map(cbor2.dumps, (f"oob-1 {label}", 2, *fields)))
    return hmac.new(K, sequence, "sha256").digest()


def test_the_values_on_the_radio() -> None:
    initiator, responder = SecretInitiator(K, HASH_R, dynamic=False), SecretResponder(K, dynamic=False)
    ead_1 = initiator.ead_1(G_X)
    assert ead_1 == b"\x02\x48" + mac("id", G_X)[:8]
    responder.check_1(ead_1, G_X)
    t_r = responder.ead_2(TH_2, CRED_R)
    assert t_r == mac("R", TH_2, CRED_R)[:16]
    initiator.check_2(t_r, TH_2, CRED_R)
    t_i = initiator.ead_3(TH_3, CRED_I)
    assert t_i == mac("I", TH_3, CRED_I)[:16]
    responder.check_3(t_i, TH_3, CRED_I)
    assert responder.ead_4(TH_4) == b""
    initiator.check_4(b"", TH_4)
    assert initiator.channel_secret() == responder.channel_secret() == mac("channel")


@pytest.mark.parametrize(("dynamic", "strength"), [(True, "secret-dynamic"), (False, "secret-static")])
def test_static_and_dynamic_are_different_results(dynamic: bool, strength: str) -> None:
    for end in (SecretInitiator(K, HASH_R, dynamic), SecretResponder(K, dynamic)):
        assert end.proof.strength == strength
        assert end.proof.bits == 128
        assert end.proof.model is end.model is Model.SECRET


def test_attack_wrong_k() -> None:
    stranger = SecretInitiator(bytes(16), HASH_R, dynamic=True)
    with pytest.raises(AuthenticationError):
        SecretResponder(K, dynamic=True).check_1(stranger.ead_1(G_X), G_X)
    initiator, impostor = SecretInitiator(K, HASH_R, dynamic=True), SecretResponder(bytes(16), dynamic=True)
    impostor.check_1(SecretInitiator(bytes(16), HASH_R, dynamic=True).ead_1(G_X), G_X)
    initiator.ead_1(G_X)
    with pytest.raises(AuthenticationError):
        initiator.check_2(impostor.ead_2(TH_2, CRED_R), TH_2, CRED_R)


def test_attack_an_id_tag_of_another_ephemeral_key() -> None:
    ead_1 = SecretInitiator(K, HASH_R, dynamic=True).ead_1(G_X)
    with pytest.raises(AuthenticationError):
        SecretResponder(K, dynamic=True).check_1(ead_1, b"y" * 32)


@pytest.mark.parametrize("length", [16, 20, 32])
def test_attack_a_past_reader_of_k_without_the_device_key(length: int) -> None:
    initiator, impostor = SecretInitiator(K, HASH_R[:length], dynamic=False), SecretResponder(K, dynamic=False)
    impostor.check_1(initiator.ead_1(G_X), G_X)
    other = b"credential of somebody who read K"
    with pytest.raises(AuthenticationError) as caught:
        initiator.check_2(impostor.ead_2(TH_2, other), TH_2, other)
    other_text = str(caught.value)
    initiator, device = SecretInitiator(K, HASH_R[:length], dynamic=False), SecretResponder(K, dynamic=False)
    device.check_1(initiator.ead_1(G_X), G_X)
    with pytest.raises(AuthenticationError) as caught:
        initiator.check_2(device.ead_2(TH_3, CRED_R), TH_2, CRED_R)
    assert str(caught.value) == other_text


def test_a_truncated_hash_is_enough() -> None:
    initiator, device = SecretInitiator(K, HASH_R[:16], dynamic=False), SecretResponder(K, dynamic=False)
    device.check_1(initiator.ead_1(G_X), G_X)
    initiator.check_2(device.ead_2(TH_2, CRED_R), TH_2, CRED_R)


@pytest.mark.parametrize("cut", [0, 8, 15])
def test_attack_a_shortened_tag(cut: int) -> None:
    initiator, device = SecretInitiator(K, HASH_R, dynamic=False), SecretResponder(K, dynamic=False)
    device.check_1(initiator.ead_1(G_X), G_X)
    with pytest.raises(AuthenticationError):
        initiator.check_2(device.ead_2(TH_2, CRED_R)[:cut], TH_2, CRED_R)


def test_attack_a_proof_where_none_belongs() -> None:
    initiator, device = SecretInitiator(K, HASH_R, dynamic=False), SecretResponder(K, dynamic=False)
    device.check_1(initiator.ead_1(G_X), G_X)
    initiator.check_2(device.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    initiator.ead_3(TH_3, CRED_I)
    with pytest.raises(AuthenticationError):
        initiator.check_4(bytes(16), TH_4)


def test_an_absent_item_in_message_1_is_refused() -> None:
    with pytest.raises(PeerError):
        SecretResponder(K, dynamic=False).check_1(b"", G_X)


@pytest.mark.parametrize("length", [0, 15, 33])
def test_wrong_lengths(length: int) -> None:
    with pytest.raises(UsageError, match="secret has 16 to 32 bytes"):
        SecretResponder(bytes(length), dynamic=True)
    with pytest.raises(UsageError, match="secret has 16 to 32 bytes"):
        SecretInitiator(bytes(length), HASH_R, dynamic=True)
    with pytest.raises(UsageError, match="CRED_R has 16 to 32 bytes"):
        SecretInitiator(K, bytes(length), dynamic=True)


def test_no_secret_in_a_repr() -> None:
    for end in (SecretInitiator(K, HASH_R, dynamic=True), SecretResponder(K, dynamic=True)):
        assert repr(K) not in repr(end)
        assert K.hex() not in repr(end)
