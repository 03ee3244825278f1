"""Two pairs of sessions under any interleaving of verbs, deliveries, losses, copies, replays and expiry."""

from collections import deque
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from oob.crypto import Curve, EcdhKey
from oob.errors import AuthenticationError, LinkTimeout, UsageError
from oob.handshake import Completed, Exporter, Failed, Session, State
from oob.handshake.session import TRANSITIONS, Verb
from tests.pair import C_I, C_R, EADS, LABELS, REFUSED, Pair, Random, identity

# Both pairs hold the same identities: what keeps their runs apart is the ephemeral keys alone.
INITIATOR, RESPONDER = identity(6, True, "initiator", kid=b"\x2b"), identity(6, True, "responder", kid=b"\x0a")
NAMES = ("i0", "r0", "i1", "r1")
OVER = (State.COMPLETE, State.FAILED)
LIFETIME = 30.0
HONEST = {source: verb for source, verb in TRANSITIONS if verb is not Verb.RECEIVE}
EAD_OF = {State.EAD_2: EADS[1], State.EAD_3: EADS[2], State.EAD_4: EADS[3]}
names = st.sampled_from(NAMES)


def peer_of(name: str) -> str:
    return ("r" if name[0] == "i" else "i") + name[1]


class Ends(RuleBasedStateMachine):
    """The carrier is hostile: it loses, copies and mixes up what it carries, and adds something of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.random = Random("machine")
        self.now = 0.0
        self.sessions: dict[str, Session] = {}
        self.on_the_way: dict[str, deque[bytes]] = {name: deque() for name in NAMES}
        self.sent: list[bytes] = []
        self.ended: dict[str, State] = {}
        self.completed: dict[str, list[Exporter]] = {"i": [], "r": []}
        for name in NAMES:
            self.begin(name)

    def begin(self, name: str) -> None:
        make, own = (Session.initiator, INITIATOR) if name[0] == "i" else (Session.responder, RESPONDER)
        self.sessions[name] = make(own, labels=LABELS, deadline=self.now + LIFETIME)
        self.ended.pop(name, None)

    def ephemeral(self) -> EcdhKey:
        return EcdhKey.generate(Curve.X25519, self.random)

    def collect(self, name: str) -> None:
        """Take what a step led to: at most one message and one event, and the end at most once."""
        session = self.sessions[name]
        messages, events = session.messages_to_send(), session.events()
        assert len(messages) <= 1
        assert len(events) <= 1
        for message in messages:
            self.on_the_way[peer_of(name)].append(message)
            self.sent.append(message)
        for event in events:
            assert isinstance(event, Failed) == (session.state is State.FAILED)
            if isinstance(event, Completed):
                self.completed[name[0]].append(session.exporter())
        if session.state is State.FAILED:
            assert set(messages) <= {REFUSED}
        assert session.state is self.ended.get(name, session.state)
        if session.state in OVER:
            self.ended[name] = session.state

    def act(self, name: str, verb: Verb) -> None:
        """Use a verb: it is refused, and nothing changes, exactly where the table does not have it."""
        session = self.sessions[name]
        before = session.state
        peer = RESPONDER if name[0] == "i" else INITIATOR
        calls: dict[Verb, Callable[[], None]] = {
            Verb.START: lambda: session.start(self.ephemeral(), C_I, EADS[0]),
            Verb.ENGAGE: lambda: session.engage(self.ephemeral(), C_R),
            Verb.ACCEPT: lambda: session.accept(peer.credential),
            Verb.REPLY: lambda: session.reply(EAD_OF.get(before, ())),
        }
        target = TRANSITIONS.get((before, verb))
        try:
            calls[verb]()
        except UsageError:
            assert target is None
            assert session.state is before
            assert (session.messages_to_send(), session.events()) == ([], [])
        else:
            assert target is not None
            assert session.state in (target, State.FAILED)
        self.collect(name)

    def take(self, name: str, message: bytes) -> None:
        """Nothing that arrives raises; it moves the session on, ends it or, after the end, changes nothing."""
        session = self.sessions[name]
        before = session.state
        session.receive(message)
        if before in OVER:
            assert session.state is before
            assert (session.messages_to_send(), session.events()) == ([], [])
        else:
            assert session.state in (TRANSITIONS.get((before, Verb.RECEIVE)), State.FAILED)
        if message == REFUSED and before is not State.MESSAGE_1:
            assert session.messages_to_send() == []  # an error message is never answered
        self.collect(name)

    # --- the application

    @rule(name=names, verb=st.sampled_from([verb for verb in Verb if verb is not Verb.RECEIVE]))
    def use_any_verb(self, name: str, verb: Verb) -> None:
        self.act(name, verb)

    @rule(pair=st.sampled_from("01"), steps=st.sampled_from([1, 2, 4, 7, 11]))
    def go_on(self, pair: str, steps: int) -> None:
        """Do so many of the steps that two honest ends and a carrier would do next; begin again where both are over."""
        ends = (f"i{pair}", f"r{pair}")
        if all(name in self.ended for name in ends):
            for name in ends:
                self.begin(name)
                self.on_the_way[name].clear()
        for _ in range(steps):
            for name in ends:
                if (verb := HONEST.get(self.sessions[name].state)) is not None:
                    self.act(name, verb)
                    break
                if self.on_the_way[name]:
                    self.take(name, self.on_the_way[name].popleft())
                    break

    @rule(name=names)
    def refuse(self, name: str) -> None:
        session = self.sessions[name]
        again = session.state is State.FAILED
        self.ended.pop(name, None)
        session.refuse(AuthenticationError("not this one"))
        assert session.state is State.FAILED
        assert not (again and session.messages_to_send())
        self.collect(name)

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def begin_again(self, data: st.DataObject) -> None:
        self.begin(data.draw(st.sampled_from(sorted(self.ended))))

    @rule(seconds=st.sampled_from([1.0, 10.0, LIFETIME]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for name, session in self.sessions.items():
            late = self.now >= session.deadline and session.state not in OVER
            session.expire(self.now)
            assert not late or isinstance(last_error(session), LinkTimeout)
            self.collect(name)

    # --- the carrier

    @rule(name=names)
    def lose(self, name: str) -> None:
        if self.on_the_way[name]:
            self.on_the_way[name].popleft()

    @rule(name=names)
    def deliver_twice(self, name: str) -> None:
        if self.on_the_way[name]:
            message = self.on_the_way[name].popleft()
            self.take(name, message)
            self.take(name, message)

    @precondition(lambda self: self.sent)
    @rule(name=names, data=st.data())
    def replay(self, name: str, data: st.DataObject) -> None:
        """To anybody, also to its sender and to the other pair."""
        self.take(name, self.sent[data.draw(st.integers(0, len(self.sent) - 1))])

    @rule(name=names, message=st.one_of(st.binary(max_size=60), st.just(REFUSED)))
    def inject(self, name: str, message: bytes) -> None:
        self.take(name, message)

    # --- what always holds

    @invariant()
    def the_end_is_the_end(self) -> None:
        for name, state in self.ended.items():
            assert self.sessions[name].state is state

    @invariant()
    def an_initiator_completes_with_one_responder(self) -> None:
        """Whoever was told that it is through shares its keys with one end of the other role, and nobody else."""
        ours, theirs = self.completed["i"], self.completed["r"]
        for exporters in (ours, theirs):
            assert all(exporters.count(exporter) == 1 for exporter in exporters)
        assert all(exporter in theirs for exporter in ours)

    @invariant()
    def keys_are_there_when_the_peer_is_proven(self) -> None:
        for name, session in self.sessions.items():
            try:
                session.exporter()
            except UsageError:
                assert session.state is not State.COMPLETE
            else:
                assert session.state is State.COMPLETE or (name[0], session.state) == ("r", State.EAD_4)


def last_error(session: Session) -> Exception:
    """Look at the error that ended `session`, and leave its event where it is."""
    event = session._events[-1]
    assert isinstance(event, Failed)
    return event.error


Ends.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestEnds = Ends.TestCase


@given(st.lists(st.booleans(), min_size=22, max_size=22))
def test_two_pairs_do_not_disturb_each_other(order: list[bool]) -> None:
    """However their steps interleave, each sends the messages and holds the keys that it would alone."""
    pairs = [Pair(seed=seed, eads=EADS) for seed in ("one", "two")]
    steps = [pair._steps() for pair in pairs]
    for turn in [*order, *[False] * 11, *[True] * 11]:
        step = next(steps[turn], None)
        if step is not None:
            step()
    for pair, alone in zip(pairs, ALONE, strict=True):
        assert pair.messages == alone.messages
        assert pair.initiator.exporter() == pair.responder.exporter() == alone.initiator.exporter()


ALONE = [Pair(seed=seed, eads=EADS).run() for seed in ("one", "two")]
