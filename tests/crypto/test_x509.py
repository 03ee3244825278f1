"""Certificates: the public key in them, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from hypothesis import given
from hypothesis import strategies as st

from oob.crypto import certificate_public_key
from oob.errors import PeerError

TRACE = json.loads((Path(__file__).parents[1] / "vectors" / "rfc9529.json").read_text())["trace1"]
CERTIFICATE = bytes.fromhex(TRACE["CRED_R (Raw Value)"])
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ISSUER = ec.generate_private_key(ec.SECP256R1())
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | x25519.X25519PublicKey


def certify(key: PublicKey) -> bytes:
    builder = x509.CertificateBuilder(NAME, NAME, key, 1, BEGIN, BEGIN + timedelta(days=1))
    return builder.sign(ISSUER, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_ed25519_of_the_rfc() -> None:
    name, x, y = certificate_public_key(CERTIFICATE)
    assert (name, x.hex(), y) == ("Ed25519", TRACE["PK_R (Raw Value)"], None)


def test_p256() -> None:
    numbers = ISSUER.public_key().public_numbers()
    expected = ("P-256", numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
    assert certificate_public_key(certify(ISSUER.public_key())) == expected


def test_x25519() -> None:
    key = x25519.X25519PrivateKey.generate().public_key()
    assert certificate_public_key(certify(key)) == ("X25519", key.public_bytes_raw(), None)


def test_other_kinds_are_refused() -> None:
    with pytest.raises(PeerError, match="unsupported kind"):
        certificate_public_key(certify(ec.generate_private_key(ec.SECP384R1()).public_key()))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_peer_error(data: bytes) -> None:
    with pytest.raises(PeerError):
        certificate_public_key(data)


@given(st.integers(0, len(CERTIFICATE) - 1), st.integers(1, 255))
def test_a_damaged_certificate_is_a_key_or_a_peer_error(index: int, mask: int) -> None:
    damaged = bytearray(CERTIFICATE)
    damaged[index] ^= mask
    try:
        name, x, _ = certificate_public_key(bytes(damaged))
    except PeerError:
        return
    assert (name in {"Ed25519", "X25519"}) == (len(x) == 32)
