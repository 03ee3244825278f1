"""A paired client comes again."""

import hashlib
import hmac

import cbor2
import pytest

from oob.errors import AuthenticationError, PeerError, UsageError
from oob.pairing import Model, ResumedInitiator, ResumedResponder, SecretInitiator
from oob.pairing.resumed import SECRET_LENGTH

TH_2, TH_3, TH_4 = bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32
G_X, CRED_I, CRED_R = b"x" * 32, b"credential of I", b"credential of R"
HASH_R = hashlib.sha256(CRED_R).digest()
PHONE, LAPTOP = bytes(range(32)), b"L" * 32
PAIRINGS = {b"laptop": LAPTOP, b"phone": PHONE}


def mac(label: str, *fields: bytes) -> bytes:
    sequence = b"".join(map(cbor2.dumps, (f"oob-1 {label}", 6, *fields)))
    return hmac.digest(PHONE, sequence, "sha256")


def test_the_values_on_the_radio() -> None:
    """The construction of `secret`, with model id 6 and the secret of the one pairing that the client has."""
    initiator, responder = ResumedInitiator(PHONE, HASH_R), ResumedResponder(PAIRINGS)
    ead_1 = initiator.ead_1(G_X)
    assert ead_1 == b"\x06\x48" + mac("id", G_X)[:8]
    responder.check_1(ead_1, G_X)
    assert responder.pairing == b"phone"
    t_r = responder.ead_2(TH_2, CRED_R)
    assert t_r == mac("R", TH_2, CRED_R)[:16]
    initiator.check_2(t_r, TH_2, CRED_R)
    t_i = initiator.ead_3(TH_3, CRED_I)
    assert t_i == mac("I", TH_3, CRED_I)[:16]
    responder.check_3(t_i, TH_3, CRED_I)
    assert responder.ead_4(TH_4) == b""
    initiator.check_4(b"", TH_4)
    assert initiator.channel_secret() == responder.channel_secret() == mac("channel")


@pytest.mark.parametrize(("secret", "name"), [(PHONE, b"phone"), (LAPTOP, b"laptop")])
def test_the_device_knows_its_pairings_apart(secret: bytes, name: bytes) -> None:
    responder = ResumedResponder(PAIRINGS)
    responder.check_1(ResumedInitiator(secret, HASH_R).ead_1(G_X), G_X)
    assert responder.pairing == name


def test_the_proof() -> None:
    for end in (ResumedInitiator(PHONE, HASH_R), ResumedResponder(PAIRINGS)):
        assert end.model is end.proof.model is Model.RESUMED
        assert (end.proof.strength, end.proof.bits, end.proof.mutual) == ("resumed", 128, True)
        assert (end.proof.dynamic, end.proof.confirmed) == (False, False)


@pytest.mark.parametrize("pairings", [{}, PAIRINGS])
@pytest.mark.parametrize("secret", [bytes(32), b"S" * 32])
def test_attack_a_stranger(pairings: dict[bytes, bytes], secret: bytes) -> None:
    """resumed.py, check_1: also one who knows what a device without pairings starts from, 32 zero bytes."""
    responder = ResumedResponder(pairings)
    with pytest.raises(AuthenticationError, match="not paired"):
        responder.check_1(ResumedInitiator(secret, HASH_R).ead_1(G_X), G_X)
    with pytest.raises(UsageError, match="out of order"):
        responder.ead_2(TH_2, CRED_R)
    with pytest.raises(UsageError, match="no pairing"):
        _ = responder.pairing


def test_attack_a_tag_of_another_ephemeral_key() -> None:
    with pytest.raises(AuthenticationError, match="not paired"):
        ResumedResponder(PAIRINGS).check_1(ResumedInitiator(PHONE, HASH_R).ead_1(G_X), b"y" * 32)


def test_attack_the_secret_of_another_pairing() -> None:
    """secret.py, check_3 under the secret that check_1 found: who is paired himself does not pass for somebody else."""
    responder, laptop = ResumedResponder(PAIRINGS), ResumedInitiator(LAPTOP, HASH_R)
    responder.check_1(ResumedInitiator(PHONE, HASH_R).ead_1(G_X), G_X)
    laptop.ead_1(G_X)
    assert responder.pairing == b"phone"
    responder.ead_2(TH_2, CRED_R)
    with pytest.raises(AuthenticationError, match="message_3"):
        responder.check_3(laptop._tag("I", TH_3, CRED_I), TH_3, CRED_I)


def test_attack_a_secret_model_with_the_same_k() -> None:
    """models.py, prf: the model id keeps the tags of `secret` and `resumed` apart."""
    tag = SecretInitiator(PHONE, HASH_R, dynamic=False).ead_1(G_X)
    with pytest.raises(AuthenticationError, match="asks for the model secret"):
        ResumedResponder(PAIRINGS).check_1(tag, G_X)
    with pytest.raises(AuthenticationError, match="not paired"):
        ResumedResponder(PAIRINGS).check_1(b"\x06" + tag[1:], G_X)


def test_attack_another_device() -> None:
    initiator, responder = ResumedInitiator(PHONE, HASH_R), ResumedResponder(PAIRINGS)
    responder.check_1(initiator.ead_1(G_X), G_X)
    former = b"credential of before the reset"
    with pytest.raises(AuthenticationError, match="message_2"):
        initiator.check_2(responder.ead_2(TH_2, former), TH_2, former)


def test_malformed_message_1() -> None:
    for value in (b"", b"\x06", b"\x06\x60"):
        with pytest.raises(PeerError):
            ResumedResponder(PAIRINGS).check_1(value, G_X)


def test_no_pairing_before_message_1() -> None:
    with pytest.raises(UsageError, match="before message_1"):
        _ = ResumedResponder(PAIRINGS).pairing


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_wrong_lengths(length: int) -> None:
    """resumed.py, _check_length: an empty secret in the store would open the device to everyone."""
    with pytest.raises(UsageError, match="32 bytes"):
        ResumedInitiator(bytes(length), HASH_R)
    with pytest.raises(UsageError, match="32 bytes"):
        ResumedResponder(PAIRINGS | {b"damaged": bytes(length)})
    assert SECRET_LENGTH == 32


def test_no_secret_in_a_repr() -> None:
    for end in (ResumedInitiator(PHONE, HASH_R), ResumedResponder(PAIRINGS)):
        assert repr(PHONE) not in repr(end)
        assert PHONE.hex() not in repr(end)
