"""The session context: limits, and one encoding for each value."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.binding import SessionContext
from oob.errors import PeerError
from tests.binding.cddl import check
from tests.binding.strategies import contexts, faulty
from tests.exchange import CONTEXT


@settings(deadline=None)
@given(contexts)
def test_round_trip(context: SessionContext) -> None:
    data = context.encode()
    assert SessionContext.decode(data) == context
    assert context.hash() == hashlib.sha256(data).digest()


@settings(deadline=None)
@given(st.binary() | faulty(contexts.map(SessionContext.encode)))
def test_any_bytes_give_a_context_or_a_peer_error(data: bytes) -> None:
    try:
        context = SessionContext.decode(data)
    except PeerError:
        return
    assert context.encode() == data


@settings(deadline=None)
@given(contexts)
def test_what_is_encoded_is_specified(context: SessionContext) -> None:
    check("session-context", context.encode())


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://i"},
        {"issuer": "https://" + "i" * 247},
        {"root_hash": None},
        {"origin": ""},
        {"origin": "é" * 127},
        {"challenge": bytes(16)},
        {"challenge": bytes(64)},
        {"names": ()},
        {"names": ("n",) * 8},
        {"names": ("n" * 255,)},
    ],
)
def test_limits_are_inclusive(change: dict[str, Any]) -> None:
    context = replace(CONTEXT, **change)
    assert SessionContext.decode(context.encode()) == context


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://i"},
        {"issuer": "https://"},
        {"issuer": "https://" + "i" * 248},
        {"issuer": "https://i\x1b[2J"},
        {"issuer": "https://i i"},
        {"issuer": "https://ï"},
        {"issuer": "https://i\n"},
        {"issuer": "https://user@i"},
        {"issuer": "https://i\\@evil.example"},
        {"issuer": None},
        {"root_hash": bytes(31)},
        {"root_hash": bytes(33)},
        {"root_hash": "x" * 32},
        {"root_hash": b""},
        {"origin": "x" * 256},
        {"origin": "é" * 128},
        {"origin": "\ud800"},
        {"origin": None},
        {"challenge": bytes(15)},
        {"challenge": bytes(65)},
        {"challenge": "x" * 32},
        {"names": ("n",) * 9},
        {"names": ("",)},
        {"names": ("n" * 256,)},
        {"names": (7,)},
    ],
)
def test_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        replace(CONTEXT, **change)


def test_lists_and_maps_of_another_shape() -> None:
    good = cbor.decode(CONTEXT.encode())
    shapes: list[object] = [[*good, None], good[:4], {}, None, [*good[:4], "lamp.home.example"]]
    for value in shapes:
        with pytest.raises(PeerError, match="malformed"):
            SessionContext.decode(cbor.encode(value))
