"""`oob doctor`, on whatever host this runs, and against a scripted BlueZ on a private bus."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from dbus_fast import Variant

from oob.cli import doctor
from oob.transport.finding import Finding, missing, ok, warning
from tests.cli.shell import Shell, no_bluetooth
from tests.e2e.family import ROOT
from tests.transport.bluez_stand_in import HCI0, adapter, stand_in
from tests.transport.dbus_daemon import dbus_daemon


def test_without_bluetooth(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_bluetooth(monkeypatch, tmp_path)
    outcome = shell("doctor")
    assert outcome.code == 3
    assert "missing  d-bus             the D-Bus system bus cannot be reached" in outcome.out
    assert "           mend:  unset DBUS_SYSTEM_BUS_ADDRESS" in outcome.out
    assert "cannot be used from here, for want of: " in outcome.err
    assert "d-bus" in outcome.err


def test_json(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_bluetooth(monkeypatch, tmp_path)
    outcome = shell("doctor", "--json")
    assert outcome.code == 3
    assert outcome.err == ""
    findings = [json.loads(line) for line in outcome.out.splitlines()]
    assert all(list(each) == ["check", "state", "seen", "mend"] for each in findings)
    assert {each["state"] for each in findings} <= {"ok", "warning", "missing"}
    assert next(each for each in findings if each["check"] == "d-bus")["state"] == "missing"


def judged(shell: Shell, monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> int:
    async def survey(adapter: str | None) -> list[Finding]:
        return list(findings)

    monkeypatch.setattr(doctor, "_survey", survey)
    return shell("doctor").code


def test_the_exit_code_is_of_the_client_over_bluetooth(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(shell, monkeypatch, ok("adapters", "one")) == 0
    assert (
        judged(shell, monkeypatch, warning("bluez version", "old"), missing("nfcpy", "no"), missing("hci1", "off")) == 0
    )
    for check in doctor.VITAL:
        assert judged(shell, monkeypatch, ok("system", "any"), missing(check, "gone")) == 3


def test_other_systems_are_no_error(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    outcome = shell("doctor", "--json")
    assert outcome.code == 0
    assert "d-bus" not in outcome.out
    assert "shows when it is used" in shell("doctor").err


@pytest.mark.parametrize(("powered", "name", "code"), [(True, "", 0), (True, "hci9", 3), (False, "", 3)])
async def test_with_a_scripted_bluez(powered: bool, name: str, code: int, tmp_path: Path) -> None:
    options = [f"--adapter={name}"] if name else []
    objects = {HCI0: adapter(Powered=Variant("b", powered))}
    with dbus_daemon(tmp_path) as address:
        environment = {"DBUS_SYSTEM_BUS_ADDRESS": address, "PATH": "/usr/bin:/bin"}
        async with stand_in(address, objects=objects):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "oob.cli", "doctor", *options),
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code, err
    assert b"ok       bluez             org.bluez is on the bus" in out
