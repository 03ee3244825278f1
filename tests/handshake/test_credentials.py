"""Credentials of every kind, also in whole handshakes; compact identifiers; what an identity can do."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.cose import CoseKey
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.handshake import Credential, Identity, PeerClaimed, PeerVerified, Session, State
from oob.handshake.credentials import UnknownCredential, expand_id
from tests.pair import REFUSED, Pair, Random, certificate, cwt, only_event

KEY = SigningKey.generate(Algorithm.ES256, Random("credentials"))
PUBLIC = CoseKey.of(KEY)
ISSUING = SigningKey.generate(Algorithm.ES256, Random("issuer"))
ISSUER = CoseKey.of(ISSUING)
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


def test_a_chain() -> None:
    """Only its first certificate is in the transcript; all of it is there for the application, in its order."""
    other = certificate(PUBLIC)
    chain = Credential.x5chain(CERTIFICATE, other, b"not looked at")
    assert cbor.decode(chain.id_cred) == cbor.decode(chain.compact_id()) == {33: [CERTIFICATE, other, b"not looked at"]}
    assert (chain.cred, chain.key) == (cbor.encode(CERTIFICATE), CoseKey.of_certificate(CERTIFICATE))
    assert chain.chain == (CERTIFICATE, other, b"not looked at")
    assert Credential.by_value(chain.id_cred) == chain
    assert Credential.x5chain(CERTIFICATE).chain == (CERTIFICATE,)
    assert Credential.x5t(CERTIFICATE).chain == Credential.of_key(PUBLIC).chain == ()


CWT = cwt(ISSUING, {2: "lamp", 4: 2000, 8: {1: PUBLIC.encode()}})


def test_a_cwt() -> None:
    credential = Credential.kcwt(CWT, ISSUER, now=1999)
    assert (credential.subject, credential.key, credential.cred) == ("lamp", PUBLIC, CWT)
    assert cbor.decode(credential.id_cred) == cbor.decode(credential.compact_id()) == {13: cbor.decode(CWT)}
    other = CoseKey.of(SigningKey.generate(Algorithm.EDDSA, Random("another issuer")))
    assert Credential.by_value(credential.id_cred, issuers=(other, ISSUER), now=1999) == credential
    with pytest.raises(UnknownCredential, match="no issuer"):
        Credential.by_value(credential.id_cred)
    with pytest.raises(AuthenticationError, match="none of the trusted issuers"):
        Credential.by_value(credential.id_cred, issuers=(other,))
    with pytest.raises(AuthenticationError, match="none of the trusted issuers"):
        Credential.kcwt(CWT, PUBLIC)
    with pytest.raises(AuthenticationError, match="expired"):
        Credential.by_value(credential.id_cred, issuers=(ISSUER,), now=2000)
    with pytest.raises(AuthenticationError, match="expired"):
        Credential.kcwt(CWT, ISSUER, now=2000)


@pytest.mark.parametrize("claims", [{}, {8: {}}, {8: {1: {}}}, {2: "two\nlines", 8: {1: PUBLIC.encode()}}])
def test_a_cwt_with_malformed_claims(claims: object) -> None:
    with pytest.raises(PeerError):
        Credential.kcwt(cwt(ISSUING, claims), ISSUER)


# How each end makes its credential from its key, and how the other end finds it.
Make = Callable[[CoseKey], Credential]
KINDS: dict[str, Make] = {
    "x5t": lambda key: Credential.x5t(certificate(key)),
    "x5chain": lambda key: Credential.x5chain(certificate(key)),
    "x5chain of 2": lambda key: Credential.x5chain(certificate(key), CERTIFICATE),
    "kccs": lambda key: Credential.of_key(key, subject="end"),
    "kid": lambda key: Credential.of_key(key, subject="end", kid=b"\x10"),
    "kcwt": lambda key: Credential.kcwt(cwt(ISSUING, {2: "end", 4: 2000, 8: {1: key.encode()}}), ISSUER),
}
BY_REFERENCE = ("x5t", "kid")


def resolve(session: Session, own: Credential) -> Credential:
    """Do what an application does: know the credential by its reference, or take it by value."""
    claimed = only_event(session)
    assert isinstance(claimed, PeerClaimed)
    try:
        return Credential.by_value(claimed.id_cred, issuers=(ISSUER,), now=1000)
    except UnknownCredential:
        assert claimed.id_cred == own.id_cred
        return own


def handshake(kind_i: str, kind_r: str, suite: int = 6) -> Pair:
    pair = Pair(suite=suite)
    own_i, own_r = (
        replace(end, credential=KINDS[kind](end.credential.key))
        for kind, end in ((kind_i, pair.identity_i), (kind_r, pair.identity_r))
    )
    initiator = pair.initiator = Session.initiator(own_i, suites=(suite,))
    responder = pair.responder = Session.responder(own_r, suites=(suite,))
    pair.run(State.CREDENTIAL_R)
    initiator.accept(resolve(initiator, own_r.credential))
    responder.receive(pair.reply(initiator))
    responder.accept(resolve(responder, own_i.credential))
    initiator.receive(pair.reply(responder))
    for session, peer in ((initiator, own_r), (responder, own_i)):
        verified = next(event for event in session.events() if isinstance(event, PeerVerified))
        assert verified.credential == peer.credential
    return pair


@pytest.mark.parametrize("kind_i", KINDS)
@pytest.mark.parametrize("kind_r", KINDS)
def test_a_whole_handshake_with_every_kind_in_each_role(kind_i: str, kind_r: str) -> None:
    for suite in (6, 0):
        pair = handshake(kind_i, kind_r, suite)
        assert pair.initiator.exporter() == pair.responder.exporter()


def test_static_keys_may_stand_in_a_cwt() -> None:
    pair = Pair(method=3, suite=2)
    ends = [replace(end, credential=KINDS["kcwt"](end.credential.key)) for end in (pair.identity_i, pair.identity_r)]
    pair.identity_i, pair.identity_r = ends
    pair.initiator = Session.initiator(pair.identity_i, method=3, suites=(2,))
    pair.responder = Session.responder(pair.identity_r, methods=(3,), suites=(2,))
    pair.run()
    assert pair.initiator.exporter() == pair.responder.exporter()


def test_a_cwt_of_an_untrusted_issuer_ends_the_handshake() -> None:
    pair = Pair()
    forger = SigningKey.generate(Algorithm.ES256, Random("forger"))
    forged = cwt(forger, {2: "end", 8: {1: pair.identity_i.credential.key.encode()}})
    pair.initiator = Session.initiator(replace(pair.identity_i, credential=Credential.kcwt(forged, CoseKey.of(forger))))
    pair.run(State.CREDENTIAL_I)
    with pytest.raises(AuthenticationError) as caught:
        resolve(pair.responder, pair.identity_i.credential)
    pair.responder.refuse(caught.value)
    assert pair.responder.messages_to_send() == [REFUSED]


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
        {33: [CERTIFICATE]},
        {33: []},
        {33: [CERTIFICATE, CERTIFICATE, 5]},
        {33: [CERTIFICATE, None]},
        {33: [b"no certificate", CERTIFICATE]},
        {33: [CERTIFICATE, CERTIFICATE], 4: b"kid"},
        {13: b"no CWT"},
        {13: [], 4: b"kid"},
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
