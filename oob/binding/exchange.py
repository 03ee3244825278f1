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
from oob.binding.statement import EXPORTER_LABEL, Binding, BindingStatement, Receipt, countersign, sign_binding
from oob.cose import CoseKey
from oob.crypto import Curve, EcdhKey
from oob.errors import OobError, PeerError
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
from oob.pairing.models import EAD_LABEL, InitiatorModel, Proof, ResponderModel

CONTEXT_LABEL = 32770
"""EDHOC EAD label of the session context (EAD_3) and of the receipt (EAD_4): private use, until registered."""
LABELS = frozenset({EAD_LABEL, CONTEXT_LABEL})
METHOD, SUITE = 0, 6

_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a client holds after message_4 verified."""

    device: Credential
    proof: Proof
    statement: BindingStatement
    binding: Binding
    channel: Channel = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a device knows of an authenticated client before it confirms: who, for which session, proven how."""

    client: CoseKey
    context: SessionContext
    proof: Proof


class _Exchange:
    def __init__(self, session: Session, identity: Identity) -> None:
        self._session, self._identity = session, identity

    def parting(self) -> bytes | None:
        """Return the error message for the peer after a failure, once; None if there is none."""
        messages = self._session.messages_to_send()
        return messages[-1] if messages else None

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
    """The client's end. `identity` is the session key; it and the ephemeral key serve this exchange alone."""

    def __init__(self, identity: Identity, model: InitiatorModel, context: SessionContext) -> None:
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
            self._model.check_2(value_of(peer.ead, EAD_LABEL), peer.th, credential.cred)
        self._device = credential
        authenticator = self._model.ead_3(session.th, own.cred)
        session.reply((*_item(authenticator), Ead(CONTEXT_LABEL, self._context.encode())))
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
            receipt = Receipt.decode(value_of(done.ead, CONTEXT_LABEL))
            return self._agree(device, receipt)

    @property
    def device_name(self) -> str:
        """What the device calls itself, to be shown beside what the user sees on it; "" before message_2."""
        return self._device.subject if self._device else ""

    def _agree(self, device: Credential, receipt: Receipt) -> Agreement:
        exporter, proof, key = self._session.exporter(), self._model.proof, device.key
        own = self._identity.credential.key
        statement = _statement(self._context, key, own, proof, exporter, (receipt.jti, receipt.iat, receipt.exp))
        binding = countersign(self._identity, key, statement, receipt, self._context)
        channel, _ = channel_pair(exporter, proof.model, self._model.channel_secret())
        return Agreement(device, proof, statement, binding, channel)


class ResponderExchange(_Exchange):
    """The device's end. `identity` is the device identity key, sent by value with its subject."""

    def __init__(self, identity: Identity, model: ResponderModel) -> None:
        super().__init__(Session.responder(identity, methods=(METHOD,), suites=(SUITE,), labels=LABELS), identity)
        self._model = model
        self._claim: Claim | None = None

    def answer(self, message_1: bytes, ephemeral: Callable[[Curve], EcdhKey], c_r: bytes) -> bytes:
        """Check message_1 and return message_2; a wrong model or tag is refused before any Diffie-Hellman."""
        session = self._session
        session.receive(message_1)
        offered = self._expect(Offered)
        with self._refusing("message_1"):
            self._model.check_1(value_of(offered.ead, EAD_LABEL), offered.g_x)
            session.engage(ephemeral(SUITES[offered.suite].curve), c_r)
            self._raise_failure()
            authenticator = self._model.ead_2(session.th, self._identity.credential.cred)
        session.reply(_item(authenticator))
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
            context = SessionContext.decode(value_of(peer.ead, CONTEXT_LABEL))
            self._claim = Claim(credential.key, context, self._model.proof)
        return self._claim

    def confirm(self, jti: bytes, iat: int | None, exp: int | None) -> tuple[bytes, Channel]:
        """Sign the binding and return message_4 with the channel; what must survive is stored before it is sent.

        `jti` is 16 random bytes; `iat` and `exp` are None on a device without a clock.
        """
        session, claim = self._session, self._claim
        if claim is None:
            raise PeerError("a message that was not awaited")
        exporter, own = session.exporter(), self._identity.credential.key
        statement = _statement(claim.context, own, claim.client, claim.proof, exporter, (jti, iat, exp))
        receipt = sign_binding(self._identity, statement)
        authenticator = self._model.ead_4(session.th)
        session.reply((*_item(authenticator), Ead(CONTEXT_LABEL, receipt.encode())))
        _, channel = channel_pair(exporter, claim.proof.model, self._model.channel_secret())
        return session.messages_to_send()[0], channel

    def decline(self, error: OobError) -> None:
        """End the exchange because of local policy: no binding is signed."""
        self._session.refuse(error)

    def _raise_failure(self) -> None:
        for failed in [event for event in self._session.events() if isinstance(event, Failed)]:
            raise failed.error


def _item(authenticator: bytes) -> tuple[Ead, ...]:
    """Return the authenticator's EAD item; a model that has nothing to say in a message sends none."""
    return (Ead(EAD_LABEL, authenticator),) if authenticator else ()


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
