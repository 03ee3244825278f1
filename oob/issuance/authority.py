"""The local certificate authority: one name-constrained P-256 root that certifies servers and nothing else.

The root is trusted by hand in browsers and phones, so it must be worthless for every name outside the home: critical
name constraints with DNS *and* IP subtrees bind whoever steals its key as well.

State is one file with key and certificate, written at once: there is no moment at which half an authority exists.
"""

import datetime
import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from oob import storage
from oob.errors import StorageError, UsageError
from oob.issuance.names import IpNetwork, canonical, network, require_network, require_zone, within
from oob.issuance.tls_key import alternative_names, load_p256, to_pkcs8

DAY = 86400
ROOT_LIFETIME = 3650 * DAY
MAX_LEAF_LIFETIME = 90 * DAY
BACKDATED = 300
"""Seconds by which notBefore lies in the past: devices' clocks go wrong by minutes."""
AUTHORITY_FILE = "authority.pem"
ROOT_FILE = "root.pem"
_ALL_ADDRESSES = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_SHA256 = hashes.SHA256()
_SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
_END_ENTITY = x509.BasicConstraints(ca=False, path_length=None)
_NOWHERE = "invalid"
_REMEDY = "Make an authority with `oob issuer init`"

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate that the authority issued. Times are seconds since 1970; `serial` is in hexadecimal."""

    der: bytes
    pem: str
    serial: str
    not_after: int


@dataclass(frozen=True, slots=True)
class Authority:
    """A root with its key. `zones` and `networks` are what it may certify."""

    certificate: x509.Certificate
    zones: tuple[str, ...]
    networks: tuple[IpNetwork, ...]
    _key: ec.EllipticCurvePrivateKey = field(repr=False)
    _random: Random = field(repr=False)
    _key_identifier: x509.AuthorityKeyIdentifier = field(repr=False)

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        dns_zones: Sequence[str],
        ip_networks: Sequence[str] = (),
        now: float,
        common_name: str = "oob local root",
        random: Random = secrets.token_bytes,
    ) -> "Authority":
        """Make a root that certifies names in `dns_zones` and addresses in `ip_networks`, and keep it in `directory`.

        UsageError without a zone, for one that is a top-level domain, for a network wider than /8 (IPv4) or /16 (IPv6),
        or if the directory holds an authority already: devices trust that one.
        StorageError if it cannot be written; nothing is left behind then.
        """
        if not dns_zones:
            raise UsageError("an authority needs at least one DNS zone", step="authority")
        zones, networks = tuple(map(canonical, dns_zones)), tuple(map(network, ip_networks))
        for zone in zones:
            require_zone(zone)
        for each in networks:
            require_network(each)
        path = storage.private_directory(directory) / AUTHORITY_FILE
        if path.exists():
            remedy = "Use it, or choose another directory"
            raise UsageError(f"{directory} holds an authority already", step="authority", remedy=remedy)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _root(key, common_name, _constraints(zones, networks), int(now), random)
        storage.write_atomic(path, to_pkcs8(key) + certificate.public_bytes(Encoding.PEM))
        return cls.load(directory, random=random)

    @classmethod
    def load(cls, directory: Path, *, random: Random = secrets.token_bytes) -> "Authority":
        """Load the authority in `directory`; StorageError if there is none or it is damaged.

        The public copy of the root, `root.pem`, is written again where it is missing.
        """
        path = directory / AUTHORITY_FILE
        if not path.exists():
            raise StorageError(f"{directory} holds no authority", step="authority", remedy=_REMEDY)
        pem = storage.read(path)
        key = load_p256(pem, f"the key in {path}")
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
            identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except (ValueError, x509.ExtensionNotFound) as error:
            raise StorageError(f"the root certificate in {path} is damaged", step="authority") from error
        if certificate.public_key() != key.public_key():
            raise StorageError(f"key and root certificate in {path} do not belong together", step="authority")
        zones, networks = _permitted(constraints)
        aki = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        authority = cls(certificate, zones, networks, key, random, aki)
        if not (directory / ROOT_FILE).exists():
            storage.write_atomic(directory / ROOT_FILE, authority.root_pem.encode(), mode=0o644)
        return authority

    @property
    def root_der(self) -> bytes:
        """The root certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def root_pem(self) -> str:
        """The root certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def root_hash(self) -> bytes:
        """SHA-256 of the root certificate in DER, 32 bytes."""
        return hashlib.sha256(self.root_der).digest()

    @property
    def name(self) -> str:
        """The distinguished name of the root (RFC 4514)."""
        return self.certificate.subject.rfc4514_string()

    def issue(
        self, public_key: ec.EllipticCurvePublicKey, names: Iterable[str], *, now: float, lifetime: float
    ) -> Leaf:
        """Certify a P-256 key as the server at `names` (canonical) from `now` on, for `lifetime` seconds.

        UsageError for a name outside the constraints, no name, another curve, or more than 90 days.
        """
        names = sorted(set(names))
        self._check(public_key, names, lifetime)
        serial = int.from_bytes(self._random(16), "big") >> 1 | 1 << 126
        not_after = min(_time(now + lifetime), self.certificate.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder(issuer_name=self.certificate.subject, subject_name=x509.Name([]))
            .public_key(public_key)
            .serial_number(serial)
            .not_valid_before(_time(now - BACKDATED))
            .not_valid_after(not_after)
            # Critical, since the subject is empty (RFC 5280, section 4.2.1.6).
            .add_extension(alternative_names(names), critical=True)
            .add_extension(_END_ENTITY, critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(_SERVER_AUTH, critical=False)
            .add_extension(self._key_identifier, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )
        certificate = builder.sign(self._key, _SHA256)
        pem = certificate.public_bytes(Encoding.PEM).decode()
        return Leaf(certificate.public_bytes(Encoding.DER), pem, f"{serial:032x}", int(not_after.timestamp()))

    def _check(self, public_key: ec.EllipticCurvePublicKey, names: Sequence[str], lifetime: float) -> None:
        outside = [name for name in names if not within(name, self.zones, self.networks)]
        if outside:
            remedy = f"It certifies {', '.join((*self.zones, *map(str, self.networks)))}"
            raise UsageError(f"the authority may not certify {', '.join(outside)}", step="authority", remedy=remedy)
        if not names:
            raise UsageError("a certificate needs a name", step="authority")
        if not isinstance(public_key.curve, ec.SECP256R1):
            raise UsageError("the authority certifies keys of P-256 only", step="authority")
        if not 0 < lifetime <= MAX_LEAF_LIFETIME:
            raise UsageError("a certificate lives for at most 90 days", step="authority")


def _root(
    key: ec.EllipticCurvePrivateKey, common_name: str, constraints: x509.NameConstraints, now: int, random: Random
) -> x509.Certificate:
    try:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    except ValueError as error:
        raise UsageError(f"{common_name[:80]!r} is no name for a root: {error}", step="authority") from error
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder(issuer_name=subject, subject_name=subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(random(16), "big") >> 1 | 1 << 126)
        .not_valid_before(_time(now - BACKDATED))
        .not_valid_after(_time(now + ROOT_LIFETIME))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(_SERVER_AUTH, critical=False)
        .add_extension(identifier, critical=False)
    )
    return builder.sign(key, _SHA256)


def _constraints(zones: Sequence[str], networks: Sequence[IpNetwork]) -> x509.NameConstraints:
    """Constrain all kinds of names that are in use.

    Permitted subtrees of one kind leave the other kind free (RFC 5280, section 4.2.1.10): a root without an IP network
    could certify every address in Chromium and OpenSSL, unless all addresses are excluded.
    For mail addresses and URIs there is no subtree of all of them to exclude, so those permitted are in a domain that
    never exists (RFC 6761, section 6.4). Directory names are left out: Go refuses a root with a kind of subtree that it
    does not know. The extended key usage keeps such certificates from any other use than that of a server.
    """
    nowhere = [x509.RFC822Name(_NOWHERE), x509.UniformResourceIdentifier(_NOWHERE)]
    permitted = [*map(x509.DNSName, zones), *map(x509.IPAddress, networks)]
    excluded = None if networks else [x509.IPAddress(each) for each in _ALL_ADDRESSES]
    return x509.NameConstraints(permitted_subtrees=[*permitted, *nowhere], excluded_subtrees=excluded)


def _permitted(constraints: x509.NameConstraints) -> tuple[tuple[str, ...], tuple[IpNetwork, ...]]:
    subtrees = constraints.permitted_subtrees or []
    zones = tuple(each.value for each in subtrees if isinstance(each, x509.DNSName))
    networks = tuple(
        each.value
        for each in subtrees
        if isinstance(each, x509.IPAddress) and isinstance(each.value, IPv4Network | IPv6Network)
    )
    return zones, networks


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _time(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
