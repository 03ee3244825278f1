"""Deterministic CBOR: appendix A of RFC 8949, the order of keys, and refusal of everything else."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.errors import PeerError

# RFC 8949, appendix A: the rows whose types this protocol uses.
EXAMPLES = [
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (bytes.fromhex("01020304"), "4401020304"),
    ("", "60"),
    ("a", "6161"),
    ("IETF", "6449455446"),
    ('"\\', "62225c"),
    ("ü", "62c3bc"),
    ("水", "63e6b0b4"),
    ("𐅑", "64f0908591"),
    ([], "80"),
    ([1, 2, 3], "83010203"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (["a", {"b": "c"}], "826161a161626163"),
]

# Not deterministic, not of the data model, or not well-formed.
REFUSED = [
    "",  # no item
    "0000",  # two items
    "1817",  # a longer head than needed
    "190018",
    "5800",
    "9f00ff",  # indefinite lengths
    "5f4100ff",
    "7f6161ff",
    "bf0000ff",
    "a201000000",  # keys out of order
    "a2200001 00".replace(" ", ""),
    "a200000000",  # a key twice
    "a2f40000 00".replace(" ", ""),  # false and 0 are one key to Python
    "a1800000",  # an array as a key
    "a1a00000",
    "a1f600",  # null as a key
    "f7",  # undefined
    "e0",  # a simple value
    "f818",
    "f97e00",  # floats
    "f90000",
    "fb3ff199999999999a",
    "c000",  # tags
    "c24101",
    "c2410100000000",
    "d81c8100",
    "d81d00",
    "d9010280",
    "d9d9f700",
    "d8235f",
    "da0001000000",
    "ff",  # a break
    "00ff",
    "00ff00",
    "1c",  # reserved
    "41",  # cut off
    "8201",
    "a101",
    "61ff",  # not UTF-8
    "62c328",
    "63eda080",
    "1bffffffffffffff",
    "5b7fffffffffffffff",
    "9b7fffffffffffffff",
]

plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**64), 2**64 - 1), st.binary(max_size=300), st.text(max_size=80)
)
keys = st.one_of(st.integers(-(2**64), 2**64 - 1), st.binary(max_size=30), st.text(max_size=30))
values = st.recursive(plain, lambda inner: st.one_of(st.lists(inner), st.dictionaries(keys, inner)), max_leaves=30)


@pytest.mark.parametrize(("value", "encoded"), EXAMPLES)
def test_examples_of_the_rfc(value: object, encoded: str) -> None:
    assert cbor.encode(value).hex() == encoded
    assert cbor.decode(bytes.fromhex(encoded)) == value


def test_keys_are_in_bytewise_order() -> None:
    # RFC 8949, section 4.2.1 gives this order; section 4.2.3, that of RFC 7049, has -1 and false before 100.
    encoded = cbor.encode({"aa": 1, "z": 2, -1: 3, 100: 4, 10: 5, False: 6})
    assert encoded.hex() == "a60a0518640420036 17a0262616101f406".replace(" ", "")
    assert list(cbor.decode(encoded)) == [10, 100, -1, "z", "aa", False]
    with pytest.raises(PeerError):
        cbor.decode(bytes.fromhex("a2200018 6400".replace(" ", "")))


@pytest.mark.parametrize("encoded", REFUSED)
def test_refused(encoded: str) -> None:
    with pytest.raises(PeerError):
        cbor.decode(bytes.fromhex(encoded))


@pytest.mark.parametrize("value", [1.5, {1}, object(), 2**64, -(2**64) - 1, {None: 1}, {(1,): 1}, bytearray(b"x")])
def test_types_outside_the_data_model_do_not_encode(value: object) -> None:
    with pytest.raises(TypeError):
        cbor.encode(value)


@given(values)
def test_round_trip(value: object) -> None:
    encoded = cbor.encode(value)
    again = cbor.decode(encoded)
    assert again == value
    assert cbor.encode(again) == encoded
    assert cbor2.loads(encoded) == value


@given(st.lists(values, max_size=30))
def test_sequences(items: list[object]) -> None:
    encoded = cbor.encode_sequence(*items)
    assert encoded == b"".join(cbor.encode(item) for item in items)
    assert cbor.decode_sequence(encoded) == items
    assert cbor.split_sequence(encoded) == (items, [cbor.encode(item) for item in items])


@given(st.binary(max_size=64))
def test_any_bytes_are_a_value_or_a_peer_error(data: bytes) -> None:
    try:
        decoded = cbor.decode_sequence(data)
    except PeerError:
        return
    assert cbor.encode_sequence(*decoded) == data


@given(values, st.data())
def test_a_mutation_is_another_value_or_a_peer_error(value: object, data: st.DataObject) -> None:
    encoded = bytearray(cbor.encode(value))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = cbor.decode_sequence(bytes(encoded))
    except PeerError:
        return
    assert cbor.encode_sequence(*decoded) == encoded


def test_limits() -> None:
    longest = cbor.encode(bytes(cbor.MAX_LENGTH - 3))
    assert len(longest) == cbor.MAX_LENGTH
    assert cbor.decode(longest) == bytes(cbor.MAX_LENGTH - 3)
    with pytest.raises(PeerError, match="at most 16384"):
        cbor.decode(longest + b"\x00")
    assert cbor.decode(b"\x81" * 8 + b"\x00")
    with pytest.raises(PeerError):
        cbor.decode(b"\x81" * 9 + b"\x00")
    with pytest.raises(PeerError):
        cbor.decode(b"\x81" * 16000)


@pytest.mark.parametrize("length", [0, 1, 23, 24, 255, 256, cbor.MAX_LENGTH - 3])
def test_a_byte_string_comes_back(length: int) -> None:
    data = cbor2.dumps(bytes(length))
    assert cbor.encode_bytes(bytes(length)) == data
    assert cbor.decode_bytes(data) == bytes(length)


@pytest.mark.parametrize(
    "encoded",
    # nothing; a longer head than needed; too short, too long; two items; a number, a text, an indefinite length
    [
        "",
        "580100",
        "59000100",
        "5a0000000100",
        "42 00",
        "41 0000",
        "4000",
        "00",
        "6161",
        "5f4100ff",
        "58",
        "59",
        "5900",
    ],
)
def test_what_is_not_one_byte_string(encoded: str) -> None:
    with pytest.raises(PeerError):
        cbor.decode_bytes(bytes.fromhex(encoded))


def test_a_byte_string_has_a_limit() -> None:
    with pytest.raises(PeerError):
        cbor.decode_bytes(cbor.encode_bytes(bytes(cbor.MAX_LENGTH - 2)))


@given(st.binary(max_size=300))
def test_a_byte_string_is_what_decode_says(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except PeerError:
        value = None
    if isinstance(value, bytes):
        assert cbor.decode_bytes(data) == value
        return
    with pytest.raises(PeerError):
        cbor.decode_bytes(data)


def test_one_item_is_one_item() -> None:
    with pytest.raises(PeerError, match="found 2"):
        cbor.decode(b"\x00\x00")
    with pytest.raises(PeerError, match="found 0"):
        cbor.decode(b"")
    assert cbor.decode_sequence(b"") == []
