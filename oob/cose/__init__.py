"""COSE: Sign1, Encrypt0 (RFC 9052), COSE_Key and its thumbprint (RFC 9679), signed CWTs (RFC 8392)."""

from oob.cose.cwt import verify_cwt
from oob.cose.encrypt0 import decrypt0, encrypt0
from oob.cose.keys import CoseKey
from oob.cose.sign1 import Sign1, sign1, verify1

__all__ = ["CoseKey", "Sign1", "decrypt0", "encrypt0", "sign1", "verify1", "verify_cwt"]
