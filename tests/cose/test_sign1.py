"""COSE_Sign1: the bytes of RFC 9052, its `typ`, and refusal of everything that differs in one bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.cose import CoseKey, Sign1, sign1, verify1
from oob.cose.sign1 import protected_header, sig_structure
from oob.crypto import Algorithm, SigningKey
from oob.errors import AuthenticationError, PeerError
from tests.pair import Random

TYP = "application/example+cose"
KEYS = [SigningKey.generate(algorithm, Random(algorithm.name)) for algorithm in Algorithm]


def test_sig_structure_of_the_rfc() -> None:
    # RFC 9052, appendix C.2.1: {alg: ES256}, "This is the content.", no external_aad.
    structure = sig_structure(bytes.fromhex("a10126"), b"", b"This is the content.")
    assert structure.hex() == "846a5369676e61747572653143a101264054546869732069732074686520636f6e74656e742e"


def test_the_signature_of_the_rfc_verifies() -> None:
    key = CoseKey(
        1,
        bytes.fromhex("bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff"),
        bytes.fromhex("20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e"),
    )
    signature = bytes.fromhex(
        "8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e"
        "2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
    )
    key.verify(signature, sig_structure(bytes.fromhex("a10126"), b"", b"This is the content."))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("detached", [False, True])
def test_round_trip(key: SigningKey, detached: bool) -> None:
    message = sign1(key, TYP, b"payload", b"aad")
    if detached:
        message = Sign1(message.protected, None, message.signature)
    again = Sign1.decode(message.encode())
    assert again == message
    verify1(again, CoseKey.of(key), TYP, b"payload", b"aad")


@pytest.mark.parametrize("key", KEYS)
def test_what_differs_is_refused(key: SigningKey) -> None:
    message, public = sign1(key, TYP, b"payload", b"aad"), CoseKey.of(key)
    detached = Sign1(message.protected, None, message.signature)
    with pytest.raises(PeerError, match="not of type"):
        verify1(message, public, "application/other+cose", b"payload", b"aad")
    with pytest.raises(PeerError, match="another payload"):
        verify1(message, public, TYP, b"another", b"aad")
    with pytest.raises(AuthenticationError):
        verify1(detached, public, TYP, b"another", b"aad")
    with pytest.raises(AuthenticationError):
        verify1(message, public, TYP, b"payload", b"")
    other = SigningKey.generate(key.algorithm, Random("other"))
    with pytest.raises(AuthenticationError):
        verify1(message, CoseKey.of(other), TYP, b"payload", b"aad")


def test_the_algorithm_is_the_keys() -> None:
    message = sign1(KEYS[0], TYP, b"payload")
    with pytest.raises(PeerError, match="not of type"):
        verify1(message, CoseKey.of(KEYS[1]), TYP, b"payload")


@given(index=st.integers(0, 200), mask=st.integers(1, 255))
def test_every_byte_counts(index: int, mask: int) -> None:
    encoded = bytearray(sign1(KEYS[0], TYP, b"payload").encode())
    encoded[index % len(encoded)] ^= mask
    with pytest.raises((PeerError, AuthenticationError)):
        verify1(Sign1.decode(bytes(encoded)), CoseKey.of(KEYS[0]), TYP, b"payload")


def test_decode_refuses() -> None:
    protected = protected_header(Algorithm.ES256, TYP)
    values: list[object] = [
        [protected, {}, b"payload"],
        [protected, {4: b"kid"}, b"payload", bytes(64)],  # nothing stands unprotected
        [protected, [], b"payload", bytes(64)],
        [protected, {}, "payload", bytes(64)],
        [{}, {}, b"payload", bytes(64)],
        [protected, {}, b"payload", None],
        {},
    ]
    for value in values:
        with pytest.raises(PeerError):
            Sign1.decode(cbor.encode(value))


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_a_peer_error(data: bytes) -> None:
    try:
        message = Sign1.decode(data)
    except PeerError:
        return
    assert message.encode() == data
