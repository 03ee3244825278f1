"""An EDHOC session: every transition is in the table below; nothing here knows the carrier, the clock or chance.

Three verbs move it: `receive(message)`, `events()`, `messages_to_send()`; the application answers events with the verb
that the table names. A peer's fault never raises out of `receive`: it ends the session, queues an EDHOC error message
and becomes a `Failed` event. A fault of the caller raises UsageError and changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import cast

from oob.crypto import EcdhKey
from oob.errors import LinkTimeout, OobError, PeerError, UsageError
from oob.handshake import initiator, responder
from oob.handshake.credentials import Credential, Identity
from oob.handshake.ead import Ead, EadField, understood
from oob.handshake.exporter import Exporter
from oob.handshake.messages import ERR_CREDENTIAL, ERR_UNSPECIFIED, Error, Refused
from oob.handshake.suites import METHODS, SUITES


class _Key(Enum):
    """An enumeration whose members are keys of the table below: each is one object, so its identity is its hash."""

    __hash__ = object.__hash__  # that of Enum hashes the name, in Python


class State(_Key):
    """What a session waits for."""

    START = "start"
    MESSAGE_1 = "message_1"
    EPHEMERAL = "ephemeral key"
    EAD_2 = "EAD_2"
    MESSAGE_2 = "message_2"
    CREDENTIAL_R = "CRED_R"
    EAD_3 = "EAD_3"
    MESSAGE_3 = "message_3"
    CREDENTIAL_I = "CRED_I"
    EAD_4 = "EAD_4"
    MESSAGE_4 = "message_4"
    COMPLETE = "complete"
    FAILED = "failed"


class Verb(_Key):
    """What moves a session: a message of the peer, or a decision of the application."""

    START = "start"
    RECEIVE = "receive"
    ENGAGE = "engage"
    ACCEPT = "accept"
    REPLY = "reply"


# Whatever is not in this table is refused. Any failure, refusal or expiry leads to FAILED, and nothing leads out.
# It also settles which step a session holds in which state: that is what the casts below rely on.
TRANSITIONS = {
    (State.START, Verb.START): State.MESSAGE_2,
    (State.MESSAGE_2, Verb.RECEIVE): State.CREDENTIAL_R,
    (State.CREDENTIAL_R, Verb.ACCEPT): State.EAD_3,
    (State.EAD_3, Verb.REPLY): State.MESSAGE_4,
    (State.MESSAGE_4, Verb.RECEIVE): State.COMPLETE,
    (State.MESSAGE_1, Verb.RECEIVE): State.EPHEMERAL,
    (State.EPHEMERAL, Verb.ENGAGE): State.EAD_2,
    (State.EAD_2, Verb.REPLY): State.MESSAGE_3,
    (State.MESSAGE_3, Verb.RECEIVE): State.CREDENTIAL_I,
    (State.CREDENTIAL_I, Verb.ACCEPT): State.EAD_4,
    (State.EAD_4, Verb.REPLY): State.COMPLETE,
}


@dataclass(frozen=True, slots=True)
class Offered:
    """An initiator asks for a session: `engage` it, or `refuse`."""

    method: int
    suite: int
    g_x: bytes
    c_i: bytes
    ead: tuple[Ead, ...]


@dataclass(frozen=True, slots=True)
class PeerClaimed:
    """The peer names its credential, not yet proven: `accept` the credential meant, or `refuse`."""

    id_cred: bytes


@dataclass(frozen=True, slots=True)
class PeerVerified:
    """The peer holds the key of `credential`: check its EAD items, then `reply`, or `refuse`.

    `th` is the transcript hash that the peer's message was proven over: TH_2 of message_2, TH_3 of message_3.
    """

    credential: Credential
    ead: tuple[Ead, ...]
    th: bytes


@dataclass(frozen=True, slots=True)
class Completed:
    """Both ends hold the same keys; on the initiator's side message_4 confirmed it. `th` is TH_4."""

    ead: tuple[Ead, ...]
    th: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The session is over."""

    error: OobError


Event = Offered | PeerClaimed | PeerVerified | Completed | Failed

_Step = (
    initiator.AwaitMessage2
    | initiator.AwaitCredentialR
    | initiator.Verified2
    | initiator.AwaitMessage4
    | responder.Received1
    | responder.Engaged
    | responder.AwaitMessage3
    | responder.AwaitCredentialI
    | responder.Verified3
    | None
)


class Session:
    """One run of EDHOC (RFC 9528), as initiator or responder. message_4 is always sent.

    `deadline` is a time on the caller's clock; `expire(now)` ends a session that lives past it.
    """

    def __init__(
        self,
        state: State,
        identity: Identity,
        methods: Collection[int],
        suites: tuple[int, ...],
        labels: Collection[int],
        deadline: float,
    ) -> None:
        if not suites or not (SUITES.keys() >= set(suites) and METHODS.keys() >= set(methods)):
            raise UsageError("a method or cipher suite is not supported")
        self.state = state
        self.identity = identity
        self.deadline = deadline
        self._methods, self._suites, self._labels = methods, suites, labels
        self._step: _Step = None
        self._events: list[Event] = []
        self._outbox: list[bytes] = []
        self._exporter: Exporter | None = None
        self._owes_answer = False

    @classmethod
    def initiator(
        cls,
        identity: Identity,
        *,
        method: int = 0,
        suites: tuple[int, ...] = (6,),
        labels: Collection[int] = (),
        deadline: float = float("inf"),
    ) -> "Session":
        """Make the initiator's end; `suites` in order of preference, the last one selected, `labels` the EAD known."""
        return cls(State.START, identity, (method,), suites, labels, deadline)

    @classmethod
    def responder(
        cls,
        identity: Identity,
        *,
        methods: Collection[int] = (0,),
        suites: tuple[int, ...] = (6,),
        labels: Collection[int] = (),
        deadline: float = float("inf"),
    ) -> "Session":
        """Make the responder's end, which answers these methods and suites."""
        return cls(State.MESSAGE_1, identity, methods, suites, labels, deadline)

    # --- the three verbs

    def receive(self, message: bytes) -> None:
        """Take one message of the peer; what follows from it is in `events` and `messages_to_send`."""
        if self.state in (State.COMPLETE, State.FAILED):
            return  # nothing leads out of these; a stray copy of the last message must do no harm
        try:
            self._owes_answer = False  # an error message is never answered
            self._check_refusal(message)
            self._owes_answer = self.state is not State.START
            target = TRANSITIONS.get((self.state, Verb.RECEIVE))
            if target is None:
                raise PeerError("a message that was not awaited")
            self._receive(message)
            self.state = target
        except OobError as error:
            self._fail(error)

    def events(self) -> list[Event]:
        """Return and forget the events since the last call."""
        events, self._events = self._events, []
        return events

    def messages_to_send(self) -> list[bytes]:
        """Return and forget the messages that wait to be sent."""
        messages, self._outbox = self._outbox, []
        return messages

    # --- decisions of the application

    def start(self, ephemeral: EcdhKey, c_i: bytes, ead_1: tuple[Ead, ...] = ()) -> None:
        """Queue message_1 under a fresh ephemeral key, which may serve this one session only."""
        target = self._target(Verb.START)
        method = next(iter(self._methods))
        self._step, message_1 = initiator.compose_message_1(
            self.identity, method, self._suites, ephemeral, c_i, EadField.of(ead_1)
        )
        self._outbox.append(message_1)
        self.state = target

    def engage(self, ephemeral: EcdhKey, c_r: bytes) -> None:
        """Answer the offer under a fresh ephemeral key; `th` is TH_2 from here on."""
        target = self._target(Verb.ENGAGE)
        step = cast(responder.Received1, self._step)
        try:
            self._step = step.engage(self.identity, ephemeral, c_r)
            self.state = target
        except PeerError as error:
            self._fail(error)

    def accept(self, credential: Credential) -> None:
        """Verify the peer as the holder of `credential`; the outcome is an event, PeerVerified or Failed."""
        target = self._target(Verb.ACCEPT)
        step, self._step = self._step, None
        try:
            match step:
                case initiator.AwaitCredentialR():
                    verified_2 = self._step = step.verify(credential)
                    event = PeerVerified(credential, understood(verified_2.ead_2.items, self._labels), step.th_2)
                case _:
                    claimed = cast(responder.AwaitCredentialI, step)
                    verified_3 = self._step = claimed.verify(credential)
                    ead_3 = understood(verified_3.ead_3.items, self._labels)
                    event = PeerVerified(credential, ead_3, claimed.sent.th_3)
            self._events.append(event)
            self.state = target
        except OobError as error:
            self._fail(error)

    def reply(self, ead: tuple[Ead, ...] = ()) -> None:
        """Queue the next message with these EAD items."""
        target = self._target(Verb.REPLY)
        field = EadField.of(ead)
        match self._step:  # a step is replaced once its message exists; a signer that fails may be asked again
            case responder.Engaged() as step:
                self._step, message = step.compose_message_2(field)
            case initiator.Verified2() as verified:
                self._step, message = verified.compose_message_3(field)
            case _:
                last = cast(responder.Verified3, self._step)
                message = last.compose_message_4(field)
                self._step, self._exporter = None, last.exporter()
                self._events.append(Completed((), last.th_4))
        self._owes_answer = False
        self._outbox.append(message)
        self.state = target

    def refuse(self, error: OobError) -> None:
        """End the session because of something that the application found; the peer learns no reason.

        An error message goes out only in place of the answer to a message (section 5.1).
        """
        if self.state is not State.FAILED:
            self._fail(error)

    def expire(self, now: float) -> None:
        """End the session if its deadline has passed."""
        if now >= self.deadline and self.state not in (State.COMPLETE, State.FAILED):
            self._fail(LinkTimeout("the handshake was not completed in time", step=self.state.value))

    # --- what a session knows

    @property
    def th(self) -> bytes:
        """The transcript hash to answer over, 32 bytes: TH_2, TH_3, TH_4 in the states EAD_2, EAD_3, EAD_4."""
        match self._step:
            case responder.Engaged() as step:
                return step.th_2
            case initiator.Verified2() as verified:
                return verified.th_3
            case responder.Verified3() as verified_3:
                return verified_3.th_4
        raise UsageError("no transcript hash is settled in this state", step=self.state.value)

    def exporter(self) -> Exporter:
        """Return the exporter: when complete, and for the responder also while it composes EAD_4."""
        if self._exporter is not None:
            return self._exporter
        if isinstance(self._step, responder.Verified3):
            return self._step.exporter()
        raise UsageError("the handshake is not complete", step=self.state.value)

    # --- inside

    def _target(self, verb: Verb) -> State:
        target = TRANSITIONS.get((self.state, verb))
        if target is None:
            raise UsageError(f"{verb.value} is not possible while waiting for {self.state.value}")
        return target

    def _receive(self, message: bytes) -> None:
        step, self._step = self._step, None
        match step:
            case None:
                received = self._step = responder.process_message_1(message, self._methods, self._suites)
                fields = received.fields
                ead = understood(fields.ead_1.items, self._labels)
                self._events.append(Offered(fields.method, received.suite.number, fields.g_x, fields.c_i, ead))
            case initiator.AwaitMessage2():
                claimed_2 = self._step = step.process_message_2(message)
                self._events.append(PeerClaimed(claimed_2.id_cred))
            case responder.AwaitMessage3():
                claimed_3 = self._step = step.process_message_3(message)
                self._events.append(PeerClaimed(claimed_3.id_cred))
            case _:
                sent = cast(initiator.AwaitMessage4, step)
                self._exporter, ead_4 = sent.process_message_4(message)
                self._events.append(Completed(understood(ead_4.items, self._labels), sent.th_4))

    def _check_refusal(self, message: bytes) -> None:
        if self.state not in (State.START, State.MESSAGE_1) and (refusal := Error.decode(message)):
            raise Refused(refusal, _ANSWERED.get(self.state, self.state.value))

    def _fail(self, error: OobError) -> None:
        error.step = error.step or _AT_FAULT.get(self.state, self.state.value)
        self._outbox = [_error_message(error)] if self._owes_answer else []
        self.state, self._step, self._exporter = State.FAILED, None, None
        self._events.append(Failed(error))


# The message of ours that an error message answers, by what was awaited.
_ANSWERED = {State.MESSAGE_2: "message_1", State.MESSAGE_3: "message_2", State.MESSAGE_4: "message_3"}


# The message of the peer that is at fault when something fails while a decision about it is awaited.
_AT_FAULT = {
    State.EPHEMERAL: "message_1",
    State.EAD_2: "message_1",
    State.CREDENTIAL_R: "message_2",
    State.EAD_3: "message_2",
    State.CREDENTIAL_I: "message_3",
    State.EAD_4: "message_3",
}


def refusal() -> bytes:
    """Return the error message of a device that does not even begin; it says no reason (section 6.2)."""
    return Error(ERR_UNSPECIFIED, "refused").encode()


def _error_message(error: OobError) -> bytes:
    if isinstance(error, responder.WrongSuite):
        return error.message()
    if error.wire_code == ERR_CREDENTIAL:
        return Error(ERR_CREDENTIAL, True).encode()
    return refusal()  # one text for every cause: an attacker learns nothing from it
