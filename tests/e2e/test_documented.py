"""What people copy: the programs of examples/, and the code in README.md and the how-to, each as it stands there."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import oob
from oob.sim.bluez import simulated_bluez
from oob.sim.radio import VirtualRadio
from tests.e2e.family import PATIENCE, ROOT
from tests.e2e.house import check_paired, house, told
from tests.e2e.program import program
from tests.e2e.stage import issuing
from tests.transport.udp_field import free_path

DEVICE = """\
import asyncio
from pathlib import Path
import oob

async def main(page):
{body}

asyncio.run(main(None))
"""


def example(page: str, name: str) -> str:
    """Return the code between the marks of the example `name` on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```\n<!-- end of example -->", text, re.DOTALL)
    assert found is not None
    return found[1]


def changed(code: str, *changes: tuple[str, str]) -> str:
    """Put what is there on this machine in place of what is there in the example."""
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    return code


def commands(page: str, section: str) -> list[list[str]]:
    """Return what is typed after each prompt in a section of a page, as words, `oob` not among them."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"^## [^\n]*{section}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return [shlex.split(line)[1:] for line in re.findall(r"^\$ (oob .*)", found[1], re.MULTILINE)]


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_an_example_runs(file: str) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, ROOT / "examples" / file], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "HTTP 200: Hello from the printer"


@pytest.mark.parametrize(("page", "name"), [("README.md", "device"), ("docs/howto/device.md", "bluez")])
async def test_the_device_shows_its_passcode_and_is_reached(
    page: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = changed(example(page, name), ("/var/lib/printer", str(tmp_path)))
    script = DEVICE.format(body=textwrap.indent(code, "    "))
    async with VirtualRadio() as radio, simulated_bluez(radio, adapters=2) as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        device = await asyncio.create_subprocess_exec(
            sys.executable, "-u", "-c", script, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert device.stdout is not None
            async with asyncio.timeout(PATIENCE):
                assert re.search(rb"\d{4} \d{4}", await device.stdout.readline())
                link = await oob.reach(adapter="hci1")
                await link.close()
        finally:
            device.kill()
            await device.wait()


async def test_the_device_on_two_carriers_is_tapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = free_path()
    changes = ("/var/lib/printer", str(tmp_path)), ('"usb"', f'"{path}"')
    code = changed(example("docs/howto/device.md", "together"), *changes)
    script = DEVICE.format(body=textwrap.indent(code, "    "))
    async with VirtualRadio() as radio, simulated_bluez(radio, adapters=1) as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        device = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=ROOT)
        try:
            async with await oob.tap(path, timeout=PATIENCE) as tap:
                assert (tap.content.url, tap.bootstrap.dynamic) == ("https://maker.example/d/7", True)
                assert tap.link is not None
        finally:
            device.kill()
            await device.wait()


async def test_the_app_pairs_over_bluetooth(tmp_path: Path) -> None:
    async with issuing(tmp_path / "issuer") as issuer:
        (tmp_path / "token").write_text("none is needed here\n")
        (tmp_path / "root.pem").write_bytes((tmp_path / "issuer" / "root.pem").read_bytes())
        code = changed(example("README.md", "app"), ("https://192.168.1.2:8443/directory", issuer.directory_url))
        with program("sim", "device", "--ble", "--state", "d", "--json", temporary=tmp_path) as device:
            bus = json.loads(device.until('"bus"'))["detail"]
            passcode = json.loads(device.until("passcode"))["detail"]
            app = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                code,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT), "DBUS_SYSTEM_BUS_ADDRESS": bus},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(PATIENCE):
                told, _ = await app.communicate(f"{passcode}\n".encode())
            assert device.stop() == 130  # killed, it would leave its bus behind
            assert device.stop() == 130
    assert app.returncode == 0
    assert b"Demo device passcode https://printer.home.example" in told


@pytest.mark.parametrize("section", ["Tap it", "Without a reader: simulated"])
def test_the_taps_that_are_described(tmp_path: Path, section: str) -> None:
    """With all their words but two: the port of the radio, and where the issuer is."""
    page = "docs/getting-started.md" if section == "Tap it" else "hardware/card-emulation.md"
    run, pair = (each for each in commands(page, section) if each[0] != "demo")
    words = {"udp:127.0.0.1:54321": free_path(), "root.pem": str(tmp_path / "issuer" / "root.pem")}
    with house(tmp_path) as home:
        words["https://127.0.0.1:8443/directory"] = home.url
        with program(*(words.get(word, word) for word in run), temporary=tmp_path) as device:
            shown = device.until("Tap it" if "--fresh" in run else "Passcode: ")
            code = shown.partition(": ")[2]
            outcome = told(*(words.get(word, word) for word in pair), temporary=tmp_path, stdin=code)
            check_paired(outcome, "secret" if "--fresh" in run else "passcode")


@pytest.mark.parametrize("number", [0, 1])
def test_the_taps_in_one_process(tmp_path: Path, number: int) -> None:
    demo = [each for each in commands("docs/getting-started.md", "Tap it") if each[0] == "demo"][number]
    assert told(*demo, temporary=tmp_path).code == 0
