"""What BlueZ says, asked of a scripted one on a private bus. Nothing here has seen a radio."""

import asyncio
import platform
import shutil
import socket
import sys
from pathlib import Path

import pytest
from dbus_fast import Variant

from oob.transport import bluez_survey
from oob.transport.bluez_survey import judge_version, survey_bluez, version_in
from oob.transport.finding import Finding, State
from tests.transport.scripted_bluez import CLOSED, OPEN, adapter, private_bus, service


async def survey(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *objects: dict[str, dict[str, dict[str, Variant]]], name: str = ""
) -> list[Finding]:
    """Survey a bus with a scripted BlueZ that has these objects."""
    async with private_bus(folder) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        everything = {path: each for part in objects for path, each in part.items()}
        async with service(address, "org.bluez", everything) as called:
            findings = await survey_bluez(name)
        assert called == ["GetManagedObjects"]
    return findings


def of(check: str, findings: list[Finding]) -> Finding:
    return next(each for each in findings if each.check == check)


async def test_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = await survey(tmp_path, monkeypatch, adapter())
    assert {each.state for each in findings} == {State.OK}
    assert [each.check for each in findings] == [
        "d-bus",
        "bluez",
        "permission",
        "bluez version",
        "hci0",
        "hci0 advertising",
        "hci0 name",
        "adapters",
    ]
    assert of("bluez version", findings).seen == "5.66"
    assert of("hci0", findings).seen == "on, Bluetooth LE as central, peripheral"
    assert of("hci0 advertising", findings).seen == "4 of 5 slots free, legacy only, which is enough"
    assert "C0:FF:EE" not in str(findings), "an address tells this machine from others"
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("value", ["unix:path={}/none", "nonsense", "unix:path={}"], ids=["absent", "bad", "no socket"])
async def test_without_a_bus(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", value.format(tmp_path))
    (finding,) = await survey_bluez()
    assert (finding.check, finding.state) == ("d-bus", State.MISSING)
    assert finding.mend == "unset DBUS_SYSTEM_BUS_ADDRESS"


async def test_a_bus_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluez_survey, "WAIT", 0.05)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/mute")
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen()
        (finding,) = await survey_bluez()
    assert finding.seen == "the system bus does not answer (TimeoutError)"


@pytest.mark.parametrize(
    ("installed", "mend"),
    [("", "sudo apt install bluez"), ("usr/libexec/bluetooth/bluetoothd", "sudo systemctl enable --now bluetooth")],
)
async def test_a_bus_without_bluez(installed: str, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "root" / installed).mkdir(parents=True)
    async with private_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        findings = await survey_bluez(root=tmp_path / "root")
    assert [(each.check, each.state) for each in findings] == [("d-bus", State.OK), ("bluez", State.MISSING)]
    assert findings[-1].mend == mend


async def test_asking_does_not_start_bluez(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BlueZ is started by the first message to it, unless that says that it must not; it may stop after it was seen."""

    async def seen(*_: object) -> None:
        pass

    started = tmp_path / "started"
    (tmp_path / "org.bluez.service").write_text(f"[D-BUS Service]\nName=org.bluez\nExec=/usr/bin/touch {started}\n")
    async with private_bus(tmp_path, f"{OPEN}<servicedir>{tmp_path}</servicedir>") as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        monkeypatch.setattr(bluez_survey, "_require_bluez", seen)
        findings = await survey_bluez()
    assert findings[-1].state is State.MISSING
    assert findings[-1].check == "bluez"
    assert not started.exists()


async def test_a_policy_that_forbids_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with private_bus(tmp_path, CLOSED) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with service(address, "org.bluez", adapter()) as called:
            findings = await survey_bluez()
    assert called == []
    assert (findings[-1].check, findings[-1].state) == ("permission", State.MISSING)
    assert "usermod -aG bluetooth" in findings[-1].mend
    assert "hardware/oob-bluetooth.conf" in findings[-1].mend


async def test_a_bluez_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with private_bus(tmp_path) as address, service(address, "org.bluez"):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        monkeypatch.setattr(bluez_survey, "WAIT", 0.5)
        findings = await survey_bluez()
    assert findings[-1] == Finding("bluez", State.MISSING, "no answer within 0.5 s", "sudo systemctl restart bluetooth")


async def test_no_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = await survey(tmp_path, monkeypatch, {"/org/bluez": {"org.bluez.AgentManager1": {}}})
    assert (findings[-1].check, findings[-1].state, findings[-1].seen) == ("adapters", State.MISSING, "none")


async def test_an_adapter_that_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = await survey(tmp_path, monkeypatch, adapter(Powered=Variant("b", False)))
    assert of("hci0", findings).mend == (
        "busctl set-property org.bluez /org/bluez/hci0 org.bluez.Adapter1 Powered b true"
    )
    assert of("adapters", findings).state is State.MISSING


async def test_an_adapter_that_rfkill_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = adapter(Powered=Variant("b", False), PowerState=Variant("s", "off-blocked"))
    findings = await survey(tmp_path, monkeypatch, blocked)
    assert of("hci0", findings) == Finding("hci0", State.MISSING, "blocked by rfkill", "sudo rfkill unblock bluetooth")


async def test_an_adapter_that_is_called_as_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "annas-laptop")
    findings = await survey(tmp_path, monkeypatch, adapter("hci1", Alias=Variant("s", "annas-laptop #2")))
    finding = of("hci1 name", findings)
    assert finding.state is State.WARNING
    assert finding.mend == "busctl set-property org.bluez /org/bluez/hci1 org.bluez.Adapter1 Alias s oob"
    assert "anna" not in str(findings)
    assert of("hci0 name", await survey(tmp_path, monkeypatch, adapter(Alias=Variant("s", "oob")))).state is State.OK


async def test_an_adapter_without_le_beside_one_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = adapter("hci1", Roles=Variant("as", []))
    del old["/org/bluez/hci1"]["org.bluez.LEAdvertisingManager1"]
    findings = await survey(tmp_path, monkeypatch, adapter(), old)
    assert of("hci1", findings).seen == "no Bluetooth LE"
    assert of("hci1 advertising", findings).state is State.WARNING
    assert of("adapters", findings) == Finding("adapters", State.OK, "hci0 can be a client")
    narrowed = await survey(tmp_path, monkeypatch, adapter(), old, name="hci1")
    assert of("adapters", narrowed).state is State.MISSING
    assert "hci0" not in [each.check for each in narrowed]


async def test_an_adapter_of_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = await survey(tmp_path, monkeypatch, adapter(), name="hci7")
    assert findings[-1].seen == "no hci7, but hci0"
    assert findings[-1].state is State.MISSING


async def test_all_slots_taken_and_extended_advertising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = adapter()
    busy["/org/bluez/hci0"]["org.bluez.LEAdvertisingManager1"] = {
        "SupportedInstances": Variant("y", 0),
        "ActiveInstances": Variant("y", 3),
        "SupportedSecondaryChannels": Variant("as", ["1M", "2M"]),
    }
    finding = of("hci0 advertising", await survey(tmp_path, monkeypatch, busy))
    assert (finding.state, finding.seen) == (State.WARNING, "0 of 3 slots free, extended")
    assert finding.mend.endswith("sudo systemctl restart bluetooth")


@pytest.mark.parametrize(
    ("modalias", "version"),
    [
        ("usb:v1D6Bp0246d0542", (5, 66)),
        ("usb:v1D6Bp0246d0557", (5, 87)),
        ("bluetooth:v0046p0802d0903", None),
        ("", None),
    ],
)
def test_the_version_in_a_modalias(modalias: str, version: tuple[int, int] | None) -> None:
    assert version_in(modalias) == version


@pytest.mark.parametrize(
    ("version", "state", "words"),
    [
        (None, State.WARNING, "unknown"),
        ((5, 50), State.MISSING, "bleak needs 5.55"),
        ((5, 55), State.WARNING, "20 bytes at a time"),
        ((5, 62), State.WARNING, "lose connections"),
        ((5, 63), State.OK, "5.63"),
        ((6, 0), State.OK, "6.0"),
    ],
)
def test_judging_the_version(version: tuple[int, int] | None, state: State, words: str) -> None:
    finding = judge_version(version)
    assert finding.state is state
    assert words in finding.seen


@pytest.mark.parametrize(
    ("script", "seen"),
    [("echo 'bluetoothctl: 5.50'", "5.50: bleak needs 5.55"), ("exec /bin/sleep 60", "unknown"), ("", "unknown")],
    ids=["answers", "hangs", "absent"],
)
async def test_bluetoothctl_is_asked_where_no_adapter_shows_the_version(
    script: str, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        (tmp_path / "bluetoothctl").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bluetoothctl").chmod(0o755)
    monkeypatch.setattr(bluez_survey, "WAIT", 1.0)
    (tmp_path / "dbus-daemon").symlink_to(
        shutil.which("dbus-daemon") or ""
    )  # this machine may have a bluetoothctl, too
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = await survey(tmp_path, monkeypatch, adapter(Modalias=None))
    assert of("bluez version", findings).seen.startswith(seen)


async def test_without_dbus_fast_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluez_survey, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "dbus_fast", None)
    assert await survey_bluez() == []
