"""The responder's end: what it refuses in message_1 and message_3, and the negotiation of the cipher suite."""

from dataclasses import replace

import pytest

from oob import cbor
from oob.crypto import Curve, EcdhKey
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.handshake import SUITES, Failed, Offered, Session, State
from oob.handshake.messages import Error, Message1, Refused, encode_bstr
from oob.handshake.responder import WrongSuite
from tests.pair import C_I, C_R, LOW_ORDER, OFF_CURVE, Pair, Random, failure, identity, only_event

FIELDS = Message1(3, (2,), bytes.fromhex("741a13d7ba048fbb615e94386aa3b61bea5b3d8f65f32620b749bee8d278efa9"), b"\x0e")


def offer(message: bytes, suites: tuple[int, ...] = (2,), method: int = 3) -> Session:
    session = Session.responder(identity(suites[0], False, "responder"), methods={method}, suites=suites)
    session.receive(message)
    return session


def test_an_offer() -> None:
    event = only_event(offer(FIELDS.encode()))
    assert event == Offered(method=3, suite=2, g_x=FIELDS.g_x, c_i=b"\x0e", ead=())


@pytest.mark.parametrize(
    ("change", "suites"),
    [
        ({"method": 0}, (2,)),
        ({"method": 4}, (2,)),
        ({"g_x": OFF_CURVE}, (2,)),
        ({"g_x": FIELDS.g_x[1:]}, (2,)),
        ({"g_x": FIELDS.g_x + b"\x00"}, (2,)),
        ({"g_x": b"\xff" * 32}, (2,)),
        ({"suites": (0,), "g_x": bytes(31)}, (0,)),
    ],
)
def test_refused_at_message_1(change: dict[str, object], suites: tuple[int, ...]) -> None:
    session = offer(replace(FIELDS, **change).encode(), suites)  # type: ignore[arg-type]
    assert type(failure(session)) is PeerError
    assert session.messages_to_send() == [Error(1, "refused").encode()]


@pytest.mark.parametrize("g_x", [LOW_ORDER, bytes(32), b"\x01" + bytes(31)])
def test_low_order_is_refused_when_engaged(g_x: bytes) -> None:
    session = offer(replace(FIELDS, suites=(0,), g_x=g_x).encode(), (0,))
    session.engage(EcdhKey.generate(Curve.X25519, Random("y")), C_R)
    error = failure(session)
    assert (type(error), error.step) == (PeerError, "message_1")
    assert session.messages_to_send() == [Error(1, "refused").encode()]


@pytest.mark.parametrize(
    ("offered", "supported", "selected"),
    [
        ((2,), (2,), 2),
        ((6, 2), (2,), 2),
        ((6, 2), (2, 3), 2),
        ((24, 25, 2), (3, 2), 2),
        ((6,), (2,), None),
        ((6, 2), (6, 2), None),  # the responder supports one that the initiator prefers
        ((2, 6, 2), (2,), None),
        ((2, 2), (2,), None),
        ((24,), (2, 3), None),
        ((-20,), (2,), None),
    ],
)
def test_the_selected_suite(offered: tuple[int, ...], supported: tuple[int, ...], selected: int | None) -> None:
    session = offer(replace(FIELDS, suites=offered).encode(), supported)
    if selected is not None:
        event = only_event(session)
        assert isinstance(event, Offered)
        assert event.suite == selected
        return
    error = failure(session)
    assert isinstance(error, WrongSuite)
    assert error.wire_code == 2
    (message,) = session.messages_to_send()
    assert Error.decode(message) == Error(2, supported[0] if len(supported) == 1 else list(supported))


def test_negotiation_and_retry() -> None:
    """The initiator prefers suite 6, learns that the responder has 2 and 3, and selects 2 under a fresh key."""
    responder_identity = identity(2, True, "responder")
    first = Session.initiator(identity(6, True, "initiator"), method=0, suites=(6,))
    first.start(EcdhKey.generate(Curve.X25519, Random("first")), C_I)
    responder = Session.responder(responder_identity, suites=(2, 3))
    responder.receive(*first.messages_to_send())
    first.receive(*responder.messages_to_send())
    error = failure(first)
    assert isinstance(error, Refused)
    assert error.suites_r == (2, 3)
    assert first.messages_to_send() == []  # an error message is not answered

    pair = Pair(suite=2)
    pair.initiator = Session.initiator(pair.identity_i, suites=(6, 2))
    pair.responder = Session.responder(pair.identity_r, suites=(2, 3))
    pair.run()
    assert pair.initiator.state is pair.responder.state is State.COMPLETE
    assert cbor.decode_sequence(pair.messages[0])[1] == [6, 2]


def test_a_shortened_list_of_suites_is_found_at_message_2() -> None:
    """A man in the middle who takes the preferred suite out of SUITES_I changes TH_2."""
    pair = Pair(suite=2)
    pair.initiator = Session.initiator(pair.identity_i, suites=(6, 2))
    fields = Message1.decode(pair.start())
    pair.responder.receive(replace(fields, suites=(2,)).encode())
    pair.engage()
    pair.initiator.receive(pair.reply(pair.responder))
    if pair.initiator.state is State.CREDENTIAL_R:
        pair.initiator.accept(pair.identity_r.credential)
    failure(pair.initiator)


@pytest.mark.parametrize(
    "message_3", [b"", b"\x40", b"\x47" + bytes(7), encode_bstr(bytes(16)), encode_bstr(bytes(80))]
)
def test_message_3_that_does_not_verify(message_3: bytes) -> None:
    pair = Pair().run(State.MESSAGE_3)
    pair.responder.receive(message_3)
    assert isinstance(failure(pair.responder), PeerError | AuthenticationError)


@pytest.mark.parametrize("copy", [0, 1])
def test_an_earlier_message_comes_again(copy: int) -> None:
    pair = Pair().run(State.MESSAGE_3)
    pair.responder.receive(pair.messages[copy])
    failure(pair.responder)


@pytest.mark.parametrize(("method", "suite"), [(0, 6), (3, 2)])
def test_another_key_than_the_claimed_one(method: int, suite: int) -> None:
    pair = Pair(method=method, suite=suite).run(State.CREDENTIAL_I)
    kid = cbor.decode(pair.identity_i.credential.id_cred)[4]
    pair.responder.accept(identity(suite, method == 0, "stranger", kid=kid).credential)
    assert isinstance(failure(pair.responder), AuthenticationError)


def test_the_responders_own_credential() -> None:
    """CRED_I = CRED_R is refused, however well it verifies."""
    pair = Pair()
    pair.identity_i = replace(pair.identity_r, credential=replace(pair.identity_r.credential))
    pair.initiator = Session.initiator(pair.identity_i, suites=(6,))
    pair.run(State.CREDENTIAL_R)
    pair.initiator.accept(pair.identity_r.credential)
    assert "our own credential" in str(failure(pair.initiator))

    pair = Pair().run(State.CREDENTIAL_I)
    pair.responder.accept(replace(pair.identity_r.credential, id_cred=pair.identity_i.credential.id_cred))
    assert "our own credential" in str(failure(pair.responder))


def test_faults_of_the_caller_change_nothing() -> None:
    pair = Pair(method=3, suite=2).run(State.EPHEMERAL)
    with pytest.raises(UsageError, match="another curve"):
        pair.responder.engage(EcdhKey.generate(Curve.X25519, Random("y")), C_R)
    own, pair.responder.identity = pair.responder.identity, identity(2, True, "signer")
    with pytest.raises(UsageError, match="does not fit"):
        pair.engage()
    pair.responder.identity = own
    states = [pair.responder.state]
    pair.engage()
    assert [*states, pair.responder.state] == [State.EPHEMERAL, State.EAD_2]


def test_suites_of_one_curve_do_not_mix() -> None:
    """Two suites that share the curve still have two transcripts: the ends agree on one or fail."""
    message_1 = replace(FIELDS, suites=(3,)).encode()
    assert isinstance(only_event(offer(message_1, (3,))), Offered)
    assert isinstance(only_event(offer(message_1, (2,))), Failed)
    assert SUITES[2].mac_length != SUITES[3].mac_length
