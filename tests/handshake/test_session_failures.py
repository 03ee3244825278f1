"""A session that fails: tampering, EAD that is not understood, refusal, expiry, error messages."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.errors import AuthenticationError, LinkTimeout, OobError, PeerError, UsageError
from oob.handshake import (
    Completed,
    Ead,
    Failed,
    Offered,
    PeerVerified,
    State,
)
from oob.handshake.credentials import UnknownCredential
from oob.handshake.messages import Error, Refused, encode_bstr
from oob.handshake.session import TRANSITIONS, Verb
from tests.pair import AWAITING, EADS, INITIATOR, REFUSED, RESPONDER, Pair, at, failure, finish, only_event

# --- tampering


@pytest.mark.parametrize(("method", "suite"), [(0, 6), (3, 2), (1, 0), (2, 4)])
@pytest.mark.parametrize("number", range(4))
def test_every_byte_of_every_message_counts(method: int, suite: int, number: int) -> None:
    """Whatever byte of a message changes, neither end completes with the other."""
    length = len(Pair(method, suite, eads=EADS).run().messages[number])
    for index in range(length):
        pair = Pair(method, suite, eads=EADS).run(AFTER[number])
        pair.messages[number] = flip(pair.messages[number], index)
        finish(pair)
        initiator, responder = pair.initiator, pair.responder
        assert State.FAILED in (initiator.state, responder.state)
        assert initiator.state is not State.COMPLETE
        if number < 3:
            assert responder.state is not State.COMPLETE


AFTER = [State.MESSAGE_2, State.MESSAGE_3, State.MESSAGE_4, State.COMPLETE]


def flip(message: bytes, index: int) -> bytes:
    return message[:index] + bytes([message[index] ^ (1 << index % 8)]) + message[index + 1 :]


@settings(max_examples=80)
@given(data=st.binary(max_size=120), state=st.sampled_from(sorted(AWAITING, key=lambda state: state.value)))
def test_any_bytes_never_raise(data: bytes, state: State) -> None:
    _, session = at(state)
    session.receive(data)
    assert session.state in (State.FAILED, TRANSITIONS[state, Verb.RECEIVE])
    assert all(isinstance(event.error, OobError) for event in session.events() if isinstance(event, Failed))


# --- EAD


@pytest.mark.parametrize("number", range(4))
def test_a_critical_item_that_is_not_understood(number: int) -> None:
    eads: Any = [()] * 4
    eads[number] = (Ead(7, b"?"),)
    pair = Pair(eads=tuple(eads))
    pair.start()
    finish(pair)
    receiver = pair.initiator if number % 2 else pair.responder
    error = failure(receiver)
    assert "critical EAD item 7 is not understood" in str(error)
    assert receiver.messages_to_send() == [REFUSED]
    with pytest.raises(UsageError):
        receiver.exporter()


@pytest.mark.parametrize("number", range(4))
def test_an_item_that_is_not_critical_is_passed_over(number: int) -> None:
    eads: Any = [()] * 4
    eads[number] = (Ead(7, b"?", critical=False),)
    pair = Pair(eads=tuple(eads)).run()
    assert pair.initiator.exporter() == pair.responder.exporter()
    events = [*pair.initiator.events(), *pair.responder.events()]
    assert not any(event.ead for event in events if isinstance(event, Offered | PeerVerified | Completed))


def test_padding_in_message_1() -> None:
    pair = Pair(eads=EADS)
    pair.responder.receive(pair.start() + cbor.encode_sequence(0, bytes(20), 0))
    event = only_event(pair.responder)
    assert isinstance(event, Offered)
    assert event.ead == EADS[0]


# --- refusal, expiry, error messages


@pytest.mark.parametrize("state", [*INITIATOR, *RESPONDER])
def test_refusal(state: State) -> None:
    """An error message goes out exactly where the peer waits for an answer (RFC 9528, section 5.1)."""
    _, session = at(state)
    session.refuse(AuthenticationError("the second factor is wrong"))
    assert failure(session).cause == "the second factor is wrong"
    answers = state not in AWAITING | {State.START}
    assert session.messages_to_send() == ([REFUSED] if answers else [])
    session.refuse(AuthenticationError("again"))
    assert (session.events(), session.messages_to_send()) == ([], [])
    with pytest.raises(UsageError):
        session.exporter()


def test_a_responder_is_silent_after_message_4() -> None:
    pair = Pair().run()
    pair.responder.refuse(PeerError("too late"))
    failure(pair.responder)
    assert pair.responder.messages_to_send() == []


@pytest.mark.parametrize("state", [*INITIATOR[:-1], *RESPONDER])
def test_expiry(state: State) -> None:
    _, session = at(state)
    session.deadline = 30.0
    session.expire(29.9)
    assert session.state is state
    session.expire(30.0)
    error = failure(session)
    assert isinstance(error, LinkTimeout)
    assert error.step == state.value
    assert session.messages_to_send() == ([] if state in AWAITING | {State.START} else [REFUSED])


def test_nothing_expires_after_the_end() -> None:
    pair = Pair(deadline=10.0).run()
    pair.initiator.expire(1e9)
    assert pair.initiator.state is State.COMPLETE
    pair.initiator.refuse(PeerError("no"))
    pair.initiator.events()
    pair.initiator.expire(1e9)
    assert pair.initiator.events() == []


def test_the_default_deadline_is_never() -> None:
    session = Pair().responder
    session.expire(1e300)
    assert session.state is State.MESSAGE_1


@pytest.mark.parametrize("state", [*INITIATOR[1:-1], *RESPONDER[1:]])
def test_error_messages_end_a_session_and_are_not_answered(state: State) -> None:
    for message in (Error(1, "sorry"), Error(2, 2), Error(2, "x"), Error(3, True), Error(0, None), Error(-5, [1])):
        _, session = at(state)
        session.receive(message.encode())
        error = failure(session)
        assert isinstance(error, PeerError | AuthenticationError)
        assert "sorry" not in str(error)
        assert session.messages_to_send() == []
    _, session = at(state)
    session.receive(b"\x01")
    failure(session)
    assert session.messages_to_send() == []


def test_the_peer_learns_one_text_for_every_cause() -> None:
    """A wrong proof, a wrong credential, an unknown item: the error message is the same."""
    sent = set()
    for error in (PeerError("malformed"), AuthenticationError("wrong"), LinkTimeout("late"), OobError("else")):
        _, session = at(State.EAD_3)
        session.refuse(error)
        sent.update(session.messages_to_send())
    _, session = at(State.MESSAGE_3)
    session.receive(encode_bstr(bytes(50)))
    sent.update(session.messages_to_send())
    _, session = at(State.CREDENTIAL_I)
    session.accept(Pair().identity_r.credential)
    sent.update(session.messages_to_send())
    assert sent == {REFUSED}


def test_an_unknown_reference_has_its_own_code() -> None:
    _, session = at(State.CREDENTIAL_I)
    session.refuse(UnknownCredential("not known here"))
    (message,) = session.messages_to_send()
    assert message.hex() == "03f5"
    _, waiting = at(State.MESSAGE_4)
    waiting.receive(message)
    error = failure(waiting)
    assert isinstance(error, Refused)
    assert error.code == 3


def test_a_refusal_drops_what_was_not_sent() -> None:
    pair = Pair().run(State.EAD_4)
    pair.responder.reply()
    pair.responder.refuse(PeerError("on second thoughts"))
    assert pair.responder.messages_to_send() == []
