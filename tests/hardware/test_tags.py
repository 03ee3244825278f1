"""The figures of hardware/tags.md, computed again."""

import re

import pytest
from nfc.tag.tt2 import get_capacity

from oob.pairing import Bootstrap, Model
from oob.pairing.tag_content import TagContent
from tests.e2e.family import ROOT

PAGE = (ROOT / "hardware/tags.md").read_text(encoding="utf-8")


def table(first: str) -> list[dict[str, str]]:
    """Return the rows of the table whose first column is called `first`."""
    found = re.search(rf"^\| {first} \|.*\n\|[-|]+\n(?:\|.*\n)+", PAGE, re.MULTILINE)
    assert found is not None, first
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


CAPACITIES = {row["tag"]: row for row in table("tag")}
LAYOUTS = table("models")


def named(pattern: str) -> str:
    """Return what the page names, between backquotes."""
    found = re.search(pattern + r" `([^`]+)`", PAGE)
    assert found is not None, pattern
    return found[1]


def message(row: dict[str, str]) -> bytes:
    """Return the NDEF message of a layout."""
    secret, tag_key = int(row["secret"]), int(row["tag key"])
    bootstrap = Bootstrap(
        version=1,
        models=tuple(Model[name.upper()] for name in row["models"].split(", ")),
        cred_r_hash=bytes(int(row["identity"])),
        secret=bytes(secret) if secret else None,
        tag_key=bytes(tag_key) if tag_key else None,
        name="n" * int(row["name"]),
        hints=tuple("h" * int(length) for length in row["hints"].split() if length != "0"),
    )
    return TagContent(named("The URL here is"), bootstrap, named("the package") if row["app"] == "yes" else "").encode()


@pytest.mark.parametrize("row", CAPACITIES.values(), ids=CAPACITIES)
def test_what_a_tag_holds(row: dict[str, str]) -> None:
    user, area, taken, message = (
        int(row[name]) for name in ("user memory", "data area", "taken before the message", "NDEF message")
    )
    assert area <= user
    assert area - taken == message


@pytest.mark.parametrize(("tag", "size"), [("NTAG213", 0x12), ("NTAG215", 0x3E), ("NTAG216", 0x6D)])
def test_nfcpy_finds_as_much_room(tag: str, size: int) -> None:
    before = 5 if tag == "NTAG213" else 0  # the lock control TLV
    assert int(CAPACITIES[tag]["data area"]) == 8 * size
    assert int(CAPACITIES[tag]["NDEF message"]) == get_capacity(8 * size, 16 + before, set())


@pytest.mark.parametrize("row", LAYOUTS, ids=lambda row: f"{row['models']} {row['bytes']}")
def test_how_long_a_layout_is_and_where_it_fits(row: dict[str, str]) -> None:
    length = len(message(row))
    assert row["bytes"] == str(length)
    for tag, holds in CAPACITIES.items():
        assert row[tag] == ("yes" if length <= int(holds["NDEF message"]) else "no"), tag


def test_the_last_row_is_the_longest_that_there_is() -> None:
    last = LAYOUTS[-1]
    assert [last[name] for name in ("identity", "secret", "tag key", "name", "hints", "app")] == [
        *("32", "32", "16", "32", "64 64 64 64", "yes")
    ]
    assert len(last["models"].split(", ")) == len(Model) - 1, "all but RESUMED, which no tag offers"
