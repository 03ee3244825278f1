"""The AEAD algorithms: published vectors, lengths, refusal of what was tampered with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.crypto import Aead
from oob.errors import AuthenticationError

ALL = list(Aead)
# RFC 8439, section 2.8.2.
CHACHA_KEY = bytes(range(0x80, 0xA0))
CHACHA_NONCE = bytes.fromhex("070000004041424344454647")
CHACHA_AAD = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
CHACHA_PLAINTEXT = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
    b"the future, sunscreen would be it."
)
CHACHA_TAG = "1ae10b594f09e26a7e902ecbd0600691"


def test_chacha20_poly1305() -> None:
    sealed = Aead.CHACHA20_POLY1305.seal(CHACHA_KEY, CHACHA_NONCE, CHACHA_PLAINTEXT, CHACHA_AAD)
    assert sealed[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert sealed[-16:].hex() == CHACHA_TAG


def test_a128gcm() -> None:
    # The GCM specification, test case 2.
    sealed = Aead.A128GCM.seal(bytes(16), bytes(12), bytes(16), b"")
    assert sealed.hex() == "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"


def test_aes_ccm() -> None:
    # RFC 3610, packet vector 1: CCM with a nonce of 13 and a tag of 8 bytes.
    key, nonce = bytes(range(0xC0, 0xD0)), bytes.fromhex("00000003020100a0a1a2a3a4a5")
    sealed = Aead.AES_CCM_16_64_128.seal(key, nonce, bytes(range(8, 31)), bytes(range(8)))
    assert sealed.hex() == "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"


@pytest.mark.parametrize(
    ("aead", "number", "lengths"),
    [
        (Aead.A128GCM, 1, (16, 12, 16)),
        (Aead.AES_CCM_16_64_128, 10, (16, 13, 8)),
        (Aead.AES_CCM_16_128_128, 30, (16, 13, 16)),
        (Aead.CHACHA20_POLY1305, 24, (32, 12, 16)),
    ],
)
def test_numbers_and_lengths(aead: Aead, number: int, lengths: tuple[int, int, int]) -> None:
    assert aead.value == number
    assert (aead.key_length, aead.nonce_length, aead.tag_length) == lengths
    sealed = aead.seal(bytes(aead.key_length), bytes(aead.nonce_length), b"abc", b"aad")
    assert len(sealed) == 3 + aead.tag_length


@given(aead=st.sampled_from(ALL), plaintext=st.binary(max_size=100), aad=st.binary(max_size=50), data=st.data())
def test_tampering_is_found(aead: Aead, plaintext: bytes, aad: bytes, data: st.DataObject) -> None:
    key, nonce = bytes(range(aead.key_length)), bytes(range(aead.nonce_length))
    sealed = aead.seal(key, nonce, plaintext, aad)
    assert aead.open(key, nonce, sealed, aad) == plaintext
    damaged = bytearray(sealed)
    damaged[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    for ciphertext, other in ((bytes(damaged), aad), (sealed, aad + b"x"), (sealed[:-1], aad)):
        with pytest.raises(AuthenticationError):
            aead.open(key, nonce, ciphertext, other)


@pytest.mark.parametrize("aead", ALL)
def test_short_ciphertexts(aead: Aead) -> None:
    key, nonce = bytes(aead.key_length), bytes(aead.nonce_length)
    assert aead.open(key, nonce, aead.seal(key, nonce, b"", b""), b"") == b""
    for length in range(aead.tag_length):
        with pytest.raises(AuthenticationError):
            aead.open(key, nonce, bytes(length), b"")
