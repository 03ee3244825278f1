"""The session context: what the client tells the device about the session that it pairs for.

It may reach a device that is not yet authenticated, so nothing in it is secret.
"""

import re
from dataclasses import dataclass
from typing import Any

from oob import cbor
from oob.crypto import Hash
from oob.errors import PeerError

MAX_TEXT = 255
"""Bytes in UTF-8: the unit that implementations in other languages share."""
MAX_NAMES = 8
HTTPS_URL = re.compile(r"https://[!-?A-\[\]-~]+")
"""ASCII (RFC 3986) without blanks and control characters; no `@` and no `\\`, by which one reader of a URL sees another
host in it than the next one."""


def utf8_length(text: str) -> int:
    """Return the length in bytes; PeerError for a lone surrogate, which JSON can carry and UTF-8 cannot."""
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise PeerError("a text is not Unicode") from error


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The session, as the client opened it at the issuer.

    `issuer` is the directory URL, from the TLS peer that the session was opened with; `root_hash` the SHA-256 of the
    issuer's root certificate, 32 bytes, or None for a publicly trusted one; `origin` what the page says it is, "" for
    an app; `challenge` the issuer's, 16 to 64 bytes; `names` the DNS names and IP addresses that the issuer assigned.
    """

    issuer: str
    root_hash: bytes | None
    origin: str
    challenge: bytes
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check lengths and types; PeerError if one is off."""
        texts = (self.issuer, self.origin, *self.names)
        if any(not isinstance(text, str) or utf8_length(text) > MAX_TEXT for text in texts):
            raise PeerError("a session context is malformed: a text in it is too long")
        if len(self.names) > MAX_NAMES:
            raise PeerError("a session context is malformed: it holds too many names")
        if not HTTPS_URL.fullmatch(self.issuer) or not all(self.names):
            raise PeerError("a session context is malformed: the issuer is an https URL, names are not empty")
        if self.root_hash is not None and (not isinstance(self.root_hash, bytes) or len(self.root_hash) != 32):
            raise PeerError("a session context is malformed: the root hash has 32 bytes")
        if not isinstance(self.challenge, bytes) or not 16 <= len(self.challenge) <= 64:
            raise PeerError("a session context is malformed: the challenge has 16 to 64 bytes")

    def encode(self) -> bytes:
        """Return the CBOR array (docs/spec/binding.cddl, session-context)."""
        return cbor.encode([self.issuer, self.root_hash, self.origin, self.challenge, list(self.names)])

    @classmethod
    def decode(cls, data: bytes) -> "SessionContext":
        """Read the CBOR array; PeerError if it is malformed."""
        value: Any = cbor.decode(data)
        match value:
            case [str(issuer), root_hash, str(origin), bytes(challenge), list(names)]:
                return cls(issuer, root_hash, origin, challenge, tuple(names))
        raise PeerError("a session context is malformed")

    def hash(self) -> bytes:
        """Return SHA-256 of the encoded context, 32 bytes: the `ctx` claim."""
        return Hash.SHA256.digest(self.encode())
