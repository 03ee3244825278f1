"""Cases of message_1: a right one is answered, each spoilt one is refused. None of them costs a guess."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from oob import cbor
from oob.conformance.bench import Bench, Fault, Reaction, flipped
from oob.conformance.result import NotApplicable
from oob.errors import OobError
from oob.framing.gatt import MAX_MESSAGE, MessageType
from oob.handshake import Ead, value_of
from oob.handshake.ead import EadField
from oob.handshake.messages import ERR_SUITE, Message1, decode_bstr
from oob.pairing import EAD_LABEL, Model, decode_ead_1
from oob.pairing.models import encode_ead_1
from oob.transport.link import FramedLink

SUITE: Final = 6
UNKNOWN_SUITE, UNKNOWN_EAD, UNKNOWN_MODEL = -21, 65000, 99  # of ranges that no registration will ever reach
LOW_ORDER: Final = (
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
)
"""u-coordinates of X25519 that give an all-zero secret with any key (RFC 7748, section 6.1)."""

Spoil = Callable[[Message1], bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """A named case; `run` returns what the device did and raises Fault, or NotApplicable."""

    name: str
    run: Callable[[Bench], Awaitable[str]]


# --- what is done with a message_1


def _accepts(name: str, spoil: Spoil) -> Case:
    async def run(bench: Bench) -> str:
        opening = bench.opening()
        message_1 = spoil(opening.fields)
        async with bench.link() as link:
            message_2 = (await bench.say(link, message_1)).answered()
        try:
            opening.check_2(message_1, message_2)
        except OobError as error:
            raise Fault(f"its message_2 is wrong: {error}") from error
        return "answered, with a proof over the very bytes of message_1"

    return Case(name, run)


def _refuses(what: str, *spoils: Spoil) -> Case:
    async def run(bench: Bench) -> str:
        return await _refused(bench, *spoils)

    return Case(f"{what} is refused", run)


def _refuses_shares(what: str, shares: Sequence[bytes]) -> Case:
    """Offer each as G_X, with the value of the model that belongs to it: it is refused for its own sake."""

    async def run(bench: Bench) -> str:
        values = [bench.model().ead_1(share) for share in shares]
        spoils = [_of(g_x=share, ead_1=_item(value)) for share, value in zip(shares, values, strict=True)]
        return await _refused(bench, *spoils)

    return Case(f"{what} is refused", run)


async def _refused(bench: Bench, *spoils: Spoil) -> str:
    for spoil in spoils:
        text = (await _told(bench, spoil)).refused()
    return await _goes_on(bench, text)


async def _goes_on(bench: Bench, text: str) -> str:
    """Return `text`; Fault if a right message_1 is refused as well, for then the refusal says nothing."""
    if not await bench.is_admitted():
        raise Fault(f"{text}, and does not answer a right message_1 after that")
    return text


async def _told(bench: Bench, spoil: Spoil) -> Reaction:
    async with bench.link() as link:
        return await bench.say(link, spoil(bench.opening().fields))


async def _answers(bench: Bench) -> str:
    opening = bench.opening()
    async with bench.link() as link:
        message_2 = (await bench.say(link, opening.message_1)).answered()
    try:
        opening.exchange.receive_2(message_2)  # with the proof of the model, where that comes so early
    except OobError as error:
        raise Fault(f"its message_2 is wrong: {error}") from error
    return f"message_2 of {len(message_2)} bytes verifies; the device calls itself {opening.exchange.device_name!r}"


async def _is_fresh(bench: Bench) -> str:
    messages = [(await _told(bench, Message1.encode)).answered() for _ in range(2)]
    shares = {decode_bstr(message, "message_2", 32)[:32] for message in messages}
    if len(shares) < len(messages):
        raise Fault("G_Y is the same in two sessions; it must be fresh in each")
    return "G_Y differs between two sessions"


# --- how a message_1 is spoilt


def _of(**changes: object) -> Spoil:
    return lambda m: replace(m, **changes).encode()  # type: ignore[arg-type]


def _with_ead(item: Ead) -> Spoil:
    return lambda m: m.encode() + EadField.of([item]).encoded


def _padded(message: Message1) -> bytes:
    padding = cbor.encode_sequence(0, bytes(7), 0)
    return replace(message, ead_1=EadField((), padding + message.ead_1.encoded)).encode()


def _long_method(message: Message1) -> bytes:
    return bytes((0x18, message.method)) + message.encode()[1:]


def _long_share(message: Message1) -> bytes:
    return message.encode().replace(b"\x58\x20" + message.g_x, b"\x59\x00\x20" + message.g_x, 1)


def _long_label(message: Message1) -> bytes:
    label = cbor.encode(-EAD_LABEL)
    return message.encode().replace(label, b"\x3a\x00\x00" + label[1:], 1)


def _with_c_i(encoded: bytes) -> Spoil:
    return lambda m: cbor.encode_sequence(m.method, m.suites[0], m.g_x) + encoded + m.ead_1.encoded


def _with_model(change: Callable[[Model, bytes], bytes]) -> Spoil:
    def spoil(message: Message1) -> bytes:
        value = change(*decode_ead_1(value_of(message.ead_1.items, EAD_LABEL)))
        return replace(message, ead_1=_item(value)).encode()

    return spoil


def _item(value: bytes, *, critical: bool = True) -> EadField:
    return EadField.of([Ead(EAD_LABEL, value, critical)])


def _other_model(model: Model, value: bytes) -> bytes:
    if model is Model.PASSCODE:
        return encode_ead_1(Model.SECRET, value[:8])
    return encode_ead_1(Model.PASSCODE, b"\x09" + bytes(31))


def _not_critical(message: Message1) -> bytes:
    value = value_of(message.ead_1.items, EAD_LABEL)
    return replace(message, ead_1=_item(value, critical=False)).encode()


# --- cases of their own


async def _low_order_shares(bench: Bench) -> str:
    bench.require(Model.PASSCODE, "of the model passcode alone")
    return await _refused(bench, *[_of(ead_1=_item(encode_ead_1(Model.PASSCODE, point))) for point in LOW_ORDER])


async def _wrong_tag(bench: Bench) -> str:
    bench.require(Model.SECRET, "of the model secret alone")
    return await _refused(bench, _with_model(lambda model, tag: encode_ead_1(model, flipped(tag))))


def _suite_refused(suites: tuple[int, ...]) -> Callable[[Bench], Awaitable[str]]:
    async def run(bench: Bench) -> str:
        reaction = await _told(bench, _of(suites=suites))
        error = reaction.error
        offered = error.info if error is not None and error.code == ERR_SUITE else None
        if SUITE not in (offered if isinstance(offered, list) else [offered]):
            raise Fault(f"{reaction.text}, where ERR_CODE 2 with its suites is due, {SUITE} among them")
        return f"{reaction.text} and its suites"

    return run


async def _oversized(bench: Bench) -> str:
    async with bench.link() as link:
        if not isinstance(link, FramedLink):
            raise NotApplicable("this kind of link has no frames")
        head = bytes((0x80 | MessageType.HANDSHAKE, 0)) + (MAX_MESSAGE + 1).to_bytes(2, "big")
        await link.send_frames([head + bytes(16)])
        text = (await bench.hear(link)).not_taken()
    return await _goes_on(bench, text)


async def _out_of_turn(bench: Bench) -> str:
    for length in (200, 180, 16):
        async with bench.link() as link:
            text = (await bench.say(link, cbor.encode(bench.random(length)))).not_taken()
    return await _goes_on(bench, text)


async def _record_first(bench: Bench) -> str:
    async with bench.link() as link:
        text = (await bench.say(link, bench.random(40), MessageType.CHANNEL)).not_taken()
    return await _goes_on(bench, text)


OPENINGS: Final = (
    Case("message_1 is answered", _answers),
    Case("each session has its own ephemeral key", _is_fresh),
    _accepts("padding in EAD_1 is skipped", _padded),
    _accepts("an unknown EAD item that is not critical is skipped", _with_ead(Ead(UNKNOWN_EAD, b"x", critical=False))),
    _accepts("a longer C_I is taken", _of(c_i=bytes(range(8)))),
    _accepts("its suite is taken as the second choice", _of(suites=(UNKNOWN_SUITE, SUITE))),
    _refuses("message_1 cut short", lambda m: m.encode()[:-1], lambda m: m.encode()[:20], lambda m: b""),
    _refuses("message_1 with a trailing item", lambda m: m.encode() + cbor.encode("more")),
    _refuses("message_1 in CBOR that is not deterministic", _long_method, _long_share, _long_label),
    _refuses("another method", _of(method=3), _of(method=4)),
    _refuses_shares("G_X of the wrong length", (bytes(31), bytes(33))),
    _refuses_shares("G_X of low order", LOW_ORDER),
    _refuses("C_I in a reserved encoding", _with_c_i(b"\x41\x00"), _with_c_i(b"\x18\x18"), _with_c_i(b"\x61x")),
    _refuses("an unknown critical EAD item", _with_ead(Ead(UNKNOWN_EAD, b"x"))),
    _refuses("no model", _of(ead_1=EadField())),
    _refuses("an unknown model", _with_model(lambda model, value: cbor.encode_sequence(UNKNOWN_MODEL, value))),
    _refuses("another model than the one that is armed", _with_model(_other_model)),
    _refuses("the model twice", lambda m: m.encode() + m.ead_1.encoded),
    _refuses("a model that is not marked critical", _not_critical),
    _refuses("a model value of the wrong length", _with_model(lambda model, value: encode_ead_1(model, value[:-1]))),
    Case("CPace shares of low order are refused", _low_order_shares),
    Case("a tag of another secret is refused", _wrong_tag),
    Case("an unknown suite is answered with SUITES_R", _suite_refused((UNKNOWN_SUITE,))),
    Case("a suite that is not the best is answered with SUITES_R", _suite_refused((SUITE, 0))),
    Case("a message above 4096 bytes is refused", _oversized),
    Case("message_2, message_3 or message_4 opens nothing", _out_of_turn),
    Case("a channel record opens nothing", _record_first),
)
