import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest
from dbus_fast.aio import MessageBus

from oob.errors import LinkError, UsageError
from oob.sim.bluez.bus import private_bus


async def test_only_this_user_reaches_the_socket_and_nothing_stays_behind() -> None:
    async with private_bus() as bus:
        directory = bus.config.parent
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert bus.address == f"unix:path={directory}/socket"
        connection = await MessageBus(bus.address).connect()
        connection.disconnect()
        await connection.wait_for_disconnect()
    assert not directory.exists()


async def test_the_daemon_ends_with_its_context() -> None:
    async with private_bus() as bus:
        connection = await MessageBus(bus.address).connect()
    with pytest.raises(EOFError):
        await asyncio.wait_for(connection.wait_for_disconnect(), 5)
    connection.disconnect()


async def test_without_dbus_daemon_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="apt-get install dbus-daemon"):
        async with private_bus():
            pass


async def test_a_daemon_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "dbus-daemon"
    script.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(LinkError, match="no room"):
        async with private_bus():
            pass


KILLED = """
import asyncio
from oob.sim.bluez.bus import private_bus

async def main():
    async with private_bus() as bus:
        print(bus.address, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_daemon_does_not_outlive_who_started_it_and_was_killed(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, stdout=asyncio.subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert process.stdout is not None
    connection = await MessageBus((await process.stdout.readline()).decode().strip()).connect()
    process.kill()
    await process.wait()
    with pytest.raises(EOFError):
        await asyncio.wait_for(connection.wait_for_disconnect(), 5)
    connection.disconnect()
