"""Mutations that keep CBOR deterministic: bytes changed at random hardly ever get past the first decoder."""

from random import Random
from typing import Any, Final

from oob import cbor
from oob.errors import PeerError

_JUNK: Final[tuple[Any, ...]] = (
    *(0, 1, -1, 23, 24, 255, -70001, 2**32, 2**53, 2**64 - 1, -(2**64)),
    *(b"", b"\x00", bytes(16), bytes(32), b"\x01" + bytes(31), b"\xff" * 32, bytes(64), b"\x40", b"\xa0"),
    *("", "text", "https://a", "\N{LATIN SMALL LETTER E WITH ACUTE}" * 130, "\n"),
    *(True, False, None, [], {}, [0], {1: 1}, {8: {1: {}}}),
)


def changed_sequence(data: bytes, random: Random) -> bytes | None:
    """Return a CBOR sequence with one item of `data`, at any depth, replaced, dropped or added; None if it is none."""
    try:
        return cbor.encode_sequence(*_in_list(cbor.decode_sequence(data), random))
    except PeerError:
        return None


def changed_item(item: Any, random: Random) -> Any:
    """Return the decoded `item`, itself or one in it changed."""
    if isinstance(item, list | dict) and item and random.random() < 0.8:
        return _in_list(item, random) if isinstance(item, list) else _in_map(item, random)
    if type(item) is int and random.random() < 0.5:
        return max(-(2**64), min(item + random.choice((-1, 1)), 2**64 - 1))
    if isinstance(item, bytes) and random.random() < 0.6:
        # What it holds may be CBOR too; if not, it is cut or grows.
        return changed_sequence(item, random) or random.choice((item[:-1], item + b"\x00", bytes(len(item))))
    return random.choice(_JUNK)


def _in_list(items: list[Any], random: Random) -> list[Any]:
    items = list(items)
    at = random.randrange(len(items) + 1)
    match random.choice(("change", "change", "drop", "add", "repeat")):
        case "add":
            items.insert(at, random.choice(_JUNK))
        case "change":
            items[at : at + 1] = [changed_item(item, random) for item in items[at : at + 1]]
        case "drop":
            del items[at : at + 1]
        case _:
            items[at:at] = items[at : at + 1]
    return items


def _in_map(items: dict[Any, Any], random: Random) -> dict[Any, Any]:
    items = dict(items)
    key = random.choice(list(items))
    match random.choice(("change", "change", "drop", "add")):
        case "add":
            items[random.choice((*range(-9, 17), True, "text", b""))] = random.choice(_JUNK)
        case "change":
            items[key] = changed_item(items[key], random)
        case _:
            del items[key]
    return items
