"""COSE_Encrypt0 (RFC 9052, section 5.2): its Enc_structure, and the two operations over it."""

from oob import cbor
from oob.crypto import Aead

# The array of three items that an Enc_structure is, as far as its context.
_ENCRYPT0 = cbor.encode(["Encrypt0", 0, 0])[:-2]


def enc_structure(protected: bytes, external_aad: bytes) -> bytes:
    """Return the additional data that is authenticated (RFC 9052, section 5.3)."""
    return _ENCRYPT0 + cbor.encode_bytes(protected) + cbor.encode_bytes(external_aad)


def encrypt0(
    aead: Aead, key: bytes, nonce: bytes, plaintext: bytes, external_aad: bytes, protected: bytes = b""
) -> bytes:
    """Return the ciphertext with its tag."""
    return aead.seal(key, nonce, plaintext, enc_structure(protected, external_aad))


def decrypt0(
    aead: Aead, key: bytes, nonce: bytes, ciphertext: bytes, external_aad: bytes, protected: bytes = b""
) -> bytes:
    """Return the plaintext; AuthenticationError if it does not verify."""
    return aead.open(key, nonce, ciphertext, enc_structure(protected, external_aad))
