"""Hashes, HMAC (RFC 2104) and HKDF (RFC 5869)."""

import hashlib
import hmac
from collections.abc import Callable
from enum import Enum
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand


class Hash(Enum):
    """A hash function and the HKDF over it; the value is its COSE algorithm (RFC 9054).

    `length` is that of a digest and of a PRK, in bytes.
    """

    length: int
    _function: Callable[[bytes], "hashlib._Hash"]
    _algorithm: hashes.HashAlgorithm

    SHA256 = -16, hashlib.sha256, hashes.SHA256()
    SHA512 = -44, hashlib.sha512, hashes.SHA512()

    def __new__(
        cls, number: int, function: Callable[[bytes], "hashlib._Hash"], algorithm: hashes.HashAlgorithm
    ) -> Self:
        """Make a member whose value is `number`."""
        member = object.__new__(cls)
        member._value_, member._function, member._algorithm = number, function, algorithm
        member.length = algorithm.digest_size
        return member

    def digest(self, data: bytes) -> bytes:
        """Hash `data`."""
        return self._function(data).digest()

    def extract(self, salt: bytes, ikm: bytes) -> bytes:
        """HKDF-Extract (RFC 5869, section 2.2)."""
        return HKDF.extract(self._algorithm, salt, ikm)

    def expand(self, prk: bytes, info: bytes, length: int) -> bytes:
        """HKDF-Expand to `length` bytes (RFC 5869, section 2.3)."""
        return HKDFExpand(self._algorithm, length, info).derive(prk)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256, 32 bytes."""
    return hmac.digest(key, data, "sha256")


def equal(left: bytes, right: bytes) -> bool:
    """Compare in a time that does not depend on where the two differ."""
    return hmac.compare_digest(left, right)
