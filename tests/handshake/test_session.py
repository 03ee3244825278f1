"""The session: whole runs, every transition, what it knows, faults of the caller, secrets."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from oob.crypto import Curve, EcdhKey
from oob.errors import PeerError, UsageError
from oob.handshake import (
    METHODS,
    SUITES,
    Completed,
    Credential,
    Ead,
    Offered,
    PeerClaimed,
    PeerVerified,
    Session,
    State,
)
from oob.handshake.credentials import UnknownCredential
from oob.handshake.messages import MAX_MESSAGE, encode_bstr
from oob.handshake.session import TRANSITIONS, Verb
from tests.pair import (
    C_I,
    C_R,
    EADS,
    INITIATOR,
    REFUSED,
    RESPONDER,
    Pair,
    Random,
    at,
    certificate,
    failure,
    finish,
)

# --- whole runs


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("kid", [b"\x2b", None])
def test_every_method_and_suite(method: int, suite: int, kid: bytes | None) -> None:
    kid_r = kid and b"\x0a"
    pair = Pair(method, suite, kid_i=kid, kid_r=kid_r, eads=EADS).run()
    initiator, responder = pair.initiator, pair.responder
    assert initiator.state is responder.state is State.COMPLETE
    assert initiator.exporter() == responder.exporter()
    assert initiator.exporter().export(20, b"", 32) == responder.exporter().export(20, b"", 32)
    claimed_2, verified_2, completed_i = initiator.events()
    offered, claimed_3, verified_3, completed_r = responder.events()
    assert isinstance(offered, Offered)
    assert (offered.method, offered.suite, offered.c_i, offered.ead) == (method, suite, C_I, EADS[0])
    assert claimed_2 == PeerClaimed(pair.identity_r.credential.id_cred)
    assert claimed_3 == PeerClaimed(pair.identity_i.credential.id_cred)
    assert isinstance(verified_2, PeerVerified)
    assert (verified_2.credential, verified_2.ead) == (pair.identity_r.credential, EADS[1])
    assert isinstance(verified_3, PeerVerified)
    assert (verified_3.credential, verified_3.ead) == (pair.identity_i.credential, EADS[2])
    assert isinstance(completed_i, Completed)
    assert completed_i.ead == EADS[3]
    assert isinstance(completed_r, Completed)
    assert completed_i.th == completed_r.th
    assert (initiator.messages_to_send(), responder.messages_to_send()) == ([], [])


@pytest.mark.parametrize(("suite", "method"), [(0, 0), (2, 3)])
def test_certificates(suite: int, method: int) -> None:
    """x5t by reference, x5chain by value: what is in the transcript is the certificate."""
    for make in (Credential.x5t, Credential.x5chain):
        pair = Pair(method, suite)
        pair.identity_i = replace(pair.identity_i, credential=make(certificate(pair.identity_i.credential.key)))
        pair.identity_r = replace(pair.identity_r, credential=make(certificate(pair.identity_r.credential.key)))
        pair.initiator = Session.initiator(pair.identity_i, method=method, suites=(suite,))
        pair.responder = Session.responder(pair.identity_r, methods={method}, suites=(suite,))
        pair.run()
        assert pair.initiator.exporter() == pair.responder.exporter()
        claimed = next(event for event in pair.responder.events() if isinstance(event, PeerClaimed))
        if make == Credential.x5chain:
            assert Credential.by_value(claimed.id_cred) == pair.identity_i.credential
        else:
            with pytest.raises(UnknownCredential):
                Credential.by_value(claimed.id_cred)


def test_sizes_of_the_small_profile() -> None:
    pair = Pair(method=3, suite=2).run()
    assert [len(message) for message in pair.messages] == [37, 45, 19, 9]


def test_two_runs_share_nothing() -> None:
    first, second = Pair().run(), Pair(seed="other").run()
    assert not set(first.messages) & set(second.messages)
    assert first.initiator.exporter() != second.initiator.exporter()


@pytest.mark.parametrize("context", [b"", b"context"])
def test_key_update(context: bytes) -> None:
    pair = Pair().run()
    before = pair.initiator.exporter()
    after = before.update(context)
    assert after == pair.responder.exporter().update(context)
    assert after != before
    assert after.export(20, b"", 32) != before.export(20, b"", 32)


# --- the table


def verbs(pair: Pair, session: Session) -> dict[Verb, Callable[[], None]]:
    """Every verb, with arguments that would do in the right state."""
    peer = pair.identity_r if session is pair.initiator else pair.identity_i
    return {
        Verb.START: lambda: session.start(pair.ephemeral(), C_I),
        Verb.RECEIVE: lambda: session.receive(encode_bstr(bytes(64))),
        Verb.ENGAGE: lambda: session.engage(pair.ephemeral(), C_R),
        Verb.ACCEPT: lambda: session.accept(peer.credential),
        Verb.REPLY: lambda: session.reply(),
    }


@pytest.mark.parametrize("state", [*INITIATOR, *RESPONDER, State.FAILED])
@pytest.mark.parametrize("verb", Verb)
def test_every_state_and_verb(state: State, verb: Verb) -> None:
    if state is State.FAILED:
        pair, session = at(State.MESSAGE_2)
        session.refuse(PeerError("enough"))
        session.events()
    else:
        pair, session = at(state)
    session.messages_to_send()
    act = verbs(pair, session)[verb]
    if verb is Verb.RECEIVE:
        act()
        silent = state in (State.COMPLETE, State.FAILED)
        assert session.state is (state if silent else State.FAILED)
        assert len(session.events()) == (0 if silent else 1)
        assert session.messages_to_send() == ([] if silent or state is State.START else [REFUSED])
    elif (state, verb) in TRANSITIONS:
        act()
        assert session.state is TRANSITIONS[state, verb]
    else:
        step, exporter = session._step, session._exporter
        with pytest.raises(UsageError, match="is not possible"):
            act()
        assert (session.state, session._step, session._exporter) == (state, step, exporter)
        assert (session.events(), session.messages_to_send()) == ([], [])


def test_the_table_is_walked_whole() -> None:
    """Every transition stands in one of the two roles, in their order, and nothing leads out of the two last states."""
    for path in (INITIATOR, [*RESPONDER, State.COMPLETE]):
        for state, following in pairwise(path):
            assert [target for (source, _), target in TRANSITIONS.items() if source is state] == [following]
    assert {source for source, _ in TRANSITIONS} == {*INITIATOR, *RESPONDER} - {State.COMPLETE}
    assert len(TRANSITIONS) == len({source for source, _ in TRANSITIONS}) == 11


@pytest.mark.parametrize("state", [state for state in [*INITIATOR, *RESPONDER] if state is not State.COMPLETE])
def test_a_message_out_of_turn_kills(state: State) -> None:
    """Every message of another run ends the session, wherever it arrives, and nothing of the session is left."""
    other = Pair(seed="another run").run().messages
    for number, message in enumerate(other):
        _, session = at(state)
        session.receive(message)
        if (state, number) == (State.MESSAGE_1, 0):
            assert session.state is State.EPHEMERAL
            continue
        if session.state is State.CREDENTIAL_R:  # message_2 is only encrypted; its proof comes next
            session.accept(Pair().identity_r.credential)
        failure(session)
        assert session._step is None
        with pytest.raises(UsageError):
            session.exporter()


def test_a_second_message_2_under_one_g_x() -> None:
    """The same or another: the session that has one message_2 takes no other, and fails closed."""
    for state in (State.CREDENTIAL_R, State.EAD_3):
        pair, session = at(state)
        second = Session.responder(pair.identity_r, suites=(6,), labels={100, 101})
        second.receive(pair.messages[0])
        second.engage(pair.ephemeral(), C_R)
        second.reply()
        for message_2 in (pair.messages[1], *second.messages_to_send()):
            pair, session = at(state)
            session.receive(message_2)
            failure(session)
            with pytest.raises(UsageError):
                session.reply()


def test_a_stray_copy_after_the_end_does_no_harm() -> None:
    pair = Pair().run()
    for session in (pair.initiator, pair.responder):
        session.events()
        for message in (*pair.messages, REFUSED, b"\xff"):
            session.receive(message)
        assert session.state is State.COMPLETE
        assert (session.events(), session.messages_to_send()) == ([], [])
        session.exporter()


# --- what the session knows, and faults of the caller


def test_transcript_hashes_and_exporter_on_the_way() -> None:
    pair = Pair()
    hashes: dict[str, bytes] = {}
    for step in pair._steps():
        for name, session in (("i", pair.initiator), ("r", pair.responder)):
            key = f"{name} {session.state.name}"
            try:
                hashes[key] = session.th
            except UsageError:
                assert session.state not in (State.EAD_2, State.EAD_3, State.EAD_4)
        if pair.responder.state is State.EAD_4:
            early = pair.responder.exporter()
        elif State.COMPLETE not in (pair.initiator.state, pair.responder.state):
            with pytest.raises(UsageError, match="not complete"):
                pair.responder.exporter()
        step()
    assert set(hashes) == {"r EAD_2", "i EAD_3", "r EAD_4"}
    assert early == pair.responder.exporter() == pair.initiator.exporter()
    verified_i = next(event for event in pair.initiator.events() if isinstance(event, PeerVerified))
    events_r = pair.responder.events()
    verified_r = next(event for event in events_r if isinstance(event, PeerVerified))
    assert verified_i.th == hashes["r EAD_2"]
    assert verified_r.th == hashes["i EAD_3"]
    assert isinstance(events_r[-1], Completed)
    assert events_r[-1].th == hashes["r EAD_4"]


@pytest.mark.parametrize(
    ("methods", "suites"), [((4,), (6,)), ((0,), (7,)), ((0,), ()), ((0, -1), (6,)), ((0,), (6, 24))]
)
def test_methods_and_suites_that_do_not_exist(methods: tuple[int, ...], suites: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="not supported"):
        Session.responder(Pair().identity_r, methods=methods, suites=suites)


@pytest.mark.parametrize("state", [State.EAD_2, State.EAD_3, State.EAD_4])
def test_a_reply_that_cannot_be_composed_changes_nothing(state: State) -> None:
    """Too long, or a signer that fails: nothing is sent, and the reply may be tried again."""
    pair, session = at(state)
    for ead in ((Ead(100, bytes(MAX_MESSAGE)),), (Ead(0),)):
        with pytest.raises(UsageError):
            session.reply(ead)
        assert session.state is state
        assert session.messages_to_send() == []
    if state is not State.EAD_4:
        owner = session._step.identity if state is State.EAD_2 else session._step.sent.identity  # type: ignore[union-attr]
        working, broken = owner.key, BrokenSigner()
        object.__setattr__(owner, "key", broken)
        with pytest.raises(ConnectionError):
            session.reply()
        object.__setattr__(owner, "key", working)
    pair.reply(session)
    finish(pair)
    assert pair.initiator.exporter() == pair.responder.exporter()


class BrokenSigner:
    """A secure element that does not answer."""

    algorithm = SUITES[6].signature

    def sign(self, message: bytes) -> bytes:
        raise ConnectionError("the bus is stuck")


def test_a_message_1_that_cannot_be_composed_changes_nothing() -> None:
    pair = Pair()
    with pytest.raises(UsageError):
        pair.initiator.start(pair.ephemeral(), C_I, (Ead(100, bytes(MAX_MESSAGE)),))
    assert pair.initiator.state is State.START
    pair.start()


# --- secrets


@pytest.mark.parametrize(("method", "suite"), [(0, 6), (3, 2)])
def test_no_secret_in_any_repr(method: int, suite: int) -> None:
    """Steps, keys, exporters and errors show public values alone, at every point of a run."""
    pair = Pair(method, suite, eads=EADS)
    shown, secrets = [], set()
    for step in pair._steps():
        step()
        for session in (pair.initiator, pair.responder):
            shown += [repr(session), repr(session._step), repr(session._exporter), repr(session.identity)]
            for holder in (session._step, getattr(session._step, "sent", None), session._exporter):
                for name in ("prk_2e", "prk_3e2m", "prk_4e3m", "prk_out"):
                    secrets.add(getattr(holder, name, None))
    secrets.discard(None)
    assert len(secrets) >= 2
    text = "".join(shown)
    for secret in secrets:
        assert isinstance(secret, bytes)
        assert secret.hex() not in text
        assert repr(secret) not in text
    assert "PrivateKey" not in text


def test_no_secret_in_any_error() -> None:
    key = EcdhKey.generate(Curve.X25519, Random("secret"))
    for state in (State.MESSAGE_2, State.MESSAGE_3, State.MESSAGE_4):
        _, session = at(state)
        session.receive(encode_bstr(bytes(100)))
        if session.state is not State.FAILED:
            session.accept(Pair().identity_r.credential)
        error = failure(session)
        assert "\\x" not in repr(error) + str(error) + str(error.__cause__)
        assert key.x.hex() not in str(error)
