"""What a static tag says: NDEF records around the bootstrap data, and those data (docs/spec/bootstrap.cddl).

    [U "https://..."]               for phones without an app: first, so that they find it
    [external oob.invalid:b]        the bootstrap data, CBOR
    [external android.com:pkg]      the app that Android opens, if there is one

Whoever has the tag in hand can copy, rewrite or swap it: nothing here is trusted, and no URL is opened.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from oob.errors import PeerError, UsageError
from oob.framing.ndef import Record, Tnf, decode, encode, only
from oob.pairing import base45
from oob.pairing.bootstrap import Bootstrap

OOB_DOMAIN: Final = "oob.invalid"
"""Of the external record types of this library (NFC Forum, RTD 1.0, section 3.4); provisional until registered."""
BOOTSTRAP_TYPE: Final = f"{OOB_DOMAIN}:b".encode()
APP_TYPE: Final = b"android.com:pkg"
"""Android Application Record."""
URI_TYPE: Final = b"U"
MAX_APP: Final = 128

_STEP: Final = "tag"
_HTTPS: Final = "https://"
_PREFIXES: Final = (
    *("", "http://www.", "https://www.", "http://", "https://", "tel:", "mailto:", "ftp://anonymous:anonymous@"),
    *("ftp://ftp.", "ftps://", "sftp://", "smb://", "nfs://", "ftp://", "dav://", "news:", "telnet://", "imap:"),
    *("rtsp://", "urn:", "pop:", "sip:", "sips:", "tftp:", "btspp://", "btl2cap://", "btgoep://", "tcpobex://"),
    *("irdaobex://", "file://", "urn:epc:id:", "urn:epc:tag:", "urn:epc:pat:", "urn:epc:raw:", "urn:epc:", "urn:nfc:"),
)
"""By the first byte of a U record (NFC Forum, URI RTD 1.0, section 3.2.2)."""


@dataclass(frozen=True, slots=True)
class TagContent:
    """What is written to a tag, or was read from one. "" or None: it is not there. UsageError for what is malformed.

    `url` is printable, has no spaces, and does not tell the secret. `app` is an Android package, at most 128 bytes.
    """

    url: str = ""
    bootstrap: Bootstrap | None = None
    app: str = ""

    def __post_init__(self) -> None:
        """Check the texts."""
        if not self.url.isprintable() or " " in self.url:
            raise UsageError("a URL on a tag is printable and has no spaces", step=_STEP)
        if self.app and (len(self.app) > MAX_APP or not re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+", self.app, re.A)):
            remedy = "Such as com.example.app"
            raise UsageError("this is no name of an Android package", step=_STEP, remedy=remedy)
        if self.bootstrap is not None and _tells(self.url, self.bootstrap):
            remedy = "Leave it out of the URL: browsers, servers and proxies keep URLs"
            raise UsageError("the URL carries the pairing secret", step=_STEP, remedy=remedy)

    def encode(self) -> bytes:
        """Return the NDEF message. UsageError for a URL that is not "https://", a host and so on, in ASCII."""
        return encode(self.records())

    @classmethod
    def decode(cls, message: bytes) -> "TagContent":
        """Read an NDEF message as `of` reads its records. PeerError also for what is none."""
        return cls.of(decode(message))

    @classmethod
    def of(cls, records: Sequence[Record]) -> "TagContent":
        """Read NDEF records; those of others may stand around. PeerError where one of ours is malformed."""
        found = (
            only(records, Tnf.WELL_KNOWN, URI_TYPE),
            only(records, Tnf.EXTERNAL, BOOTSTRAP_TYPE),
            only(records, Tnf.EXTERNAL, APP_TYPE),
        )
        url, bootstrap, app = (each.payload if each is not None else b"" for each in found)
        try:
            data = Bootstrap.decode(bootstrap) if found[1] is not None else None
            return cls(_read_url(url) if found[0] is not None else "", data, app.decode("ascii"))
        except UnicodeDecodeError:
            raise PeerError("a text on the tag is none", step=_STEP) from None
        except UsageError as error:
            raise PeerError(error.cause, step=_STEP, remedy=error.remedy) from error

    def records(self) -> list[Record]:
        """Return the NDEF records. UsageError as `encode`."""
        return list(self._records())

    def _records(self) -> Iterator[Record]:
        if self.url:
            yield Record(Tnf.WELL_KNOWN, URI_TYPE, _written_url(self.url))
        if self.bootstrap is not None:
            yield Record(Tnf.EXTERNAL, BOOTSTRAP_TYPE, self.bootstrap.encode())
        if self.app:
            yield Record(Tnf.EXTERNAL, APP_TYPE, self.app.encode())


def is_empty(message: bytes) -> bool:
    """Return whether a tag's NDEF message says nothing: there is none, or an empty record, as other tools leave it."""
    return message in (b"", encode([Record(Tnf.EMPTY)]))


def is_foreign(message: bytes) -> bool:
    """Return whether a tag's NDEF message is somebody else's: one without bootstrap data, or none that can be read."""
    if is_empty(message):
        return False
    try:
        return all(each.tnf is not Tnf.EXTERNAL or each.type.lower() != BOOTSTRAP_TYPE for each in decode(message))
    except PeerError:
        return True


def _written_url(url: str) -> bytes:
    if not re.fullmatch(r"https://[A-Za-z0-9\[][^\\\s]*", url) or not url.isascii():
        raise UsageError("this URL is not written to a tag", step=_STEP, remedy='It begins with "https://" and a host')
    code = 2 if url.startswith(_PREFIXES[2]) else 4
    return bytes((code,)) + url.removeprefix(_PREFIXES[code]).encode()


def _read_url(payload: bytes) -> str:
    if not payload or payload[0] >= len(_PREFIXES):
        raise PeerError("a URL on the tag is none", step=_STEP)
    return _PREFIXES[payload[0]] + payload[1:].decode()


def _tells(url: str, bootstrap: Bootstrap) -> bool:
    """Return whether a URL holds the secret, alone or within the bootstrap data: as it is, hex, Base64 or Base45."""
    if bootstrap.secret is None:
        return False
    plain = re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), url)
    in_bytes, same_case = plain.encode("latin-1", "replace"), re.sub(r"[:\-]", "", plain).lower()
    in_base64 = plain.replace("-", "+").replace("_", "/")
    whole_groups = (len(bootstrap.secret) - 1) // 2 * 2
    return (
        bootstrap.secret in in_bytes
        or bootstrap.secret.hex() in same_case
        or any(text in in_base64 for text in _in_base64(bootstrap.secret))
        or any(base45.encode(bootstrap.secret[i : i + whole_groups]) in plain.upper() for i in (0, 1))
    )


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what of Base64 depends on the secret alone, wherever it stands in the bytes that are encoded."""
    for before in range(3):
        text = b64encode(bytes(before) + secret).decode().rstrip("=")
        yield text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
