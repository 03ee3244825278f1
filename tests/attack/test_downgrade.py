"""Downgrade: an active attacker has two ends agree on less than both are willing to do.

A relabelled model is in test_confusion.py, too, for every pair of models.
"""

from functools import partial

import pytest

from oob import cbor
from oob.binding import ResponderExchange
from oob.crypto import EcdhPublic
from oob.errors import AuthenticationError, PeerError
from oob.handshake import SUITES, Ead, Event, Failed, Offered, Refused, Session, schedule, select_suites
from oob.handshake.ead import EadField
from oob.handshake.messages import Error, Message1
from oob.handshake.responder import Received1, WrongSuite
from oob.handshake.session import State
from oob.handshake.suites import METHODS
from oob.pairing import EAD_LABEL, Model
from tests.attack.refusal import DEFENDED, refused_by_client, refused_by_device, refused_if
from tests.exchange import MODELS, ONE_SIDED, Run, ephemeral, identity, initiator_model, responder_model
from tests.pair import C_I, Pair

GOOD, WEAK = 6, 2  # the MAC of 2 has 8 bytes; both are for signatures by the same keys
BEST_FIRST = (GOOD, WEAK)
FORGED = Error(2, WEAK).encode()
"""What anybody in radio range can send in the place of message_2: only the weaker suite is supported."""


def forgiving(message_1: bytes, methods: object, suites: object) -> Received1:
    """Do as process_message_1 does without its two rules."""
    fields = Message1.decode(message_1)
    suite = SUITES[fields.suites[-1]]
    return Received1(fields, METHODS[fields.method], suite, EcdhPublic.load(suite.curve, fields.g_x), message_1)


def edited(message_1: bytes, index: int, value: object) -> bytes:
    """Put another METHOD (index 0) or SUITES_I (index 1) into message_1."""
    items = cbor.decode_sequence(message_1)
    return cbor.encode_sequence(*items[:index], value, *items[index + 1 :])


def outcome(session: Session) -> Event:
    """Return the last event, or raise what ended the session."""
    event = session.events()[-1]
    if isinstance(event, Failed):
        raise event.error
    return event


# --- the cipher suite


def suites_after_a_forged_refusal() -> tuple[int, ...]:
    """Refuse an initiator in the name of the responder; return what it tries next."""
    pair = Pair(suite=GOOD)
    pair.start()
    pair.initiator.receive(FORGED)
    with pytest.raises(Refused) as caught:
        outcome(pair.initiator)
    return select_suites(BEST_FIRST, caught.value.suites_r, tried=(GOOD,))


@pytest.mark.parametrize("missing", ["", "rule", "list"])
def test_a_forged_refusal_of_the_better_suite(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The responder sees in SUITES_I that the initiator would rather have had the better suite.

    Defences: handshake/responder.py, process_message_1: the selected suite is the first of SUITES_I that is supported;
    handshake/suites.py, select_suites: the better ones stay in the list. Both are needed.
    """
    if missing == "rule":
        monkeypatch.setattr("oob.handshake.responder.process_message_1", forgiving)
    suites = suites_after_a_forged_refusal()
    assert suites == BEST_FIRST
    pair = Pair(suite=WEAK)
    pair.initiator = Session.initiator(pair.identity_i, suites=suites[-1:] if missing == "list" else suites)
    pair.responder = Session.responder(pair.identity_r, suites=BEST_FIRST)
    pair.responder.receive(pair.start())
    with refused_if(not missing, WrongSuite):
        offered = outcome(pair.responder)
        assert isinstance(offered, Offered)
        assert offered.suite == WEAK
    if not missing:
        assert pair.responder.messages_to_send() == [Error(2, list(BEST_FIRST)).encode()]


@DEFENDED
@pytest.mark.parametrize(
    ("index", "value", "supported"), [(0, 2, (WEAK,)), (1, WEAK, BEST_FIRST)], ids=["method", "suites"]
)
def test_message_1_edited_on_the_way(
    index: int, value: int, supported: tuple[int, ...], defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The responder takes what the attacker made of METHOD or SUITES_I: the initiator does not open what it answers.

    Defence: handshake/schedule.py, th_2: over message_1 as it was sent.
    """
    genuine = schedule.th_2
    if not defended:
        monkeypatch.setattr(schedule, "th_2", lambda hash, g_y, message_1: genuine(hash, g_y, b""))
    pair = Pair(suite=WEAK)
    pair.initiator = Session.initiator(pair.identity_i, suites=BEST_FIRST)
    pair.responder = Session.responder(pair.identity_r, methods={0, 2}, suites=supported)
    pair.responder.receive(edited(pair.start(), index, value))
    pair.engage()
    pair.initiator.receive(pair.reply(pair.responder))
    with refused_if(defended):
        outcome(pair.initiator)
        pair.initiator.accept(pair.identity_r.credential)
        outcome(pair.initiator)
    assert (pair.initiator.state is State.EAD_3) is not defended


def test_a_client_does_not_try_a_weaker_suite() -> None:
    """The pairing profile has one suite: a forged refusal ends the pairing, and no more.

    Defence: binding/exchange.py, SUITE; there is no other attempt in the program.
    """
    for model in MODELS:
        run = Run.of(model)
        run.message_1()
        with pytest.raises(Refused):
            run.initiator.receive_2(FORGED)
        assert run.initiator.parting() is None


# --- method and suite at the device


@DEFENDED
@pytest.mark.parametrize("method", [1, 2, 3])
def test_another_method_than_the_responder_allows(method: int, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence: handshake/responder.py, process_message_1: the method is one of `methods`."""
    if not defended:
        monkeypatch.setattr("oob.handshake.responder.process_message_1", forgiving)
    pair = Pair(method=method)
    pair.responder = Session.responder(pair.identity_r, methods={0})
    pair.responder.receive(pair.start())
    with refused_if(defended, PeerError, "method"):
        offered = outcome(pair.responder)
        assert isinstance(offered, Offered)
        assert offered.method == method


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", [1, 2, 3])
def test_another_method_in_a_pairing(model: str, method: int) -> None:
    """Defence: binding/exchange.py, METHOD."""
    run = Run.of(model)
    message_1 = edited(run.message_1(), 0, method)
    refused_by_device(run.responder, lambda: run.message_2(message_1), PeerError, "method")


@pytest.mark.parametrize(("suite", "defended"), [(n, True) for n in range(GOOD)] + [(2, False), (3, False), (5, False)])
def test_another_suite_in_a_pairing(suite: int, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence: binding/exchange.py, SUITE. Undefended, those suites go through that the device's key fits."""
    if not defended:
        monkeypatch.setattr("oob.handshake.responder.process_message_1", forgiving)
    run, key = Run.of("passcode"), ephemeral(SUITES[suite].curve)
    client = initiator_model("passcode", run.session_key, run.device)
    message_1 = Message1(0, (suite,), key.x, C_I, EadField.of((Ead(EAD_LABEL, client.ead_1(key.x)),))).encode()
    with refused_if(defended, WrongSuite):
        assert run.message_2(message_1)
    if defended:
        assert run.responder.parting() == Error(2, GOOD).encode()


# --- the association model


@DEFENDED
@pytest.mark.parametrize("asked", ONE_SIDED)
@pytest.mark.parametrize("armed", MODELS)
def test_a_stranger_asks_a_device_for_less(
    armed: str, asked: str, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that is armed for a proof does not meet anybody in `pinned` or `button`.

    Defence: binding/exchange.py, `_named`: the models that are armed, not all that there are.
    """
    if not defended:
        monkeypatch.setattr(ResponderExchange, "_named", lambda *_: responder_model(asked))
    run = Run.of(armed)
    run.initiator = Run.between(asked, run.session_key, run.device).initiator
    if not defended:
        assert run.finish()[1].client == run.session_key.credential.key
        return
    message_1 = run.message_1()
    refused_by_device(run.responder, partial(run.message_2, message_1), AuthenticationError)


class ProvesNothing:
    """A rogue device that answers as one does in `pinned` or `button`, whatever it was asked for."""

    def __init__(self, model: str) -> None:
        self.model, self.proof = Model[model.upper()], responder_model(model).proof
        self.value = ephemeral().x if model == "passcode" else b""  # a share costs nothing, and proves nothing

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Take it."""

    def ead_2(self, th_2: bytes, cred_r: bytes) -> bytes:
        """Prove nothing."""
        return self.value

    def check_3(self, value: bytes, th_3: bytes, cred_i: bytes) -> None:
        """Take it."""

    def ead_4(self, th_4: bytes) -> bytes:
        """Prove nothing."""
        return b""

    def channel_secret(self) -> bytes:
        """Know nothing."""
        return b""


@DEFENDED
@pytest.mark.parametrize("model", ["passcode", "secret", "resumed"])
def test_a_rogue_device_leaves_the_proof_out(model: str, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that was given a secret does not do without the proof of it, as in `pinned` and `button`.

    Defences: pairing/passcode.py, check_4; pairing/secret.py, check_2: nothing is compared with what is due.
    """
    module = "passcode" if model == "passcode" else "secret"
    if not defended:
        monkeypatch.setattr(f"oob.pairing.{module}.check_equal", lambda *_: None)
    mallory, rogue = identity("Demo lamp"), ProvesNothing(model)
    run = Run.of(model)
    run.responder = ResponderExchange(mallory, rogue)
    if not defended:
        assert run.finish()[0].device == mallory.credential
        return
    refused_by_client(run.initiator, run.finish, AuthenticationError, "out-of-band")
