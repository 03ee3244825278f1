"""Credentials: by value, kid, x5t and x5chain; compact identifiers; what an identity can do."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.cose import CoseKey
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.errors import PeerError, UsageError
from oob.handshake import Credential, Identity
from oob.handshake.credentials import UnknownCredential, expand_id
from tests.pair import Random

KEY = SigningKey.generate(Algorithm.ES256, Random("credentials"))
PUBLIC = CoseKey.of(KEY)
TRACES = json.loads((Path(__file__).parents[1] / "vectors" / "rfc9529.json").read_text())
CERTIFICATE = bytes.fromhex(TRACES["trace1"]["CRED_R (Raw Value)"])


def test_by_value() -> None:
    credential = Credential.of_key(PUBLIC, subject="lamp")
    again = Credential.by_value(credential.id_cred)
    assert again == credential
    assert (again.subject, again.key) == ("lamp", PUBLIC)
    assert cbor.decode(credential.id_cred) == {14: cbor.decode(credential.cred)}
    assert Credential.of_key(PUBLIC).subject == ""


@pytest.mark.parametrize(
    ("kid", "compact"), [(b"\x32", -19), (b"\x05", 5), (b"\xff", b"\xff"), (b"", b""), (b"ab", b"ab")]
)
def test_kid(kid: bytes, compact: object) -> None:
    credential = Credential.of_key(PUBLIC, kid=kid)
    assert cbor.decode(credential.id_cred) == {4: kid}
    assert credential.compact_id() == cbor.encode(compact)
    assert expand_id(cbor.encode(compact)) == credential.id_cred
    with pytest.raises(UnknownCredential) as caught:
        Credential.by_value(credential.id_cred)
    assert caught.value.wire_code == 3


def test_the_ccs_of_the_rfc() -> None:
    trace = TRACES["trace2"]
    credential = Credential.ccs(bytes.fromhex(trace["CRED_R (CBOR Data Item)"]), kid=b"\x32")
    assert credential.id_cred.hex() == trace["ID_CRED_R (CBOR Data Item)"]
    assert credential.subject == "example.edu"
    assert credential.key.x.hex() == trace["(Raw Value)#3"]


def test_certificates() -> None:
    by_hash, by_value = Credential.x5t(CERTIFICATE), Credential.x5chain(CERTIFICATE)
    assert by_hash.id_cred.hex() == TRACES["trace1"]["ID_CRED_R (CBOR Data Item)"]
    assert by_hash.cred == by_value.cred == cbor.encode(CERTIFICATE)
    assert Credential.by_value(by_value.id_cred) == by_value
    assert by_value.compact_id() == by_value.id_cred == cbor.encode({33: CERTIFICATE})
    assert by_hash.hash() != by_hash.key.thumbprint()
    with pytest.raises(UnknownCredential):
        Credential.by_value(by_hash.id_cred)


@pytest.mark.parametrize(
    "claims",
    [
        [],
        {},
        {8: None},
        {8: {}},
        {8: {1: {}}},
        {2: 5, 8: {1: PUBLIC.encode()}},
        {2: b"lamp", 8: {1: PUBLIC.encode()}},
        {8: {2: PUBLIC.encode()}},
    ],
)
def test_malformed_claims(claims: object) -> None:
    with pytest.raises(PeerError):
        Credential.ccs(cbor.encode(claims))
    with pytest.raises(PeerError):
        Credential.by_value(cbor.encode({14: claims}))


@pytest.mark.parametrize(
    "id_cred",
    [
        {14: {8: {1: PUBLIC.encode()}}, 4: b"kid"},
        {33: [CERTIFICATE, CERTIFICATE]},
        {33: CERTIFICATE, 34: [-15, bytes(8)]},
        {33: b"no certificate"},
        {35: "https://example.org"},
        {4: b"kid", 5: b""},
        {},
        [4, b"kid"],
        b"kid",
    ],
)
def test_other_id_creds(id_cred: object) -> None:
    with pytest.raises(PeerError) as caught:
        Credential.by_value(cbor.encode(id_cred))
    assert caught.value.wire_code == 1  # code 3 is not for a type that is not supported


def test_the_compact_form_is_mandatory() -> None:
    for item in ({4: b"\x32"}, {4: 5}, {}, 24, b"\x05", True, None, "x"):
        with pytest.raises(PeerError):
            expand_id(cbor.encode(item))
    for other in ({34: [-15, bytes(8)]}, {4: b"\x32", 5: b""}):
        assert expand_id(cbor.encode(other)) == cbor.encode(other)


identifiers = st.one_of(st.binary(max_size=10), st.integers(-30, 30), st.dictionaries(st.integers(1, 40), st.binary()))


@given(identifiers)
def test_any_item_is_an_id_cred_or_a_peer_error(item: Any) -> None:
    try:
        id_cred = expand_id(cbor.encode(item))
    except PeerError:
        return
    assert isinstance(cbor.decode(id_cred), dict)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_credential_or_a_peer_error(data: bytes) -> None:
    for read in (Credential.by_value, Credential.ccs, Credential.x5chain):
        with pytest.raises(PeerError):
            read(data)


def test_identities() -> None:
    dh = EcdhKey.generate(Curve.P256, Random("identity"))
    signer, agreeing = Identity(Credential.of_key(PUBLIC), KEY), Identity(Credential.of_key(CoseKey.of(dh)), dh)
    assert signer.signs
    assert not agreeing.signs
    assert signer.sign(b"m") == KEY.sign(b"m")
    assert agreeing.agreement() is dh
    assert signer.algorithm is Algorithm.ES256
    with pytest.raises(UsageError, match="signature key"):
        signer.agreement()
    with pytest.raises(UsageError, match="Diffie-Hellman key"):
        agreeing.sign(b"m")
    assert "key=SigningKey" not in repr(signer)


@pytest.mark.parametrize("subject", ["\x1b[2J", "two\nlines", "x" * 65])
def test_a_subject_that_cannot_be_shown_is_refused(subject: str) -> None:
    claims = cbor.encode({2: subject, 8: {1: {1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}}})
    with pytest.raises(PeerError, match="printable"):
        Credential.ccs(claims)
