"""Signatures: published vectors, deterministic nonces, refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.crypto import Algorithm, SigningKey, verify
from oob.errors import AuthenticationError, PeerError
from tests.pair import Random

ALL = list(Algorithm)


def test_es256_is_deterministic() -> None:
    # RFC 6979, appendix A.2.5, SHA-256, message "sample".
    private = bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
    key = SigningKey.from_bytes(Algorithm.ES256, private)
    assert key.x.hex().upper() == "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    signature = key.sign(b"sample")
    assert signature.hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )
    verify(Algorithm.ES256, key.x, key.y, signature, b"sample")


def test_eddsa() -> None:
    # RFC 8032, section 7.1, test 2.
    private = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = SigningKey.from_bytes(Algorithm.EDDSA, private)
    assert key.x.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")
    verify(Algorithm.EDDSA, key.x, None, signature, b"\x72")


@pytest.mark.parametrize("algorithm", ALL)
def test_keys_survive_a_key_store(algorithm: Algorithm) -> None:
    key = SigningKey.generate(algorithm, Random("store"))
    again = SigningKey.from_bytes(algorithm, key.to_bytes())
    assert len(key.to_bytes()) == 32
    assert (again.x, again.y) == (key.x, key.y)
    assert again.sign(b"m") == key.sign(b"m")


@given(algorithm=st.sampled_from(ALL), message=st.binary(max_size=50), data=st.data())
def test_tampering_is_found(algorithm: Algorithm, message: bytes, data: st.DataObject) -> None:
    key = SigningKey.generate(algorithm, Random("signer"))
    signature = key.sign(message)
    assert len(signature) == 64
    verify(algorithm, key.x, key.y, signature, message)
    damaged = bytearray(signature)
    damaged[data.draw(st.integers(0, 63))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(AuthenticationError):
        verify(algorithm, key.x, key.y, bytes(damaged), message)
    with pytest.raises(AuthenticationError):
        verify(algorithm, key.x, key.y, signature, message + b"x")


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64])
def test_malformed_signatures(algorithm: Algorithm, signature: bytes) -> None:
    key = SigningKey.generate(algorithm, Random("signer"))
    with pytest.raises(AuthenticationError):
        verify(algorithm, key.x, key.y, signature, b"m")


def test_keys_that_are_no_points() -> None:
    key = SigningKey.generate(Algorithm.ES256, Random("signer"))
    with pytest.raises(PeerError, match="both coordinates"):
        verify(Algorithm.ES256, key.x, None, key.sign(b"m"), b"m")
    with pytest.raises(PeerError, match="not a point"):
        verify(Algorithm.ES256, key.x, bytes(32), key.sign(b"m"), b"m")


@given(algorithm=st.sampled_from(ALL), x=st.binary(min_size=32, max_size=32), y=st.binary(min_size=32, max_size=32))
def test_any_key_refuses(algorithm: Algorithm, x: bytes, y: bytes) -> None:
    with pytest.raises((AuthenticationError, PeerError)):
        verify(algorithm, x, y, bytes(range(64)), b"m")


@pytest.mark.parametrize("algorithm", ALL)
def test_a_private_key_has_no_secret_in_its_repr(algorithm: Algorithm) -> None:
    private = bytes(range(1, 33))
    shown = repr(SigningKey.from_bytes(algorithm, private))
    assert private.hex() not in shown
    assert repr(private)[2:-1] not in shown
    assert "_key" not in shown
