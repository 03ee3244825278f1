"""Signatures: ES256 (deterministic, RFC 6979) and EdDSA on Ed25519."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from oob.crypto.ecdh import random_scalar
from oob.errors import AuthenticationError, PeerError

_P256 = ec.SECP256R1()
# Deterministic nonces need no randomness here, and a weak generator cannot leak the key.
_SIGN = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_VERIFY = ec.ECDSA(hashes.SHA256())


class Algorithm(Enum):
    """A signature algorithm; the value is its COSE number (RFC 9053, section 2)."""

    ES256 = -7
    EDDSA = -8


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private signature key; `x` and `y` are its public coordinates, 32 bytes each (`y` is None for Ed25519)."""

    algorithm: Algorithm
    x: bytes
    y: bytes | None
    _key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_bytes(cls, algorithm: Algorithm, private: bytes) -> "SigningKey":
        """Load 32 private bytes: an Ed25519 seed or a big-endian P-256 scalar; ValueError if out of range."""
        if algorithm is Algorithm.EDDSA:
            key = Ed25519PrivateKey.from_private_bytes(private)
            return cls(algorithm, key.public_key().public_bytes_raw(), None, key)
        p256 = ec.derive_private_key(int.from_bytes(private, "big"), _P256)
        numbers = p256.public_key().public_numbers()
        return cls(algorithm, numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"), p256)

    @classmethod
    def generate(cls, algorithm: Algorithm, random: Callable[[int], bytes]) -> "SigningKey":
        """Make a key from a source of random bytes."""
        return cls.from_bytes(algorithm, random_scalar(random) if algorithm is Algorithm.ES256 else random(32))

    def to_bytes(self) -> bytes:
        """Return the 32 private bytes, for a key store."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.private_bytes_raw()
        return self._key.private_numbers().private_value.to_bytes(32, "big")

    def sign(self, message: bytes) -> bytes:
        """Sign; 64 bytes (r and s, big-endian, for ES256)."""
        if self.algorithm is Algorithm.EDDSA:
            return self._key.sign(message)  # type: ignore[call-arg]
        r, s = decode_dss_signature(self._key.sign(message, _SIGN))  # type: ignore[call-arg]
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(algorithm: Algorithm, x: bytes, y: bytes | None, signature: bytes, message: bytes) -> None:
    """Verify a 64-byte signature; AuthenticationError if it is wrong, PeerError if the key is not a point."""
    if len(signature) != 64:
        raise AuthenticationError("a signature has the wrong length")
    try:
        if algorithm is Algorithm.EDDSA:
            Ed25519PublicKey.from_public_bytes(x).verify(signature, message)
            return
        key = _load_p256(x, y)
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key.verify(der, message, _VERIFY)
    except InvalidSignature as error:
        raise AuthenticationError("a signature does not verify") from error


def _load_p256(x: bytes, y: bytes | None) -> ec.EllipticCurvePublicKey:
    if y is None:
        raise PeerError("a P-256 signature key needs both coordinates")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_P256, b"\x04" + x + y)
    except ValueError as error:
        raise PeerError("a public key is not a point of the curve") from error
