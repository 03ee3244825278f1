"""The table of half-open sessions: its limits, who goes and who stays, and any sequence of calls."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from oob import cbor
from oob.errors import LinkBusy, LinkTimeout, PeerError, UsageError
from oob.handshake import Failed, HalfOpen, Session, State
from oob.handshake.ead import MAX_ITEMS
from oob.handshake.half_open import COPIES, SESSION_OVERHEAD
from tests.pair import C_R, LABELS, REFUSED, Pair, failure, identity

RESPONDER = identity(6, True, "responder")


def fresh() -> Session:
    return Session.responder(RESPONDER, labels=LABELS)


def fill(table: HalfOpen, *peers: str, now: float = 0.0) -> list[Session]:
    sessions = [fresh() for _ in peers]
    for peer, session in zip(peers, sessions, strict=True):
        assert table.admit(peer, session, 40, now) == []
    return sessions


def test_a_place_is_found_and_given_up() -> None:
    table = HalfOpen()
    (session,) = fill(table, "a")
    assert table.find("a", 1.0) is session
    assert (len(table), table.charged) == (1, SESSION_OVERHEAD + COPIES * 40)
    table.remove("a")
    table.remove("a")
    assert (len(table), table.charged, table.next_deadline) == (0, 0, float("inf"))
    assert session.state is State.MESSAGE_1
    with pytest.raises(PeerError):
        table.find("a", 1.0)


def test_a_newcomer_is_refused_within_the_grace_of_all_and_takes_the_oldest_place_after_it() -> None:
    table = HalfOpen(limit=2, grace=5.0)
    (first,) = fill(table, "a", now=0.0)
    (second,) = fill(table, "b", now=1.0)
    with pytest.raises(LinkBusy):
        table.admit("c", fresh(), 40, 4.9)
    assert table.find("a", 4.9) is first
    assert table.admit("c", fresh(), 40, 5.0) == [first]
    assert isinstance(failure(first), LinkTimeout)
    assert table.find("b", 5.0) is second
    with pytest.raises(LinkBusy):
        table.admit("d", fresh(), 40, 5.9)


def test_bytes_are_a_limit_too() -> None:
    """A large message_1 takes as many old places as it needs, or none at all."""
    small, large = SESSION_OVERHEAD + COPIES * 40, SESSION_OVERHEAD + COPIES * 1000
    table = HalfOpen(max_bytes=small * 2, grace=5.0)
    first, second = *fill(table, "a", now=0.0), *fill(table, "b", now=4.0)
    with pytest.raises(LinkBusy):
        table.admit("c", fresh(), 1000, 6.0)
    assert table.find("a", 6.0) is first
    assert table.admit("c", fresh(), 1000, 9.0) == [first, second]
    assert table.charged == large
    with pytest.raises(LinkBusy):
        table.admit("d", fresh(), 100_000, 1000.0)


def test_a_second_message_1_takes_the_place_of_the_first_and_its_age() -> None:
    """Or a few peers that repeat themselves would hold every place for ever."""
    table = HalfOpen(limit=2, grace=5.0, max_age=20.0)
    first, other = fill(table, "a", "b")
    again = fresh()
    assert table.admit("a", again, 40, 4.0) == [first]
    assert table.find("a", 4.0) is again
    assert table.admit("c", fresh(), 40, 5.0) == [again]
    assert other.state is State.MESSAGE_1
    late = fresh()
    assert table.admit("b", late, 40, 20.0) == [other]  # too old to go on: a newcomer
    assert late.deadline == 40.0


def test_expiry() -> None:
    table = HalfOpen(max_age=20.0)
    first, second = *fill(table, "a", now=0.0), *fill(table, "b", now=1.0)
    assert table.next_deadline == first.deadline == 20.0
    with pytest.raises(PeerError):
        table.find("a", 20.0)
    assert table.expire(19.9) == []
    assert table.expire(20.0) == [first]
    assert isinstance(failure(first), LinkTimeout)
    assert (table.next_deadline, len(table)) == (21.0, 1)
    assert table.expire(1e9) == [second]
    assert table.charged == 0


def test_an_earlier_deadline_stays() -> None:
    session = fresh()
    session.deadline = 3.0
    HalfOpen().admit("a", session, 40, 0.0)
    assert session.deadline == 3.0


def test_whoever_goes_is_told_and_cannot_go_on() -> None:
    pair, table = Pair(), HalfOpen(limit=1)
    message_1 = pair.start()
    table.admit("a", pair.responder, len(message_1), 0.0)
    pair.responder.receive(message_1)
    table.admit("b", fresh(), 40, 5.0)
    assert pair.responder.messages_to_send() == [REFUSED]
    with pytest.raises(UsageError):
        pair.engage()


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"grace": -1.0}, {"grace": 31.0, "max_age": 30.0}])
def test_limits_that_make_no_sense(wrong: Any) -> None:
    with pytest.raises(UsageError):
        HalfOpen(**wrong)


LONGEST = {
    "no EAD": b"",
    "one value": cbor.encode_sequence(100, bytes(4000)),
    "many labels": cbor.encode_sequence(*[100] * MAX_ITEMS),
    "many values": cbor.encode_sequence(*[100, bytes(200)] * MAX_ITEMS),
    "padding": bytes(4000),
}


@pytest.mark.parametrize("ead", LONGEST)
def test_a_session_holds_no_more_than_is_charged_for_it(ead: str) -> None:
    """Whatever its message_1 carries, up to message_3."""
    pair, message_1 = Pair(), Pair().start() + LONGEST[ead]
    sessions = []
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            session = fresh()
            session.receive(bytes(bytearray(message_1)))  # a copy of its own, as from a link
            session.engage(pair.ephemeral(), C_R)
            sessions.append(session)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(session.state is State.EAD_2 for session in sessions)
    assert (after - before) / 10 < SESSION_OVERHEAD + COPIES * len(message_1)


LIMIT, MAX_BYTES, MAX_AGE, GRACE = 3, 4 * SESSION_OVERHEAD, 10.0, 4.0
peers, sizes = st.sampled_from("abcdef"), st.sampled_from([0, 40, 600, 3000])


class Table(RuleBasedStateMachine):
    """Any calls at any times: what was admitted is compared with what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.table = HalfOpen(limit=LIMIT, max_bytes=MAX_BYTES, max_age=MAX_AGE, grace=GRACE)
        self.now = 0.0
        self.held: dict[str, tuple[Session, float]] = {}

    def age(self, peer: str) -> float:
        return self.now - self.held[peer][1]

    def ended(self, sessions: list[Session], by: str = "", least: float = GRACE) -> None:
        """Whoever had to go was old enough, or made way for itself."""
        for session in sessions:
            (peer,) = [peer for peer, (held, _) in self.held.items() if held is session]
            assert peer == by or self.age(peer) >= least
            assert session.state is State.FAILED
            assert isinstance(session.events()[-1], Failed)
            if peer != by or self.age(peer) >= MAX_AGE:
                del self.held[peer]

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.5, 4.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(peer=peers, size=sizes)
    def admit(self, peer: str, size: int) -> None:
        session = fresh()
        before = list(self.held)
        try:
            ended = self.table.admit(peer, session, size, self.now)
        except LinkBusy:
            # Somebody within the grace is in the way, or the message is too large for any table.
            young = any(self.age(other) < GRACE for other in before if other != peer)
            assert young or SESSION_OVERHEAD + COPIES * size > MAX_BYTES
            assert list(self.held) == before
            return
        self.ended(ended, by=peer)
        since = self.held[peer][1] if peer in self.held else self.now
        self.held[peer] = (session, since)

    @rule(peer=peers)
    def remove(self, peer: str) -> None:
        self.table.remove(peer)
        self.held.pop(peer, None)

    @rule()
    def expire(self) -> None:
        self.ended(self.table.expire(self.now), least=MAX_AGE)
        assert all(self.age(peer) < MAX_AGE for peer in self.held)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def find(self, data: st.DataObject) -> None:
        peer = data.draw(st.sampled_from(sorted(self.held)))
        if self.age(peer) >= MAX_AGE:
            with pytest.raises(PeerError):
                self.table.find(peer, self.now)
        else:
            assert self.table.find(peer, self.now) is self.held[peer][0]

    @invariant()
    def limits(self) -> None:
        """The table is never over a limit; whoever was admitted within the grace is there, alive."""
        assert len(self.table) == len(self.held) <= LIMIT
        assert 0 <= self.table.charged <= MAX_BYTES
        for peer, (session, _) in self.held.items():
            if self.age(peer) < GRACE:
                assert self.table.find(peer, self.now) is session
                assert session.state is State.MESSAGE_1
        oldest = min((since for _, since in self.held.values()), default=float("inf"))
        assert self.table.next_deadline == oldest + MAX_AGE


Table.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestTable = Table.TestCase
