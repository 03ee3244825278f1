"""Two exchanges in memory: the one helper with which tests run a whole pairing without a carrier."""

import os
from copy import copy
from dataclasses import dataclass, replace
from typing import TypeVar

from oob.binding import Agreement, Channel, Claim, InitiatorExchange, ResponderExchange, SessionContext
from oob.cose import CoseKey
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.handshake import Credential, Identity
from oob.pairing import (
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

CONTEXT = SessionContext(
    issuer="https://issuer.example/directory",
    root_hash=bytes(range(32)),
    origin="https://app.example",
    challenge=bytes(32),
    names=("lamp.home.example",),
)
PASSCODE = Passcode.from_number(1234567)
SECRET = bytes(range(100, 116))
RESUMPTION = bytes(range(200, 232))
MODELS = ("passcode", "secret", "compare", "resumed")
"""The models in which each end proves itself to the other."""
ONE_SIDED = ("pinned", "button")
ALL_MODELS = (*MODELS, *ONE_SIDED)

_E = TypeVar("_E", InitiatorExchange, ResponderExchange)


class HastyCompareInitiator(CompareInitiator):
    """A client whose user says yes to any number, as soon as there is one: the worst case for every other check."""

    def ead_3(self, th_3: bytes, cred_i: bytes) -> bytes:
        """Open the commitment, and have the user say yes."""
        nonce = super().ead_3(th_3, cred_i)
        self.show(0)
        self.confirm(0)
        return nonce


class HastyCompareResponder(CompareResponder):
    """A device whose user says yes to any number."""

    def check_3(self, value: bytes, th_3: bytes, cred_i: bytes) -> None:
        """Check the commitment, and have the user say yes."""
        super().check_3(value, th_3, cred_i)
        self.show(0)
        self.confirm(0)


def identity(subject: str = "") -> Identity:
    """Make a fresh P-256 signing identity."""
    key = SigningKey.generate(Algorithm.ES256, os.urandom)
    return Identity(Credential.of_key(CoseKey.of(key), subject=subject), key)


def ephemeral(curve: Curve = Curve.X25519) -> EcdhKey:
    """Make a fresh ephemeral key."""
    return EcdhKey.generate(curve, os.urandom)


def initiator_model(name: str, session_key: Identity, device: Identity) -> InitiatorModel:
    """Make the client's end of a model, for this session key and this device."""
    hash = device.credential.hash()
    match name:
        case "passcode":
            return PasscodeInitiator(PASSCODE, os.urandom(32))
        case "secret":
            return SecretInitiator(SECRET, hash, dynamic=False)
        case "compare":
            return HastyCompareInitiator(os.urandom(16), session_key.credential.cred)
        case "resumed":
            return ResumedInitiator(RESUMPTION, hash)
        case "pinned":
            return PinnedInitiator(hash)
    return ButtonInitiator(accept_presence_alone=True)


def responder_model(name: str) -> ResponderModel:
    """Make the device's end of a model, with the same secret."""
    match name:
        case "passcode":
            return PasscodeResponder(PASSCODE, os.urandom(32))
        case "secret":
            return SecretResponder(SECRET, dynamic=False)
        case "compare":
            return HastyCompareResponder()
        case "resumed":
            return ResumedResponder({b"other": bytes(32), b"this": RESUMPTION})
    return UnprovenResponder(Model[name.upper()])


@dataclass
class Run:
    """A run between two exchanges, message by message; tests step in where they like."""

    initiator: InitiatorExchange
    responder: ResponderExchange
    session_key: Identity
    device: Identity

    @classmethod
    def of(
        cls, model: str = "passcode", context: SessionContext | None = CONTEXT, *, commissioning: bool = False
    ) -> "Run":
        """Prepare a run of a model between a new session and a new device."""
        return cls.between(model, identity(), identity("Demo lamp"), context, commissioning=commissioning)

    @classmethod
    def between(
        cls,
        model: str,
        session_key: Identity,
        device: Identity,
        context: SessionContext | None = CONTEXT,
        *,
        commissioning: bool = False,
    ) -> "Run":
        """Prepare a run of a model between these two."""
        ours, theirs = initiator_model(model, session_key, device), responder_model(model)
        return cls(
            InitiatorExchange(session_key, ours, context),
            ResponderExchange(device, theirs, commissioning=commissioning),
            session_key,
            device,
        )

    def message_1(self) -> bytes:
        """Start."""
        return self.initiator.start(ephemeral(), b"\x01")

    def message_2(self, message_1: bytes) -> bytes:
        """Answer."""
        return self.responder.answer(message_1, ephemeral, b"\x02")

    def message_3(self) -> bytes:
        """Take the run as far as the client's second message."""
        return self.initiator.receive_2(self.message_2(self.message_1()))

    def message_4(self) -> bytes:
        """Take the run as far as the device's last message."""
        self.responder.open(self.message_3())
        return self.responder.confirm(bytes(16), None, None)[0]

    def finish(self) -> tuple[Agreement, Claim, Channel, list[int]]:
        """Run it whole; the last value holds the lengths of the four messages."""
        message_1 = self.message_1()
        message_2 = self.message_2(message_1)
        message_3 = self.initiator.receive_2(message_2)
        claim = self.responder.open(message_3)
        message_4, channel = self.responder.confirm(bytes(16), None, None)
        agreement = self.initiator.receive_4(message_4)
        return agreement, claim, channel, [len(m) for m in (message_1, message_2, message_3, message_4)]


def fork(exchange: _E) -> _E:
    """Copy an exchange in mid-run, so that many attacks can start from the same point."""
    twin = copy(exchange)
    session, model = copy(vars(exchange)["_session"]), copy(vars(exchange)["_model"])
    vars(session).update(_events=[], _outbox=[])
    vars(model).update(_steps=copy(vars(model)["_steps"]))
    vars(twin).update(_session=session, _model=model)
    if isinstance(twin, ResponderExchange):
        vars(twin).update(_models=(model,))
    return twin


def with_challenge(challenge: bytes) -> SessionContext:
    """Return a session context with another challenge."""
    return replace(CONTEXT, challenge=challenge)
