"""The whole pairing in each model: whether anything is bound, what the device tells, and which model it answers."""

from dataclasses import replace

import pytest

from oob.binding import InitiatorExchange, Receipt, ResponderExchange
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.pairing import Model, PasscodeResponder, ResumedInitiator, ResumedResponder
from oob.pairing.models import MUTUAL_PROOFS, proof_of
from tests.binding.test_exchange import PARTING, PROOFS, SIZES, raises
from tests.exchange import ALL_MODELS, CONTEXT, MODELS, ONE_SIDED, PASSCODE, Run, identity, responder_model

# message_1 to message_4 in bytes, without a session to be bound; message_3 and message_4 are the shorter for it.
CONTEXTLESS_SIZES = {
    "passcode": [77, 230, 185, 38],
    "secret": [51, 213, 185, 17],
    "compare": [77, 193, 185, 17],
    "resumed": [51, 213, 185, 17],
    "pinned": [43, 193, 165, 17],
    "button": [43, 193, 165, 17],
}


@pytest.mark.parametrize("model", ALL_MODELS)
@pytest.mark.parametrize("commissioning", [True, False])
def test_without_a_session_nothing_is_bound(model: str, commissioning: bool) -> None:
    """A client that comes to talk: the channel is there, and the device has signed nothing."""
    run = Run.of(model, None, commissioning=commissioning)
    agreement, claim, channel, sizes = run.finish()
    assert sizes == CONTEXTLESS_SIZES[model]
    assert claim.context is None
    assert agreement.signed is None
    assert not run.responder.binds
    assert channel.open(agreement.channel.seal(b"on")) == b"on"
    assert run.responder.pairing_key() == agreement.key
    kind = UsageError if model in MODELS else AuthenticationError
    for half in ("statement", "binding"):
        raises(kind, lambda half=half: getattr(agreement, half))  # type: ignore[misc]


@pytest.mark.parametrize("model", ONE_SIDED)
def test_a_one_sided_model_binds_nothing(model: str) -> None:
    """exchange.py, binds: the session is known to the device, which signs nothing for whoever comes."""
    run = Run.of(model)
    agreement, claim, channel, sizes = run.finish()
    assert sizes == [*SIZES[model][0][:3], 17]
    assert claim.context == CONTEXT
    assert not run.responder.binds
    assert agreement.signed is None
    assert agreement.channel.open(channel.seal(b"on")) == b"on"
    error = raises(AuthenticationError, lambda: agreement.binding)
    assert f"the model {model} proves too little" in error.cause
    assert "passcode" in error.remedy


@pytest.mark.parametrize("model", ONE_SIDED)
def test_commissioning_binds_in_any_model(model: str) -> None:
    """Local policy wants it; the statement says how little it rests on, and an issuer refuses it."""
    run = Run.of(model, commissioning=True)
    agreement, _, _, _ = run.finish()
    assert run.responder.binds
    assert agreement.statement.proof == PROOFS[model]
    assert agreement.statement.proof not in MUTUAL_PROOFS


@pytest.mark.parametrize("model", ALL_MODELS)
def test_nothing_is_bound_before_message_3(model: str) -> None:
    run = Run.of(model, commissioning=True)
    assert not run.responder.binds
    run.message_2(run.message_1())
    assert not run.responder.binds


@pytest.mark.parametrize("model", ALL_MODELS)
def test_a_receipt_that_nobody_asked_for(model: str) -> None:
    """exchange.py, _countersign: a client without a session countersigns nothing."""
    run = Run.of(model, None)
    run.responder.open(run.message_3())
    receipt = Receipt(bytes(16), None, None, PROOFS[model].dynamic, bytes(64)).encode()
    vars(run.responder)["_receipt"] = lambda *_: receipt
    message_4, _ = run.responder.confirm(bytes(16), None, None)
    error = raises(PeerError, lambda: run.initiator.receive_4(message_4))
    assert "nobody asked for" in error.cause
    assert run.initiator.parting() == PARTING


@pytest.mark.parametrize("dynamic", [True, False])
def test_the_device_tells_whether_its_passcode_is_printed(dynamic: bool) -> None:
    """statement.py, Receipt.dynamic: it is in the statement that both ends sign, and before that the lesser is held."""
    run = Run.of()
    run.responder = ResponderExchange(run.device, PasscodeResponder(PASSCODE, bytes(32), dynamic=dynamic))
    agreement, claim, _, _ = run.finish()
    assert claim.proof == agreement.proof == agreement.statement.proof == proof_of(Model.PASSCODE, dynamic=dynamic)
    assert not Run.of(context=None).finish()[0].proof.dynamic


@pytest.mark.parametrize("told", [True, False])
def test_what_the_device_tells_is_signed(told: bool) -> None:
    """exchange.py, _countersign: the word in the receipt and the word in the signed statement are one."""
    run = Run.of()
    run.responder = ResponderExchange(run.device, PasscodeResponder(PASSCODE, bytes(32), dynamic=not told))
    run.responder.open(run.message_3())
    genuine = vars(ResponderExchange)["_receipt"]
    vars(run.responder)["_receipt"] = lambda *fields: replace(
        Receipt.decode(genuine(run.responder, *fields)), dynamic=told
    ).encode()
    message_4, _ = run.responder.confirm(bytes(16), None, None)
    raises(AuthenticationError, lambda: run.initiator.receive_4(message_4))


# --- which model a device answers


def test_a_paired_client_and_a_new_one_at_the_same_device() -> None:
    """exchange.py, _named: one model is armed, and clients that are paired come without arming."""
    for name in ("passcode", "resumed"):
        run = Run.of(name)
        run.responder = ResponderExchange(run.device, responder_model("passcode"), responder_model("resumed"))
        _, claim, _, _ = run.finish()
        assert run.responder.model.model is claim.proof.model is Model[name.upper()]
    assert isinstance(run.responder.model, ResumedResponder)
    assert run.responder.model.pairing == b"this"


def test_the_armed_model_refuses_the_others() -> None:
    run = Run.of("compare")
    run.responder = ResponderExchange(run.device, responder_model("passcode"), responder_model("resumed"))
    error = raises(AuthenticationError, run.message_3)
    assert "asks for the model compare, this device is armed for passcode" in error.cause


def test_a_device_answers_in_some_model() -> None:
    raises(UsageError, lambda: ResponderExchange(identity("Demo lamp")))


@pytest.mark.parametrize("model", MODELS)
def test_a_pairing_leaves_what_resumes_it(model: str) -> None:
    """The secret that one run leaves at both ends is K of the next, also after a resumed one."""
    first = Run.of(model)
    agreement, _, _, _ = first.finish()
    kept = first.responder.pairing_key().resumption_secret()
    again = Run.between("resumed", identity(), first.device)
    hash = agreement.device.hash()
    ours = ResumedInitiator(agreement.key.resumption_secret(), hash)
    again.initiator = InitiatorExchange(again.session_key, ours, CONTEXT)
    again.responder = ResponderExchange(first.device, ResumedResponder({b"first": kept}))
    resumed, claim, _, _ = again.finish()
    assert resumed.proof == claim.proof == PROOFS["resumed"]
    assert resumed.key.resumption_secret() != kept


@pytest.mark.parametrize("model", ALL_MODELS)
def test_no_key_is_left_before_message_3(model: str) -> None:
    run = Run.of(model)
    raises(UsageError, run.responder.pairing_key)
    run.message_2(run.message_1())
    raises(UsageError, run.responder.pairing_key)
