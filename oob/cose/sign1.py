"""COSE_Sign1 (RFC 9052, section 4.2), always with a `typ` in the protected header (RFC 9596)."""

from dataclasses import dataclass
from typing import Protocol

from oob import cbor
from oob.cose.keys import CoseKey
from oob.crypto import Algorithm
from oob.errors import PeerError

ALG, TYP = 1, 16
# The array of four items that a Sig_structure is, as far as its context.
_SIGNATURE1 = cbor.encode(["Signature1", 0, 0, 0])[:-3]


class Signer(Protocol):
    """Whatever holds a private signature key: `SigningKey`, a secure element, a TPM."""

    @property
    def algorithm(self) -> Algorithm:
        """The signature algorithm."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over `message`."""


@dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1 taken apart; nothing of it is verified. `payload` is None when it is detached."""

    protected: bytes
    payload: bytes | None
    signature: bytes

    @classmethod
    def decode(cls, data: bytes) -> "Sign1":
        """Read an untagged COSE_Sign1 with an empty unprotected header; PeerError for anything else."""
        match cbor.decode(data):
            case [bytes(protected), dict(unprotected), bytes() | None as payload, bytes(signature)] if not unprotected:
                return cls(protected, payload, signature)
        raise PeerError("malformed COSE_Sign1")

    def encode(self) -> bytes:
        """Return the untagged COSE_Sign1."""
        return cbor.encode([self.protected, {}, self.payload, self.signature])


def sig_structure(protected: bytes, external_aad: bytes, payload: bytes) -> bytes:
    """Return the bytes that are signed (RFC 9052, section 4.4)."""
    return _SIGNATURE1 + cbor.encode_bytes(protected) + cbor.encode_bytes(external_aad) + cbor.encode_bytes(payload)


def protected_header(algorithm: Algorithm, typ: str) -> bytes:
    """Return the encoded protected header {alg, typ}."""
    return cbor.encode({ALG: algorithm.value, TYP: typ})


def sign1(key: Signer, typ: str, payload: bytes, external_aad: bytes = b"") -> Sign1:
    """Sign `payload` under the content type `typ`."""
    protected = protected_header(key.algorithm, typ)
    return Sign1(protected, payload, key.sign(sig_structure(protected, external_aad, payload)))


def verify1(message: Sign1, key: CoseKey, typ: str, payload: bytes, external_aad: bytes = b"") -> None:
    """Verify the signature of `key` over `payload`, made as `typ` and nothing else.

    Raises AuthenticationError for a wrong signature, PeerError for another algorithm or type.
    """
    if message.protected != protected_header(key.algorithm, typ):
        raise PeerError(f"a COSE_Sign1 is not of type {typ}")
    if message.payload is not None and message.payload != payload:
        raise PeerError("a COSE_Sign1 carries another payload")
    key.verify(message.signature, sig_structure(message.protected, external_aad, payload))
