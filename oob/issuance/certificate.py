"""A certificate as a device gets it, checked before it is used: right key, right names, and a path to the root."""

import datetime
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from oob.cose import CoseKey
from oob.errors import IssuanceError
from oob.issuance.names import as_ip
from oob.issuance.tls_key import cose_key, names_in

STEP = "certificate"
MAX_INTERMEDIATES = 4
MAX_CHAIN = 8192
"""Bytes of a chain in PEM: it is kept on devices."""
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\s*")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A verified chain, leaf first; `chain_pem` is composed here, at most 8192 bytes, and holds certificates alone.

    `not_before` and `not_after` are seconds since 1970, `issuer` a distinguished name (RFC 4514), `serial` hexadecimal,
    `account_thumbprint` the COSE thumbprint (32 bytes) of the account key that it was asked for with.
    """

    chain_pem: bytes
    leaf_der: bytes
    names: tuple[str, ...]
    not_before: int
    not_after: int
    issuer: str
    serial: str
    account_thumbprint: bytes

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256 of the leaf in DER, 32 bytes."""
        return hashlib.sha256(self.leaf_der).digest()


def check_chain(
    chain_pem: bytes, *, root_der: bytes, key: CoseKey, names: Sequence[str], now: float, account: bytes
) -> Certificate:
    """Return the certificate if it is for `key` and exactly `names`, and the root vouches for it; else IssuanceError.

    The path is validated by RFC 5280 for each name, name constraints included. What stands between the certificates,
    white space for instance, is not kept.
    """
    chain, root, found, leaf_key, issuer = _parse(chain_pem, root_der)
    leaf, *intermediates = chain
    if leaf_key != key:
        raise IssuanceError("the certificate is for another key", step=STEP)
    if sorted(found) != sorted(names):
        raise IssuanceError(f"the certificate names {', '.join(found)} and not what was asked for", step=STEP)
    _verify_path(leaf, intermediates, root, names, now)
    return Certificate(
        _encode(chain),
        leaf.public_bytes(Encoding.DER),
        tuple(found),
        int(leaf.not_valid_before_utc.timestamp()),
        int(leaf.not_valid_after_utc.timestamp()),
        issuer,
        f"{leaf.serial_number:032x}",
        account,
    )


def _parse(
    chain_pem: bytes, root_der: bytes
) -> tuple[list[x509.Certificate], x509.Certificate, list[str], CoseKey | None, str]:
    """Return the chain, the root, and the leaf's names, key and issuer: all that the parser is asked for."""
    blocks = _PEM.findall(chain_pem)
    try:
        if not 1 <= len(blocks) <= 1 + MAX_INTERMEDIATES or b"".join(blocks).strip() != chain_pem.strip():
            raise ValueError("not a chain")
        chain = [x509.load_pem_x509_certificate(block) for block in blocks]
        root = x509.load_der_x509_certificate(root_der)
        return chain, root, _names(chain[0]), _key(chain[0]), chain[0].issuer.rfc4514_string()
    except IssuanceError:
        raise
    except Exception as error:  # the parser raises a dozen kinds on hostile input
        raise IssuanceError("the issuer sent something that is not a certificate chain", step=STEP) from error


def _encode(chain: Sequence[x509.Certificate]) -> bytes:
    encoded = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    if len(encoded) > MAX_CHAIN:
        raise IssuanceError(f"the certificate chain is longer than {MAX_CHAIN} bytes", step=STEP)
    return encoded


def _key(leaf: x509.Certificate) -> CoseKey | None:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return None
    return cose_key(key)


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        return names_in(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as error:
        raise IssuanceError("the certificate names no host", step=STEP) from error


def _verify_path(
    leaf: x509.Certificate,
    intermediates: list[x509.Certificate],
    root: x509.Certificate,
    names: Sequence[str],
    now: float,
) -> None:
    policy = PolicyBuilder().store(Store([root])).time(datetime.datetime.fromtimestamp(now, datetime.UTC))
    for name in names:
        address = as_ip(name)
        subject = x509.DNSName(name) if address is None else x509.IPAddress(address)
        try:
            policy.build_server_verifier(subject).verify(leaf, intermediates)
        except VerificationError as error:
            raise IssuanceError(f"the root does not vouch for the certificate: {error}", step=STEP) from error
