"""Hashes, HMAC and HKDF against published vectors."""

import pytest

from oob.crypto import Hash, equal, hmac_sha256

# RFC 5869, appendix A: test cases 1 and 2 (SHA-256).
CASES = [
    (
        bytes([0x0B]) * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
]


@pytest.mark.parametrize(("ikm", "salt", "info", "prk", "okm"), CASES)
def test_hkdf(ikm: bytes, salt: bytes, info: bytes, prk: str, okm: str) -> None:
    assert Hash.SHA256.extract(salt, ikm).hex() == prk
    assert Hash.SHA256.expand(bytes.fromhex(prk), info, len(okm) // 2).hex() == okm


def test_digests() -> None:
    assert Hash.SHA256.digest(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert Hash.SHA512.digest(b"abc").hex().startswith("ddaf35a193617abacc417349ae204131")
    assert (Hash.SHA256.length, Hash.SHA512.length) == (32, 64)
    assert (Hash.SHA256.value, Hash.SHA512.value) == (-16, -44)


def test_hmac() -> None:
    # RFC 4231, test case 2.
    tag = hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    assert tag.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_equal() -> None:
    assert equal(b"abc", b"abc")
    assert not equal(b"abc", b"abd")
    assert not equal(b"abc", b"ab")
