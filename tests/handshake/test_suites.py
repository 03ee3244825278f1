"""The tables of methods and cipher suites, against the registries of RFC 9528; negotiation of a suite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import PeerError
from oob.handshake import METHODS, SUITES, Session, State, select_suites
from oob.handshake.messages import Error, Message1, Refused
from oob.handshake.responder import WrongSuite
from tests.pair import C_I, Pair, failure, finish

# RFC 9528, section 10.2: AEAD, hash, MAC length in bytes, curve, signature; COSE numbers.
REGISTRY = {
    0: (10, -16, 8, 4, -8),
    1: (30, -16, 16, 4, -8),
    2: (10, -16, 8, 1, -7),
    3: (30, -16, 16, 1, -7),
    4: (24, -16, 16, 4, -8),
    5: (24, -16, 16, 1, -7),
    6: (1, -16, 16, 4, -7),
}


def test_suites() -> None:
    rows = {
        number: (row.aead.value, row.hash.value, row.mac_length, row.curve.value, row.signature.value)
        for number, row in SUITES.items()
    }
    assert rows == REGISTRY
    assert all(row.number == number for number, row in SUITES.items())


@pytest.mark.parametrize(
    ("number", "signs"), [(0, (True, True)), (1, (True, False)), (2, (False, True)), (3, (False, False))]
)
def test_methods(number: int, signs: tuple[bool, bool]) -> None:
    row = METHODS[number]
    assert (row.number, row.initiator_signs, row.responder_signs) == (number, *signs)


# --- negotiation

EXAMPLES = [
    # RFC 9528, section 6.3.2, with the suites that exist: figures 8 and 9, and note 1.
    ((5, 6), (6,), (5,), (5, 6)),
    ((2, 3, 4, 5, 6), (6, 5), (3,), (2, 3, 4, 5)),
    ((5, 6), (6, 5), (6,), (5,)),
    # Suites that are not known here do not matter, nor does the order of SUITES_R.
    ((5, 6), (24, 6, -1), (5,), (5, 6)),
]


@pytest.mark.parametrize(("preference", "suites_r", "tried", "expect"), EXAMPLES)
def test_the_next_suites(
    preference: tuple[int, ...], suites_r: tuple[int, ...], tried: tuple[int, ...], expect: tuple[int, ...]
) -> None:
    assert select_suites(preference, suites_r, tried) == expect


@pytest.mark.parametrize(
    ("suites_r", "tried"), [((), (5,)), ((2, 24), (5,)), ((5,), (5,)), ((5, 6), (5,)), ((6,), (5, 6))]
)
def test_refusals_that_lead_nowhere(suites_r: tuple[int, ...], tried: tuple[int, ...]) -> None:
    with pytest.raises(PeerError):
        select_suites((5, 6), suites_r, tried)


def initiator(suites_i: tuple[int, ...]) -> tuple[Pair, Session, bytes]:
    pair = Pair(suite=suites_i[-1])
    session = pair.initiator = Session.initiator(pair.identity_i, suites=suites_i)
    session.start(pair.ephemeral(), C_I)
    return pair, session, pair.sent(session)


def answer(message_1: bytes, supported: tuple[int, ...]) -> Session:
    session = Session.responder(Pair().identity_r, suites=supported)
    session.receive(message_1)
    return session


def refused(session: Session, error: bytes) -> Refused:
    session.receive(error)
    refusal = failure(session)
    assert isinstance(refusal, Refused)
    assert session.messages_to_send() == []
    return refusal


def negotiate(preference: tuple[int, ...], supported: tuple[int, ...], first: int) -> list[tuple[int, ...]]:
    """Let an initiator begin with its suite number `first` until a responder takes what it selects."""
    tries = [preference[: first + 1]]
    while True:
        _, session, message_1 = initiator(tries[-1])
        responder = answer(message_1, supported)
        if responder.state is State.EPHEMERAL:
            return tries
        assert isinstance(failure(responder), WrongSuite)
        refusal = refused(session, *responder.messages_to_send())
        tries.append(select_suites(preference, refusal.suites_r, [suites[-1] for suites in tries]))


@given(
    st.permutations(sorted(SUITES)),
    st.integers(1, 7),
    st.lists(st.sampled_from(sorted(SUITES)), unique=True, min_size=1),
    st.data(),
)
def test_two_ends_agree_on_the_best_common_suite(
    order: list[int], length: int, supported: list[int], data: st.DataObject
) -> None:
    """Whatever each supports and whichever the initiator guesses first: one more try at most, or no common suite."""
    preference = tuple(order[:length])
    first = data.draw(st.integers(0, length - 1))
    common = [suite for suite in preference if suite in supported]
    if not common:
        with pytest.raises(PeerError, match="no cipher suite"):
            negotiate(preference, tuple(supported), first)
        return
    tries = negotiate(preference, tuple(supported), first)
    assert tries[-1] == preference[: preference.index(common[0]) + 1]
    assert len(tries) <= 2


def test_a_negotiated_session_completes() -> None:
    _, session, message_1 = initiator((4,))
    responder = answer(message_1, (6,))
    refusal = refused(session, *responder.messages_to_send())
    assert (refusal.code, refusal.suites_r, refusal.step) == (2, (6,), "message_1")
    pair, session, message_1 = initiator(select_suites((4, 6), refusal.suites_r, (4,)))
    assert Message1.decode(message_1).suites == (4, 6)
    finish(pair)
    assert session.exporter() == pair.responder.exporter()


def test_a_forged_refusal_does_not_talk_the_ends_down() -> None:
    """Both support suite 4 and 6, the initiator prefers 4; somebody refuses 4 in the responder's name."""
    _, session, _ = initiator((4,))
    refusal = refused(session, Error(2, 6).encode())
    suites_i = select_suites((4, 6), refusal.suites_r, (4,))
    _, session, message_1 = initiator(suites_i)
    responder = answer(message_1, (6, 4))
    assert isinstance(failure(responder), WrongSuite)
    refusal = refused(session, *responder.messages_to_send())
    with pytest.raises(PeerError, match="says it supports"):
        select_suites((4, 6), refusal.suites_r, (4, 6))


def test_better_suites_left_out_on_the_way_are_missed() -> None:
    """Who strips SUITES_I of the better suite gets an answer, and message_2 does not verify: TH_2 is over message_1."""
    pair, session, message_1 = initiator((4, 6))
    stripped = Message1.decode(message_1)
    pair.responder.receive(Message1(stripped.method, (6,), stripped.g_x, stripped.c_i, stripped.ead_1).encode())
    pair.engage()
    session.receive(pair.reply(pair.responder))
    if session.state is State.CREDENTIAL_R:
        session.accept(pair.identity_r.credential)
    failure(session)


@pytest.mark.parametrize("info", [6, [6, 4]])
def test_a_responder_takes_no_error_code_2(info: object) -> None:
    """Nobody refuses a suite after message_1: the session ends, and nothing is answered."""
    pair = Pair().run(State.MESSAGE_3)
    pair.responder.receive(Error(2, info).encode())
    assert isinstance(failure(pair.responder), Refused)
    assert pair.responder.messages_to_send() == []


@pytest.mark.parametrize("info", ["suites", [6], [], None, [6, "x"], True, {}])
def test_malformed_suites_r(info: object) -> None:
    _, session, _ = initiator((6,))
    session.receive(Error(2, info).encode())
    assert "cipher suites" in failure(session).cause
