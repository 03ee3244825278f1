"""`oob tag` against simulated tags: what is said, what is kept, what is never shown."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from oob.cli import tag as tag_command
from oob.framing import ndef
from oob.framing.ndef import Record, Tnf
from oob.framing.tnep import Service
from oob.pairing import Bootstrap, Model
from oob.pairing.tag_content import TagContent
from oob.sim.field import Field
from oob.sim.tags import SimulatedChip, SimulatedNtag, simulated_chip
from oob.transport.nfc import Reader
from oob.transport.nfc_profile import SERVICE
from tests.cli.shell import Outcome, Shell
from tests.framing import driving

URL, APP, SECRET = "https://example.com/d/7Q4M2K9X", "com.example.lamp", bytes(range(100, 116))
BOOTSTRAP = Bootstrap(1, (Model.SECRET,), bytes(range(32)), secret=SECRET, tag_key=bytes(16), name="Lamp 7")
PINNED = Bootstrap(1, (Model.PINNED,), bytes(range(32)), hints=("192.0.2.7", "lamp.local"))
CODE = BOOTSTRAP.to_text()
FOREIGN = ndef.encode([Record(Tnf.MEDIA, b"text/plain", b"theirs")])
CHIPS = ("NTAG213", "NTAG215", "NTAG216", "FeliCa Lite-S", "Type 4")

Tag = Callable[..., Outcome]


@pytest.fixture
def chip() -> SimulatedChip:
    return SimulatedNtag()


@pytest.fixture
def specs() -> list[str | None]:
    """The readers that were asked for."""
    return []


@pytest.fixture
def tag(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, chip: SimulatedChip | None, specs: list[str | None]
) -> Callable[..., Outcome]:
    """Run `oob tag` with the chip in the field of a simulated reader."""

    def run(*arguments: str, stdin: str = "", held: SimulatedChip | None = chip) -> Outcome:
        def open_reader(spec: str | None) -> Reader:
            specs.append(spec)
            return Field(chip=held)

        monkeypatch.setattr(tag_command, "open_reader", open_reader)
        outcome = shell("tag", *arguments, stdin=stdin)
        if "--show-secret" not in arguments:
            for told in (SECRET.hex(), CODE, CODE.removeprefix("OOB:")):
                assert told not in outcome.out + outcome.err
        return outcome

    return run


@pytest.mark.parametrize("name", CHIPS)
def test_write_read_lock(tag: Tag, name: str) -> None:
    chip = simulated_chip(name)
    written = tag("write", "--url", URL, "--json", stdin=CODE + "\n", held=chip)
    assert written.code == 0
    told = json.loads(written.out)
    assert (told["type"], told["used"], told["left"]) == (chip.type.value, 128, told["capacity"] - 128)
    assert "copies this tag" in told["proves"]
    assert TagContent.decode(driving.read(chip)) == TagContent(URL, BOOTSTRAP)
    locked = json.loads(tag("lock", "--yes", "--json", held=chip).out)
    assert (locked["used"], locked["writable"]) == (128, False)
    assert tag("lock", "--yes", held=chip).out.startswith("Locked. ")  # it may be said again
    again = tag("write", "--json", stdin=CODE, held=chip)
    assert (again.code, again.error["cause"]) == (2, "the tag is read-only")
    found = json.loads(tag("read", "--json", held=chip).out)
    assert (found["content"], found["writable"], found["url"]) == ("bootstrap", False, URL)


@pytest.mark.parametrize("name", CHIPS)
def test_a_lock_that_was_torn_is_finished_by_the_same_command(
    tag: Tag, shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = Field(chip=simulated_chip(name))
    monkeypatch.setattr(tag_command, "open_reader", lambda spec: whole)
    assert shell("tag", "write", "--lock", stdin=CODE).code == 0
    for missing in range(1, 5):
        chip = simulated_chip(name)
        field = Field(chip=chip)
        field.torn_after = whole.commands - missing
        monkeypatch.setattr(tag_command, "open_reader", lambda spec, field=field: field)
        torn = shell("tag", "write", "--lock", "--json", stdin=CODE)
        assert torn.error["remedy"].startswith("It may be locked in part: do it again")
        assert tag("write", "--lock", stdin=CODE, held=chip).code == 0
        assert tag("lock", "--yes", stdin=CODE, held=chip).code == 0
        assert tag("write", stdin=PINNED.to_text(), held=chip).code == 2


def test_a_person_is_told_what_was_written(tag: Tag) -> None:
    outcome = tag("write", "--url", URL, stdin=CODE)
    assert outcome.err.splitlines()[0] == "Hold the tag to the reader (simulated reader)."
    assert outcome.out == "Written. Type 2 tag: 128 of 137 bytes used, 9 left\n"
    assert "What it proves: whoever reads or copies this tag has its secret" in outcome.err
    assert tag("write", "--lock", stdin=CODE).out.startswith("Written and locked. Type 2 tag: 101 of 137 bytes used")


def test_a_person_is_shown_what_is_there(tag: Tag) -> None:
    tag("write", "--url", URL, stdin=CODE)
    lines = tag("read").out.splitlines()
    assert lines[:5] == [
        "Type 2 tag: 128 of 137 bytes used, 9 left",
        f"url       {URL} (not opened)",
        "product   Lamp 7",
        "models    secret",
        "secret    there (--show-secret shows it)",
    ]
    assert lines[5].startswith("proves    whoever reads or copies")
    assert len(lines) == 6


def test_the_secret_is_shown_where_it_is_asked_for(tag: Tag) -> None:
    tag("write", stdin=CODE)
    assert f"code      {CODE}" in tag("read", "--show-secret").out.splitlines()
    assert json.loads(tag("read", "--show-secret", "--json").out)["code"] == CODE
    assert "code" not in json.loads(tag("read", "--json").out)


def test_a_tag_without_a_secret(tag: Tag) -> None:
    tag("write", "--app", APP, stdin=PINNED.to_text())
    lines = tag("read").out.splitlines()
    assert "secret    none" in lines
    assert "hints     192.0.2.7, lamp.local" in lines
    assert f"app       {APP}" in lines
    assert any(line.startswith("proves    it names the device's key") for line in lines)


def test_services_and_what_is_said_to_be_dynamic(tag: Tag, chip: SimulatedChip) -> None:
    fresh = Bootstrap(1, (Model.SECRET,), bytes(32), secret=SECRET, dynamic=True)
    ours = ndef.decode(TagContent("", fresh).encode())
    parameters = [Service("urn:nfc:xsn:oob.invalid:pair").to_record(), Record(Tnf.WELL_KNOWN, b"Tp", b"\x20")]
    driving.write(chip, ndef.encode([*ours, *parameters]))
    lines = tag("read").out.splitlines()
    assert "service   urn:nfc:xsn:oob.invalid:pair" in lines
    assert "made      for this tap, it says" in lines


def test_a_devices_own_tag(tag: Tag, chip: SimulatedChip) -> None:
    driving.write(chip, greeting := ndef.encode([SERVICE.to_record()]))
    assert tag("read").out.splitlines()[1:] == [
        "content   a device's own tag: pair with it by `oob pair --nfc`",
        "service   urn:nfc:xsn:oob.invalid:pair",
    ]
    assert json.loads(tag("read", "--json").out)["content"] == "device"
    for arguments in (["write"], ["erase"], ["lock", "--yes"]):
        refused = tag(*arguments, "--json", stdin=CODE)
        assert (refused.code, refused.error["cause"]) == (2, "this looks like a device's own tag, which keeps nothing")
        assert "--force" in refused.error["remedy"]
    assert driving.read(chip) == greeting
    assert tag("write", "--force", stdin=CODE).code == 0  # it was a sticker with a copy


def test_without_a_code_nothing_is_written(tag: Tag) -> None:
    refused = tag("write", "--json", stdin="\n")
    assert (refused.code, refused.error["cause"]) == (2, "no pairing code was given")


def test_an_empty_tag(tag: Tag) -> None:
    assert tag("read").out.splitlines()[1:] == ["content   none: the tag is empty"]
    assert json.loads(tag("read", "--json").out) == {
        **{"type": 2, "capacity": 137, "used": 0, "left": 137, "writable": True},
        **{"content": "empty", "records": 0, "services": [], "url": "", "app": ""},
    }


def test_a_tag_that_others_left_empty(tag: Tag, chip: SimulatedChip) -> None:
    driving.write(chip, b"\xd0\x00\x00")  # one empty record
    assert tag("read").out.splitlines()[1:] == ["content   none: the tag is empty"]
    assert tag("lock", "--yes", "--json").error["cause"] == "the tag is empty"
    assert tag("write", stdin=CODE).code == 0


def test_what_others_wrote_is_kept_unless_it_may_be_lost(tag: Tag, chip: SimulatedChip) -> None:
    driving.write(chip, FOREIGN)
    assert tag("read").out.splitlines()[1:] == ["content   somebody else's, without bootstrap data (NDEF records: 1)"]
    for arguments in (["write"], ["erase"], ["lock", "--yes"]):
        refused = tag(*arguments, "--json", stdin=CODE)
        assert (refused.code, refused.error["cause"]) == (2, "the tag holds 19 bytes of somebody else's")
        assert "--force" in refused.error["remedy"]
        assert driving.read(chip) == FOREIGN
    assert tag("write", "--force", stdin=CODE).code == 0
    assert TagContent.decode(driving.read(chip)).bootstrap == BOOTSTRAP
    assert tag("write", stdin=PINNED.to_text()).code == 0  # our own are written over
    assert tag("erase").out == "Erased. Type 2 tag: 0 of 137 bytes used, 137 left\n"
    assert driving.read(chip) == b""


def test_what_others_wrote_need_not_be_as_ours_is(tag: Tag, chip: SimulatedChip) -> None:
    links = [Record(Tnf.WELL_KNOWN, b"U", b"\x04a.example"), Record(Tnf.WELL_KNOWN, b"U", b"\x04b.example")]
    driving.write(chip, ndef.encode(links))
    assert tag("read").out.splitlines()[1:] == ["content   somebody else's, without bootstrap data (NDEF records: 2)"]
    driving.write(chip, ndef.encode(links[:1]))
    assert tag("read").out.splitlines()[2:] == ["url       https://a.example (not opened)"]


@pytest.mark.parametrize(
    "message", [b"\x00", ndef.encode([Record(Tnf.EXTERNAL, b"oob.invalid:b", b"damaged")]), b"\xd1\x01\xf0U"]
)
def test_what_cannot_be_read(tag: Tag, chip: SimulatedChip, message: bytes) -> None:
    driving.write(chip, message)
    outcome = tag("read", "--json")
    assert (outcome.code, outcome.error["kind"]) == (4, "PeerError")
    assert tag("read").out.startswith("Type 2 tag: ")


def test_a_message_beyond_the_tag(tag: Tag) -> None:
    chip = SimulatedNtag("NTAG215")
    chip.memory[16:20] = b"\x03\xff\x0f\xff"
    assert (tag("read", held=chip).code, tag("write", stdin=CODE, held=chip).code) == (4, 2)
    assert tag("write", "--force", stdin=CODE, held=chip).code == 0
    assert TagContent.decode(driving.read(chip)).bootstrap == BOOTSTRAP


def test_a_tag_that_is_too_small(tag: Tag, chip: SimulatedChip) -> None:
    outcome = tag("write", "--url", URL, "--app", APP, "--json", stdin=CODE)
    assert (outcome.code, outcome.error["cause"]) == (2, "a message of 162 bytes, 25 too many for this tag")
    assert driving.read(chip) == b""


def test_lock_must_be_meant(tag: Tag, chip: SimulatedChip, specs: list[str | None]) -> None:
    outcome = tag("lock", "--json")
    assert (outcome.code, outcome.error["remedy"]) == (2, "Say --yes if that is meant")
    assert specs == []
    empty = tag("lock", "--yes", "--json")
    assert (empty.code, empty.error["cause"]) == (2, "the tag is empty")
    assert tag("lock", "--yes", "--force").code == 0
    assert not driving.opened(chip).is_writable


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ([], "12345670", "no pairing code"),
        ([], "", "no pairing code"),
        ([], Bootstrap(1, (Model.SECRET,), bytes(32), secret=SECRET, dynamic=True).to_text(), "for one tap"),
        (["--url", "http://example.com"], CODE, "URL"),
        (["--url", f"https://example.com/#{SECRET[:1].hex()}%36%35" + SECRET[2:].hex()], CODE, "carries"),
        (["--app", "lamp"], CODE, "Android"),
    ],
)
def test_what_is_not_written(
    tag: Tag, arguments: list[str], stdin: str, words: str, specs: list[str | None], chip: SimulatedChip
) -> None:
    outcome = tag("write", *arguments, "--json", stdin=stdin)
    assert words in outcome.error["cause"]
    assert (specs, chip.commands) == ([], 0)  # nobody had to hold a tag for that


def test_the_reader_that_is_asked_for(tag: Tag, specs: list[str | None]) -> None:
    tag("read", "--reader", "pcsc:ACR122")
    tag("read")
    assert specs == ["pcsc:ACR122", None]


def test_no_tag_in_time(tag: Tag) -> None:
    outcome = tag("read", "--timeout", "0.01", "--json", held=None)
    assert (outcome.code, outcome.error["kind"]) == (3, "DeviceNotFound")


@pytest.mark.parametrize("name", ["NTAG213", "FeliCa Lite-S", "Type 4"])
def test_a_tag_that_is_taken_away(tag: Tag, name: str) -> None:
    """At each command: the error says what to do, and doing it works; nothing but old, none or new is ever there."""
    new, remedies = TagContent("", BOOTSTRAP).encode(), []
    for commands in range(200):
        chip = simulated_chip(name)
        tag("write", "--url", URL, stdin=PINNED.to_text(), held=chip)
        old = driving.read(chip)
        chip.torn_after = commands
        outcome = tag("write", "--json", stdin=CODE, held=chip)
        chip.torn_after = None
        if outcome.code == 0:
            break
        assert (outcome.code, outcome.error["kind"]) == (3, "LinkLost")
        held = driving.read(chip)
        remedies.append(outcome.error["remedy"])
        assert held == old if "unchanged" in remedies[-1] else held in (old, b"", new)
        assert tag("write", stdin=CODE, held=chip).code == 0
        assert driving.read(chip) == new
    else:
        pytest.fail("never done")
    assert "do it again" in remedies[0]
    assert "may be empty" in remedies[-1]
    assert remedies == sorted(remedies)  # first it is unchanged, then it may not be


def test_a_tag_that_is_taken_away_while_it_is_locked(tag: Tag) -> None:
    chip = SimulatedNtag()
    tag("write", stdin=CODE, held=chip)
    before = chip.commands
    tag("read", held=chip)
    chip.torn_after = chip.commands - before + 3
    outcome = tag("lock", "--yes", "--json", held=chip)
    assert (outcome.code, outcome.error["remedy"][:24]) == (3, "It may be locked in part")
    chip.torn_after = None
    assert tag("lock", "--yes", held=chip).code == 0


def test_a_tag_that_keeps_something_else(tag: Tag) -> None:
    class Forgetful(SimulatedNtag):
        def _write(self, page: int, data: bytes) -> bytes:
            return b"\x0a" if page == 12 else super()._write(page, data)

    outcome = tag("write", "--json", stdin=CODE, held=Forgetful())
    assert (outcome.code, outcome.error["cause"]) == (4, "the tag did not keep what was written")


def test_what_the_how_to_shows(tag: Tag) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "tags.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\$ oob tag (.*)\n((?:.+\n)+?)```", page, re.MULTILINE)
    assert [command.split()[0] for command, _ in shown] == ["write", "read", "lock"]
    for command, lines in shown:
        outcome = tag(*command.partition(" < ")[0].split(), stdin=CODE)
        assert sorted((outcome.err + outcome.out).splitlines()) == sorted(lines.splitlines())
