"""The records of the protected channel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.binding import Proceed, Ready, Record, Unable, decode_record
from oob.errors import PeerError
from tests.binding.cddl import check
from tests.binding.strategies import faulty, records

HASH = bytes(32)


@settings(deadline=None)
@given(records)
def test_round_trip(record: Record) -> None:
    assert decode_record(record.encode()) == record


@settings(deadline=None)
@given(st.binary() | faulty(records.map(lambda record: record.encode())))
def test_any_bytes_give_a_record_or_a_peer_error(data: bytes) -> None:
    try:
        record = decode_record(data)
    except PeerError:
        return
    assert record.encode() == data


@settings(deadline=None)
@given(records)
def test_what_is_encoded_is_specified(record: Record) -> None:
    check("channel-record", record.encode())


@pytest.mark.parametrize(
    "record",
    [
        Proceed(None),
        Proceed(b""),
        Ready("https://" + "l" * 2040, HASH, "é" * 127, bytes(16)),
        Unable("é" * 256, "", "x" * 512),
    ],
)
def test_limits_are_inclusive(record: Record) -> None:
    check("channel-record", record.encode())
    assert decode_record(record.encode()) == record


@pytest.mark.parametrize(
    "value",
    [
        [True, None],
        [1],
        [1, "root"],
        [1, None, None],
        [2, "http://lamp", HASH, "", None],
        [2, "https://", HASH, "", None],
        [2, "https://lamp\r\nX: y", HASH, "", None],
        [2, "https://evil.example\\@lamp/", HASH, "", None],
        [2, "https://evil.example@lamp/", HASH, "", None],
        [2, "https://" + "l" * 2041, HASH, "", None],
        [2, "https://lamp", bytes(31), "", None],
        [2, "https://lamp", bytes(33), "", None],
        [2, "https://lamp", HASH, "x" * 256, None],
        [2, "https://lamp", HASH, "é" * 128, None],
        [2, "https://lamp", HASH, ""],
        [2, "https://lamp", HASH, "", bytes(15)],
        [2, "https://lamp", HASH, "", b""],
        [3, "x" * 513, "", ""],
        [3, "", "é" * 257, ""],
        [3, "", "", "x" * 513],
        [3, "", ""],
        [4, None],
        {},
        None,
    ],
)
def test_refuses(value: object) -> None:
    with pytest.raises(PeerError) as error:
        decode_record(cbor.encode(value))
    assert error.value.step == "channel"


@pytest.mark.parametrize(
    ("text", "cut"),
    [("x" * 600, "x" * 512), ("é" * 300, "é" * 256), ("x" + "é" * 300, "x" + "é" * 255), ("\ud800", "?")],
)
def test_long_reasons_are_cut_at_a_character(text: str, cut: str) -> None:
    """What an issuer says may be long, and JSON may hold lone surrogates; the user still learns the reason."""
    assert decode_record(Unable(text, text, text).encode()) == Unable(cut, cut, cut)
