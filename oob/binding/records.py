"""What travels in the protected channel (docs/spec/binding.cddl, channel-record)."""

from dataclasses import dataclass, field

from oob import cbor
from oob.binding.context import HTTPS_URL, MAX_TEXT, utf8_length
from oob.errors import PeerError
from oob.pairing import TAG_KEY_LENGTH

MAX_URL = 2048
MAX_REASON = 512


@dataclass(frozen=True, slots=True)
class Proceed:
    """Client to device: the issuer accepted the binding, get the certificate. `root` is its root in DER, or None."""

    root: bytes | None

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([1, self.root])


@dataclass(frozen=True, slots=True)
class Ready:
    """Device to client: its page is at `url`, under the certificate with SHA-256 `leaf_hash`, 32 bytes.

    `address` is host and port to connect to where names are not resolved, "" if they are; `tag_key` the 16 bytes by
    which a paired client knows the device's advertised tags, empty if it advertises none.
    """

    url: str
    leaf_hash: bytes
    address: str = ""
    tag_key: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([2, self.url, self.leaf_hash, self.address, self.tag_key or None])


@dataclass(frozen=True, slots=True)
class Unable:
    """Device to client: no certificate; the step that failed and why, for the user to read."""

    step: str
    reason: str
    problem: str = ""

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([3, _cut(self.step), _cut(self.reason), _cut(self.problem)])


Record = Proceed | Ready | Unable


def decode_record(data: bytes) -> Record:
    """Read a record; PeerError if it is malformed."""
    match cbor.decode(data):
        case [1 as kind, bytes() | None as root] if kind is not True:
            return Proceed(root)
        case [2, str(url), bytes(leaf_hash), str(address), bytes() | None as tag_key] if (
            len(leaf_hash) == 32 and len(url) <= MAX_URL and (tag_key is None or len(tag_key) == TAG_KEY_LENGTH)
        ):
            if not HTTPS_URL.fullmatch(url):
                raise PeerError("the device names a page that is not https", step="channel")
            if utf8_length(address) <= MAX_TEXT:
                return Ready(url, leaf_hash, address, tag_key or b"")
        case [3, str(step), str(reason), str(problem)] if max(map(utf8_length, (step, reason, problem))) <= MAX_REASON:
            return Unable(step, reason, problem)
    raise PeerError("a record of the protected channel is malformed", step="channel")


def _cut(text: str) -> str:
    """Cut a text to MAX_REASON bytes of UTF-8, at a character."""
    return text.encode(errors="replace")[:MAX_REASON].decode(errors="ignore")
