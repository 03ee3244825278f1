"""The issuer as a server: ACME (RFC 8555) for devices that were bound in a session."""

from oob.issuance.server.app import create_app
from oob.issuance.server.issuer import Issuer
from oob.issuance.server.policy import APP, Policy
from oob.issuance.server.serving import serve

__all__ = ["APP", "Issuer", "Policy", "create_app", "serve"]
