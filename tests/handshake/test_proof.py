"""Signature_or_MAC_x: what is signed, whose credential it is, which identity fits."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from oob import cbor
from oob.cose import CoseKey
from oob.crypto import Algorithm, SigningKey
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.handshake import SUITES, Credential, Identity
from oob.handshake import proof as proofs
from tests.pair import Random, identity

TRACE = json.loads((Path(__file__).parents[1] / "vectors" / "rfc9529.json").read_text())["trace1"]
TH, MAC = bytes(32), bytes(range(32))


def value(name: str) -> bytes:
    return bytes.fromhex(TRACE[name])


def test_the_signature_of_the_rfc() -> None:
    credential = Credential.x5t(value("CRED_R (Raw Value)"))
    own = Identity(credential, SigningKey.from_bytes(Algorithm.EDDSA, value("SK_R (Raw Value)")))
    mac, th_2 = value("MAC_2 (Raw Value)"), value("TH_2 (Raw Value)")
    signature = proofs.compose_proof(own, True, mac, th_2, b"")
    assert signature == value("Signature_or_MAC_2 (Raw Value)")
    proofs.check_proof(SUITES[0], credential, True, signature, mac, th_2, b"")


def test_contexts_of_the_rfc() -> None:
    cred_r, cred_i = (Credential.x5t(value(f"CRED_{end} (Raw Value)")) for end in "RI")
    context_2 = proofs.compose_context_2(value("C_R (Raw Value)"), cred_r, value("TH_2 (Raw Value)"), b"")
    assert context_2 == value("context_2 (CBOR Sequence)")
    context_3 = proofs.compose_context_3(cred_i, value("TH_3 (Raw Value)"), b"")
    assert context_3 == value("context_3 (CBOR Sequence)")


def test_lengths() -> None:
    assert [proofs.mac_length(SUITES[2], signs) for signs in (True, False)] == [32, 8]
    assert [proofs.proof_length(SUITES[3], signs) for signs in (True, False)] == [64, 16]


@pytest.mark.parametrize("signs", [True, False])
def test_everything_is_under_the_proof(signs: bool) -> None:
    own = identity(6, True, "signer")
    proof = proofs.compose_proof(own, signs, MAC, TH, b"ead")
    credential = own.credential
    proofs.check_proof(SUITES[6], credential, signs, proof, MAC, TH, b"ead")
    other = identity(6, True, "other").credential
    cases = [(credential, MAC[:-1] + b"\x00", TH, b"ead")]
    if signs:
        cases += [(credential, MAC, MAC, b"ead"), (credential, MAC, TH, b""), (other, MAC, TH, b"ead")]
        cases += [(replace(credential, id_cred=other.id_cred + b"\x00"), MAC, TH, b"ead")]
        cases += [(replace(credential, cred=other.cred), MAC, TH, b"ead")]
    for claimed, mac, th, ead in cases:
        with pytest.raises(AuthenticationError):
            proofs.check_proof(SUITES[6], claimed, signs, proof, mac, th, ead)


def test_the_algorithm_is_the_suites() -> None:
    eddsa = SigningKey.generate(Algorithm.EDDSA, Random("eddsa"))
    credential = Credential.of_key(CoseKey.of(eddsa))
    signature = proofs.compose_proof(Identity(credential, eddsa), True, MAC, TH, b"")
    with pytest.raises(PeerError, match="another algorithm"):
        proofs.check_proof(SUITES[6], credential, True, signature, MAC, TH, b"")


@pytest.mark.parametrize("suite", SUITES)
def test_identities_fit_or_not(suite: int) -> None:
    row = SUITES[suite]
    for signs in (True, False):
        proofs.check_identity(identity(suite, signs, "own"), row, signs)
        with pytest.raises(UsageError, match="does not fit the identity"):
            proofs.check_identity(identity(suite, not signs, "own"), row, signs)
    other_signature = next(o for o in SUITES.values() if o.signature is not row.signature)
    other_curve = next(o for o in SUITES.values() if o.curve is not row.curve)
    for other, signs in ((other_signature, True), (other_curve, False)):
        with pytest.raises(UsageError, match="does not fit the key"):
            proofs.check_identity(identity(other.number, signs, "own"), row, signs)


def test_peers() -> None:
    own, peer = identity(2, False, "own", kid=None), identity(2, False, "peer", kid=None).credential
    proofs.check_peer(own, peer, peer.id_cred)
    with pytest.raises(PeerError, match="not the one that the peer named"):
        proofs.check_peer(own, peer, own.credential.id_cred)
    key = own.credential.key
    disguises = [
        own.credential,
        Credential.of_key(key, subject="another name"),
        Credential.of_key(CoseKey(key.crv, key.x)),  # without y, the same key to Diffie-Hellman
    ]
    for disguise in disguises:
        with pytest.raises(PeerError, match="our own credential"):
            proofs.check_peer(own, disguise, disguise.id_cred)


def test_xor() -> None:
    assert proofs.xor(b"\x00\x0f\xff", b"\x00\xff\x0f") == b"\x00\xf0\xf0"
    assert proofs.xor(b"", b"") == b""
    assert len(cbor.encode(proofs.xor(bytes(30), bytes(30)))) == 32
