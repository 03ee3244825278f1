"""A private message bus: a dbus-daemon of its own, on a socket that nobody but this user reaches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import quote

from dbus_fast import Message
from dbus_fast.aio import MessageBus

from oob.errors import LinkError, UsageError

START_TIMEOUT: Final = 10.0
"""Seconds that dbus-daemon has to start, and to end."""
_CONFIG: Final = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    {denied}
  </policy>
</busconfig>
"""


class PrivateBus:
    """A running private bus. `address` is a value for DBUS_SYSTEM_BUS_ADDRESS."""

    def __init__(self, directory: Path) -> None:
        # D-Bus Specification, "Server Addresses": all but these characters are percent-encoded.
        self.address = f"unix:path={quote(str(directory / 'socket'), safe='/-_.*')}"
        self.config = directory / "bus.conf"
        self._write("")

    async def deny(self, service: str | None) -> None:
        """Let nobody call this service from now on, as a system's D-Bus policy may; None: let everybody again."""
        self._write("" if service is None else f'<deny send_destination="{service}"/>')
        bus = await MessageBus(self.address).connect()
        try:
            daemon = "org.freedesktop.DBus"
            await bus.call(Message(daemon, "/org/freedesktop/DBus", interface=daemon, member="ReloadConfig"))
        finally:
            bus.disconnect()
            await bus.wait_for_disconnect()

    def _write(self, denied: str) -> None:
        self.config.write_text(_CONFIG.format(address=self.address, denied=denied), encoding="utf-8")


@asynccontextmanager
async def private_bus() -> AsyncIterator[PrivateBus]:
    """Run a private bus. Raises UsageError (dbus-daemon is not installed), LinkError (it does not start)."""
    with TemporaryDirectory(prefix="oob-bus-") as name:  # mode 0700
        bus = PrivateBus(Path(name))
        daemon = await _start(bus)
        try:
            await _started(daemon)
            yield bus
        finally:
            await _end(daemon)


async def _start(bus: PrivateBus) -> asyncio.subprocess.Process:
    arguments = (f"--config-file={bus.config}", "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    if which("dbus-daemon") is None:
        raise UsageError(
            "simulated Bluetooth needs dbus-daemon",
            step="bus",
            remedy="On Debian and Ubuntu: apt-get install dbus-daemon",
        )
    # The kernel ends it when we are killed (util-linux has it; without, a bus that nobody uses stays).
    keeper = ("setpriv", "--pdeathsig", "TERM", "--") if which("setpriv") else ()
    # In a session of its own: Ctrl-C in a terminal is for us, and the bus must outlive whoever uses it.
    return await asyncio.create_subprocess_exec(
        *keeper, "dbus-daemon", *arguments, stdin=null, stdout=pipe, stderr=pipe, start_new_session=True
    )


async def _started(daemon: asyncio.subprocess.Process) -> None:
    """Wait until the daemon listens, which it says by printing its address."""
    assert daemon.stdout is not None and daemon.stderr is not None  # noqa: S101, PT018  asked for above
    try:
        async with asyncio.timeout(START_TIMEOUT):
            if await daemon.stdout.readline():
                return
            reason = (await daemon.stderr.read()).decode(errors="replace").strip()
    except TimeoutError:
        reason = "no answer"
    raise LinkError(f"dbus-daemon does not start ({reason})", step="bus")


async def _end(daemon: asyncio.subprocess.Process) -> None:
    if daemon.returncode is None:
        daemon.terminate()
    try:
        async with asyncio.timeout(START_TIMEOUT):
            await daemon.communicate()
    except TimeoutError:
        daemon.kill()
        await daemon.communicate()
