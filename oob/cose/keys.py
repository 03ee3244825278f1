"""COSE_Key: public keys of P-256, Ed25519 and X25519 (RFC 9053, section 7)."""

from dataclasses import dataclass
from typing import Any

from oob import cbor
from oob.crypto import Algorithm, Curve, EcdhKey, EcdhPublic, Hash, SigningKey, certificate_public_key, verify
from oob.errors import PeerError

KTY, CRV, X, Y = 1, -1, -2, -3
OKP, EC2 = 1, 2
P256, X25519, ED25519 = 1, 4, 6

_KTY_OF = {P256: EC2, X25519: OKP, ED25519: OKP}
_SIGNS = {P256: Algorithm.ES256, ED25519: Algorithm.EDDSA}
_AGREES = {P256: Curve.P256, X25519: Curve.X25519}
_NAMES = {"P-256": P256, "X25519": X25519, "Ed25519": ED25519}


@dataclass(frozen=True, slots=True)
class CoseKey:
    """A public key. `crv` is the COSE curve, `x` and `y` are 32 bytes; `y` is None for OKP keys and x-only P-256."""

    crv: int
    x: bytes
    y: bytes | None = None

    @classmethod
    def of(cls, key: SigningKey | EcdhKey) -> "CoseKey":
        """Return the public half of a private key."""
        if isinstance(key, SigningKey):
            return cls(P256 if key.algorithm is Algorithm.ES256 else ED25519, key.x, key.y)
        return cls(key.curve.value, key.x, key.y)

    @classmethod
    def of_certificate(cls, der: bytes) -> "CoseKey":
        """Return the key that a DER certificate certifies; nothing of the certificate is verified."""
        name, x, y = certificate_public_key(der)
        return cls(_NAMES[name], x, y)

    @classmethod
    def decode(cls, value: Any) -> "CoseKey":  # noqa: ANN401
        """Read the COSE_Key map `value`; parameters beside the key itself (kid, alg) are ignored. PeerError if bad."""
        if not isinstance(value, dict):
            raise PeerError("a COSE_Key is not a map")
        kty, crv, x, y = value.get(KTY), value.get(CRV), value.get(X), value.get(Y)
        if type(kty) is not int or type(crv) is not int or _KTY_OF.get(crv) != kty:
            raise PeerError("a COSE_Key is of an unsupported kind")
        if not isinstance(x, bytes) or len(x) != 32:
            raise PeerError("a COSE_Key lacks its coordinate of 32 bytes")
        if isinstance(y, bool):  # a compressed point: for Diffie-Hellman the sign does not matter
            y = None
        if y is not None and (not isinstance(y, bytes) or len(y) != 32 or crv != P256):
            raise PeerError("a COSE_Key has a malformed second coordinate")
        return cls(crv, x, y)

    def encode(self) -> dict[int, int | bytes]:
        """Return the COSE_Key map with the required parameters alone."""
        key: dict[int, int | bytes] = {KTY: _KTY_OF[self.crv], CRV: self.crv, X: self.x}
        if self.y is not None:
            key[Y] = self.y
        return key

    def thumbprint(self) -> bytes:
        """Return the SHA-256 thumbprint, 32 bytes (RFC 9679, section 3)."""
        return Hash.SHA256.digest(cbor.encode(self.encode()))

    @property
    def algorithm(self) -> Algorithm:
        """The signature algorithm of this key; PeerError if it cannot sign."""
        if self.crv not in _SIGNS:
            raise PeerError("a key that cannot sign stands where a signature key belongs")
        return _SIGNS[self.crv]

    def verify(self, signature: bytes, message: bytes) -> None:
        """Verify a signature; AuthenticationError if it is wrong."""
        verify(self.algorithm, self.x, self.y, signature, message)

    def agree(self) -> EcdhPublic:
        """Return the key for Diffie-Hellman; PeerError if it is a signature key or not on its curve."""
        if self.crv not in _AGREES:
            raise PeerError("a signature key stands where a Diffie-Hellman key belongs")
        return EcdhPublic.load(_AGREES[self.crv], self.x, self.y)
