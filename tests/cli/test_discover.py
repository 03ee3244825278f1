import json
from functools import partial
from pathlib import Path

import pytest

from oob.cli import discover
from oob.cli.discover import InRange
from oob.transport.ble_scanner import Found, scan
from oob.transport.gatt_profile import SERVICE_UUID
from tests.cli.shell import Shell, no_bluetooth
from tests.transport.fake_bleak import FakeScanner

OURS = [SERVICE_UUID]


def test_discover_without_bluetooth(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_bluetooth(monkeypatch, tmp_path)
    outcome = shell("discover", "--json", "--timeout", "0.5")
    assert outcome.code == 3
    assert outcome.error["cause"].startswith("Bluetooth cannot be reached: there is no D-Bus system bus")
    assert outcome.error["remedy"] == "Start D-Bus and BlueZ, or run: oob doctor"
    assert shell("discover", "--timeout", "0.5").err.startswith("Listening for 0.5 s ...\nFailed  scan: ")


@pytest.fixture
def scanner(monkeypatch: pytest.MonkeyPatch) -> type[FakeScanner]:
    scanner = FakeScanner.fresh(
        ("C0:01", b"tag--1", OURS), ("C0:02", None, OURS), ("C0:01", b"tag--1", OURS), ("C0:01", b"tag--2", OURS)
    )
    scanner.rssi = {"C0:01": -70, "C0:02": -40}
    monkeypatch.setattr(discover, "scan", partial(scan, backend=scanner))
    return scanner


def test_a_person_sees_them_come_and_gets_a_list_by_signal(shell: Shell, scanner: type[FakeScanner]) -> None:
    outcome = shell("discover", "--timeout", "0.01", "--adapter", "hci1")
    assert outcome.code == 0
    assert outcome.out.splitlines() == ["C0:02   -40 dBm", "C0:01   -70 dBm  7461672d2d32  2 tags"]
    assert [line.split() for line in outcome.err.splitlines()[1:]] == [
        ["client", "seen", "C0:01", "(-70", "dBm)", "7461672d2d31"],
        ["client", "seen", "C0:02", "(-40", "dBm)"],
        ["client", "seen", "C0:01", "(-70", "dBm)", "7461672d2d32"],
    ]
    assert scanner.made[0].options["bluez"] == {"adapter": "hci1"}
    assert scanner.scans() == 0


def test_a_machine_gets_a_line_for_each_sighting(shell: Shell, scanner: type[FakeScanner]) -> None:
    outcome = shell("discover", "--timeout", "0.01", "--json")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(line["address"], line["rssi"], line["tag"]) for line in lines] == [
        ("C0:01", -70, "7461672d2d31"),
        ("C0:02", -40, ""),
        ("C0:01", -70, "7461672d2d32"),
    ]


def test_nobody_there(shell: Shell, scanner: type[FakeScanner]) -> None:
    scanner.shows.clear()
    outcome = shell("discover", "--timeout", "0.01", "--json")
    assert (outcome.code, outcome.error["kind"]) == (3, "DeviceNotFound")


def heard(*sightings: tuple[float, str, bytes]) -> list[str]:
    """What the list says of each, beside address, signal and tag."""
    all_of_them = InRange()
    for at, address, tag in sightings:
        all_of_them.add(Found(address, tag, -40, None), at)
    return [" ".join(line.split("  ")[3:]) for line in all_of_them.listing()]


def test_what_may_be_one_device_under_two_addresses_is_marked() -> None:
    assert heard((0, "C0:01", b"tag--1"), (1, "C0:02", b"tag--2"), (2, "C0:01", b"tag--1")) == ["", ""]
    assert heard((0, "C0:01", b"tag--1"), (1, "C0:02", b"tag--2")) == ["", "perhaps C0:01 under a new address"]
    both = heard((0, "C0:01", b"tag--1"), (0, "C0:02", b"tag--2"), (1, "C0:03", b"tag--3"))
    assert both == ["", "", "perhaps C0:01 or C0:02 under a new address"]


def test_a_tag_on_two_addresses_is_marked_on_both() -> None:
    assert heard((0, "C0:01", b"tag--1"), (0, "C0:02", b"tag--1"), (1, "C0:01", b"tag--1")) == [
        "same tag as C0:02: the same device, or a copy",
        "same tag as C0:01: the same device, or a copy",
    ]


def test_no_tag_is_no_tag_in_common() -> None:
    assert heard((0, "C0:01", b""), (0, "C0:02", b"")) == ["", ""]
