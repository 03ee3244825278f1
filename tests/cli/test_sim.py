import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oob.issuance import Authority
from tests.cli.shell import Shell
from tests.e2e.family import free_port
from tests.e2e.program import program

COUNT_ADAPTERS = """
import asyncio, sys
from dbus_fast import BusType, Message
from dbus_fast.aio import MessageBus

async def main():
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    manager = "org.freedesktop.DBus.ObjectManager"
    reply = await bus.call(Message("org.bluez", "/", manager, "GetManagedObjects"))
    sys.exit(sum("org.bluez.Adapter1" in each for each in reply.body[0].values()))

asyncio.run(main())
"""
ADVERTISED = """
import asyncio
from bleak import BleakScanner

asyncio.run(BleakScanner.discover(timeout=0.1))
"""
WAIT = """
import signal, sys
signal.signal({signal}, lambda *_: sys.exit(9))
print("ready", flush=True)
signal.pause()
"""


def test_the_program_finds_its_adapters(shell: Shell) -> None:
    assert shell("sim", "bluez", "--", sys.executable, "-c", COUNT_ADAPTERS).code == 1
    assert shell("sim", "bluez", "--adapters", 3, "--", sys.executable, "-c", COUNT_ADAPTERS).code == 3


def test_genuine_bleak_runs_in_it(shell: Shell) -> None:
    assert shell("sim", "bluez", "--", sys.executable, "-c", ADVERTISED).code == 0


@pytest.mark.parametrize(
    ("script", "code"),
    [("pass", 0), ("raise SystemExit(7)", 7), ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137)],
)
def test_the_exit_code_is_that_of_the_program(shell: Shell, script: str, code: int) -> None:
    assert shell("sim", "bluez", "--", sys.executable, "-c", script).code == code


def test_a_program_that_is_not_there(shell: Shell) -> None:
    outcome = shell("sim", "bluez", "--", "no-such-program")
    assert outcome.code == 2
    assert "cannot run no-such-program (No such file or directory)" in outcome.err


def test_without_dbus_daemon(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = shell("sim", "bluez", "--", sys.executable, "-c", "pass")
    assert outcome.code == 2
    assert "apt-get install dbus-daemon" in outcome.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_decides_what_a_signal_means(number: signal.Signals, tmp_path: Path) -> None:
    script = WAIT.format(signal=int(number))
    command = [sys.executable, "-m", "oob.cli", "sim", "bluez", "--", sys.executable, "-c", script]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(  # noqa: S603  our own command
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == b"ready\n"
            running.send_signal(number)
            assert running.wait(20) == 9
        finally:
            running.kill()
    assert list(tmp_path.iterdir()) == []


def test_a_simulated_device_is_discovered_paired_and_owned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`oob sim device --ble` in one terminal, and in another the client's commands, with genuine bleak."""
    with (
        issuing(tmp_path) as pair,
        program("sim", "device", "--ble", "--state", "d", "--json", temporary=tmp_path) as device,
    ):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", json.loads(device.until('"bus"'))["detail"])
        code = json.loads(device.until("passcode"))["detail"]
        with program("discover", "--timeout", "1", "--json", temporary=tmp_path) as client:
            assert json.loads(client.until("rssi"))["tag"]
            assert client.wait() == 0
        assert pair(code) == 0
        root = tmp_path / "i" / "root.pem"
        with program("owner", "status", "--state", "c", "--root", root, "--json", temporary=tmp_path) as client:
            assert json.loads(client.until("url"))["url"].startswith("https://device-")
            assert client.wait() == 0
        assert device.stop() == 130


def test_the_device_and_the_client_for_bluez_are_joined_by_simulated_adapters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = (sys.executable, "-m", "oob.cli", "device", "run", "--ble", "--adapter", "hci0", "--state", "d", "--json")
    script = 'echo "bus $DBUS_SYSTEM_BUS_ADDRESS"; exec "$@"'
    with (
        issuing(tmp_path) as pair,
        program("sim", "bluez", "--adapters", 2, "--", "sh", "-c", script, "sh", *device, temporary=tmp_path) as run,
    ):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", run.until("bus").split()[1])
        code = json.loads(run.until("passcode"))["detail"]
        assert pair(code, "--adapter", "hci1") == 0
        assert run.stop() == 130


@contextmanager
def issuing(directory: Path) -> Iterator[Callable[..., int]]:
    """Serve an issuer; yield what pairs by a passcode with what is near, and returns the exit code."""
    Authority.create(directory / "i", dns_zones=["home.example"], ip_networks=["127.0.0.0/8"], now=1.7e9)
    listen = f"127.0.0.1:{free_port()}"

    def pair(code: str, *options: str) -> int:
        where = ("--issuer", f"https://{listen}/directory", "--root", directory / "i" / "root.pem", "--state", "c")
        with program("pair", *where, *options, "--json", temporary=directory) as client:
            client.say(f"{code}\n")
            client.until("certificate_sha256")
            return client.wait()

    with program("issuer", "serve", "--state", "i", "--listen", listen, "--json", temporary=directory) as issuer:
        issuer.until("serving")
        yield pair


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_closed_terminal_reach_the_daemon_of_the_bus_too_which_stays_until_the_end(
    number: signal.Signals, tmp_path: Path
) -> None:
    with program("sim", "device", "--ble", "--state", "d", temporary=tmp_path, process_group=0) as device:
        device.until("Pair:")
        os.killpg(device.process.pid, number)
        assert device.wait() == (130 if number is signal.SIGINT else 143)
        assert "Traceback" not in device.output
    assert [each.name for each in tmp_path.iterdir()] == ["d"]
