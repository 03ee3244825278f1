"""External authorization data (RFC 9528, section 3.8)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from oob import cbor
from oob.errors import PeerError, UsageError
from oob.handshake.record import record

PADDING = 0
MAX_ITEMS = 16
"""Items read of one field, padding apart: a label takes 1 byte on the wire and 60 times as much here."""


@dataclass(frozen=True, slots=True)
class Ead:
    """An EAD item: a label above 0 and a value, None where there is none."""

    label: int
    value: bytes | None = None
    critical: bool = True


@record
class EadField:
    """EAD_x: its items without padding, and its bytes as they stand in the message and in the transcript."""

    items: tuple[Ead, ...] = ()
    encoded: bytes = b""

    @classmethod
    def of(cls, items: Iterable[Ead]) -> "EadField":
        """Encode items; UsageError for a label that is not above 0."""
        items = tuple(items)
        encoded = b""
        for item in items:
            if item.label <= PADDING:
                raise UsageError("an EAD label is a number above 0; whether it is critical stands apart")
            encoded += cbor.encode_int(-item.label if item.critical else item.label)
            if item.value is not None:
                encoded += cbor.encode_bytes(item.value)
        return cls(items, encoded)

    @classmethod
    def decode(cls, sequence: list[Any], parts: list[bytes]) -> "EadField":
        """Read the decoded items of an EAD field, and their bytes as they came.

        PeerError if it is malformed or holds more than 16 items.
        """
        if not sequence:
            return cls()
        return cls(tuple(_items(sequence)), b"".join(parts))


def _items(sequence: list[Any]) -> list[Ead]:
    items: list[Ead] = []
    rest = sequence[::-1]
    while rest:
        label = rest.pop()
        if type(label) is not int:
            raise PeerError("malformed EAD field")
        value = rest.pop() if rest and type(rest[-1]) is bytes else None
        if label != PADDING:
            items.append(Ead(abs(label), value, label < 0))
        if len(items) > MAX_ITEMS:
            raise PeerError("too many EAD items")
    return items


def understood(items: tuple[Ead, ...], labels: Collection[int]) -> tuple[Ead, ...]:
    """Keep the items with these labels; PeerError for a critical one with another, which nobody here can process."""
    known: list[Ead] = []
    for item in items:
        if item.label in labels:
            known.append(item)
        elif item.critical:
            raise PeerError(f"critical EAD item {item.label} is not understood")
    return tuple(known)


def value_of(items: Iterable[Ead], label: int) -> bytes:
    """Return the value of the one critical item with this label, empty if there is none; PeerError if it repeats."""
    found = [item for item in items if item.label == label]
    if len(found) > 1:
        raise PeerError(f"EAD item {label} stands more than once")
    if found and not found[0].critical:
        raise PeerError(f"EAD item {label} is not marked critical")
    return (found[0].value or b"") if found else b""
