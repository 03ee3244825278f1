"""The messages on the wire (RFC 9528, sections 5 and 6): CBOR sequences to values and back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from oob import cbor
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.handshake.ead import EadField
from oob.handshake.record import record

MAX_MESSAGE = 4096
ERR_UNSPECIFIED, ERR_SUITE, ERR_CREDENTIAL = 1, 2, 3
_T = TypeVar("_T")


@record
class Message1:
    """message_1; `suites` ends with the selected one, `g_x` is 32 bytes."""

    method: int
    suites: tuple[int, ...]
    g_x: bytes
    c_i: bytes
    ead_1: EadField = field(default_factory=EadField)

    def encode(self) -> bytes:
        """Return the CBOR sequence; UsageError if it would be too long."""
        suites = self.suites[0] if len(self.suites) == 1 else list(self.suites)
        head = cbor.encode_sequence(self.method, suites, self.g_x, encode_identifier(self.c_i))
        return _capped(head + self.ead_1.encoded)

    @classmethod
    def decode(cls, message: bytes) -> "Message1":
        """Read message_1; PeerError if it is malformed. Suites, lengths and points are checked by the responder."""
        items, parts = _sequence(message, "message_1")
        match items:
            case [int(method), suites, bytes(g_x), bytes() | int() as c_i, *ead] if type(method) is int:
                return cls(method, _suites(suites), g_x, decode_identifier(c_i), EadField.decode(ead, parts[4:]))
        raise PeerError("malformed message", step="message_1")


@dataclass(frozen=True, slots=True)
class Error:
    """An EDHOC error message: ERR_CODE and ERR_INFO (section 6)."""

    code: int
    info: Any

    def encode(self) -> bytes:
        """Return the CBOR sequence."""
        return cbor.encode_sequence(self.code, self.info)

    @classmethod
    def decode(cls, message: bytes) -> "Error | None":
        """Read an error message; None when `message` begins like none, PeerError when it is malformed."""
        if not message or message[0] >> 5 > 1:
            return None
        match _sequence(message, "error")[0]:
            case [int(code), info] if code != 0 and type(code) is int:
                return cls(code, info)
        raise PeerError("malformed error message")


class Refused(AuthenticationError):
    """The peer ended the session with an error message; `suites_r` is what it supports, where it says so.

    Error messages are not authenticated: whoever is in radio range can send one.
    """

    def __init__(self, message: Error, step: str = "") -> None:
        # The text of a peer is not repeated, since nobody vouches for it.
        super().__init__(_REFUSALS.get(message.code, "the peer refused the handshake"), step=step)
        self.code = message.code
        self.suites_r = _suites(message.info) if message.code == ERR_SUITE else ()


_REFUSALS = {
    ERR_SUITE: "the peer does not support the selected cipher suite",
    ERR_CREDENTIAL: "the peer does not know the credential referred to",
}


def encode_identifier(identifier: bytes) -> int | bytes:
    """Return a byte string identifier as it stands in a message: one byte may be an integer (section 3.3.2)."""
    if len(identifier) == 1 and (identifier[0] < 0x18 or 0x20 <= identifier[0] < 0x38):
        return identifier[0] if identifier[0] < 0x18 else 0x1F - identifier[0]
    return identifier


def decode_identifier(item: Any) -> bytes:  # noqa: ANN401
    """Reverse `encode_identifier`; PeerError for a byte string that had to be an integer, or another type."""
    if type(item) is int and -24 <= item <= 23:
        return bytes([item if item >= 0 else 0x1F - item])
    if isinstance(item, bytes) and isinstance(encode_identifier(item), bytes):
        return item
    raise PeerError("malformed identifier")


def encode_bstr(content: bytes) -> bytes:
    """Return message_2, message_3 or message_4, each one byte string; UsageError if it would be too long."""
    return _capped(cbor.encode_bytes(content))


def decode_bstr(message: bytes, step: str, least: int) -> bytes:
    """Read message_2, message_3 or message_4, whose byte string holds at least so many bytes; PeerError otherwise."""
    content = _read(cbor.decode_bytes, message, step)
    if len(content) < least:
        raise PeerError("malformed message", step=step)
    return content


@record
class Plaintext2:
    """PLAINTEXT_2 taken apart; `id_cred` is the encoded item that stands for ID_CRED_R in it."""

    c_r: bytes
    id_cred: bytes
    signature_or_mac: bytes
    ead: EadField = field(default_factory=EadField)

    def encode(self) -> bytes:
        """Return the CBOR sequence; UsageError if it would be too long."""
        c_r, proof = cbor.encode(encode_identifier(self.c_r)), cbor.encode_bytes(self.signature_or_mac)
        return _capped(c_r + self.id_cred + proof + self.ead.encoded)

    @classmethod
    def decode(cls, plaintext: bytes, length: int) -> "Plaintext2":
        """Read PLAINTEXT_2, with a Signature_or_MAC_2 of `length` bytes; PeerError if it is malformed."""
        items, parts = _sequence(plaintext, "message_2")
        match items:
            case [bytes() | int() as c_r, id_cred, bytes(proof), *ead] if len(proof) == length:
                _check_id_cred(id_cred)
                return cls(decode_identifier(c_r), parts[1], proof, EadField.decode(ead, parts[3:]))
        raise PeerError("malformed plaintext", step="message_2")


@record
class Plaintext3:
    """PLAINTEXT_3 taken apart; `id_cred` is the encoded item that stands for ID_CRED_I in it."""

    id_cred: bytes
    signature_or_mac: bytes
    ead: EadField = field(default_factory=EadField)

    def encode(self) -> bytes:
        """Return the CBOR sequence."""
        return self.id_cred + cbor.encode_bytes(self.signature_or_mac) + self.ead.encoded

    @classmethod
    def decode(cls, plaintext: bytes, length: int) -> "Plaintext3":
        """Read PLAINTEXT_3, with a Signature_or_MAC_3 of `length` bytes; PeerError if it is malformed."""
        items, parts = _sequence(plaintext, "message_3")
        match items:
            case [id_cred, bytes(proof), *ead] if len(proof) == length:
                _check_id_cred(id_cred)
                return cls(parts[0], proof, EadField.decode(ead, parts[2:]))
        raise PeerError("malformed plaintext", step="message_3")


def _capped(message: bytes) -> bytes:
    if len(message) > MAX_MESSAGE:
        raise UsageError(f"a message would hold {len(message)} bytes, at most {MAX_MESSAGE} are accepted")
    return message


def _sequence(message: bytes, step: str) -> tuple[list[Any], list[bytes]]:
    return _read(cbor.split_sequence, message, step)


def _read(decode: Callable[[bytes], _T], message: bytes, step: str) -> _T:
    if len(message) > MAX_MESSAGE:
        raise PeerError(f"message of {len(message)} bytes, at most {MAX_MESSAGE} are accepted", step=step)
    try:
        return decode(message)
    except PeerError as error:
        raise PeerError(error.cause, step=step) from error


def _suites(item: Any) -> tuple[int, ...]:  # noqa: ANN401
    if type(item) is int:
        return (item,)
    if isinstance(item, list) and len(item) >= 2 and all(type(suite) is int for suite in item):
        return tuple(item)
    raise PeerError("malformed list of cipher suites")


def _check_id_cred(item: Any) -> None:  # noqa: ANN401
    if not isinstance(item, (bytes, int, dict)) or isinstance(item, bool):
        raise PeerError("malformed ID_CRED")
