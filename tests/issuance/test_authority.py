import contextlib
import datetime
import errno
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from oob.errors import StorageError, UsageError
from oob.issuance import Authority, tls_context
from oob.issuance.authority import MAX_LEAF_LIFETIME
from oob.issuance.tls_key import alternative_names, to_pkcs8
from tests.issuance.world import NOW, ZONE, new_authority

DAY = 86400
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return new_authority(tmp_path)


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.Extension:  # type: ignore[type-arg]
    return certificate.extensions.get_extension_for_class(kind)


def test_the_root_is_constrained(authority: Authority) -> None:
    root = authority.certificate
    constraints = extension(root, x509.NameConstraints)
    assert constraints.critical
    assert [str(each.value) for each in constraints.value.permitted_subtrees] == [
        ZONE,
        "127.0.0.0/8",
        "192.168.7.0/24",
        "invalid",
        "invalid",
    ]
    assert list(extension(root, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    basic = extension(root, x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    usage = extension(root, x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)


def test_a_root_without_networks_excludes_all_addresses(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path, dns_zones=[ZONE], now=NOW)
    constraints = extension(authority.certificate, x509.NameConstraints).value
    assert [str(each.value) for each in constraints.permitted_subtrees] == [ZONE, "invalid", "invalid"]
    assert [str(each.value) for each in constraints.excluded_subtrees] == ["0.0.0.0/0", "::/0"]
    assert authority.networks == ()


def test_a_leaf_is_for_servers_alone(authority: Authority) -> None:
    leaf = authority.issue(KEY.public_key(), ["lamp.home.example", "127.0.0.1"], now=NOW, lifetime=DAY)
    certificate = x509.load_der_x509_certificate(leaf.der)
    assert list(certificate.subject) == []
    assert extension(certificate, x509.SubjectAlternativeName).critical
    assert list(extension(certificate, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not extension(certificate, x509.BasicConstraints).value.ca
    assert extension(certificate, x509.KeyUsage).value.digital_signature
    identifier = extension(authority.certificate, x509.SubjectKeyIdentifier).value.digest
    assert extension(certificate, x509.AuthorityKeyIdentifier).value.key_identifier == identifier
    assert len(extension(certificate, x509.SubjectKeyIdentifier).value.digest) == 20
    assert certificate.not_valid_before_utc.timestamp() == NOW - 300
    assert certificate.not_valid_after_utc.timestamp() == NOW + DAY == leaf.not_after
    assert f"{certificate.serial_number:032x}" == leaf.serial
    certificate.verify_directly_issued_by(authority.certificate)


def test_serials_are_random(authority: Authority) -> None:
    serials = {authority.issue(KEY.public_key(), [ZONE], now=NOW, lifetime=DAY).serial for _ in range(20)}
    assert len(serials) == 20
    assert all(1 << 126 <= int(serial, 16) < 1 << 127 for serial in serials)


@pytest.mark.parametrize("names", [["evil.example"], [ZONE, "evilhome.example"], ["10.0.0.1"], ["::1"], []])
def test_no_leaf_for_foreign_names(authority: Authority, names: list[str]) -> None:
    with pytest.raises(UsageError):
        authority.issue(KEY.public_key(), names, now=NOW, lifetime=DAY)


@pytest.mark.parametrize("lifetime", [0, -1, MAX_LEAF_LIFETIME + 1])
def test_no_leaf_for_longer_than_90_days(authority: Authority, lifetime: float) -> None:
    with pytest.raises(UsageError, match="90 days"):
        authority.issue(KEY.public_key(), [ZONE], now=NOW, lifetime=lifetime)


def test_no_leaf_for_another_curve(authority: Authority) -> None:
    with pytest.raises(UsageError, match="P-256"):
        authority.issue(ec.generate_private_key(ec.SECP384R1()).public_key(), [ZONE], now=NOW, lifetime=DAY)


def test_a_leaf_does_not_outlive_the_root(authority: Authority) -> None:
    end = authority.certificate.not_valid_after_utc.timestamp()
    leaf = authority.issue(KEY.public_key(), [ZONE], now=end - DAY, lifetime=80 * DAY)
    assert leaf.not_after == end


def test_the_files_are_private(authority: Authority, tmp_path: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "authority").iterdir()}
    assert modes == {"authority.pem": 0o600, "root.pem": 0o644}
    assert stat.S_IMODE((tmp_path / "authority").stat().st_mode) == 0o700
    assert "PRIVATE" not in (tmp_path / "authority" / "root.pem").read_text()
    assert "Key" not in repr(authority).replace("AuthorityKeyIdentifier", "")


def test_an_authority_loads_again_and_is_made_once(authority: Authority, tmp_path: Path) -> None:
    again = Authority.load(tmp_path / "authority")
    assert (again.root_der, again.zones, again.networks) == (authority.root_der, authority.zones, authority.networks)
    with pytest.raises(UsageError, match="holds an authority already"):
        new_authority(tmp_path)


def test_whoever_is_killed_before_the_rename_has_made_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(StorageError, match="the disk is full"):
            new_authority(tmp_path)
    with pytest.raises(StorageError, match="holds no authority"):
        Authority.load(tmp_path / "authority")
    (tmp_path / "authority" / ".authority.pem.abcdefgh.tmp").write_bytes(b"-----BEGIN PRIV")
    assert new_authority(tmp_path).root_der


def test_whoever_is_killed_before_the_copy_finds_it_completed(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "authority" / "root.pem").unlink()
    Authority.load(tmp_path / "authority")
    assert (tmp_path / "authority" / "root.pem").read_text() == authority.root_pem


@pytest.mark.parametrize(
    "content",
    [
        b"",
        to_pkcs8(KEY),
        to_pkcs8(KEY) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_damaged_authority_is_a_storage_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "authority.pem").write_bytes(content)
    with pytest.raises(StorageError):
        Authority.load(tmp_path)


def test_a_foreign_key_is_noticed(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "authority" / "authority.pem").write_bytes(to_pkcs8(KEY) + authority.root_pem.encode())
    with pytest.raises(StorageError, match="do not belong together"):
        Authority.load(tmp_path / "authority")


@pytest.mark.parametrize(
    ("zones", "networks", "name"),
    [
        ([], (), "root"),
        (["*.example"], (), "root"),
        (["10.0.0.0"], (), "root"),
        (["com"], (), "root"),
        ([ZONE, "arpa"], (), "root"),
        ([ZONE], ("10.0.0.1/8",), "root"),
        ([ZONE], ("0.0.0.0/0",), "root"),
        ([ZONE], ("126.0.0.0/7",), "root"),
        ([ZONE], ("::/0",), "root"),
        ([ZONE], ("fd00::/15",), "root"),
        ([ZONE], (), "n" * 65),
    ],
)
def test_impossible_roots_are_refused(tmp_path: Path, zones: list[str], networks: tuple[str, ...], name: str) -> None:
    with pytest.raises(UsageError):
        Authority.create(tmp_path / "a", dns_zones=zones, ip_networks=networks, now=NOW, common_name=name)
    with pytest.raises(StorageError):
        Authority.load(tmp_path / "a")


@pytest.mark.parametrize("zone", ["home.arpa", "internal", "local", "test", "localhost", "fritz.box"])
def test_zones_of_a_home_are_taken(tmp_path: Path, zone: str) -> None:
    networks = ["10.0.0.0/8", "fd00::/16"]
    assert Authority.create(tmp_path, dns_zones=[zone], ip_networks=networks, now=NOW).zones == (zone,)


@pytest.mark.parametrize(
    "name", [x509.RFC822Name("ceo@bank.example"), x509.UniformResourceIdentifier("spiffe://bank.example/x")]
)
def test_a_stolen_root_certifies_no_mail_address_and_no_uri(tmp_path: Path, name: x509.GeneralName) -> None:
    now = datetime.datetime.now(datetime.UTC).timestamp()
    authority = Authority.create(tmp_path, dns_zones=[ZONE], now=now)
    chain = signed_by_the_root(authority, tmp_path, "lamp.home.example", also=name)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(chain, authority.root_der, "lamp.home.example")


def signed_by_the_root(authority: Authority, directory: Path, name: str, also: x509.GeneralName | None = None) -> Path:
    """Return key and chain for a name that the authority itself would refuse: its key was stolen."""
    names = [*alternative_names([name]), *([also] if also else [])]
    root_key = serialization.load_pem_private_key((directory / "authority.pem").read_bytes(), None)
    assert isinstance(root_key, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    identifier = extension(authority.certificate, x509.SubjectKeyIdentifier).value
    certificate = (
        x509.CertificateBuilder(issuer_name=authority.certificate.subject, subject_name=x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    path = directory / "leaf.pem"
    path.write_bytes(to_pkcs8(KEY) + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def handshake(chain: Path, root_der: bytes, name: str) -> None:
    """Shake hands in memory, OpenSSL on both sides; the client trusts the root alone."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls_context(root_der).wrap_bio(incoming, outgoing, server_hostname=name)
    server = server_context.wrap_bio(outgoing, incoming, server_side=True)
    for _ in range(6):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()


@pytest.mark.parametrize(
    ("networks", "name", "constrained"),
    [
        (("127.0.0.0/8",), "lamp.home.example", False),
        (("127.0.0.0/8",), "127.0.0.1", False),
        (("127.0.0.0/8",), "evil.example", True),
        (("127.0.0.0/8",), "10.0.0.1", True),
        (("127.0.0.0/8",), "::1", True),
        ((), "lamp.home.example", False),
        ((), "127.0.0.1", True),
        ((), "::1", True),
    ],
)
def test_openssl_enforces_the_constraints(
    tmp_path: Path, networks: tuple[str, ...], name: str, constrained: bool
) -> None:
    now = datetime.datetime.now(datetime.UTC).timestamp()
    authority = Authority.create(tmp_path, dns_zones=[ZONE], ip_networks=networks, now=now)
    chain = signed_by_the_root(authority, tmp_path, name)
    if not constrained:
        handshake(chain, authority.root_der, name)
        return
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation|excluded subtree violation"):
        handshake(chain, authority.root_der, name)
