"""The TLS key of a device and the CSR over it, from both ends of the wire (RFC 2986, RFC 8555, section 7.4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from oob.cose import CoseKey
from oob.cose.keys import P256
from oob.errors import StorageError
from oob.issuance.names import as_ip
from oob.issuance.problems import Kind, Problem

MAX_CSR = 8192


@dataclass(frozen=True, slots=True)
class TlsKey:
    """A P-256 key for TLS: browsers take no Ed25519. Never the identity key."""

    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> "TlsKey":
        """Make a key from the randomness of the system."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "TlsKey":
        """Load what `to_pem` returned; StorageError if it is damaged."""
        return cls(load_p256(pem, "the TLS key"))

    def to_pem(self) -> bytes:
        """Return the private key as unencrypted PKCS #8, for a file with mode 0600."""
        return to_pkcs8(self._key)

    @property
    def public(self) -> CoseKey:
        """The public key."""
        return cose_key(self._key.public_key())

    def csr(self, names: Sequence[str]) -> bytes:
        """Return a DER request for exactly these canonical names, with an empty subject."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        return (
            builder.add_extension(alternative_names(names), critical=True)
            .sign(self._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.DER)
        )


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What a valid CSR asks for: a P-256 key and names in canonical text."""

    public_key: ec.EllipticCurvePublicKey
    names: frozenset[str]

    @classmethod
    def decode(cls, der: bytes) -> "SigningRequest":
        """Read a CSR and verify its own signature; Problem (badCSR) for anything that is not to be certified."""
        if len(der) > MAX_CSR:
            raise Problem(Kind.BAD_CSR, f"a CSR has at most {MAX_CSR} bytes")
        try:
            request = x509.load_der_x509_csr(der)
            key = _require_p256(request.public_key())
            names, signed = _requested_names(request), request.is_signature_valid
        except Problem:
            raise
        except Exception as error:  # the parser raises a dozen kinds on hostile input
            raise Problem(Kind.BAD_CSR, "the CSR cannot be read") from error
        if not signed:
            raise Problem(Kind.BAD_CSR, "the CSR is not signed by the key in it")
        return cls(key, names)

    @property
    def key(self) -> CoseKey:
        """The public key as a COSE_Key, for comparisons."""
        return cose_key(self.public_key)


def alternative_names(names: Iterable[str]) -> x509.SubjectAlternativeName:
    """Return the subjectAltName extension for canonical names."""
    return x509.SubjectAlternativeName([_general_name(name) for name in names])


def names_in(extension: x509.SubjectAlternativeName) -> list[str]:
    """Return the DNS names (in lower case) and IP addresses; ValueError if there is a name of another kind."""
    names: list[str] = []
    for each in extension:
        if not isinstance(each, x509.DNSName | x509.IPAddress):
            raise ValueError("a subjectAltName is neither a DNS name nor an IP address")
        names.append(each.value.lower() if isinstance(each, x509.DNSName) else str(each.value))
    return names


def cose_key(key: ec.EllipticCurvePublicKey) -> CoseKey:
    """Return a P-256 public key as a COSE_Key."""
    numbers = key.public_numbers()
    return CoseKey(P256, numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))


def load_p256(pem: bytes, what: str) -> ec.EllipticCurvePrivateKey:
    """Load an unencrypted P-256 key; StorageError, naming `what`, for anything else."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StorageError(f"{what} cannot be read", step="storage") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise StorageError(f"{what} is not a P-256 key", step="storage")
    return key


def to_pkcs8(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as unencrypted PKCS #8 in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _require_p256(key: object) -> ec.EllipticCurvePublicKey:
    """Return the key of a CSR. Before its signature is looked at: with a huge RSA key that would take long."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Problem(Kind.BAD_CSR, "the key of the CSR is not of P-256")
    return key


def _general_name(name: str) -> x509.GeneralName:
    address = as_ip(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _requested_names(request: x509.CertificateSigningRequest) -> frozenset[str]:
    """Return the names; stock clients repeat one of them as the common name, and nothing else may stand there."""
    try:
        names = names_in(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as error:
        raise Problem(Kind.BAD_CSR, "the CSR lacks a subjectAltName") from error
    common = request.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if any(str(each.value).lower() not in names for each in common):
        raise Problem(Kind.BAD_CSR, "the common name in the CSR is none of its subjectAltNames")
    return frozenset(names)
