"""Nothing secret in what is shown, and nothing telling in what is sent at parting."""

import base64
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import pytest

from oob import cbor
from oob.binding import InitiatorExchange, ResponderExchange
from oob.crypto import Curve, EcdhKey, SigningKey
from oob.errors import AuthenticationError, OobError
from oob.handshake import Identity
from oob.pairing import (
    Model,
    Passcode,
    PasscodeInitiator,
    PasscodeResponder,
    SecretInitiator,
    SecretResponder,
)
from tests.attack.mallory import REFUSED
from tests.exchange import (
    CONTEXT,
    MODELS,
    PASSCODE,
    RESUMPTION,
    SECRET,
    Run,
    ephemeral,
    identity,
    initiator_model,
    responder_model,
)

EPHEMERALS = {"client": b"\x91" * 31 + b"\x01", "device": b"\x92" * 31 + b"\x02"}
SCALARS = {"client": b"\x93" * 31 + b"\x03", "device": b"\x94" * 31 + b"\x04"}


# --- looking at everything


def parts(value: object) -> Iterator[object]:
    """Yield what an object holds: attributes, also slots, or items."""
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    else:
        yield from vars(value).values() if hasattr(value, "__dict__") else ()
        for cls in type(value).__mro__:
            slots: tuple[str, ...] = getattr(cls, "__slots__", ())
            yield from (getattr(value, name) for name in slots if hasattr(value, name))


def reachable(run: Run, *more: object) -> list[object]:
    """Return every object of this library that hangs on both ends of a run, and on these."""
    seen: dict[int, object] = {}
    left: list[object] = [*vars(run).values(), *more]
    while left:
        value = left.pop()
        if id(value) in seen or not (is_ours(value) or isinstance(value, dict | list | tuple | set | frozenset)):
            continue
        seen[id(value)] = value
        left.extend(parts(value))
    return [value for value in seen.values() if is_ours(value)]  # a container shows what it holds, to nobody


def is_ours(value: object) -> bool:
    return type(value).__module__.startswith("oob.")


def hidden(objects: list[object]) -> set[bytes]:
    """Return the byte strings that a dataclass hides from its repr: whoever wrote it meant them to be secret."""
    return {
        value
        for item in objects
        if is_dataclass(item) and is_ours(item)
        for spec in fields(item)
        if not spec.repr and isinstance(value := getattr(item, spec.name), bytes) and len(value) >= 12
    }


def spellings(secret: bytes) -> set[str]:
    """Return the ways in which a secret might be printed."""
    whole = {
        repr(secret)[2:-1], secret.hex(), secret.hex().upper(), str(list(secret))[1:-1],
        base64.b64encode(secret).decode(), base64.urlsafe_b64encode(secret).decode().rstrip("="),
        str(int.from_bytes(secret, "big")),
    }  # fmt: skip
    return whole | {repr(secret[:8])[2:-1], secret[:8].hex()}


def assert_shows_nothing(shown: list[str], secrets: set[bytes], digits: str = PASSCODE.digits) -> None:
    """Look for every secret in every spelling; the message of a failure names no secret either."""
    text = "\n".join(shown)
    found = sum(spelling in text for secret in secrets for spelling in spellings(secret))
    found += digits in text or f"{digits[:4]} {digits[4:]}" in text or f"{digits[:4]}-{digits[4:]}" in text
    assert not found, f"{found} secrets are shown"


def shown_by(*objects: object) -> list[str]:
    return [text for item in objects for text in (repr(item), str(item), f"{item}")]


def shown_by_error(error: BaseException) -> list[str]:
    """Return every text of an error and of what caused it."""
    texts = ["".join(traceback.format_exception(error)), *map(repr, parts(error)), repr(error), repr(error.args)]
    for inner in (error.__cause__, error.__context__):
        texts += shown_by_error(inner) if inner else []
    return texts


# --- a run whose secrets are known here


@dataclass
class Known:
    """A run, and what must not be seen of it."""

    run: Run
    secrets: set[bytes]


def known(model: str) -> Known:
    session_key, device = identity(), identity("Demo lamp")
    run = Run.between(model, session_key, device)
    if model == "passcode":
        run.initiator = InitiatorExchange(session_key, PasscodeInitiator(PASSCODE, SCALARS["client"]), CONTEXT)
        run.responder = ResponderExchange(device, PasscodeResponder(PASSCODE, SCALARS["device"]))
    secrets = {private(session_key), private(device), *EPHEMERALS.values(), *SCALARS.values(), SECRET, RESUMPTION}
    return Known(run, secrets)


def private(owner: Identity) -> bytes:
    assert isinstance(owner.key, SigningKey)
    return owner.key.to_bytes()


def own_ephemeral(end: str) -> EcdhKey:
    return EcdhKey.from_bytes(Curve.X25519, EPHEMERALS[end])


@pytest.mark.parametrize("model", MODELS)
def test_no_object_of_a_full_run_shows_a_secret(model: str) -> None:
    """After each message, everything that hangs on either end is printed and searched.

    Defences: `field(repr=False)` in handshake/*, crypto/*, binding/channel.py, exchange.py; model objects show nothing.
    """
    case = known(model)
    run, secrets = case.run, set(case.secrets)
    shown: list[str] = []

    def look(*more: object) -> None:
        objects = reachable(run, *more)
        secrets.update(hidden(objects))
        shown.extend(shown_by(*objects, *more))

    look(PASSCODE)
    message_1 = run.initiator.start(own_ephemeral("client"), b"\x01")
    look()
    message_2 = run.responder.answer(message_1, lambda _: own_ephemeral("device"), b"\x02")
    look()
    message_3 = run.initiator.receive_2(message_2)
    look()
    claim = run.responder.open(message_3)
    look(claim)
    message_4, channel = run.responder.confirm(bytes(16), None, None)
    agreement = run.initiator.receive_4(message_4)
    look(claim, channel, agreement)
    exporter = vars(run.responder)["_session"].exporter()
    secrets.update({exporter.export(32771, bytes([agreement.proof.model]), 32), exporter.prk_out})
    for model_object in (vars(run.initiator)["_model"], vars(run.responder)["_model"]):
        secrets.update({model_object.channel_secret(), vars(model_object).get("_k", SECRET)})
    secrets.discard(b"")  # of `compare`, which has none
    assert len(secrets) == {"passcode": 18, "compare": 16}.get(model, 17)
    assert_shows_nothing(shown, secrets)


def wrong_digits(run: Run) -> None:
    wrong = PasscodeInitiator(Passcode.from_number(7654321), SCALARS["client"])
    run.initiator = InitiatorExchange(run.session_key, wrong, CONTEXT)
    run.responder.open(run.message_3())


def wrong_secret(run: Run) -> None:
    run.responder = ResponderExchange(run.device, SecretResponder(b"another K" * 2, dynamic=False))
    run.message_3()


def wrong_hash(run: Run) -> None:
    run.initiator = InitiatorExchange(run.session_key, SecretInitiator(SECRET, bytes(32), dynamic=False), CONTEXT)
    run.message_3()


def wrong_model(run: Run) -> None:
    other = "secret" if run.responder.model.model is Model.PASSCODE else "passcode"
    run.responder = ResponderExchange(run.device, responder_model(other))
    run.message_3()


def wrong_message_2(run: Run) -> None:
    message_2 = run.message_2(run.message_1())
    run.initiator.receive_2(message_2[:-1] + bytes([message_2[-1] ^ 1]))


def wrong_message_3(run: Run) -> None:
    message_3 = run.message_3()
    run.responder.open(message_3[:-1] + bytes([message_3[-1] ^ 1]))


def wrong_message_4(run: Run) -> None:
    message_4 = run.message_4()
    run.initiator.receive_4(message_4[:-1] + bytes([message_4[-1] ^ 1]))


def wrong_receipt(run: Run) -> None:
    run.responder.open(run.message_3())
    responder: Any = run.responder
    responder._claim = replace(responder._claim, context=replace(CONTEXT, origin="https://evil.example"))
    message_4, _ = run.responder.confirm(bytes(16), None, None)
    run.initiator.receive_4(message_4)


def own_credential(run: Run) -> None:
    run.initiator = InitiatorExchange(run.device, initiator_model("passcode", run.device, run.device), CONTEXT)
    run.message_3()


def declined(run: Run) -> None:
    run.responder.open(run.message_3())
    error = AuthenticationError("the issuer is not one that this device accepts", step="message_3")
    run.responder.decline(error)
    raise error


FAILURES: list[tuple[str, Callable[[Run], None]]] = [
    ("passcode", wrong_digits),
    ("secret", wrong_secret),
    ("secret", wrong_hash),
    ("passcode", own_credential),
    *[
        (model, fail)
        for model in MODELS
        for fail in (wrong_model, wrong_message_2, wrong_message_3, wrong_message_4, wrong_receipt, declined)
    ],
]


@pytest.mark.parametrize(("model", "fail"), FAILURES)
def test_parting_messages_are_uniform(model: str, fail: Callable[[Run], None]) -> None:
    """Whatever the cause, the peer gets the same bytes, once; the cause stays in the error on this side.

    Defence: handshake/session.py, `_error_message`: one text; exchange.py, `_refusing`.
    """
    run = Run.of(model)
    with pytest.raises(OobError) as caught:
        fail(run)
    assert caught.value.step
    assert caught.value.exit_code == 4
    partings = [run.initiator.parting(), run.responder.parting()]
    assert [message for message in partings if message] == [REFUSED]
    assert [run.initiator.parting(), run.responder.parting()] == [None, None]


@pytest.mark.parametrize(("model", "fail"), FAILURES)
def test_no_error_shows_a_secret(model: str, fail: Callable[[Run], None]) -> None:
    """Defences: the texts of errors are fixed; a failed session drops its keys (handshake/session.py, `_fail`)."""
    case = known(model)
    with pytest.raises(OobError) as caught:
        fail(case.run)
    objects = reachable(case.run)
    shown = shown_by(*objects) + shown_by_error(caught.value)
    assert_shows_nothing(shown, case.secrets | hidden(objects))


@pytest.mark.parametrize("text", ["12345670", "1234567", "abcdefgh", "1234 5675"])
def test_a_mistyped_passcode_is_not_repeated(text: str) -> None:
    """Defence: pairing/passcode.py, Passcode.__post_init__."""
    with pytest.raises(OobError) as caught:
        Passcode.parse(text)
    assert text not in " ".join(shown_by(caught.value))


def test_peer_text_is_not_repeated() -> None:
    """Defence: handshake/messages.py, Refused: nobody vouches for what an error message says."""
    run, text = Run.of("passcode"), "Enter 87654321 at evil.example"
    run.message_1()
    message = cbor.encode_sequence(1, text)
    with pytest.raises(AuthenticationError) as caught:
        run.initiator.receive_2(message)
    assert text not in " ".join(shown_by(caught.value, *vars(caught.value).values()))


# --- the search itself


def test_the_search_finds_a_planted_secret() -> None:
    @dataclass
    class Leaky:
        key: bytes

    for secret in (SECRET, EPHEMERALS["client"], private(identity())):
        for text in (repr(Leaky(secret)), secret.hex(), str(list(secret)), str(int.from_bytes(secret, "big"))):
            with pytest.raises(AssertionError, match="shown"):
                assert_shows_nothing([text], {secret})
    with pytest.raises(AssertionError, match="shown"):
        assert_shows_nothing([f"passcode {PASSCODE.display()}"], set())


def test_the_search_reaches_the_keys() -> None:
    """The channel keys, PRK_out and the private halves are among what hangs on an exchange, hidden."""
    run = Run.of("passcode")
    agreement, _, _, _ = run.finish()
    found = hidden(reachable(run, agreement))
    direction = vars(agreement.channel)["_sending"]
    assert {direction.key, direction.iv, vars(run.initiator)["_session"].exporter().prk_out} <= found
    assert any(isinstance(item, SigningKey) for item in reachable(run))
    assert ephemeral().x not in found
