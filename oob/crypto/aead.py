"""Authenticated encryption: the algorithms of the EDHOC cipher suites (RFC 9053, section 4)."""

from enum import Enum
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from oob.errors import AuthenticationError

_Cipher = AESCCM | AESGCM | ChaCha20Poly1305


class Aead(Enum):
    """An AEAD algorithm; the value is its COSE algorithm number.

    `key_length`, `nonce_length` and `tag_length` are in bytes; the tag stands at the end of a ciphertext.
    """

    key_length: int
    nonce_length: int
    tag_length: int

    A128GCM = 1, 16, 12, 16
    AES_CCM_16_64_128 = 10, 16, 13, 8
    AES_CCM_16_128_128 = 30, 16, 13, 16
    CHACHA20_POLY1305 = 24, 32, 12, 16

    def __new__(cls, number: int, key_length: int, nonce_length: int, tag_length: int) -> Self:
        """Make a member whose value is `number`."""
        member = object.__new__(cls)
        member._value_ = number
        member.key_length, member.nonce_length, member.tag_length = key_length, nonce_length, tag_length
        return member

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt; the tag follows the ciphertext. A nonce must never be used twice with one key."""
        return self._cipher(key).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Decrypt and verify; AuthenticationError if the tag is wrong or the ciphertext too short."""
        try:
            return self._cipher(key).decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise AuthenticationError("a ciphertext does not verify") from error

    def _cipher(self, key: bytes) -> _Cipher:
        if self is Aead.A128GCM:
            return AESGCM(key)
        if self is Aead.CHACHA20_POLY1305:
            return ChaCha20Poly1305(key)
        return AESCCM(key, tag_length=self.tag_length)
