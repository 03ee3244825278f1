"""What a paired client asks of its device through the protected channel, and the answers (docs/spec/management.cddl).

Only a client that resumed a pairing is heard: whoever is paired is an owner.
"""

from dataclasses import dataclass
from typing import Any

from oob import cbor
from oob.binding.context import utf8_length
from oob.binding.records import Ready, Unable, decode_record
from oob.errors import PeerError, UsageError

ID_LENGTH = 32
MAX_LABEL = 64
"""Bytes in UTF-8."""


@dataclass(frozen=True, slots=True)
class Status:
    """Client to device: where is your page, and under which certificate? The answer is `Ready` or `Unable`."""

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([4])


@dataclass(frozen=True, slots=True)
class List:
    """Client to device: who is paired? The answer is a `Listing`."""

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([5])


@dataclass(frozen=True, slots=True)
class Rename:
    """Client to device: call the pairing with this id (32 bytes) by this label, at most 64 bytes, printable.

    UsageError for another id or label.
    """

    id: bytes
    label: str

    def __post_init__(self) -> None:
        """Check both."""
        _check_id(self.id)
        if not _is_label(self.label):
            raise UsageError(f"a label is printable and has at most {MAX_LABEL} bytes", step="label")

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([6, self.id, self.label])


@dataclass(frozen=True, slots=True)
class Remove:
    """Client to device: end the pairing with this id (32 bytes, else UsageError); one's own is to unpair."""

    id: bytes

    def __post_init__(self) -> None:
        """Check it."""
        _check_id(self.id)

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([7, self.id])


@dataclass(frozen=True, slots=True)
class Invite:
    """Client to device: let another owner pair now, as if the button had been pressed."""

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([8])


@dataclass(frozen=True, slots=True)
class Reset:
    """Client to device: end all pairings and forget the certificate."""

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([9])


@dataclass(frozen=True, slots=True)
class Done:
    """Device to client: it is done, and on the disk."""

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([10])


@dataclass(frozen=True, slots=True)
class Listed:
    """A pairing as owners see it; `own` marks the one of whoever asks."""

    id: bytes
    label: str
    model: str
    strength: str
    own: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Device to client: all pairings, oldest first."""

    pairings: tuple[Listed, ...]

    def encode(self) -> bytes:
        """Return the CBOR array."""
        rows = [[each.id, each.label, each.model, each.strength, each.own] for each in self.pairings]
        return cbor.encode([11, rows])


Request = Status | List | Rename | Remove | Invite | Reset
Answer = Done | Listing | Ready | Unable
_PLAIN: dict[int, Request] = {4: Status(), 5: List(), 8: Invite(), 9: Reset()}


def decode_request(data: bytes) -> Request:
    """Read a request; PeerError if it is malformed or none."""
    match cbor.decode(data):
        case [int(kind)] if kind in _PLAIN:
            return _PLAIN[kind]
        case [6, bytes(id), str(label)] if len(id) == ID_LENGTH and _is_label(label):
            return Rename(id, label)
        case [7, bytes(id)] if len(id) == ID_LENGTH:
            return Remove(id)
    raise PeerError("a request in the protected channel is malformed", step="channel")


def decode_answer(data: bytes) -> Answer:
    """Read an answer; PeerError if it is malformed or none."""
    match cbor.decode(data):
        case [10]:
            return Done()
        case [11, list(rows)]:
            return Listing(tuple([_listed(row) for row in rows]))
    record = decode_record(data)
    if isinstance(record, Ready | Unable):
        return record
    raise PeerError("a record of the protected channel is malformed", step="channel")


def _listed(row: Any) -> Listed:  # noqa: ANN401
    match row:
        case [bytes(id), str(label), str(model), str(strength), bool(own)] if len(id) == ID_LENGTH and all(
            map(_is_label, (label, model, strength))
        ):
            return Listed(id, label, model, strength, own)
    raise PeerError("a list of pairings is malformed", step="channel")


def _is_label(text: str) -> bool:
    return text.isprintable() and utf8_length(text) <= MAX_LABEL  # people are shown it


def _check_id(id: bytes) -> None:
    if len(id) != ID_LENGTH:
        raise UsageError(f"the id of a pairing has {ID_LENGTH} bytes", step="id")
