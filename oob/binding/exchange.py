"""A whole pairing as two machines without I/O: handshake, association model and binding in four messages.

    initiator                                             responder
      start() ------- message_1: model id, share ---------> answer()
      receive_2() <-- message_2: authenticator ------------
              ------- message_3: authenticator, context --> open()
      receive_4() <-- message_4: authenticator, receipt --- confirm()

A method that fails raises, and the exchange is over; `parting()` then holds the error message for the peer, if any.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from oob import cbor
from oob.binding.channel import Channel, channel_pair
from oob.binding.context import SessionContext
from oob.binding.pairing_key import PairingKey
from oob.binding.statement import EXPORTER_LABEL, Binding, BindingStatement, Receipt, countersign, sign_binding
from oob.cose import CoseKey
from oob.crypto import Curve, EcdhKey
from oob.errors import AuthenticationError, OobError, PeerError, UsageError
from oob.handshake import (
    SUITES,
    Completed,
    Credential,
    Ead,
    Event,
    Exporter,
    Failed,
    Identity,
    Offered,
    PeerClaimed,
    PeerVerified,
    Session,
    value_of,
)
from oob.pairing.models import EAD_LABEL, InitiatorModel, Proof, ResponderModel, decode_ead_1

CONTEXT_LABEL = 32770
"""EDHOC EAD label of the session context (EAD_3) and of the receipt (EAD_4): private use, until registered."""
LABELS = frozenset({EAD_LABEL, CONTEXT_LABEL})
METHOD, SUITE = 0, 6

_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a client holds after message_4 verified.

    `signed` is the binding statement with both halves of the binding; None where no session was to be bound, or where a
    model that is not mutual bound nothing.
    """

    device: Credential
    proof: Proof
    signed: tuple[BindingStatement, Binding] | None
    channel: Channel = field(repr=False)
    key: PairingKey

    @property
    def statement(self) -> BindingStatement:
        """The statement that the device signed. AuthenticationError if it signed none, UsageError without a session."""
        return self._signed()[0]

    @property
    def binding(self) -> Binding:
        """Both halves, for the issuer. AuthenticationError if the device signed none, UsageError without a session."""
        return self._signed()[1]

    def _signed(self) -> tuple[BindingStatement, Binding]:
        if self.signed is not None:
            return self.signed
        if self.proof.mutual:  # whose device signs whenever it is asked to, or the exchange fails
            raise UsageError("there was no session to be bound", step="message_4")
        raise AuthenticationError(
            f"the device signed no binding: the model {self.proof.model.name.lower()} proves too little",
            step="message_4",
            remedy="Pair by a passcode, a secret or a comparison",
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a device knows of an authenticated client before it confirms: who, for which session, proven how.

    `context` is None for a client that comes to talk and has no session to be bound.
    """

    client: CoseKey
    context: SessionContext | None
    proof: Proof


class _Exchange:
    def __init__(self, session: Session, identity: Identity) -> None:
        self._session, self._identity = session, identity

    def parting(self) -> bytes | None:
        """Return the error message for the peer after a failure, once; None if there is none."""
        messages = self._session.messages_to_send()
        return messages[-1] if messages else None

    def decline(self, error: OobError) -> None:
        """End the exchange because of something that the caller found; `parting` then has a word for the peer."""
        self._session.refuse(error)

    def _expect(self, kind: type[_E]) -> _E:
        """Return the one event that the state table leaves, or raise what ended the session."""
        for event in self._session.events():
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, kind):
                return event
        raise PeerError("a message that was not awaited")

    @contextmanager
    def _refusing(self, step: str) -> Iterator[None]:
        """End the session when the model or the binding finds a fault, so that the peer learns of it."""
        try:
            yield
        except OobError as error:
            error.step = error.step or step
            self._session.refuse(error)
            raise


class InitiatorExchange(_Exchange):
    """The client's end. `identity` is the session key; it and the ephemeral key serve this exchange alone.

    Without a `context` there is no session to be bound, and the device signs nothing.
    """

    def __init__(self, identity: Identity, model: InitiatorModel, context: SessionContext | None) -> None:
        super().__init__(Session.initiator(identity, method=METHOD, suites=(SUITE,), labels=LABELS), identity)
        self._model, self._context = model, context
        self._device: Credential | None = None

    def start(self, ephemeral: EcdhKey, c_i: bytes) -> bytes:
        """Return message_1."""
        self._session.start(ephemeral, c_i, (Ead(EAD_LABEL, self._model.ead_1(ephemeral.x)),))
        return self._session.messages_to_send()[0]

    def receive_2(self, message_2: bytes) -> bytes:
        """Check message_2 and return message_3; `device_name` is known from here on."""
        session, own = self._session, self._identity.credential
        session.receive(message_2)
        claimed = self._expect(PeerClaimed)
        with self._refusing("message_2"):
            credential = Credential.by_value(claimed.id_cred)
            session.accept(credential)
            peer = self._expect(PeerVerified)
            _refuse_content(peer.ead)
            self._model.check_2(value_of(peer.ead, EAD_LABEL), peer.th, credential.cred)
        self._device = credential
        authenticator = self._model.ead_3(session.th, own.cred)
        context = b"" if self._context is None else self._context.encode()
        session.reply(_items(authenticator, context))
        return session.messages_to_send()[0]

    def receive_4(self, message_4: bytes) -> Agreement:
        """Verify the device, its proof and the binding it signed; of a session that fails here nothing is kept."""
        device = self._device
        if device is None:
            raise PeerError("a message that was not awaited")
        self._session.receive(message_4)
        done = self._expect(Completed)
        with self._refusing("message_4"):
            self._model.check_4(value_of(done.ead, EAD_LABEL), done.th)
            return self._agree(device, value_of(done.ead, CONTEXT_LABEL))

    @property
    def device_name(self) -> str:
        """What the device calls itself, to be shown beside what the user sees on it; "" before message_2."""
        return self._device.subject if self._device else ""

    def _agree(self, device: Credential, receipt: bytes) -> Agreement:
        exporter, secret = self._session.exporter(), self._model.channel_secret()
        signed = None
        if receipt or (self._context is not None and self._model.proof.mutual):
            signed = self._countersign(device.key, Receipt.decode(receipt))
        proof = self._model.proof.untold() if signed is None else signed[0].proof
        channel, _ = channel_pair(exporter, proof.model, secret)
        return Agreement(device, proof, signed, channel, PairingKey.derive(exporter, proof, secret))

    def _countersign(self, key: CoseKey, receipt: Receipt) -> tuple[BindingStatement, Binding]:
        """Compose what the device should have signed, and sign only that."""
        if self._context is None:
            raise PeerError("the device signed a binding that nobody asked for", step="message_4")
        proof, own = self._model.proof.told(receipt.dynamic), self._identity.credential.key
        stamp = (receipt.jti, receipt.iat, receipt.exp)
        statement = _statement(self._context, key, own, proof, self._session.exporter(), stamp)
        return statement, countersign(self._identity, key, statement, receipt, self._context)


class ResponderExchange(_Exchange):
    """The device's end. `identity` is the device identity key, sent by value with its subject.

    `models` are those that it answers now: the one that is armed and, for clients that are paired, RESUMED. A model
    that is not mutual binds nothing, unless `commissioning` says that local policy wants it. UsageError without any.
    """

    def __init__(self, identity: Identity, *models: ResponderModel, commissioning: bool = False) -> None:
        super().__init__(Session.responder(identity, methods=(METHOD,), suites=(SUITE,), labels=LABELS), identity)
        if not models:
            raise UsageError("a device that nothing is armed on answers nobody", step="message_1")
        self._model, self._models, self._commissioning = models[0], models, commissioning
        self._claim: Claim | None = None

    @property
    def model(self) -> ResponderModel:
        """The model of the client that is there, once `answer` has looked at message_1."""
        return self._model

    def answer(self, message_1: bytes, ephemeral: Callable[[Curve], EcdhKey], c_r: bytes) -> bytes:
        """Check message_1 and return message_2; a wrong model or tag is refused before any Diffie-Hellman."""
        session = self._session
        session.receive(message_1)
        offered = self._expect(Offered)
        with self._refusing("message_1"):
            _refuse_content(offered.ead)
            ead_1 = value_of(offered.ead, EAD_LABEL)
            self._model = self._named(ead_1)
            self._model.check_1(ead_1, offered.g_x)
            session.engage(ephemeral(SUITES[offered.suite].curve), c_r)
            self._raise_failure()
            authenticator = self._model.ead_2(session.th, self._identity.credential.cred)
        session.reply(_items(authenticator))
        return session.messages_to_send()[0]

    def open(self, message_3: bytes) -> Claim:
        """Authenticate the client and its proof. Count the guess, durably, before this is called."""
        session = self._session
        session.receive(message_3)
        claimed = self._expect(PeerClaimed)
        with self._refusing("message_3"):
            credential = Credential.by_value(claimed.id_cred)
            session.accept(credential)
            peer = self._expect(PeerVerified)
            self._model.check_3(value_of(peer.ead, EAD_LABEL), peer.th, credential.cred)
            context = value_of(peer.ead, CONTEXT_LABEL)
            session_context = SessionContext.decode(context) if context else None
            self._claim = Claim(credential.key, session_context, self._model.proof)
        return self._claim

    def confirm(self, jti: bytes, iat: int | None, exp: int | None) -> tuple[bytes, Channel]:
        """Sign the binding and return message_4 with the channel; what must survive is stored before it is sent.

        `jti` is 16 random bytes; `iat` and `exp` are None on a device without a clock. In the model `compare` the
        device's user must have said yes: AuthenticationError otherwise.
        """
        session, claim = self._session, self._claim
        if claim is None:
            raise PeerError("a message that was not awaited")
        exporter = session.exporter()
        with self._refusing("message_3"):
            authenticator = self._model.ead_4(session.th)
        session.reply(_items(authenticator, self._receipt(claim, exporter, (jti, iat, exp))))
        _, channel = channel_pair(exporter, claim.proof.model, self._model.channel_secret())
        return session.messages_to_send()[0], channel

    @property
    def binds(self) -> bool:
        """Whether `confirm` signs a binding for the client that `open` authenticated."""
        claim = self._claim
        return claim is not None and claim.context is not None and (claim.proof.mutual or self._commissioning)

    def pairing_key(self) -> PairingKey:
        """Return the key that the pairing leaves at both ends, once `confirm` returned."""
        return PairingKey.derive(self._session.exporter(), self._model.proof, self._model.channel_secret())

    def _receipt(self, claim: Claim, exporter: Exporter, stamp: tuple[bytes, int | None, int | None]) -> bytes:
        if claim.context is None or not self.binds:
            return b""
        own = self._identity.credential.key
        statement = _statement(claim.context, own, claim.client, claim.proof, exporter, stamp)
        return sign_binding(self._identity, statement).encode()

    def _named(self, ead_1: bytes) -> ResponderModel:
        """Return the model that the client asks for; the first one refuses whatever nobody here offers."""
        named, _ = decode_ead_1(ead_1)
        return next((model for model in self._models if model.model is named), self._models[0])

    def _raise_failure(self) -> None:
        for failed in [event for event in self._session.events() if isinstance(event, Failed)]:
            raise failed.error


def _refuse_content(ead: tuple[Ead, ...]) -> None:
    """Refuse a session context or a receipt in EAD_1 or EAD_2: before message_3 nobody reads them."""
    if any(item.label == CONTEXT_LABEL for item in ead):
        raise PeerError("a session context or receipt stands where none belongs")


def _items(authenticator: bytes, content: bytes = b"") -> tuple[Ead, ...]:
    """Return the EAD items of a message; a model that has nothing to say in it sends none, nor does a binding."""
    pairs = ((EAD_LABEL, authenticator), (CONTEXT_LABEL, content))
    return tuple([Ead(label, value) for label, value in pairs if value])


def _statement(
    context: SessionContext,
    device: CoseKey,
    session: CoseKey,
    proof: Proof,
    exporter: Exporter,
    stamp: tuple[bytes, int | None, int | None],
) -> BindingStatement:
    """Compose what both ends expect the device to sign."""
    jti, iat, exp = stamp
    return BindingStatement(
        device_thumbprint=device.thumbprint(),
        session_thumbprint=session.thumbprint(),
        audience=context.issuer,
        challenge=context.challenge,
        origin=context.origin,
        names=context.names,
        proof=proof,
        exporter=exporter.export(EXPORTER_LABEL, cbor.encode(int(proof.model)), 32),
        context_hash=context.hash(),
        jti=jti,
        iat=iat,
        exp=exp,
    )
