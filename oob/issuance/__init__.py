"""Issuance: the local authority, the clients of an issuer, and in `oob.issuance.server` the issuer itself.

Authority and clients need nothing beyond the core's dependencies; the server wants the extra `issuer`.
"""

from oob.issuance.acme_client import AcmeClient
from oob.issuance.authority import Authority
from oob.issuance.certificate import Certificate
from oob.issuance.client import Bound, IssuerClient, IssuerSession, SessionStatus
from oob.issuance.http import tls_context
from oob.issuance.tls_key import TlsKey

__all__ = [
    "AcmeClient",
    "Authority",
    "Bound",
    "Certificate",
    "IssuerClient",
    "IssuerSession",
    "SessionStatus",
    "TlsKey",
    "tls_context",
]
