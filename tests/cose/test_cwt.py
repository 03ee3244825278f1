"""Signed CWTs: the example of RFC 8392, times, headers, and refusal of everything that differs in one bit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.cose import CoseKey, sign1, verify_cwt
from oob.cose.sign1 import sig_structure
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.errors import AuthenticationError, PeerError
from tests.pair import Random, cwt

KEYS = [SigningKey.generate(algorithm, Random(f"cwt {algorithm.name}")) for algorithm in Algorithm]
KEY = KEYS[0]
ISSUER = CoseKey.of(KEY)
CLAIMS = {1: "issuer", 2: "lamp", 4: 2000, 5: 1000}
GOOD = cwt(KEY, CLAIMS)


def test_the_example_of_the_rfc() -> None:
    # RFC 8392, appendix A.3 without its tag, and the key of A.2.3.
    example = bytes.fromhex(
        "8443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572"
        "696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b7158405427"
        "c1ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131680c429a01f85951ecee743a52b9b63632c572"
        "09120e1c9e30"
    )
    issuer = CoseKey(
        1,
        bytes.fromhex("143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f"),
        bytes.fromhex("60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9"),
    )
    claims = verify_cwt(example, [issuer], 1444000000)
    assert (claims[1], claims[2], claims[4], claims[5]) == ("coap://as.example.com", "erikw", 1444064944, 1443944944)
    with pytest.raises(AuthenticationError, match="expired"):
        verify_cwt(example, [issuer], 1444064944)
    with pytest.raises(PeerError):  # the data model has no tags
        verify_cwt(b"\xd2" + example, [issuer])


@pytest.mark.parametrize("key", KEYS)
def test_any_of_the_issuers_may_have_signed(key: SigningKey) -> None:
    issuers = [CoseKey.of(EcdhKey.generate(Curve.P256, Random("dh"))), *(CoseKey.of(other) for other in KEYS)]
    assert verify_cwt(cwt(key, CLAIMS), issuers) == CLAIMS
    for others in ([], issuers[:1], [issuer for issuer in issuers if issuer != CoseKey.of(key)]):
        with pytest.raises(AuthenticationError, match="none of the trusted issuers"):
            verify_cwt(cwt(key, CLAIMS), others)


@pytest.mark.parametrize(("now", "error"), [(999, "not valid yet"), (999.9, "not valid yet"), (2000, "expired")])
def test_out_of_its_time(now: float, error: str) -> None:
    with pytest.raises(AuthenticationError, match=error):
        verify_cwt(GOOD, [ISSUER], now)


@pytest.mark.parametrize("now", [None, 1000, 1999.9])
def test_in_its_time_or_without_a_clock(now: float | None) -> None:
    assert verify_cwt(GOOD, [ISSUER], now) == CLAIMS


def test_a_cwt_without_times_is_always_valid() -> None:
    assert verify_cwt(cwt(KEY, {2: "lamp"}), [ISSUER], 1e12) == {2: "lamp"}


@pytest.mark.parametrize("claims", [[], None, "claims", {4: "2000"}, {4: None}, {5: True}, {5: b""}])
def test_claims_that_are_none(claims: Any) -> None:
    with pytest.raises(PeerError, match="claims"):
        verify_cwt(cwt(KEY, claims), [ISSUER])


@pytest.mark.parametrize("header", [{1: -7, 16: 61}, {1: -7, 16: "application/cwt"}, {1: -7, 4: b"kid"}])
def test_headers_that_are_understood(header: Any) -> None:
    assert verify_cwt(cwt(KEY, CLAIMS, header), [ISSUER]) == CLAIMS


@pytest.mark.parametrize(
    "header", [{}, [], {1: "ES256"}, {4: b"kid"}, {1: -7, 2: [100], 100: 1}, {1: -7, 16: "application/example+cose"}]
)
def test_headers_that_are_not(header: Any) -> None:
    with pytest.raises(PeerError, match="header"):
        verify_cwt(cwt(KEY, CLAIMS, header), [ISSUER])


def test_the_algorithm_is_that_of_the_issuer() -> None:
    for algorithm in (-8, -35, True):
        with pytest.raises(AuthenticationError):
            verify_cwt(cwt(KEY, CLAIMS, {1: algorithm}), [ISSUER])


def test_another_signed_object_of_the_issuer_is_no_cwt() -> None:
    payload = cbor.encode(CLAIMS)
    with pytest.raises(PeerError, match="header"):
        verify_cwt(sign1(KEY, "application/example+cose", payload).encode(), [ISSUER])
    with pytest.raises(AuthenticationError):
        verify_cwt(sign1(KEY, "application/cwt", payload, b"aad").encode(), [ISSUER])
    protected = cbor.encode({1: -7})
    detached: list[Any] = [protected, {}, None, KEY.sign(sig_structure(protected, b"", payload))]
    others: list[Any] = [detached, [protected, {}, payload], [protected, [], payload, bytes(64)], {}, payload]
    for other in others:
        with pytest.raises(PeerError, match="malformed CWT"):
            verify_cwt(cbor.encode(other), [ISSUER])


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 7))
def test_every_bit_counts(index: int, bit: int) -> None:
    with pytest.raises((AuthenticationError, PeerError)):
        verify_cwt(GOOD[:index] + bytes([GOOD[index] ^ (1 << bit)]) + GOOD[index + 1 :], [ISSUER])


@given(st.binary(max_size=100))
def test_any_bytes_are_a_peer_error(data: bytes) -> None:
    with pytest.raises(PeerError):
        verify_cwt(data, [ISSUER])
