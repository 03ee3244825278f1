"""The group of CPACE-X25519-SHA512 (draft-irtf-cfrg-cpace-21, section 7), from libsodium.

With h the hash of the generator string, `crypto_core_ed25519_from_uniform(h)` is eight times the point that the
draft's Elligator 2 map gives, carried to Edwards form. A clamped X25519 scalar is a multiple of eight, so dividing it
by eight compensates, and no field arithmetic happens in Python.
"""

from nacl.bindings import (
    crypto_core_ed25519_from_uniform,
    crypto_scalarmult,
    crypto_scalarmult_ed25519_noclamp,
    crypto_sign_ed25519_pk_to_curve25519,
)
from nacl.exceptions import CryptoError

from oob.errors import PeerError, UsageError


def cpace_public(generator_hash: bytes, scalar: bytes) -> bytes:
    """Return Y, the 32-byte public share for a 32-byte hash of the generator string and 32 random bytes."""
    _check_scalar(scalar)
    clamped = int.from_bytes(scalar, "little")
    clamped = (clamped & ~7 & ((1 << 255) - 1)) | (1 << 254)
    point = crypto_core_ed25519_from_uniform(generator_hash)
    multiple = crypto_scalarmult_ed25519_noclamp((clamped >> 3).to_bytes(32, "little"), point)
    return crypto_sign_ed25519_pk_to_curve25519(multiple)


def cpace_shared(scalar: bytes, peer: bytes) -> bytes:
    """Return K, 32 bytes; PeerError when the peer's share is not 32 bytes or of low order (section 7.2)."""
    _check_scalar(scalar)  # libsodium reads 32 bytes, whatever is there
    if len(peer) != 32:
        raise PeerError("a CPace share has the wrong length", step="CPace")
    try:
        return crypto_scalarmult(scalar, peer)
    except (CryptoError, RuntimeError) as error:
        raise PeerError("a CPace share is of low order", step="CPace") from error


def _check_scalar(scalar: bytes) -> None:
    if len(scalar) != 32:
        raise UsageError("a CPace scalar has 32 bytes", step="CPace")
