"""The attacker: an EDHOC end that says what it likes in the EAD items, and sits wherever a test puts it."""

from collections.abc import Callable

from oob import cbor
from oob.binding import CONTEXT_LABEL, SessionContext
from oob.binding.exchange import LABELS
from oob.handshake import (
    Completed,
    Credential,
    Ead,
    Event,
    Failed,
    Identity,
    Offered,
    PeerClaimed,
    PeerVerified,
    Session,
    value_of,
)
from oob.pairing import EAD_LABEL
from tests.exchange import CONTEXT, ephemeral

REFUSED = cbor.encode_sequence(1, "refused")
"""The one error message that a peer of ours ever learns when a proof or a binding is wrong."""


def items(authenticator: bytes = b"", content: bytes = b"") -> tuple[Ead, ...]:
    """Return the EAD items of a message; an empty one is left out."""
    pairs = ((EAD_LABEL, authenticator), (CONTEXT_LABEL, content))
    return tuple(Ead(label, value) for label, value in pairs if value)


def last_event(session: Session) -> Event:
    """Return what the peer's message led to; the attacker, too, must be able to read it."""
    event = session.events()[-1]
    assert not isinstance(event, Failed), event.error
    return event


def accept(session: Session) -> PeerVerified:
    """Take whatever credential the peer sends by value."""
    claimed = last_event(session)
    assert isinstance(claimed, PeerClaimed)
    session.accept(Credential.by_value(claimed.id_cred))
    verified = last_event(session)
    assert isinstance(verified, PeerVerified)
    return verified


class FakeDevice:
    """Plays the device towards a client."""

    def __init__(self, identity: Identity) -> None:
        self.session = Session.responder(identity, labels=LABELS)
        self.identity = identity

    def receive_1(self, message_1: bytes) -> Offered:
        """Take message_1 and do the Diffie-Hellman."""
        self.session.receive(message_1)
        offered = last_event(self.session)
        assert isinstance(offered, Offered)
        self.session.engage(ephemeral(), b"\x07")
        return offered

    def message_2(self, authenticator: bytes) -> bytes:
        """Answer with any value in EAD_2."""
        self.session.reply(items(authenticator))
        return self.session.messages_to_send()[0]

    def receive_3(self, message_3: bytes) -> tuple[PeerVerified, bytes, bytes]:
        """Return who the client is, T_I and the session context."""
        self.session.receive(message_3)
        verified = accept(self.session)
        return verified, value_of(verified.ead, EAD_LABEL), value_of(verified.ead, CONTEXT_LABEL)

    def message_4(self, authenticator: bytes, receipt: bytes) -> bytes:
        """Close with any values in EAD_4."""
        self.session.reply(items(authenticator, receipt))
        return self.session.messages_to_send()[0]


class FakeClient:
    """Plays the client towards a device."""

    def __init__(self, identity: Identity) -> None:
        self.session = Session.initiator(identity, labels=LABELS)
        self.identity = identity

    def message_1(self, ead_1: Callable[[bytes], bytes]) -> bytes:
        """Start with whatever `ead_1` makes of G_X."""
        key = ephemeral()
        self.session.start(key, b"\x08", items(ead_1(key.x)))
        return self.session.messages_to_send()[0]

    def receive_2(self, message_2: bytes) -> tuple[PeerVerified, bytes]:
        """Return who the device is, and what stands in EAD_2."""
        self.session.receive(message_2)
        verified = accept(self.session)
        return verified, value_of(verified.ead, EAD_LABEL)

    def message_3(self, authenticator: bytes, context: SessionContext | bytes = CONTEXT) -> bytes:
        """Answer with any values in EAD_3."""
        content = context if isinstance(context, bytes) else context.encode()
        self.session.reply(items(authenticator, content))
        return self.session.messages_to_send()[0]

    def receive_4(self, message_4: bytes) -> tuple[bytes, bytes]:
        """Return what stands in EAD_4: authenticator and receipt."""
        self.session.receive(message_4)
        done = last_event(self.session)
        assert isinstance(done, Completed)
        return value_of(done.ead, EAD_LABEL), value_of(done.ead, CONTEXT_LABEL)
