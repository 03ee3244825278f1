"""Whole pairings, one for each association model: both ends are replayed, and all that they leave is compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from oob import cbor
from oob.binding import (
    CONTEXT_LABEL,
    Agreement,
    Channel,
    InitiatorExchange,
    PairingKey,
    ResponderExchange,
    SessionContext,
    channel,
    pairing_key,
)
from oob.binding.exchange import METHOD, SUITE
from oob.conformance.intermediate import intermediate_values
from oob.conformance.result import Vector, hex_field, same
from oob.cose import CoseKey, decrypt0
from oob.crypto import Algorithm, Curve, EcdhKey, Hash, SigningKey
from oob.errors import UsageError
from oob.handshake import SUITES, Credential, Ead, Exporter, Identity, schedule, value_of
from oob.handshake.ead import EadField
from oob.handshake.messages import Message1, Plaintext2, Plaintext3
from oob.handshake.proof import SIGNATURE_LENGTH
from oob.pairing import (
    EAD_LABEL,
    ButtonInitiator,
    CompareInitiator,
    CompareResponder,
    InitiatorModel,
    Model,
    Passcode,
    PasscodeInitiator,
    PasscodeResponder,
    PinnedInitiator,
    ResponderModel,
    ResumedInitiator,
    ResumedResponder,
    SecretInitiator,
    SecretResponder,
    UnprovenResponder,
)

EXPORT: Final = ("example", b"\x00", 32)
"""Label, context and length of the exported key in a vector."""
FIRST_RECORD: Final = b"first"
"""The plaintext of the first record in either direction."""

# Fields in hexadecimal: what goes in, and what comes out; empty where a run has no such value.
_INPUTS: Final = ("sk_i", "sk_r", "x", "y", "c_i", "c_r", "context", "jti")
_OF_MODEL: Final[Mapping[Model, tuple[str, ...]]] = {
    Model.PINNED: (),
    Model.SECRET: ("secret",),
    Model.PASSCODE: ("scalar_i", "scalar_r", "identity"),
    Model.COMPARE: ("nonce",),
    Model.BUTTON: (),
    Model.RESUMED: ("secret",),
}
_MESSAGES: Final = tuple(f"{what}_{number}" for what in ("message", "ead") for number in (1, 2, 3, 4))
_CHANNEL: Final = ("key_i", "iv_i", "key_r", "iv_r", "record_i", "record_r")
_LEFT: Final = ("prk_out", "channel_secret", *_CHANNEL, "prk_pairing", "export", "resumption_secret")
_BOUND: Final = ("receipt", "statement", "countersignature")
OUTPUTS: Final = ("cred_i", "cred_r", *_MESSAGES, "th_2", "th_3", "th_4", *_LEFT, *_BOUND)
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "subject": (str,),
    "dynamic": (bool,),
    "commissioning": (bool,),
    "iat": (int, type(None)),
    "exp": (int, type(None)),
    "passcode": (str,),
    "number": (str,),
}


@dataclass(frozen=True)
class PairingRun:
    """The inputs of a run and, where it is to be judged, its outputs; `values` are those in hexadecimal."""

    title: str
    model: Model
    values: Mapping[str, bytes] = field(repr=False)
    others: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, vector: Mapping[str, Any], *, outputs: bool = True) -> "PairingRun":
        """Read a vector; UsageError if a field is missing or of the wrong type."""
        title = vector.get("title")
        if not isinstance(title, str) or vector.get("model") not in _NAMES:
            raise UsageError("a pairing has a title, and a model that is known here", step="vectors")
        for name, types in _TYPES.items():
            if name not in vector or type(vector[name]) not in types:
                raise UsageError(f"{title} lacks the field {name!r}", step="vectors")
        model = _NAMES[vector["model"]]
        names = [*_INPUTS, *_OF_MODEL[model], *(OUTPUTS if outputs else ())]
        values = {name: hex_field(vector, name, title) for name in names}
        return cls(title, model, values, {name: vector[name] for name in _TYPES})

    @cached_property
    def session_key(self) -> Identity:
        """The client's identity."""
        return _identity(self.values["sk_i"], "")

    @cached_property
    def device(self) -> Identity:
        """The device's identity."""
        return _identity(self.values["sk_r"], self.others["subject"])

    def ephemeral(self, name: str) -> EcdhKey:
        """Load the ephemeral key "x" or "y"."""
        return EcdhKey.from_bytes(Curve.X25519, self.values[name])

    def initiator(self) -> tuple[InitiatorExchange, InitiatorModel]:
        """Make the client's end and its model."""
        context, model = self.values["context"], initiator_model(self)
        wanted = SessionContext.decode(context) if context else None
        return InitiatorExchange(self.session_key, model, wanted), model

    def responder(self) -> tuple[ResponderExchange, ResponderModel]:
        """Make the device's end and its model."""
        model = responder_model(self)
        return ResponderExchange(self.device, model, commissioning=self.others["commissioning"]), model

    def as_initiator(self) -> None:
        """Play the client against the messages of the vector."""
        v, (exchange, model) = self.values, self.initiator()
        same("message_1", exchange.start(self.ephemeral("x"), v["c_i"]), v["message_1"])
        same("message_3", exchange.receive_2(v["message_2"]), v["message_3"])
        self.compare(model)
        agreement = exchange.receive_4(v["message_4"])
        for name, value in binding_of(agreement).items():
            same(name, value, v[name])
        same("channel_secret", model.channel_secret(), v["channel_secret"])
        self._compare_left(agreement.key, agreement.channel, "record_i", "record_r")

    def as_responder(self) -> None:
        """Play the device against the messages of the vector."""
        v, (exchange, model) = self.values, self.responder()
        same("message_2", exchange.answer(v["message_1"], lambda _: self.ephemeral("y"), v["c_r"]), v["message_2"])
        claim = exchange.open(v["message_3"])
        same("context", claim.context.encode() if claim.context else b"", v["context"])
        self.compare(model)
        message_4, channel = exchange.confirm(v["jti"], self.others["iat"], self.others["exp"])
        same("message_4", message_4, v["message_4"])
        same("channel_secret", model.channel_secret(), v["channel_secret"])
        self._compare_left(exchange.pairing_key(), channel, "record_r", "record_i")

    def compare(self, model: InitiatorModel | ResponderModel) -> None:
        """In the model `compare`, look at the number and say yes."""
        if isinstance(model, CompareInitiator | CompareResponder):
            same("number", model.show(0), self.others["number"])
            model.confirm(0)

    def _compare_left(self, key: PairingKey, channel: Channel, own: str, other: str) -> None:
        v = self.values
        same("prk_pairing", key.prk, v["prk_pairing"])
        same("export", key.export(*EXPORT), v["export"])
        same("resumption_secret", resumption_secret(key), v["resumption_secret"])
        same(own, channel.seal(FIRST_RECORD), v[own])
        same(other, channel.open(v[other]), FIRST_RECORD)

    def judge(self) -> str:
        """Play both ends, take the messages apart, and derive the keys anew."""
        self.as_initiator()
        self.as_responder()
        for name, value in (transcript(self) | derived_keys(self)).items():
            same(name, value, self.values[name])
        return "both ends: messages, EAD items, transcript hashes, keys, records, binding"


def model_vectors(vectors: Sequence[Any]) -> list[Vector]:
    """Return the pairings; UsageError if one lacks a field."""
    if not all(isinstance(vector, dict) for vector in vectors):
        raise UsageError("a pairing is an object", step="vectors")
    return [Vector(f"pairing: {run.title}", run.judge) for run in map(PairingRun.of, vectors)]


def initiator_model(run: PairingRun) -> InitiatorModel:
    """Make the client's end of the model."""
    v, hash, cred_i = run.values, run.device.credential.hash(), run.session_key.credential.cred
    match run.model:
        case Model.PINNED:
            return PinnedInitiator(hash)
        case Model.SECRET:
            return SecretInitiator(v["secret"], hash, run.others["dynamic"])
        case Model.PASSCODE:
            return PasscodeInitiator(Passcode(run.others["passcode"]), v["scalar_i"], v["identity"])
        case Model.COMPARE:
            return CompareInitiator(v["nonce"], cred_i)
        case Model.BUTTON:
            return ButtonInitiator(accept_presence_alone=True)
    return ResumedInitiator(v["secret"], hash)


def responder_model(run: PairingRun) -> ResponderModel:
    """Make the device's end of the model."""
    v, dynamic = run.values, run.others["dynamic"]
    match run.model:
        case Model.SECRET:
            return SecretResponder(v["secret"], dynamic)
        case Model.PASSCODE:
            return PasscodeResponder(Passcode(run.others["passcode"]), v["scalar_r"], v["identity"], dynamic=dynamic)
        case Model.COMPARE:
            return CompareResponder()
        case Model.RESUMED:
            return ResumedResponder({b"": v["secret"]})
    return UnprovenResponder(run.model)


def binding_of(agreement: Agreement) -> dict[str, bytes]:
    """Return both halves of the binding, empty where nothing was bound."""
    if agreement.signed is None:
        return {"statement": b"", "countersignature": b""}
    return {"statement": agreement.binding.statement, "countersignature": agreement.binding.countersignature}


def transcript(run: PairingRun) -> dict[str, bytes]:
    """Take the messages apart: the credentials, the transcript hashes, what the EAD items hold, and the receipt."""
    v, hash = run.values, SUITES[SUITE].hash
    ends = {"i": run.session_key.credential, "r": run.device.credential}
    found = intermediate_values(v, METHOD, SUITE, {name: run.ephemeral(name) for name in "xy"}, ends)
    plaintext_4 = decrypt0(SUITES[SUITE].aead, found["k_4"], found["iv_4"], found["ciphertext_4"], v["th_4"])
    eads = (
        Message1.decode(v["message_1"]).ead_1.items,
        Plaintext2.decode(found["plaintext_2"], SIGNATURE_LENGTH).ead.items,
        Plaintext3.decode(found["plaintext_3"], SIGNATURE_LENGTH).ead.items,
        EadField.decode(*cbor.split_sequence(plaintext_4)).items,
    )
    return {
        "cred_i": ends["i"].cred,
        "cred_r": ends["r"].cred,
        "th_2": schedule.th_2(hash, run.ephemeral("y").x, v["message_1"]),
        "th_3": schedule.th_next(hash, v["th_2"], found["plaintext_2"], ends["r"].cred),
        "th_4": schedule.th_next(hash, v["th_3"], found["plaintext_3"], ends["i"].cred),
        "context": value_of(eads[2], CONTEXT_LABEL),
        "receipt": value_of(eads[3], CONTEXT_LABEL),
    } | authenticators(eads)


def authenticators(eads: Sequence[Sequence[Ead]]) -> dict[str, bytes]:
    """Return what the model put into each message."""
    return {f"ead_{number}": value_of(items, EAD_LABEL) for number, items in enumerate(eads, 1)}


def derived_keys(run: PairingRun) -> dict[str, bytes]:
    """Derive the keys of the channel and of the pairing as docs/spec/binding.md says, from PRK_out."""
    v, hash, context = run.values, Hash.SHA256, cbor.encode(int(run.model))
    exporter = Exporter(hash, v["prk_out"])
    prk, prk_pairing = (
        hash.extract(exporter.export(label, context, 32), v["channel_secret"])
        for label in (channel.EXPORTER_LABEL, pairing_key.EXPORTER_LABEL)
    )
    keys = {"prk_pairing": prk_pairing}
    for end, way in (("i", "initiator"), ("r", "responder")):
        keys[f"key_{end}"] = hash.expand(prk, f"oob-1 {way} key".encode(), channel.AEAD.key_length)
        keys[f"iv_{end}"] = hash.expand(prk, f"oob-1 {way} iv".encode(), channel.AEAD.nonce_length)
    return keys


_NAMES: Final = {model.name.lower(): model for model in Model}


def _identity(private: bytes, subject: str) -> Identity:
    key = SigningKey.from_bytes(Algorithm.ES256, private)
    return Identity(Credential.of_key(CoseKey.of(key), subject=subject), key)


def resumption_secret(key: PairingKey) -> bytes:
    """Return the resumption secret; b"" for a pairing that was not mutual, which has none."""
    return key.resumption_secret() if key.mutual else b""
