"""Primitives, each from a kept library: hashes, HKDF, AEAD, ECDH, signatures and the CPace group."""

from oob.crypto.aead import Aead
from oob.crypto.cpace_group import cpace_public, cpace_shared
from oob.crypto.ecdh import Curve, EcdhKey, EcdhPublic
from oob.crypto.kdf import Hash, equal, hmac_sha256
from oob.crypto.signature import Algorithm, SigningKey, verify
from oob.crypto.x509 import certificate_public_key

__all__ = [
    "Aead",
    "Algorithm",
    "Curve",
    "EcdhKey",
    "EcdhPublic",
    "Hash",
    "SigningKey",
    "certificate_public_key",
    "cpace_public",
    "cpace_shared",
    "equal",
    "hmac_sha256",
    "verify",
]
