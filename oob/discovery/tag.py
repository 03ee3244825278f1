"""The advertised tag: a nonce and a MAC over it, which only a holder of the bootstrap data can tell from noise.

    tag = nonce (3 bytes) || first 3 bytes of HMAC-SHA256(tag key, "oob tag" || nonce)

A match is a hint where to connect first, never a proof: one stranger in 2^24 matches by chance, and anyone can repeat a
tag that was heard. The handshake decides.
"""

from collections.abc import Iterable
from typing import Final

from oob.crypto import equal, hmac_sha256
from oob.errors import UsageError
from oob.pairing import TAG_KEY_LENGTH

NONCE_LENGTH: Final = 3
"""Bytes of the nonce, which the device draws anew for each tag."""
TAG_LENGTH: Final = 6
"""Bytes of a tag: all that a legacy ADV packet has left beside the service UUID."""
_LABEL: Final = b"oob tag"


def advertised_tag(key: bytes, nonce: bytes) -> bytes:
    """Return the 6 byte tag for a 16 byte `key` and a random 3 byte `nonce`. Raises UsageError for other lengths."""
    if len(key) != TAG_KEY_LENGTH or len(nonce) != NONCE_LENGTH:
        raise UsageError(f"a tag needs a key of {TAG_KEY_LENGTH} and a nonce of {NONCE_LENGTH} bytes")
    return nonce + hmac_sha256(key, _LABEL + nonce)[: TAG_LENGTH - NONCE_LENGTH]


def matches(key: bytes, tag: bytes) -> bool:
    """Return whether `tag` was probably made with `key`. A hint for the order of trying, not a verification."""
    return len(tag) == TAG_LENGTH and equal(advertised_tag(key, tag[:NONCE_LENGTH]), tag)


def resolve(tag: bytes, keys: Iterable[bytes]) -> bytes | None:
    """Return the first of `keys` that `tag` matches, or None. As much of a hint as `matches`."""
    return next((key for key in keys if matches(key, tag)), None)
