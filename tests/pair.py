"""Two sessions in memory, through any method and cipher suite: the one helper of the handshake tests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from oob import cbor
from oob.cose import CoseKey
from oob.cose.sign1 import sig_structure
from oob.crypto import EcdhKey, Hash, SigningKey
from oob.errors import OobError
from oob.handshake import METHODS, SUITES, Credential, Ead, Event, Failed, Identity, Session
from oob.handshake.messages import Error
from oob.handshake.session import State

LABELS = {100, 101}
LOW_ORDER = bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")  # of Curve25519
OFF_CURVE = bytes.fromhex("a04e73601df544a70ba7ea1e57030f7d4b4eb7f673924e58d54ca77a5e7d4d4a")  # no x of P-256
C_I, C_R = b"\x05", b"\x06"
Eads = tuple[tuple[Ead, ...], tuple[Ead, ...], tuple[Ead, ...], tuple[Ead, ...]]
NO_EAD: Eads = ((), (), (), ())
EADS: Eads = (
    (Ead(100, b"one"),),
    (Ead(100, b"two"), Ead(101, critical=False)),
    (Ead(101, b"three"),),
    (Ead(100, b"four"),),
)
INITIATOR = [State.START, State.MESSAGE_2, State.CREDENTIAL_R, State.EAD_3, State.MESSAGE_4, State.COMPLETE]
RESPONDER = [
    State.MESSAGE_1,
    State.EPHEMERAL,
    State.EAD_2,
    State.MESSAGE_3,
    State.CREDENTIAL_I,
    State.EAD_4,
]
REFUSED = Error(1, "refused").encode()
AWAITING = {State.MESSAGE_1, State.MESSAGE_2, State.MESSAGE_3, State.MESSAGE_4}


class Random:
    """A source of random bytes that gives the same ones in every run: a hash chain over `seed`."""

    def __init__(self, seed: str) -> None:
        self._blocks = (Hash.SHA512.digest(f"{seed} {index}".encode()) for index in count())

    def __call__(self, length: int) -> bytes:
        """Return the next `length` bytes, at most 64."""
        return next(self._blocks)[:length]


def private_key(suite: int, signs: bool, random: Random) -> SigningKey | EcdhKey:
    """Make the authentication key that a method and a cipher suite ask for."""
    row = SUITES[suite]
    return SigningKey.generate(row.signature, random) if signs else EcdhKey.generate(row.curve, random)


def identity(suite: int, signs: bool, name: str, *, kid: bytes | None = b"\x2a") -> Identity:
    """Make an identity called `name`, referred to by `kid`, or sent by value when that is None."""
    key = private_key(suite, signs, Random(name))
    return Identity(Credential.of_key(CoseKey.of(key), subject=name, kid=kid), key)


@dataclass
class Pair:
    """An initiator and a responder that know each other; each method performs one step of both."""

    method: int = 0
    suite: int = 6
    kid_i: bytes | None = b"\x2b"
    kid_r: bytes | None = b"\x0a"
    eads: Eads = NO_EAD
    seed: str = "pair"
    deadline: float = float("inf")
    messages: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make both ends."""
        row = METHODS[self.method]
        self.identity_i = identity(self.suite, row.initiator_signs, "initiator", kid=self.kid_i)
        self.identity_r = identity(self.suite, row.responder_signs, "responder", kid=self.kid_r)
        self.initiator = Session.initiator(
            self.identity_i, method=self.method, suites=(self.suite,), labels=LABELS, deadline=self.deadline
        )
        self.responder = Session.responder(
            self.identity_r, methods={self.method}, suites=(self.suite,), labels=LABELS, deadline=self.deadline
        )
        self._random = Random(self.seed)

    def ephemeral(self) -> EcdhKey:
        """Draw a fresh ephemeral key of the suite's curve."""
        return EcdhKey.generate(SUITES[self.suite].curve, self._random)

    def start(self) -> bytes:
        """Compose message_1."""
        self.initiator.start(self.ephemeral(), C_I, self.eads[0])
        return self.sent(self.initiator)

    def engage(self) -> None:
        """Answer the offer."""
        self.responder.engage(self.ephemeral(), C_R)

    def reply(self, session: Session) -> bytes:
        """Compose the message that is next at `session`, with its EAD items."""
        number = {State.EAD_2: 1, State.EAD_3: 2, State.EAD_4: 3}[session.state]
        session.reply(self.eads[number])
        return self.sent(session)

    def sent(self, session: Session) -> bytes:
        """Take the one message that waits at `session`."""
        (message,) = session.messages_to_send()
        self.messages.append(message)
        return message

    def run(self, until: State | None = None) -> "Pair":
        """Take both ends forward until either reaches the state `until`; to the end without it."""
        for step in self._steps():
            if until in (self.initiator.state, self.responder.state):
                break
            step()
        return self

    def _steps(self) -> Iterator[Callable[[], object]]:
        initiator, responder = self.initiator, self.responder
        yield self.start
        yield lambda: responder.receive(self.messages[0])
        yield self.engage
        yield lambda: self.reply(responder)
        yield lambda: initiator.receive(self.messages[1])
        yield lambda: initiator.accept(self.identity_r.credential)
        yield lambda: self.reply(initiator)
        yield lambda: responder.receive(self.messages[2])
        yield lambda: responder.accept(self.identity_i.credential)
        yield lambda: self.reply(responder)
        yield lambda: initiator.receive(self.messages[3])


def only_event(session: Session) -> Event:
    """Take the last event; the tests that look at one let the earlier ones go."""
    return session.events()[-1]


def failure(session: Session) -> OobError:
    """Take the error that ended `session`."""
    event = only_event(session)
    assert isinstance(event, Failed)
    assert session.state is State.FAILED
    return event.error


def certificate(key: CoseKey) -> bytes:
    """Make a DER certificate for `key`, signed by nobody of note."""
    public: ec.EllipticCurvePublicKey | Ed25519PublicKey
    if key.y is None:
        public = Ed25519PublicKey.from_public_bytes(key.x)
    else:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key.x + key.y)
    name, begin = x509.Name([]), datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, public, 1, begin, begin + timedelta(days=1))
    issuer = ec.derive_private_key(1, ec.SECP256R1())
    return builder.sign(issuer, SHA256()).public_bytes(Encoding.DER)


def cwt(issuer: SigningKey, claims: Any, header: Any = None) -> bytes:
    """Make a CWT with these claims, signed by `issuer`, under its algorithm alone or any other protected header."""
    protected = cbor.encode(header if header is not None else {1: issuer.algorithm.value})
    payload = cbor.encode(claims)
    return cbor.encode([protected, {}, payload, issuer.sign(sig_structure(protected, b"", payload))])


def at(state: State) -> tuple[Pair, Session]:
    """Take a pair to `state`; return the end that is in it, with no events left."""
    pair = Pair(eads=EADS).run(None if state is State.COMPLETE else state)
    session = pair.initiator if pair.initiator.state is state else pair.responder
    assert session.state is state
    session.events()
    return pair, session


def finish(pair: Pair) -> None:
    """Go on from where the ends stand, for as long as both do."""
    initiator, responder = pair.initiator, pair.responder
    steps: list[tuple[Session, State, Callable[[], object]]] = [
        (responder, State.MESSAGE_1, lambda: responder.receive(pair.messages[0])),
        (responder, State.EPHEMERAL, pair.engage),
        (responder, State.EAD_2, lambda: pair.reply(responder)),
        (initiator, State.MESSAGE_2, lambda: initiator.receive(pair.messages[1])),
        (initiator, State.CREDENTIAL_R, lambda: initiator.accept(pair.identity_r.credential)),
        (initiator, State.EAD_3, lambda: pair.reply(initiator)),
        (responder, State.MESSAGE_3, lambda: responder.receive(pair.messages[2])),
        (responder, State.CREDENTIAL_I, lambda: responder.accept(pair.identity_i.credential)),
        (responder, State.EAD_4, lambda: pair.reply(responder)),
        (initiator, State.MESSAGE_4, lambda: initiator.receive(pair.messages[3])),
    ]
    for session, state, step in steps:
        if State.FAILED in (initiator.state, responder.state):
            return
        if session.state is state:
            step()
