"""Method confusion: a run of one association model taken for one of another, a signature of one kind for another."""

from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import pytest

from oob import cbor
from oob.binding import ResponderExchange, countersign, sign_binding, verify_binding
from oob.binding.statement import COUNTERSIGNATURE_TYPE, STATEMENT_TYPE
from oob.cose import CoseKey, Sign1
from oob.crypto import Algorithm
from oob.errors import AuthenticationError, OobError, PeerError
from oob.handshake import SUITES, Credential, Ead, Identity
from oob.handshake.proof import check_proof, compose_proof
from oob.pairing import EAD_LABEL, Model
from tests.attack.mallory import FakeClient, FakeDevice
from tests.attack.refusal import refused_by_client, refused_by_device
from tests.binding.halves import DEVICE, DEVICE_KEY, GOOD, SESSION, SESSION_KEY, STATEMENT, binding
from tests.exchange import ALL_MODELS, CONTEXT, MODELS, Run, identity, responder_model

OTHER = {model: MODELS[(index + 1) % len(MODELS)] for index, model in enumerate(MODELS)}
PAIRS = [(one, other) for one in ALL_MODELS for other in ALL_MODELS if one != other]


@pytest.mark.parametrize(("model", "other"), PAIRS)
def test_client_and_device_in_different_models(model: str, other: str) -> None:
    """The device is armed for one model and answers no other.

    Defence: pairing/models.py, expect_ead_1, called by `check_1` in exchange.py, `answer`.
    """
    run = Run.of(model)
    run.responder = ResponderExchange(run.device, responder_model(other))
    message_1 = run.message_1()
    refused_by_device(run.responder, lambda: run.message_2(message_1), AuthenticationError, "armed")


@pytest.mark.parametrize(("model", "other"), PAIRS)
def test_model_id_exchanged_on_the_way(model: str, other: str) -> None:
    """A relay relabels EAD_1, so that the device finds the model that it is armed for.

    Defences: the `check_1` of each model, for the forms differ; where they do not (a share and a commitment, a tag and
    a tag, nothing and nothing): handshake/schedule.py, th_2, over message_1 as it was sent.
    """
    run = Run.of(model)
    run.responder = ResponderExchange(run.device, responder_model(other))
    message_1 = run.message_1()
    value = cbor.decode_sequence(message_1)[5]
    assert value[0] == Model[model.upper()]
    relabelled = message_1[: -len(value)] + bytes([Model[other.upper()]]) + value[1:]
    if {model, other} in ({"passcode", "compare"}, {"pinned", "button"}):
        message_2 = run.message_2(relabelled)
        refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2))
    else:
        refused_by_device(run.responder, lambda: run.message_2(relabelled))


@pytest.mark.parametrize("number", [0, 1, 4, 5, 6, 255])
def test_models_that_nobody_armed(number: int) -> None:
    """`pinned`, `compare` and `button` are not to be had by asking for them.

    Defence: pairing/models.py, decode_ead_1 and expect_ead_1.
    """
    for model in [name for name in MODELS if Model[name.upper()] != number]:
        run = Run.of(model)
        message_1 = FakeClient(identity()).message_1(lambda _: cbor.encode_sequence(number, bytes(32)))
        refused_by_device(run.responder, partial(run.message_2, message_1))


@pytest.mark.parametrize("model", MODELS)
def test_message_1_without_a_model(model: str) -> None:
    """Plain EDHOC, which proves no secret, is no pairing.

    Defence: pairing/models.py, decode_ead_1.
    """
    run = Run.of(model)
    message_1 = FakeClient(identity()).message_1(lambda _: b"")
    refused_by_device(run.responder, lambda: run.message_2(message_1), PeerError, "model")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("extra", ["twice", "not critical", "unknown"])
def test_authenticators_that_can_be_read_in_two_ways(model: str, extra: str) -> None:
    """Two items with the label, one that a peer might skip, and a critical one that nobody knows.

    Defences: handshake/ead.py, value_of and understood.
    """
    run = Run.of(model)
    fake = FakeDevice(run.device)
    fake.receive_1(run.message_1())
    items = {
        "twice": (Ead(EAD_LABEL, bytes(32)), Ead(EAD_LABEL, bytes(32))),
        "not critical": (Ead(EAD_LABEL, bytes(32), critical=False),),
        "unknown": (Ead(EAD_LABEL, bytes(32)), Ead(9, b"")),
    }[extra]
    fake.session.reply(items)
    message_2 = fake.session.messages_to_send()[0]
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), PeerError, "EAD")


def test_secret_with_the_proof_in_the_place_of_passcode() -> None:
    """In `secret` message_4 carries no authenticator, so one that is there belongs to another model.

    Defence: pairing/secret.py, SecretInitiator.check_4, called in exchange.py, receive_4.
    """
    run = Run.of("secret")
    fake = FakeDevice(run.device)
    offered = fake.receive_1(run.message_1())
    responder = responder_model("secret")
    responder.check_1(offered.ead[0].value or b"", offered.g_x)
    message_2 = fake.message_2(responder.ead_2(fake.session.th, run.device.credential.cred))
    fake.receive_3(run.initiator.receive_2(message_2))
    message_4 = fake.message_4(bytes(16), b"\x80")
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), AuthenticationError, "out-of-band")


def test_the_statement_names_the_model_that_ran() -> None:
    """Defence: binding/exchange.py, `_statement`: the proof of the model object, in the claims and in the exporter."""
    seen = {model: Run.of(model).finish()[0].statement for model in MODELS}
    assert {name: statement.model for name, statement in seen.items()} == {name: name for name in MODELS}


# --- the three kinds of signature


class Recorder:
    """A signer that notes what it signs."""

    algorithm = Algorithm.ES256

    def __init__(self, identity: Identity) -> None:
        self.inner: Any = identity.key
        self.signed: list[tuple[bytes, bytes]] = []

    def sign(self, message: bytes) -> bytes:
        """Sign and remember."""
        signature: bytes = self.inner.sign(message)
        self.signed.append((message, signature))
        return signature


@pytest.mark.parametrize("model", MODELS)
def test_no_signature_of_a_run_verifies_as_another(model: str) -> None:
    """Each end signs twice: in EDHOC and for the binding. No signature stands for another, by header and by aad.

    Defences: binding/statement.py, the two types and the two external_aad; handshake/proof.py, `_message`.
    """
    session_key, device = identity(), identity("Demo lamp")
    ends = {"client": Recorder(session_key), "device": Recorder(device)}
    run = Run.between(
        model, Identity(session_key.credential, ends["client"]), Identity(device.credential, ends["device"])
    )
    agreement, _, _, _ = run.finish()
    structures = [cbor.decode(message) for end in ends.values() for message, _ in end.signed]
    assert [len(end.signed) for end in ends.values()] == [2, 2]
    assert {structure[0] for structure in structures} == {"Signature1"}
    client_edhoc, countersignature, device_edhoc, statement = structures
    assert client_edhoc[1] == session_key.credential.id_cred
    assert device_edhoc[1] == device.credential.id_cred
    assert statement[1:3] == [cbor.encode({1: -7, 16: STATEMENT_TYPE}), b"oob-1 binding"]
    assert countersignature[1:3] == [cbor.encode({1: -7, 16: COUNTERSIGNATURE_TYPE}), b"oob-1 countersignature"]
    assert countersignature[3] == agreement.binding.statement
    assert len({(bytes(header), bytes(aad)) for _, header, aad, _ in structures}) == 4
    for end, key in zip(ends.values(), (session_key, device), strict=True):
        check_each_signature_alone(end, key.credential.key)


def check_each_signature_alone(end: Recorder, key: CoseKey) -> None:
    for (message, signature), (other, _) in permutations(end.signed, 2):
        key.verify(signature, message)
        with pytest.raises(AuthenticationError):
            key.verify(signature, other)


def test_an_edhoc_signature_is_no_binding() -> None:
    """cose/sign1.py, protected_header: the protected header of EDHOC is an ID_CRED map, ours is {alg, typ}."""
    identity = Identity(Credential.of_key(DEVICE_KEY), DEVICE)
    payload, aad = STATEMENT.encode(), b"oob-1 binding"
    edhoc = compose_proof(identity, True, payload, aad, b"")
    receipt = replace(sign_binding(DEVICE, STATEMENT), signature=edhoc)
    with pytest.raises(AuthenticationError, match="signature"):
        countersign(SESSION, DEVICE_KEY, STATEMENT, receipt, CONTEXT)
    forged = replace(Sign1.decode(GOOD.statement), signature=edhoc).encode()
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(binding(forged), SESSION_KEY)
    counter = replace(Sign1.decode(GOOD.countersignature), signature=compose_proof(identity, True, b"", aad, b""))
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(replace(GOOD, countersignature=counter.encode()), DEVICE_KEY)


@pytest.mark.parametrize("half", [GOOD.statement, GOOD.countersignature])
def test_a_binding_is_no_edhoc_signature(half: bytes) -> None:
    """proof.py, check_proof, and credentials.py, by_value: {alg, typ} is no ID_CRED map that anybody takes."""
    signed = Sign1.decode(half)
    with pytest.raises(PeerError):
        Credential.by_value(signed.protected)
    key = DEVICE_KEY if signed.payload else SESSION_KEY
    credential = Credential.of_key(key)
    with pytest.raises(AuthenticationError, match="signature"):
        check_proof(SUITES[6], credential, True, signed.signature, signed.payload or GOOD.statement, b"", b"")


def test_a_binding_header_is_no_credential() -> None:
    """Else an attacker could have a device sign, in EDHOC, what reads as a binding.

    Defence: handshake/credentials.py, by_value: ID_CRED is a map of one known parameter.
    """
    key = identity().credential.key
    claims = cbor.decode(Credential.of_key(key).cred)
    for extra in ({1: -7}, {16: STATEMENT_TYPE}, {1: -7, 16: STATEMENT_TYPE}):
        for id_cred in (extra, {14: claims} | extra):
            with pytest.raises(PeerError):
                Credential.by_value(cbor.encode(id_cred))


@pytest.mark.parametrize("model", MODELS)
def test_the_channel_of_another_model(model: str) -> None:
    """Two ends with one handshake and different models do not understand each other.

    Defence: binding/channel.py, channel_pair: the model id is the exporter's context, and the model's secret goes in.
    """
    agreement, _, channel, _ = Run.of(model).finish()
    other = Run.of(OTHER[model]).finish()[0]
    with pytest.raises(AuthenticationError, match="verify"):
        channel.open(other.channel.seal(b"proceed"))
    with pytest.raises(OobError):
        channel.open(agreement.channel.seal(b"proceed"))
