"""Every message of a pairing, damaged in every place: refused, with nothing left behind."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.binding import Agreement, Claim, InitiatorExchange, ResponderExchange
from oob.errors import OobError, UsageError
from tests.attack.mallory import REFUSED
from tests.exchange import MODELS, Run, ephemeral, fork

WRONG_SUITE = cbor.encode_sequence(2, 6)
UNKNOWN_CREDENTIAL = cbor.encode_sequence(3, True)
PLACES = [(model, number) for model in MODELS for number in (1, 2, 3, 4)]
EVERYWHERE = pytest.mark.parametrize(("model", "number"), PLACES)


T = TypeVar("T")


@dataclass
class Stopped:
    """A run in its stages: the four messages, and each end as it waits for the message of that number."""

    messages: dict[int, bytes]
    devices: dict[int, ResponderExchange]
    clients: dict[int, InitiatorExchange]


@cache
def stopped(model: str) -> Stopped:
    """Make a run and keep all its stages; only copies of the ends are used."""
    run = Run.of(model)
    devices, messages = {1: fork(run.responder)}, {1: run.message_1()}
    clients = {2: fork(run.initiator)}
    messages[2] = run.message_2(messages[1])
    devices[3] = fork(run.responder)
    messages[3] = run.initiator.receive_2(messages[2])
    clients[4] = fork(run.initiator)
    run.responder.open(messages[3])
    messages[4], _ = run.responder.confirm(bytes(16), None, None)
    return Stopped(messages, devices, clients)


def deliver(model: str, number: int, message: bytes) -> bytes | Claim | Agreement:
    """Hand a message to the end that awaits it.

    Nothing authenticates message_1 where it arrives: if it is answered, the client gets the answer to it.
    """
    run = stopped(model)
    match number:
        case 1:
            device = fork(run.devices[1])
            answer = at_device(device, lambda: device.answer(message, ephemeral, b"\x02"))
            return deliver(model, 2, answer)
        case 2:
            client = fork(run.clients[2])
            return at_client(client, lambda: client.receive_2(message))
        case 3:
            device = fork(run.devices[3])
            return at_device(device, lambda: device.open(message))
        case _:
            client = fork(run.clients[4])
            return at_client(client, lambda: client.receive_4(message))


def at_device(device: ResponderExchange, call: Callable[[], T]) -> T:
    """A device that refuses has nothing to confirm, and its parting message tells nothing."""
    try:
        return call()
    except OobError:
        assert device.parting() in (REFUSED, WRONG_SUITE, None)
        with pytest.raises(OobError):
            device.confirm(bytes(16), None, None)
        raise


def at_client(client: InitiatorExchange, call: Callable[[], T]) -> T:
    """A client that refuses has no exporter, so no channel, and its parting message tells nothing."""
    try:
        return call()
    except OobError:
        assert client.parting() in (REFUSED, None)
        with pytest.raises(UsageError):
            vars(client)["_session"].exporter()
        raise


def assert_refused(model: str, number: int, damaged: Iterable[bytes]) -> None:
    """Deliver each of these, which must fail with an error of ours."""
    genuine = stopped(model).messages[number]
    for message in damaged:
        if message != genuine:
            with pytest.raises(OobError):
                deliver(model, number, message)


@EVERYWHERE
def test_the_genuine_message_is_taken(model: str, number: int) -> None:
    """The tests below fail for no other reason than the damage."""
    kinds = {1: bytes, 2: bytes, 3: Claim, 4: Agreement}
    assert isinstance(deliver(model, number, stopped(model).messages[number]), kinds[number])


@EVERYWHERE
def test_truncated_at_every_offset(model: str, number: int) -> None:
    """Defences: cbor.py, decode_sequence; handshake/messages.py, decode_bstr and the decoders."""
    message = stopped(model).messages[number]
    assert_refused(model, number, [message[:length] for length in range(len(message))])


@EVERYWHERE
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_byte_flipped(model: str, number: int, mask: int) -> None:
    """Defences: TH_2 over message_1 (handshake/schedule.py), check_proof of message_2, the AEAD of message_3 and _4."""
    message = stopped(model).messages[number]
    flipped = [message[:at] + bytes([byte ^ mask]) + message[at + 1 :] for at, byte in enumerate(message)]
    assert_refused(model, number, flipped)


@EVERYWHERE
def test_extended_doubled_or_empty(model: str, number: int) -> None:
    """Defence: handshake/messages.py: one item, or the items of message_1, and nothing behind them."""
    message = stopped(model).messages[number]
    assert_refused(
        model, number, [message + b"\x00", message + b"\x40", message * 2, b"\x00" + message, b"", bytes(5000)]
    )


@settings(deadline=None, max_examples=200)
@given(st.data())
@EVERYWHERE
def test_any_damage(model: str, number: int, data: st.DataObject) -> None:
    """Any bytes in place of any part: an error of ours, never another exception."""
    message = stopped(model).messages[number]
    start = data.draw(st.integers(0, len(message)))
    end = data.draw(st.integers(start, len(message)))
    assert_refused(model, number, [message[:start] + data.draw(st.binary(max_size=40)) + message[end:]])


@EVERYWHERE
def test_an_error_message_from_anyone(model: str, number: int) -> None:
    """Error messages are not authenticated: they may end a run, and no more. They are not answered.

    Defence: handshake/session.py, `_check_refusal`.
    """
    errors = [
        REFUSED,
        WRONG_SUITE,
        UNKNOWN_CREDENTIAL,
        cbor.encode_sequence(1, "\x1b[2J"),
        cbor.encode_sequence(7, None),
    ]
    for message in errors:
        with pytest.raises(OobError) as caught:
            deliver(model, number, message)
        assert "\x1b" not in str(caught.value)
