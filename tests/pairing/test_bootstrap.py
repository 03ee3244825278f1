"""Bootstrap data: round trips, sizes on a tag, and hostile input."""

from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import PeerError, UsageError
from oob.pairing import Bootstrap, Model
from oob.pairing.base45 import ALPHABET, encode
from oob.pairing.bootstrap import MAX_LENGTH

HASH, K, TAG_KEY = bytes(range(100, 132)), bytes(range(16)), bytes(range(200, 216))
SMALL = Bootstrap(1, (Model.PASSCODE,), HASH)
FULL = Bootstrap(
    1, (Model.SECRET, Model.PINNED), HASH, K, TAG_KEY, True, "Lamp", ("192.0.2.7", "lamp-7._oob._tcp.local")
)
PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)

OFFERED = tuple(model for model in Model if model is not Model.RESUMED)


@st.composite
def bootstraps(draw: st.DrawFn) -> Bootstrap:
    models = tuple(draw(st.lists(st.sampled_from(OFFERED), min_size=1, unique=True)))
    secret = draw(st.binary(min_size=16, max_size=32)) if Model.SECRET in models else None
    return Bootstrap(
        1,
        models,
        draw(st.binary(min_size=16, max_size=32)),
        secret,
        draw(st.none() | st.binary(min_size=16, max_size=16)),
        secret is not None and draw(st.booleans()),
        draw(st.text(PRINTABLE | st.sampled_from(" é器"), max_size=10)),
        tuple(draw(st.lists(st.text(PRINTABLE, min_size=1, max_size=64), max_size=4))),
    )


@given(bootstrap=bootstraps())
def test_round_trips(bootstrap: Bootstrap) -> None:
    assert Bootstrap.decode(bootstrap.encode()) == bootstrap
    assert Bootstrap.from_text(bootstrap.to_text()) == bootstrap


def test_the_text_is_alphanumeric_for_a_qr_code() -> None:
    assert FULL.to_text().startswith("OOB:")
    assert set(FULL.to_text()) <= set(ALPHABET)


def test_the_largest_fits_its_own_limit() -> None:
    hints = tuple(f"{number}" * 64 for number in range(4))
    largest = Bootstrap(1, OFFERED, bytes(32), bytes(32), bytes(16), True, "器" * 10 + "ab", hints)
    assert len(largest.encode()) <= MAX_LENGTH
    assert Bootstrap.from_text(largest.to_text()) == largest


def ndef_record(kind: bytes, payload: bytes) -> bytes:
    """A short record (NFC Forum, NDEF 1.0, section 3): flags, type length, payload length, type, payload."""
    assert len(payload) < 256
    return bytes([0, len(kind), len(payload)]) + kind + payload


def test_secret_and_pinned_fit_an_ntag213_beside_a_short_url() -> None:
    bootstrap = Bootstrap(1, (Model.SECRET, Model.PINNED), HASH, K, TAG_KEY)
    assert len(bootstrap.encode()) == 78
    url = ndef_record(b"U", b"\x04" + b"example.com/d/7Q4K2")
    message = url + ndef_record(b"example.com:b", bootstrap.encode())
    assert len(message) <= 137


def test_sizes() -> None:
    assert len(SMALL.encode()) == 41
    assert len(SMALL.to_text()) == 66
    assert len(FULL.encode()) == 78 + 2 + 6 + 35


def test_a_repr_shows_no_secret() -> None:
    text = repr(FULL)
    assert "Lamp" in text
    for hidden in (K, TAG_KEY):
        assert repr(hidden) not in text
        assert hidden.hex() not in text


WRONG: list[dict[str, Any]] = [
    {"version": 0},
    {"version": 2},
    {"models": ()},
    {"models": (Model.SECRET, Model.SECRET)},
    {"models": (Model.PINNED,)},
    {"cred_r_hash": bytes(15)},
    {"cred_r_hash": bytes(33)},
    {"secret": None},
    {"secret": None, "models": (Model.PINNED,)},
    {"secret": bytes(15)},
    {"secret": bytes(33)},
    {"tag_key": bytes(15)},
    {"tag_key": b""},
    {"name": "x" * 33},
    {"name": "器" * 11},
    {"name": "Lamp\n"},
    {"name": "\x1b[2J"},
    {"name": "Lamp\u202egnp"},
    {"name": "\ud800"},
    {"hints": ("a",) * 5},
    {"hints": ("",)},
    {"hints": ("a b",)},
    {"hints": ("é",)},
    {"hints": ("x" * 65,)},
]


@pytest.mark.parametrize("change", WRONG)
def test_values_out_of_range(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(FULL, **change)


GOOD: dict[Any, Any] = {0: 1, 1: [2, 1], 2: HASH, 3: K}


@pytest.mark.parametrize(
    "change",
    [
        {0: 2},
        {0: True},
        {1: []},
        {1: [2, 2]},
        {1: [2, 6]},
        {1: [2, True]},
        {1: [2, [1]]},
        {1: [2, "1"]},
        {1: 2},
        {2: HASH.hex()},
        {3: K[:15]},
        {3: None},
        {4: b""},
        {5: False},
        {5: 1},
        {6: ""},
        {6: b"Lamp"},
        {7: []},
        {7: [1]},
        {7: "192.0.2.7"},
        {8: 0},
        {"8": 0},
        {-1: 0},
    ],
)
def test_malformed_maps(change: dict[Any, Any]) -> None:
    assert Bootstrap.decode(cbor2.dumps(GOOD)) == Bootstrap(1, (Model.SECRET, Model.PINNED), HASH, K)
    with pytest.raises(PeerError):
        Bootstrap.decode(cbor2.dumps(GOOD | change, canonical=True))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_mandatory_keys(missing: int) -> None:
    value = {key: item for key, item in GOOD.items() if key != missing}
    with pytest.raises(PeerError):
        Bootstrap.decode(cbor2.dumps(value))


def test_a_false_key_is_no_zero() -> None:
    data = cbor2.dumps({False: 1, 1: [1], 2: HASH}, canonical=True)
    with pytest.raises(PeerError):
        Bootstrap.decode(data)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xa0", SMALL.encode() + b"\x00", SMALL.encode()[:-1], bytes(32)])
def test_malformed_bytes(data: bytes) -> None:
    with pytest.raises(PeerError):
        Bootstrap.decode(data)


def test_a_newer_version_says_what_to_do() -> None:
    with pytest.raises(PeerError, match="Update this program"):
        Bootstrap.decode(cbor2.dumps({0: 2, 1: [1], 2: HASH}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.com/#OOB:" + encode(SMALL.encode()),
        SMALL.to_text().lower(),
        " " + SMALL.to_text(),
        SMALL.to_text() + "\n",
        "OOB:",
        encode(SMALL.encode()),
        "OOB:" + "0" * 1000,
    ],
)
def test_malformed_texts(text: str) -> None:
    with pytest.raises(PeerError):
        Bootstrap.from_text(text)


@given(data=st.binary(max_size=80))
def test_any_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(PeerError):
        Bootstrap.decode(data)


@given(bootstrap=bootstraps(), data=st.data())
def test_damaged_bytes_are_refused_or_read_exactly(bootstrap: Bootstrap, data: st.DataObject) -> None:
    encoded = bytearray(bootstrap.encode())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = Bootstrap.decode(bytes(encoded))
    except PeerError:
        return
    assert read.encode() == encoded


@given(text=st.text(max_size=40) | st.text(ALPHABET, max_size=80).map("OOB:".__add__))
def test_any_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(PeerError):
        Bootstrap.from_text(text)
