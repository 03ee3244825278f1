"""Diffie-Hellman on X25519 (RFC 7748) and P-256, in the x-only form of EDHOC (RFC 9528, section 3.7)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from oob.errors import PeerError

_P256 = ec.SECP256R1()
_ECDH = ec.ECDH()
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Curve(Enum):
    """A curve; the value is its COSE number (RFC 9053, section 7.1)."""

    P256 = 1
    X25519 = 4


@dataclass(frozen=True, slots=True)
class EcdhPublic:
    """A validated public key: `x` is the 32-byte u-coordinate (X25519) or x-coordinate (P-256)."""

    curve: Curve
    x: bytes
    _key: X25519PublicKey | ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @classmethod
    def load(cls, curve: Curve, x: bytes, y: bytes | None = None) -> "EcdhPublic":
        """Check length, encoding and curve membership; PeerError if any is wrong.

        Without `y` either point is taken: the shared secret, an x-coordinate, is the same for both.
        """
        if len(x) != 32 or (y is not None and len(y) != 32):
            raise PeerError("a public key has the wrong length")
        if curve is Curve.X25519:
            return cls(curve, x, X25519PublicKey.from_public_bytes(x))
        point = b"\x02" + x if y is None else b"\x04" + x + y
        try:
            return cls(curve, x, ec.EllipticCurvePublicKey.from_encoded_point(_P256, point))
        except ValueError as error:
            raise PeerError("a public key is not a point of the curve") from error


@dataclass(frozen=True, slots=True)
class EcdhKey:
    """A private key, ephemeral or static."""

    curve: Curve
    x: bytes
    y: bytes | None
    _key: X25519PrivateKey | ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_bytes(cls, curve: Curve, private: bytes) -> "EcdhKey":
        """Load 32 private bytes: a scalar, little-endian and clamped for X25519, big-endian for P-256.

        Raises ValueError for a P-256 scalar that is zero or not below the group order.
        """
        if curve is Curve.X25519:
            key = X25519PrivateKey.from_private_bytes(private)
            return cls(curve, key.public_key().public_bytes_raw(), None, key)
        p256 = ec.derive_private_key(int.from_bytes(private, "big"), _P256)
        numbers = p256.public_key().public_numbers()
        return cls(curve, numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"), p256)

    @classmethod
    def generate(cls, curve: Curve, random: Callable[[int], bytes]) -> "EcdhKey":
        """Make a key from a source of random bytes."""
        return cls.from_bytes(curve, random_scalar(random) if curve is Curve.P256 else random(32))

    def exchange(self, peer: EcdhPublic) -> bytes:
        """Return the 32-byte shared secret; PeerError when it is all zero (RFC 9528, section 9.2)."""
        if peer.curve is not self.curve:
            raise PeerError("a public key is of another curve")
        try:
            if self.curve is Curve.X25519:
                return self._key.exchange(peer._key)  # type: ignore[arg-type,call-arg]
            return self._key.exchange(_ECDH, peer._key)  # type: ignore[arg-type,call-arg]
        except ValueError as error:
            raise PeerError("a public key is of low order") from error


def random_scalar(random: Callable[[int], bytes]) -> bytes:
    """Draw 32 bytes that are a P-256 scalar, by rejection (FIPS 186-5, appendix A.2.2)."""
    while True:
        candidate = random(32)
        if 0 < int.from_bytes(candidate, "big") < _P256_ORDER:
            return candidate
