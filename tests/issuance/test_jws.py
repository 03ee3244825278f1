import json
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oob.cose import CoseKey
from oob.crypto import Algorithm, SigningKey
from oob.errors import PeerError
from oob.issuance import base64url
from oob.issuance.jws import Jws, jwk_of, jwk_thumbprint, key_of, public_key, sign_jws
from oob.issuance.problems import Problem
from tests.issuance.world import new_key

KEY = new_key()
URL = "https://issuer.example/new-order"


def envelope(**changes: object) -> dict[str, object]:
    """Return the members of a good request with other ones in its protected header; None removes one."""
    members = json.loads(sign_jws(KEY, b'{"a":1}', url=URL, nonce="bm9uY2U"))
    header = json.loads(base64url.decode(members["protected"])) | changes
    header = {name: value for name, value in header.items() if value is not None}
    return {**members, "protected": base64url.encode(json.dumps(header).encode())}


def refusal(body: bytes) -> str:
    with pytest.raises(Problem) as caught:
        Jws.decode(body)
    return caught.value.problem.rpartition(":")[2]


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("kid", [None, "https://issuer.example/account/1"])
def test_what_is_signed_verifies(algorithm: Algorithm, kid: str | None) -> None:
    key = SigningKey.generate(algorithm, os.urandom)
    jws = Jws.decode(sign_jws(key, b'{"a":1}', url=URL, nonce="bm9uY2U", kid=kid))
    jws.verify(public_key(key))
    assert jws.json() == {"a": 1}
    assert (jws.url, jws.nonce, jws.kid) == (URL, "bm9uY2U", kid)
    assert jws.jwk == (None if kid else CoseKey.of(key))


@pytest.mark.parametrize("part", ["protected", "payload", "signature"])
def test_every_part_is_covered(part: str) -> None:
    members = json.loads(sign_jws(KEY, b'{"a":1}', url=URL, nonce="bm9uY2U", kid="k"))
    changed = {"protected": {"alg": "ES256", "nonce": "bm9uY2U", "url": URL, "kid": "l"}, "payload": {"a": 2}}
    members[part] = base64url.encode(json.dumps(changed[part]).encode() if part in changed else bytes(64))
    with pytest.raises(Problem, match="does not verify"):
        Jws.decode(json.dumps(members).encode()).verify(CoseKey.of(KEY))


def test_another_key_or_algorithm_does_not_verify() -> None:
    jws = Jws.decode(sign_jws(KEY, b"", url=URL, nonce="bm9uY2U"))
    with pytest.raises(Problem, match="does not verify"):
        jws.verify(CoseKey.of(new_key()))
    with pytest.raises(Problem, match="alg does not fit"):
        jws.verify(CoseKey.of(new_key(Algorithm.EDDSA)))


def test_a_signature_of_another_length_does_not_verify() -> None:
    members = envelope() | {"signature": base64url.encode(bytes(63))}
    with pytest.raises(Problem, match="does not verify"):
        Jws.decode(json.dumps(members).encode()).verify(CoseKey.of(KEY))


def test_a_point_off_the_curve_is_a_bad_key() -> None:
    jws = Jws.decode(json.dumps(envelope(jwk=jwk_of(CoseKey(1, bytes(32), bytes(32))))).encode())
    assert jws.jwk is not None
    with pytest.raises(Problem) as caught:
        jws.verify(jws.jwk)
    assert caught.value.problem.endswith("badPublicKey")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"alg": "RS256"}, "badSignatureAlgorithm"),
        ({"alg": "none"}, "badSignatureAlgorithm"),
        ({"alg": "HS256"}, "badSignatureAlgorithm"),
        ({"alg": None}, "malformed"),
        ({"alg": 7}, "malformed"),
        ({"nonce": None}, "badNonce"),
        ({"url": None}, "malformed"),
        ({"kid": "x"}, "malformed"),
        ({"jwk": None}, "malformed"),
        ({"jwk": None, "kid": 1}, "malformed"),
        ({"crit": ["b64"]}, "malformed"),
        ({"b64": False}, "malformed"),
        ({"jwk": "key"}, "malformed"),
        ({"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}, "badPublicKey"),
        ({"jwk": {"kty": ["EC"], "crv": "P-256"}}, "badPublicKey"),
        ({"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, "badPublicKey"),
        ({"jwk": {"kty": "EC", "crv": "P-256", "x": "A" * 43}}, "malformed"),
        ({"jwk": jwk_of(CoseKey.of(KEY)) | {"d": "A" * 43}}, "badPublicKey"),
    ],
)
def test_a_bad_header_is_refused_by_name(changes: dict[str, object], problem: str) -> None:
    assert refusal(json.dumps(envelope(**changes)).encode()) == problem


def test_the_algorithms_are_listed() -> None:
    with pytest.raises(Problem) as caught:
        Jws.decode(json.dumps(envelope(alg="RS256")).encode())
    assert caught.value.document()["algorithms"] == ["ES256", "EdDSA"]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(envelope() | {"header": {}}).encode(),
        json.dumps({"payload": "", "signatures": []}).encode(),
        json.dumps(envelope() | {"payload": "A"}).encode(),
        json.dumps(envelope() | {"payload": 1}).encode(),
        json.dumps(envelope())[:-1].encode() + b', "payload": "e30"}',
        b"[]",
        b"\xff",
        b'{"protected": NaN}',
        b"[" * 30000,
    ],
)
def test_a_bad_envelope_is_malformed(body: bytes) -> None:
    assert refusal(body) == "malformed"


def test_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(Problem) as caught:
        Jws.decode(b" " * 65537)
    assert caught.value.kind.status == 413


@given(st.binary(max_size=400))
@example(b'{"protected":"","payload":"","signature":""}')
@example(b'{"protected":"e30","payload":"","signature":""}')
@example(b'{"protected":"bnVsbA","payload":"","signature":""}')
def test_any_bytes_are_a_request_or_a_problem(body: bytes) -> None:
    try:
        Jws.decode(body)
    except Problem as problem:
        assert problem.document()["detail"]


values = st.none() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)
jwks = st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "d"]), values)


@given(st.dictionaries(st.sampled_from(["alg", "nonce", "url", "kid", "jwk", "crit"]), values | jwks))
def test_any_header_is_a_request_or_a_problem(header: dict[str, object]) -> None:
    members = envelope() | {"protected": base64url.encode(json.dumps(header).encode())}
    try:
        jws = Jws.decode(json.dumps(members).encode())
        jws.verify(jws.jwk or CoseKey.of(KEY))
    except Problem as problem:
        assert problem.document()["detail"]


def test_the_thumbprint_of_rfc_8037() -> None:
    """RFC 8037, appendix A.3."""
    key = key_of({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    assert base64url.encode(jwk_thumbprint(key)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_key_that_cannot_sign_has_no_jwk() -> None:
    with pytest.raises(PeerError):
        jwk_of(CoseKey(4, bytes(32)))
