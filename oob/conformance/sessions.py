"""Cases of what follows message_2. Most spend a guess: they stand in an order that gets by with a code for three."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, cast

from oob import cbor
from oob.binding import SessionContext, verify_binding
from oob.conformance.bench import Bench, Fault, Opening, flipped
from oob.conformance.openings import Case
from oob.conformance.result import NotApplicable
from oob.errors import LinkError, OobError
from oob.framing.gatt import MessageType
from oob.handshake import refusal
from oob.pairing import Code, InitiatorModel, Model, Passcode, PasscodeInitiator
from oob.transport.link import FramedLink, Link

WINDOW: Final = Code.DISPLAYED.window
"""Wrong codes in a row after which message_1 is refused; a printed code then waits for the first time."""
_NOT_GUESSED: Final = "nobody guesses the secret of this model"


class _Odd:
    """A model that is right in everything but the authenticator in message_3."""

    def __init__(self, model: InitiatorModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the model has
        return getattr(self._model, name)

    def ead_3(self, th_3: bytes, cred_i: bytes) -> bytes:
        return flipped(self._model.ead_3(th_3, cred_i))


class _Malformed(SessionContext):
    """A session context that is none on the wire."""

    def encode(self) -> bytes:
        return cbor.encode([])


@asynccontextmanager
async def _at_3(
    bench: Bench, model: InitiatorModel | None = None, context: SessionContext | None = None
) -> AsyncIterator[tuple[Link, Opening, bytes]]:
    """Yield a link on which message_3 is due, and that message; a code that is used up is asked for anew before."""
    await bench.arm()
    opening = bench.opening(model=model, context=context)
    async with bench.link() as link:
        yield link, opening, await bench.until_3(link, opening)


async def _gives_up(bench: Bench) -> str:
    async with bench.link() as link:
        (await bench.say(link, bench.opening().message_1)).answered()
        reaction = await bench.hear(link)
    if not reaction.ended:
        raise Fault(f"{reaction.text}, where it must end the session, so that others get their turn")
    if not await bench.is_admitted():
        raise Fault("it ended the session, and yet does not answer the next client")
    return "it ended the connection, and answers the next client"


# --- message_3


def _spoilt_3(spoil: Callable[[bytes], bytes]) -> Callable[[Bench], Awaitable[str]]:
    async def run(bench: Bench) -> str:
        async with _at_3(bench) as (link, _, message_3):
            return (await bench.say(link, spoil(message_3))).refused()

    return run


async def _wrong_authenticator(bench: Bench) -> str:
    odd = cast(InitiatorModel, _Odd(bench.model()))
    async with _at_3(bench, model=odd) as (link, _, message_3):
        return (await bench.say(link, message_3)).refused()


async def _malformed_context(bench: Bench) -> str:
    right = bench.context
    odd = _Malformed(right.issuer, right.root_hash, right.origin, right.challenge, right.names)
    async with _at_3(bench, context=odd) as (link, _, message_3):
        return (await bench.say(link, message_3)).refused()


# --- a whole run


async def _completes(bench: Bench) -> str:
    async with _at_3(bench) as (link, opening, message_3):
        message_4 = (await bench.say(link, message_3)).answered()
    try:
        agreement = opening.exchange.receive_4(message_4)
        verify_binding(agreement.binding, opening.identity.credential.key)
    except OobError as error:
        raise Fault(f"its message_4 is wrong: {error}") from error
    proof = agreement.proof
    return f"{proof.strength}, {proof.bits} bits; device key {agreement.device.key.thumbprint().hex()[:16]}…"


async def _not_twice(bench: Bench) -> str:
    async with _at_3(bench) as (link, _, message_3):
        (await bench.say(link, message_3)).answered()
        return (await bench.say(link, message_3)).unanswered()


# --- messages out of turn


async def _second_message_1(bench: Bench) -> str:
    async with _at_3(bench) as (link, _, _):
        return (await bench.say(link, bench.opening().message_1)).not_taken()


async def _error_message(bench: Bench) -> str:
    async with _at_3(bench) as (link, _, _):
        return (await bench.say(link, refusal())).unanswered()


async def _record(bench: Bench) -> str:
    async with _at_3(bench) as (link, _, _):
        return (await bench.say(link, bench.random(40), MessageType.CHANNEL)).not_taken()


# --- guesses


async def _counts_once(bench: Bench) -> str:
    bench.require(Model.PASSCODE, _NOT_GUESSED)
    if bench.tries:
        await bench.renew()
    for _ in range(WINDOW - 1):
        await _guess(bench, times=2)
    if not await bench.is_admitted():
        raise Fault(f"message_1 is refused after {WINDOW - 1} wrong codes that were each sent twice: they count once")
    return f"message_1 is answered after {WINDOW - 1} wrong codes that were each sent twice"


async def _counts(bench: Bench) -> str:
    bench.require(Model.PASSCODE, _NOT_GUESSED)
    for _ in range(WINDOW):
        if not await bench.is_admitted():
            break
        await _guess(bench)
    else:
        if await bench.is_admitted():
            raise Fault(f"message_1 is answered after {WINDOW} wrong codes in a row, where it must be refused")
    if not bench.tries:
        raise Fault("message_1 is refused before any try with this code")
    return f"message_1 is refused after {bench.tries} tries with this code; the device is locked until it shows another"


async def _guess(bench: Bench, times: int = 1) -> None:
    """Send one message_3 with a wrong code, and all its frames that many times."""
    opening = bench.opening(model=PasscodeInitiator(_wrong(bench), bench.random(32)))
    async with bench.link() as link:
        message_3 = await bench.until_3(link, opening)
        if times > 1 and not isinstance(link, FramedLink):
            raise NotApplicable("this kind of link has no frames")
        await link.send(MessageType.HANDSHAKE, message_3)
        for _ in range(times - 1):
            with suppress(LinkError):  # the device refuses, and leaves, while the copy is still under way
                await cast(FramedLink, link).repeat()
        (await bench.hear(link)).refused()


def _wrong(bench: Bench) -> Passcode:
    """Return another code than the right one."""
    first, second = Passcode.from_number(0), Passcode.from_number(1)
    return second if bench.out_of_band == first else first


async def _is_uniform(bench: Bench) -> str:
    """Compare the refusals of all cases: a difference would tell an attacker how far he got."""
    odd = sorted({error for error in bench.errors if error != refusal()})
    if odd:
        raise Fault(f"it refuses also with {odd[0][:60].hex()}, where every refusal is {refusal().hex()}")
    if not bench.errors:
        raise NotApplicable("the device refused nothing by an error message")
    return f"{len(bench.errors)} refusals, all of them {refusal().hex()}"


SESSIONS: Final = (
    Case("a client that falls silent after message_2 is given up", _gives_up),
    Case("message_3 with a bit changed is refused", _spoilt_3(flipped)),
    Case("a wrong authenticator in message_3 is refused", _wrong_authenticator),
    Case("a whole pairing ends in a binding that verifies", _completes),
    Case("message_3 cut short is refused", _spoilt_3(lambda message: message[:-1])),
    Case("a malformed session context is refused", _malformed_context),
    Case("message_3 is not answered again after message_4", _not_twice),
    Case("a second message_1 is not answered", _second_message_1),
    Case("an error message is not answered", _error_message),
    Case("a channel record before message_4 is not answered", _record),
    Case("message_3 that is sent again frame by frame counts once", _counts_once),
    Case("wrong codes are counted", _counts),
    Case("every refusal says the same", _is_uniform),
)
"""In this order; the last ones leave the device without a code."""
