"""base64url without padding (RFC 7515, appendix C), strict: one encoding for each value."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from oob.errors import PeerError

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*\Z")


def encode(data: bytes) -> str:
    """Encode without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Decode; PeerError for padding, foreign characters, an impossible length or bits left over."""
    if not _ALPHABET.match(text) or len(text) % 4 == 1:
        raise PeerError("a field is not base64url")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise PeerError("a field is not base64url: bits are left over")
    return data
