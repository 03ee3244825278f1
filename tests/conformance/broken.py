"""Devices of our own with one defence taken out, as a maker might forget it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from oob import cbor
from oob.binding import Receipt, ResponderExchange, statement
from oob.binding import exchange as binding_exchange
from oob.crypto import Curve, EcdhKey, EcdhPublic, cpace_shared
from oob.device import Device, device
from oob.device.offer import Attempt
from oob.device.screen_offers import PasscodeOffer
from oob.errors import LinkTimeout, LockedOut, OobError, PeerError
from oob.framing.gatt import MessageType
from oob.handshake import Ead, refusal, responder, session
from oob.handshake.messages import Error, Message1
from oob.handshake.responder import WrongSuite
from oob.pairing import Code, Guesses, Passcode, SecretResponder, cpace
from oob.pairing.models import expect_ead_1
from oob.transport.link import Link

Break = Callable[[pytest.MonkeyPatch], None]


class Ears:
    """A device's end of a link that answers some messages by itself."""

    def __init__(self, link: Link, answers: Callable[[bytes, list[bytes], bytes], bytes | None]) -> None:
        self._link, self._answers = link, answers
        self._heard: list[bytes] = []
        self._said = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def send(self, type: MessageType, message: bytes) -> None:
        self._said = message
        await self._link.send(type, message)

    async def receive(self, timeout: float) -> tuple[MessageType, bytes]:
        type, message = await self._link.receive(timeout)
        answer = self._answers(message, self._heard, self._said) if self._heard else None
        self._heard.append(message)
        if answer is None:
            return type, message
        await self._link.send(MessageType.HANDSHAKE, answer)
        return await self.receive(timeout)


def listening(answers: Callable[[bytes, list[bytes], bytes], bytes | None]) -> Break:
    """Let a device answer by what `answers` makes of a message, of what it heard before, and of what it said last."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        serve = Device.serve_link
        patch.setattr(Device, "serve_link", lambda self, link: serve(self, Ears(link, answers)))

    return break_it


def answering(change: Callable[[bytes], bytes]) -> Break:
    """Let a device take message_1 for what `change` makes of it."""

    class Tolerant(ResponderExchange):
        def answer(self, message_1: bytes, ephemeral: Callable[[Curve], EcdhKey], c_r: bytes) -> bytes:
            with suppress(Exception):
                message_1 = change(message_1)
            return super().answer(message_1, ephemeral, c_r)

    return lambda patch: patch.setattr(device, "ResponderExchange", Tolerant)


def without_count(patch: pytest.MonkeyPatch) -> None:
    first = Guesses(Code.DISPLAYED, window=1, lifetime=1, pending=True)
    patch.setattr(PasscodeOffer, "_begin", lambda self, code: self._store.update(guesses=first))


def counting_twice(patch: pytest.MonkeyPatch) -> None:
    begin = PasscodeOffer._begin

    def twice(self: PasscodeOffer, code: Passcode) -> None:
        begin(self, code)
        with suppress(LockedOut):
            begin(self, code)

    patch.setattr(PasscodeOffer, "_begin", twice)


def giving_reasons(patch: pytest.MonkeyPatch) -> None:
    def error_message(error: OobError) -> bytes:
        return error.message() if isinstance(error, WrongSuite) else Error(1, error.cause).encode()

    patch.setattr(session, "_error_message", error_message)


def without_trailing(message_1: bytes) -> bytes:
    items = cbor.decode_sequence(message_1)
    while isinstance(items[-1], str):
        items.pop()
    return cbor.encode_sequence(*items)


def made_deterministic(message_1: bytes) -> bytes:
    return cbor.encode_sequence(*cbor2.loads(b"\x9f" + message_1 + b"\xff"))


def ignoring_critical(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(session, "understood", lambda items, labels: tuple(item for item in items if item.label in labels))


def taking_any_item(patch: pytest.MonkeyPatch) -> None:
    def last(items: tuple[Ead, ...], label: int) -> bytes:
        return next((item.value or b"" for item in reversed(items) if item.label == label), b"")

    patch.setattr(binding_exchange, "value_of", last)


def repeated_answer(message: bytes, heard: list[bytes], said: bytes) -> bytes | None:
    return said if message == heard[-1] else None


def second_answer(message: bytes, heard: list[bytes], said: bytes) -> bytes | None:
    with suppress(PeerError):
        Message1.decode(message)
        return said
    return None


def answered_error(message: bytes, heard: list[bytes], said: bytes) -> bytes | None:
    return refusal() if message == refusal() else None


def never_giving_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(device, "MESSAGE_WAIT", 1e6)


def taking_low_order(patch: pytest.MonkeyPatch) -> None:
    exchange = EcdhKey.exchange

    def lenient(self: EcdhKey, peer: EcdhPublic) -> bytes:
        try:
            return exchange(self, peer)
        except PeerError:
            return bytes(32)

    patch.setattr(EcdhKey, "exchange", lenient)


def taking_low_order_shares(patch: pytest.MonkeyPatch) -> None:
    def lenient(scalar: bytes, peer: bytes) -> bytes:
        try:
            return cpace_shared(scalar, peer)
        except PeerError:
            return bytes(32)

    patch.setattr(cpace, "cpace_shared", lenient)


def with_one_ephemeral_key(patch: pytest.MonkeyPatch) -> None:
    def admit(self: Device, curve: Curve, attempt: Attempt) -> EcdhKey:
        attempt.admit()
        return EcdhKey.from_bytes(curve, bytes(range(32)))

    patch.setattr(Device, "_admit", admit)


def without_suites(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WrongSuite, "message", lambda self: refusal())


def signing_something_else(patch: pytest.MonkeyPatch) -> None:
    def sign(key: Any, said: statement.BindingStatement) -> Receipt:
        return statement.sign_binding(key, replace(said, challenge=bytes(32)))

    patch.setattr(binding_exchange, "sign_binding", sign)


def signing_badly(patch: pytest.MonkeyPatch) -> None:
    def proof(*whatever: object) -> bytes:
        return bytes(64)

    patch.setattr(responder, "compose_proof", proof)


def sulking(kind: type[OobError], step: str) -> Break:
    """Let a device turn the next client away after a conversation that ended with such an error."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        serve, ended = Device.serve_link, [False]

        async def serve_link(self: Device, link: Link) -> OobError | None:
            if ended[0]:
                ended[0] = False
                await link.close()
                return None
            error = await serve(self, link)
            ended[0] = type(error) is kind and error.step == step
            return error

        patch.setattr(Device, "serve_link", serve_link)

    return break_it


def without_tag(patch: pytest.MonkeyPatch) -> None:
    def check_1(self: Any, value: bytes, g_x: bytes) -> None:
        with self._steps.take("check_1"):
            expect_ead_1(value, self.model)

    patch.setattr(SecretResponder, "check_1", check_1)


BROKEN: dict[str, tuple[Break, set[str]]] = {
    "counts no guesses": (without_count, {"wrong codes are counted"}),
    "counts guesses twice": (counting_twice, {"message_3 that is sent again frame by frame counts once"}),
    "gives reasons": (giving_reasons, {"every refusal says the same"}),
    "takes trailing items": (answering(without_trailing), {"message_1 with a trailing item is refused"}),
    "takes any CBOR": (answering(made_deterministic), {"message_1 in CBOR that is not deterministic is refused"}),
    "ignores critical items": (ignoring_critical, {"an unknown critical EAD item is refused"}),
    "takes any item": (
        taking_any_item,
        {"the model twice is refused", "a model that is not marked critical is refused"},
    ),
    "answers message_3 twice": (listening(repeated_answer), {"message_3 is not answered again after message_4"}),
    "answers message_1 twice": (listening(second_answer), {"a second message_1 is not answered"}),
    "answers errors": (listening(answered_error), {"an error message is not answered"}),
    "never gives up": (never_giving_up, {"a client that falls silent after message_2 is given up"}),
    "falls over what is too long": (sulking(PeerError, "framing"), {"a message above 4096 bytes is refused"}),
    "sulks": (sulking(LinkTimeout, "link"), {"a client that falls silent after message_2 is given up"}),
    "takes low order": (taking_low_order, {"G_X of low order is refused"}),
    "takes shares of low order": (taking_low_order_shares, {"CPace shares of low order are refused"}),
    "has one ephemeral key": (with_one_ephemeral_key, {"each session has its own ephemeral key"}),
    "hides its suites": (
        without_suites,
        {"an unknown suite is answered with SUITES_R", "a suite that is not the best is answered with SUITES_R"},
    ),
    "signs something else": (signing_something_else, {"a whole pairing ends in a binding that verifies"}),
}
