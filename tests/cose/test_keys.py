"""COSE_Key: round trip, thumbprint, refusal of every malformed map, what each kind of key may do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.cose import CoseKey
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.errors import AuthenticationError, PeerError
from tests.pair import Random

# RFC 9679, section 6.
RFC_X = bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d")
RFC_Y = bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c")
RFC_THUMBPRINT = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"

PRIVATE: list[SigningKey | EcdhKey] = [
    SigningKey.generate(Algorithm.ES256, Random("es256")),
    SigningKey.generate(Algorithm.EDDSA, Random("eddsa")),
    EcdhKey.generate(Curve.P256, Random("p256")),
    EcdhKey.generate(Curve.X25519, Random("x25519")),
]
MALFORMED: list[Any] = [
    None,
    [],
    {},
    {1: 2, -1: 1, -3: RFC_Y},
    {1: 2, -1: 1, -2: RFC_X[:-1], -3: RFC_Y},
    {1: 2, -1: 1, -2: "x" * 32, -3: RFC_Y},
    {1: 2, -1: 1, -2: RFC_X, -3: RFC_Y[:-1]},
    {1: 2, -1: 1, -2: RFC_X, -3: 0},
    {1: 1, -1: 1, -2: RFC_X, -3: RFC_Y},  # kty and crv do not fit
    {1: 2, -1: 4, -2: RFC_X},
    {1: 2, -1: 2, -2: RFC_X, -3: RFC_Y},  # P-384
    {1: 1, -1: 7, -2: RFC_X},
    {1: 1, -1: 4, -2: RFC_X, -3: RFC_Y},  # an OKP key has no y
    {1: 1, -1: "4", -2: RFC_X},
    {-1: 1, -2: RFC_X},
]


def test_thumbprint_of_the_rfc() -> None:
    key = CoseKey.decode({1: 2, 2: b"meriadoc", -1: 1, -2: RFC_X, -3: RFC_Y})
    assert key.thumbprint().hex() == RFC_THUMBPRINT


@pytest.mark.parametrize("private", PRIVATE)
def test_round_trip(private: SigningKey | EcdhKey) -> None:
    key = CoseKey.of(private)
    assert CoseKey.decode(cbor.decode(cbor.encode(key.encode()))) == key
    assert CoseKey.decode(key.encode() | {2: b"kid", 3: -7, 4: [1]}) == key
    assert len(key.thumbprint()) == 32


def test_thumbprints_differ() -> None:
    assert len({CoseKey.of(private).thumbprint() for private in PRIVATE}) == len(PRIVATE)


def test_a_compressed_point() -> None:
    assert CoseKey.decode({1: 2, -1: 1, -2: RFC_X, -3: True}) == CoseKey(1, RFC_X)
    assert -3 not in CoseKey(1, RFC_X).encode()
    assert CoseKey(1, RFC_X).agree().x == RFC_X


@pytest.mark.parametrize("value", MALFORMED)
def test_malformed(value: Any) -> None:
    with pytest.raises(PeerError):
        CoseKey.decode(value)


scalars = st.one_of(st.integers(-10, 10), st.binary(max_size=33), st.booleans(), st.none(), st.just(RFC_X))
maps = st.dictionaries(st.sampled_from([1, 2, 3, -1, -2, -3]), scalars)


@given(maps)
def test_any_map_is_a_key_or_a_peer_error(value: dict[Any, Any]) -> None:
    try:
        key = CoseKey.decode(value)
    except PeerError:
        return
    assert key.encode().items() <= value.items() | {(-3, key.y)}


def test_signature_keys_sign() -> None:
    for private, algorithm in zip(PRIVATE[:2], Algorithm, strict=True):
        assert isinstance(private, SigningKey)
        key = CoseKey.of(private)
        assert key.algorithm is algorithm
        key.verify(private.sign(b"message"), b"message")
        with pytest.raises(AuthenticationError):
            key.verify(private.sign(b"message"), b"another")


def test_keys_do_not_change_sides() -> None:
    with pytest.raises(PeerError, match="cannot sign"):
        CoseKey.of(PRIVATE[3]).verify(bytes(64), b"")
    with pytest.raises(PeerError, match="Diffie-Hellman key belongs"):
        CoseKey.of(PRIVATE[1]).agree()
    assert CoseKey.of(PRIVATE[3]).agree().curve is Curve.X25519
    assert CoseKey.of(PRIVATE[2]).agree().curve is Curve.P256


def test_a_point_off_the_curve_is_found_when_it_is_used() -> None:
    key = CoseKey.decode({1: 2, -1: 1, -2: RFC_X, -3: RFC_X})
    with pytest.raises(PeerError):
        key.agree()
    with pytest.raises(PeerError):
        key.verify(bytes(range(64)), b"")
