"""The whole pairing as two machines: what both ends hold after four messages, and what they do out of turn."""

from collections.abc import Callable

import pytest

from oob import cbor
from oob.binding import (
    CONTEXT_LABEL,
    EXPORTER_LABEL,
    InitiatorExchange,
    ResponderExchange,
    SessionContext,
    verify_binding,
)
from oob.errors import AuthenticationError, OobError, PeerError, UsageError
from oob.pairing import (
    EAD_LABEL,
    Model,
    Passcode,
    PasscodeInitiator,
    PasscodeResponder,
    SecretInitiator,
    SecretResponder,
)
from oob.pairing.models import proof_of
from tests.exchange import (
    ALL_MODELS,
    CONTEXT,
    MODELS,
    ONE_SIDED,
    PASSCODE,
    SECRET,
    Run,
    identity,
    with_challenge,
)

PARTING = cbor.encode_sequence(1, "refused")

# message_1 to message_4 in bytes: both public keys by value, the device's name "Demo lamp", a session context with a
# hash of the root, a challenge of 32 bytes and one name, and the receipt. The binding costs no message of its own.
SIZES = {
    # model: with a clock in the device, without
    "passcode": ([77, 230, 333, 138], [77, 230, 333, 130]),
    "secret": ([51, 213, 333, 118], [51, 213, 333, 110]),
    "compare": ([77, 193, 333, 118], [77, 193, 333, 110]),
    "resumed": ([51, 213, 333, 118], [51, 213, 333, 110]),
    "pinned": ([43, 193, 313, 118], [43, 193, 313, 110]),
    "button": ([43, 193, 313, 118], [43, 193, 313, 110]),
}
PROOFS = {
    "passcode": proof_of(Model.PASSCODE, dynamic=True),
    "secret": proof_of(Model.SECRET, dynamic=False),
    "compare": proof_of(Model.COMPARE, dynamic=True),
    "resumed": proof_of(Model.RESUMED, dynamic=False),
    "pinned": proof_of(Model.PINNED, dynamic=False),
    "button": proof_of(Model.BUTTON, dynamic=True),
}


def raises(kind: type[OobError], call: Callable[[], object]) -> OobError:
    """Return the error of a call that must fail."""
    with pytest.raises(kind) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("model", ALL_MODELS)
def test_both_ends_agree(model: str) -> None:
    run = Run.of(model)
    agreement, claim, channel, _ = run.finish()
    assert run.responder.model.model is Model[model.upper()]
    assert run.responder.pairing_key() == agreement.key
    assert agreement.device == run.device.credential
    assert claim.client == run.session_key.credential.key
    assert claim.context == CONTEXT
    assert agreement.proof == claim.proof == PROOFS[model]
    assert channel.open(agreement.channel.seal(b"proceed")) == b"proceed"
    assert agreement.channel.open(channel.seal(b"ready")) == b"ready"
    assert run.initiator.device_name == "Demo lamp"
    assert run.initiator.parting() is None
    assert run.responder.parting() is None


@pytest.mark.parametrize("model", ALL_MODELS)
def test_what_is_bound(model: str) -> None:
    run = Run.of(model, commissioning=model in ONE_SIDED)
    message_3 = run.message_3()
    run.responder.open(message_3)
    message_4, _ = run.responder.confirm(b"j" * 16, 1_700_000_000, 1_700_000_600)
    agreement = run.initiator.receive_4(message_4)
    statement = verify_binding(agreement.binding, run.session_key.credential.key)
    assert statement == agreement.statement
    assert agreement.binding.context == CONTEXT.encode()
    assert agreement.binding.device_key == run.device.credential.key
    assert statement.device_thumbprint == run.device.credential.key.thumbprint()
    assert statement.session_thumbprint == run.session_key.credential.key.thumbprint()
    assert (statement.audience, statement.origin, statement.names) == (CONTEXT.issuer, CONTEXT.origin, CONTEXT.names)
    assert (statement.challenge, statement.context_hash) == (CONTEXT.challenge, CONTEXT.hash())
    assert (statement.jti, statement.iat, statement.exp) == (b"j" * 16, 1_700_000_000, 1_700_000_600)
    assert statement.proof == PROOFS[model]
    exporter = vars(run.responder)["_session"].exporter()
    assert statement.exporter == exporter.export(EXPORTER_LABEL, cbor.encode(int(statement.proof.model)), 32)


@pytest.mark.parametrize("is_fresh", [True, False])
def test_what_the_bootstrap_data_say_of_a_secret_counts_once_the_device_has_signed_it(is_fresh: bool) -> None:
    """Whoever rewrites a tag can write `dynamic`; without a statement nobody contradicts him."""
    for context in (CONTEXT, None):
        session_key, device = identity(), identity("Demo lamp")
        ours = SecretInitiator(SECRET, device.credential.hash(), dynamic=True)
        theirs = SecretResponder(SECRET, dynamic=is_fresh)
        run = Run(InitiatorExchange(session_key, ours, context), ResponderExchange(device, theirs), session_key, device)
        if context is not None and not is_fresh:
            assert "contradicts" in str(raises(AuthenticationError, run.finish))
        else:
            assert run.finish()[0].proof == proof_of(Model.SECRET, dynamic=is_fresh and context is not None)


@pytest.mark.parametrize("model", MODELS)
def test_each_run_has_an_exporter_value_of_its_own(model: str) -> None:
    session_key, device = identity(), identity("Demo lamp")
    one, two = (Run.between(model, session_key, device).finish()[0].statement.exporter for _ in range(2))
    assert one != two


@pytest.mark.parametrize("model", MODELS)
def test_each_run_leaves_a_key_of_its_own(model: str) -> None:
    session_key, device = identity(), identity("Demo lamp")
    one, two = (Run.between(model, session_key, device).finish()[0].key for _ in range(2))
    assert one != two


@pytest.mark.parametrize("model", ALL_MODELS)
@pytest.mark.parametrize("clock", [True, False])
def test_sizes(model: str, clock: bool) -> None:
    run = Run.of(model, commissioning=model in ONE_SIDED)
    message_1 = run.message_1()
    message_2 = run.message_2(message_1)
    message_3 = run.initiator.receive_2(message_2)
    run.responder.open(message_3)
    stamp = (1_700_000_000, 1_700_000_600) if clock else (None, None)
    message_4, _ = run.responder.confirm(bytes(16), *stamp)
    run.initiator.receive_4(message_4)
    sizes = [len(message) for message in (message_1, message_2, message_3, message_4)]
    assert sizes == SIZES[model][0 if clock else 1]
    assert sum(sizes) <= 800


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "context",
    [
        SessionContext("https://i", None, "", bytes(16), ()),
        SessionContext("https://" + "i" * 247, bytes(32), "o" * 255, bytes(64), ("n" * 255,) * 8),
    ],
)
def test_smallest_and_largest_context(model: str, context: SessionContext) -> None:
    agreement, claim, _, _ = Run.of(model, context).finish()
    assert claim.context == context
    assert agreement.statement.names == context.names


def test_labels() -> None:
    assert (EAD_LABEL, CONTEXT_LABEL, EXPORTER_LABEL) == (32769, 32770, 32770)


# --- refusals


@pytest.mark.parametrize("model", MODELS)
def test_the_device_declines(model: str) -> None:
    """exchange.py, decline: local policy ends the exchange, and nothing is signed after it."""
    run = Run.of(model)
    run.responder.open(run.message_3())
    run.responder.decline(AuthenticationError("the issuer is not one that this device accepts"))
    assert run.responder.parting() == PARTING
    raises(UsageError, lambda: run.responder.confirm(bytes(16), None, None))
    raises(AuthenticationError, lambda: run.initiator.receive_4(PARTING))
    assert run.initiator.parting() is None


def test_wrong_passcode() -> None:
    run = Run.of()
    run.initiator = InitiatorExchange(
        run.session_key, PasscodeInitiator(Passcode.from_number(7654321), bytes(32)), CONTEXT
    )
    error = raises(AuthenticationError, lambda: run.responder.open(run.message_3()))
    assert error.step == "message_3"
    assert run.responder.parting() == PARTING
    raises(PeerError, lambda: run.responder.confirm(bytes(16), None, None))


def test_wrong_secret() -> None:
    run = Run.of("secret")
    hash = run.device.credential.hash()
    run.initiator = InitiatorExchange(run.session_key, SecretInitiator(bytes(16), hash, dynamic=True), CONTEXT)
    error = raises(AuthenticationError, run.message_3)
    assert error.step == "message_1"
    assert run.responder.parting() == PARTING


@pytest.mark.parametrize("dynamic", [True, False])
def test_both_ends_must_mean_the_same_strength(dynamic: bool) -> None:
    """statement.py, countersign: a device that calls a printed secret fresh gets no countersignature."""
    run = Run.of("secret")
    hash = run.device.credential.hash()
    run.initiator = InitiatorExchange(run.session_key, SecretInitiator(SECRET, hash, dynamic=dynamic), CONTEXT)
    run.responder = ResponderExchange(run.device, SecretResponder(SECRET, dynamic=not dynamic))
    message_4 = run.message_4()
    error = raises(AuthenticationError, lambda: run.initiator.receive_4(message_4))
    assert error.step == "message_4"
    assert run.initiator.parting() == PARTING


def test_the_identity_on_the_screens_is_in_the_passcode_run() -> None:
    run = Run.of()
    run.initiator = InitiatorExchange(run.session_key, PasscodeInitiator(PASSCODE, bytes(32), b"Lamp 7"), CONTEXT)
    run.responder = ResponderExchange(run.device, PasscodeResponder(PASSCODE, bytes(32), b"Lamp 8"))
    raises(AuthenticationError, lambda: run.responder.open(run.message_3()))


def test_a_low_order_ephemeral_key() -> None:
    """exchange.py, answer: the Diffie-Hellman fails, and the device says so in the uniform words."""
    run = Run.of()
    message_1 = run.message_1()
    at = message_1.index(b"\x58\x20") + 2
    error = raises(PeerError, lambda: run.message_2(message_1[:at] + bytes(32) + message_1[at + 32 :]))
    assert error.step == "message_1"
    assert run.responder.parting() == PARTING


def test_a_suite_that_the_device_lacks() -> None:
    """RFC 9528, section 6.3: the one error that says more names the suites, which is no secret."""
    run = Run.of()
    message_1 = run.message_1()
    raises(PeerError, lambda: run.message_2(b"\x00\x02" + message_1[2:]))
    assert run.responder.parting() == cbor.encode_sequence(2, 6)


def test_the_peer_refuses() -> None:
    run = Run.of()
    run.message_1()
    raises(AuthenticationError, lambda: run.initiator.receive_2(PARTING))
    assert run.initiator.parting() is None
    assert run.initiator.device_name == ""


# --- out of turn


def test_nothing_is_started_twice() -> None:
    """exchange.py, start: a second message_1 would need a second ephemeral key, and the model has given its share."""
    run = Run.of()
    run.message_1()
    raises(UsageError, run.message_1)


@pytest.mark.parametrize("model", MODELS)
def test_message_4_before_message_2(model: str) -> None:
    run = Run.of(model)
    message_2 = run.message_2(run.message_1())
    raises(PeerError, lambda: run.initiator.receive_4(message_2))
    run.initiator.receive_2(message_2)


@pytest.mark.parametrize("model", MODELS)
def test_message_4_in_place_of_message_2(model: str) -> None:
    """exchange.py, _expect: an event of another kind is none."""
    run = Run.of(model)
    message_4 = run.message_4()
    error = raises(PeerError, lambda: run.initiator.receive_2(message_4))
    assert "not awaited" in error.cause
    raises(PeerError, lambda: run.initiator.receive_4(message_4))


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_confirmed_before_message_3(model: str) -> None:
    run = Run.of(model)
    raises(PeerError, lambda: run.responder.confirm(bytes(16), None, None))
    run.message_2(run.message_1())
    raises(PeerError, lambda: run.responder.confirm(bytes(16), None, None))


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_confirmed_twice(model: str) -> None:
    """models.py, Steps.take: one message_4 for each run."""
    run = Run.of(model)
    run.message_4()
    raises(UsageError, lambda: run.responder.confirm(b"k" * 16, None, None))


def test_a_jti_has_16_bytes() -> None:
    run = Run.of()
    run.responder.open(run.message_3())
    raises(PeerError, lambda: run.responder.confirm(b"", None, None))


def test_contexts_of_two_sessions_differ() -> None:
    one, two = (Run.of(context=with_challenge(bytes([number]) * 32)).finish()[0] for number in (1, 2))
    assert one.statement.context_hash != two.statement.context_hash
