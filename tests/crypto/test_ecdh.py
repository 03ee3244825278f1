"""Diffie-Hellman: published vectors, validation of points, no low order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.crypto import Curve, EcdhKey, EcdhPublic
from oob.crypto.ecdh import random_scalar
from oob.errors import PeerError
from tests.pair import Random

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_x25519() -> None:
    # RFC 7748, section 5.2.
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    u = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    key = EcdhKey.from_bytes(Curve.X25519, scalar)
    assert key.y is None
    shared = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    assert key.exchange(EcdhPublic.load(Curve.X25519, u)).hex() == shared


def test_p256() -> None:
    # RFC 5903, section 8.1.
    i = EcdhKey.from_bytes(
        Curve.P256, bytes.fromhex("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433")
    )
    r = EcdhKey.from_bytes(
        Curve.P256, bytes.fromhex("C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53")
    )
    assert i.x.hex().upper() == "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180"
    assert r.y is not None
    assert r.y.hex().upper() == "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB"
    shared = "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"
    for peer in (EcdhPublic.load(Curve.P256, r.x), EcdhPublic.load(Curve.P256, r.x, r.y)):
        assert i.exchange(peer).hex().upper() == shared


@pytest.mark.parametrize("curve", list(Curve))
def test_both_ends_agree(curve: Curve) -> None:
    random = Random("ecdh")
    a, b = EcdhKey.generate(curve, random), EcdhKey.generate(curve, random)
    assert a != b
    assert a.exchange(EcdhPublic.load(curve, b.x)) == b.exchange(EcdhPublic.load(curve, a.x, a.y))


@pytest.mark.parametrize("point", LOW_ORDER)
def test_low_order(point: str) -> None:
    own = EcdhKey.generate(Curve.X25519, Random("own"))
    with pytest.raises(PeerError, match="low order"):
        own.exchange(EcdhPublic.load(Curve.X25519, bytes.fromhex(point)))


@pytest.mark.parametrize(
    "x",
    [
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",  # the field prime
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "a04e73601df544a70ba7ea1e57030f7d4b4eb7f673924e58d54ca77a5e7d4d4a",  # no point has this x
    ],
)
def test_not_on_the_curve(x: str) -> None:
    with pytest.raises(PeerError, match="not a point"):
        EcdhPublic.load(Curve.P256, bytes.fromhex(x))


def test_y_is_checked() -> None:
    key = EcdhKey.generate(Curve.P256, Random("y"))
    assert key.y is not None
    with pytest.raises(PeerError, match="not a point"):
        EcdhPublic.load(Curve.P256, key.x, bytes([key.y[0] ^ 1]) + key.y[1:])
    with pytest.raises(PeerError, match="wrong length"):
        EcdhPublic.load(Curve.P256, key.x, key.y[:-1])


@pytest.mark.parametrize("curve", list(Curve))
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_lengths(curve: Curve, length: int) -> None:
    with pytest.raises(PeerError, match="wrong length"):
        EcdhPublic.load(curve, bytes(length))


@given(curve=st.sampled_from(Curve), x=st.binary(max_size=40), y=st.none() | st.binary(min_size=30, max_size=34))
def test_any_bytes_are_a_key_or_a_peer_error(curve: Curve, x: bytes, y: bytes | None) -> None:
    try:
        public = EcdhPublic.load(curve, x, y)
        EcdhKey.from_bytes(curve, bytes([9] * 32)).exchange(public)
    except PeerError:
        return
    assert public.x == x


def test_curves_do_not_mix() -> None:
    own, other = (EcdhKey.generate(curve, Random("mix")) for curve in Curve)
    with pytest.raises(PeerError, match="another curve"):
        own.exchange(EcdhPublic.load(other.curve, other.x))


@pytest.mark.parametrize("scalar", [0, P256_ORDER, 2**256 - 1])
def test_scalars_out_of_range(scalar: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        EcdhKey.from_bytes(Curve.P256, scalar.to_bytes(32, "big"))


def test_random_scalars_are_drawn_again() -> None:
    draws = [bytes(32), P256_ORDER.to_bytes(32, "big"), b"\xff" * 32, bytes(31) + b"\x01"]
    assert random_scalar(lambda _: draws.pop(0)) == bytes(31) + b"\x01"
    assert not draws


@pytest.mark.parametrize("curve", list(Curve))
def test_a_private_key_has_no_secret_in_its_repr(curve: Curve) -> None:
    private = bytes(range(1, 33))
    shown = repr(EcdhKey.from_bytes(curve, private))
    assert private.hex() not in shown
    assert repr(private)[2:-1] not in shown
    assert "_key" not in shown
