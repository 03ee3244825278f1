"""Identity misbinding: one end is made to believe that it talks to another key than it does."""

import os
from dataclasses import replace
from typing import Any

import pytest

from oob.binding import BindingStatement, Receipt, ResponderExchange, verify_binding
from oob.binding.statement import sign_binding
from oob.cose import CoseKey
from oob.cose.sign1 import Signer
from oob.crypto import Algorithm, EcdhKey, SigningKey
from oob.crypto.ecdh import Curve
from oob.errors import AuthenticationError, OobError, PeerError
from oob.handshake import Credential, Identity
from oob.pairing import PinnedInitiator, SecretInitiator
from oob.pairing.compare import comparison_number
from oob.pairing.models import Model, proof_of
from tests.attack.mallory import FakeDevice
from tests.attack.refusal import DEFENDED, check_2_by_t_r_alone, refused_by_client, refused_by_device, refused_if
from tests.exchange import MODELS, Run, identity, responder_model


def posing_as(victim: Identity) -> Identity:
    """Name the victim's credential, and hold a key of one's own."""
    return Identity(victim.credential, identity().key)


@pytest.mark.parametrize("model", MODELS)
def test_a_device_that_names_anothers_key(model: str) -> None:
    """CRED_R swapped for a victim's.

    Defence: handshake/proof.py, check_proof: the signature is over MAC_2, by the key of CRED_R.
    """
    run = Run.of(model)
    victim = identity("Demo lamp")
    run.initiator = Run.between(model, run.session_key, victim).initiator
    run.responder = ResponderExchange(posing_as(victim), responder_model(model))
    message_2 = run.message_2(run.message_1())
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), AuthenticationError, "signature")


@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_names_anothers_key(model: str) -> None:
    """CRED_I swapped for a victim's session key: the attacker would bind a device to the victim's session.

    Defence: handshake/proof.py, check_proof: the signature is over MAC_3, by the key of CRED_I.
    """
    run = Run.of(model)
    run.initiator = Run.between(model, posing_as(identity()), run.device).initiator
    message_3 = run.message_3()
    refused_by_device(run.responder, lambda: run.responder.open(message_3), AuthenticationError, "signature")


def test_another_device_under_the_same_name() -> None:
    """`secret`: a device with a key of its own, the right name and K: it is not the one on the tag.

    Defence: pairing/secret.py, SecretInitiator.check_2: the hash of CRED_R.
    """
    run = Run.of("secret")
    run.responder = ResponderExchange(identity("Demo lamp"), responder_model("secret"))
    message_2 = run.message_2(run.message_1())
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), AuthenticationError, "out-of-band")


def test_the_same_key_under_another_name() -> None:
    """`secret`: the name that the screen shows is inside CRED_R, and its hash covers it.

    Defence: pairing/secret.py, SecretInitiator.check_2: the hash is of CRED_R, not of the key.
    """
    run = Run.of("secret")
    renamed = Identity(Credential.of_key(run.device.credential.key, subject="Safe"), run.device.key)
    run.responder = ResponderExchange(renamed, responder_model("secret"))
    message_2 = run.message_2(run.message_1())
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), AuthenticationError, "out-of-band")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["kid", "x25519", "ed25519", "x-only"])
def test_credentials_of_another_kind(model: str, kind: str) -> None:
    """References that only some resolve, and keys that do not sign ES256, are nobody's identity.

    Defences: handshake/credentials.py, by_value; handshake/proof.py, check_proof; crypto/signature.py, `_load_p256`.
    """
    run = Run.of(model)
    genuine = run.device.credential.key
    credential = {
        "kid": Credential.of_key(genuine, subject="Demo lamp", kid=b"\x0a"),
        "x25519": Credential.of_key(CoseKey.of(EcdhKey.generate(Curve.X25519, os.urandom))),
        "ed25519": Credential.of_key(CoseKey.of(SigningKey.generate(Algorithm.EDDSA, os.urandom))),
        "x-only": Credential.of_key(replace(genuine, y=None)),
    }[kind]
    posing = Identity(credential, run.device.key)
    run.initiator = Run.between(model, run.session_key, posing).initiator
    fake = FakeDevice(posing)
    offered = fake.receive_1(run.message_1())
    responder = responder_model(model)
    responder.check_1(offered.ead[0].value or b"", offered.g_x)
    message_2 = fake.message_2(responder.ead_2(fake.session.th, posing.credential.cred))
    with pytest.raises(PeerError):
        run.initiator.receive_2(message_2)
    with pytest.raises(OobError):
        run.initiator.receive_4(message_2)


# --- a device that knows the secret and signs something else

FORGERIES: dict[str, Any] = {
    "device_thumbprint": b"t" * 32,
    "session_thumbprint": b"t" * 32,
    "audience": "https://evil.example/directory",
    "challenge": b"c" * 32,
    "origin": "https://evil.example",
    "names": ("bank.example",),
    "proof": proof_of(Model.BUTTON, dynamic=True),
    "exporter": b"e" * 32,
    "context_hash": b"h" * 32,
    "jti": b"j" * 16,
    "iat": 1_000_000_000,
    "exp": 4_000_000_000,
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("claim", FORGERIES)
def test_a_device_that_signs_another_claim(model: str, claim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dishonest device has its signature refused before the client countersigns anything.

    Defence: binding/statement.py, countersign: verify1.
    """

    def forge(key: Signer, statement: BindingStatement) -> Receipt:
        receipt = sign_binding(key, replace(statement, **{claim: FORGERIES[claim]}))
        return replace(
            receipt, jti=statement.jti, iat=statement.iat, exp=statement.exp, dynamic=statement.proof.dynamic
        )

    monkeypatch.setattr("oob.binding.exchange.sign_binding", forge)
    run = Run.of(model)
    message_4 = run.message_4()
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), AuthenticationError, "signature")


@pytest.mark.parametrize("model", MODELS)
def test_a_device_that_lets_another_sign(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that is bound is the key that ran the handshake.

    Defence: binding/exchange.py, `_agree`: countersign under the key of CRED_R.
    """
    other = identity()
    monkeypatch.setattr("oob.binding.exchange.sign_binding", lambda _, statement: sign_binding(other, statement))
    run = Run.of(model)
    message_4 = run.message_4()
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), AuthenticationError, "signature")


@pytest.mark.parametrize("model", MODELS)
def test_a_receipt_of_another_run(model: str) -> None:
    """The same device, session and context: a binding of last time has another exporter value.

    Defence: binding/exchange.py, `_statement`: the claim `exporter`.
    """
    first = Run.of(model)
    agreement, _, _, _ = first.finish()
    receipt = sign_binding(first.device, agreement.statement)
    second = Run.between(model, first.session_key, first.device)
    fake = FakeDevice(first.device)
    offered = fake.receive_1(second.message_1())
    responder = responder_model(model)
    responder.check_1(offered.ead[0].value or b"", offered.g_x)
    message_2 = fake.message_2(responder.ead_2(fake.session.th, first.device.credential.cred))
    verified, t_i, _ = fake.receive_3(second.initiator.receive_2(message_2))
    responder.check_3(t_i, verified.th, verified.credential.cred)
    message_4 = fake.message_4(responder.ead_4(fake.session.th), receipt.encode())
    refused_by_client(second.initiator, lambda: second.initiator.receive_4(message_4), AuthenticationError, "signature")


@pytest.mark.parametrize("receipt", [b"", b"\xf6", b"\x84\x40\xf6\xf6\x40"])
def test_no_receipt(receipt: bytes) -> None:
    """A device that proves the secret and binds nothing leaves the client with nothing.

    Defence: binding/exchange.py, receive_4: Receipt.decode.
    """
    run = Run.of("secret")
    fake = FakeDevice(run.device)
    offered = fake.receive_1(run.message_1())
    responder = responder_model("secret")
    responder.check_1(offered.ead[0].value or b"", offered.g_x)
    message_2 = fake.message_2(responder.ead_2(fake.session.th, run.device.credential.cred))
    fake.receive_3(run.initiator.receive_2(message_2))
    message_4 = fake.message_4(b"", receipt)
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), PeerError)


@pytest.mark.parametrize("model", MODELS)
def test_another_session_cannot_use_the_binding(model: str) -> None:
    """Who sees both halves on their way to the issuer submits them under his own session in vain.

    Defence: binding/statement.py, verify_binding: the countersignature, and the thumbprint of the session key.
    """
    run = Run.of(model)
    agreement, _, _, _ = run.finish()
    verify_binding(agreement.binding, run.session_key.credential.key)
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(agreement.binding, identity().credential.key)


@DEFENDED
@pytest.mark.parametrize("model", ["secret", "resumed", "pinned"])
def test_the_right_device_under_another_name(model: str, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is the right one, the name that people are shown is not.

    Defences: pairing/secret.py, SecretInitiator.check_2, and pairing/unproven.py, PinnedInitiator._check_cred_r: the
    hash of the whole CRED_R.
    """
    if not defended:
        monkeypatch.setattr(SecretInitiator, "check_2", check_2_by_t_r_alone)
        monkeypatch.setattr(PinnedInitiator, "_check_cred_r", lambda *_: None)
    run = Run.of(model)
    renamed = Identity(Credential.of_key(run.device.credential.key, subject="Safe"), run.device.key)
    run.responder = ResponderExchange(renamed, responder_model(model))
    with refused_if(defended, AuthenticationError, "out-of-band"):
        run.finish()
        assert run.initiator.device_name == "Safe"


def test_the_number_is_of_both_credentials() -> None:
    """Of one session at two devices, and of two sessions at one device, the numbers differ.

    Defences: handshake/schedule.py, th_next: CRED_R is in TH_3; pairing/compare.py, comparison_number: CRED_I.
    """
    fields = [(b"3" * 32, b"one"), (b"4" * 32, b"one"), (b"3" * 32, b"another")]
    assert len({comparison_number(bytes(16), *each) for each in fields}) == 3
    device = identity("Demo lamp")
    renamed = Identity(Credential.of_key(device.credential.key, subject="Safe"), device.key)
    transcripts = []
    for each in (device, renamed):
        fake = FakeDevice(each)
        run = Run.between("compare", identity(), each)
        fake.receive_1(run.message_1())
        run.initiator.receive_2(fake.message_2(b""))
        transcripts.append(vars(fake.session)["_step"].th_3)
    assert transcripts[0] != transcripts[1]
