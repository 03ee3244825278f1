import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from oob.errors import IssuanceError
from oob.issuance import Authority, TlsKey
from oob.issuance.certificate import Certificate, check_chain
from oob.issuance.tls_key import SigningRequest
from tests.issuance.test_authority import KEY, signed_by_the_root
from tests.issuance.world import NOW, new_authority

LAMP, ADDRESS = "lamp.home.example", "192.168.7.9"
TLS = TlsKey.generate()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return new_authority(tmp_path)


def chain(authority: Authority, *names: str) -> bytes:
    key = SigningRequest.decode(TLS.csr([LAMP])).public_key
    return authority.issue(key, names, now=NOW, lifetime=86400).pem.encode()


def check(authority: Authority, pem: bytes, names: Sequence[str] = (LAMP, ADDRESS), **changes: Any) -> Certificate:
    values: dict[str, Any] = {"root_der": authority.root_der, "key": TLS.public, "now": NOW, "account": bytes(32)}
    return check_chain(pem, names=names, **(values | changes))


@pytest.mark.parametrize("with_root", [False, True])
def test_a_good_chain_is_taken(authority: Authority, with_root: bool) -> None:
    pem = chain(authority, LAMP, ADDRESS) + (authority.root_pem.encode() if with_root else b"")
    certificate = check(authority, pem)
    assert set(certificate.names) == {LAMP, ADDRESS}
    assert (certificate.not_before, certificate.not_after) == (NOW - 300, NOW + 86400)
    assert len(certificate.leaf_hash) == 32
    assert certificate.chain_pem == pem


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": TlsKey.generate().public}, "for another key"),
        ({"names": [LAMP]}, "not what was asked for"),
        ({"names": [LAMP, ADDRESS, "desk.home.example"]}, "not what was asked for"),
        ({"now": NOW + 86401}, "does not vouch"),
        ({"now": NOW - 301}, "does not vouch"),
    ],
)
def test_another_certificate_is_refused(authority: Authority, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(IssuanceError, match=reason):
        check(authority, chain(authority, LAMP, ADDRESS), **changes)


def test_another_root_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = new_authority(tmp_path / "other")
    with pytest.raises(IssuanceError, match="does not vouch"):
        check(authority, chain(other, LAMP, ADDRESS) + other.root_pem.encode())


def test_the_constraints_hold_here_too(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path, dns_zones=["home.example"], now=time.time())
    pem = signed_by_the_root(authority, tmp_path, "evil.example").read_bytes()
    pem = pem[pem.index(b"-----BEGIN CERTIFICATE") :]
    with pytest.raises(IssuanceError, match="does not vouch"):
        check(authority, pem, ["evil.example"], key=TlsKey(KEY).public, now=time.time())


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"text",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_not_a_chain_is_refused(authority: Authority, pem: bytes) -> None:
    with pytest.raises(IssuanceError, match="not a certificate chain"):
        check(authority, pem)


def test_nothing_hides_beside_the_chain(authority: Authority) -> None:
    with pytest.raises(IssuanceError, match="not a certificate chain"):
        check(authority, chain(authority, LAMP, ADDRESS) + b"more")
    with pytest.raises(IssuanceError, match="not a certificate chain"):
        check(authority, chain(authority, LAMP, ADDRESS) * 6)


def test_nothing_of_the_issuer_s_survives_but_certificates(authority: Authority) -> None:
    pem = chain(authority, LAMP, ADDRESS)
    padded = b"\n" * 9000 + pem.replace(b"-----\n", b"-----\n\r\n  ", 1) + b" \n" * 9000 + pem + b"\n" * 9000
    assert check(authority, padded).chain_pem == pem + pem


def test_a_chain_is_bounded(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = chain(authority, LAMP, ADDRESS)
    assert check(authority, pem * 5).chain_pem == pem * 5
    monkeypatch.setattr("oob.issuance.certificate.MAX_CHAIN", 5 * len(pem) - 1)
    with pytest.raises(IssuanceError, match="longer than"):
        check(authority, pem * 5)


@pytest.mark.parametrize("extra", [b"x", b"again"])
def test_a_root_with_something_behind_it_is_refused(authority: Authority, extra: bytes) -> None:
    root = authority.root_der + (authority.root_der if extra == b"again" else extra)
    with pytest.raises(IssuanceError, match="not a certificate chain"):
        check(authority, chain(authority, LAMP, ADDRESS), root_der=root)


P256_CURVE, SUBJECT_KEY, AUTHORITY_KEY = map(bytes.fromhex, ("2a8648ce3d030107", "0603551d0e", "0603551d23"))


@pytest.mark.parametrize(
    ("part", "other"),
    [(P256_CURVE, bytes.fromhex("2a8648ce3d030108")), (SUBJECT_KEY, AUTHORITY_KEY)],
    ids=["unknown curve", "duplicate extension"],
)
def test_what_the_parser_chokes_on_is_refused(authority: Authority, part: bytes, other: bytes) -> None:
    der = ssl.PEM_cert_to_DER_cert(chain(authority, LAMP, ADDRESS).decode())
    assert part in der
    with pytest.raises(IssuanceError, match="not a certificate chain"):
        check(authority, ssl.DER_cert_to_PEM_cert(der.replace(part, other)).encode())
