import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.shell import Shell

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
