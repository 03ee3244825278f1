"""A private dbus-daemon, and a scripted org.bluez on it: it answers GetManagedObjects with what the test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

ADAPTER, ADVERTISING = "org.bluez.Adapter1", "org.bluez.LEAdvertisingManager1"

OPEN = """
<policy context="default">
  <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="signal"/><allow receive_sender="*"/>
</policy>"""
"""A bus on which everybody may do everything."""
CLOSED = OPEN.replace("</policy>", '<deny send_destination="org.bluez"/></policy>')
"""A bus on which nobody may speak to BlueZ."""

Objects = Mapping[str, Mapping[str, Mapping[str, Variant]]]


def adapter(name: str = "hci0", **changes: Variant | None) -> dict[str, dict[str, dict[str, Variant]]]:
    """Return an adapter as BlueZ 5.66 shows it, with some properties changed, or left out by None."""
    properties: dict[str, Variant | None] = {
        "Address": Variant("s", "C0:FF:EE:00:00:01"),
        "Modalias": Variant("s", "usb:v1D6Bp0246d0542"),
        "Powered": Variant("b", True),
        "Roles": Variant("as", ["central", "peripheral"]),
        **changes,
    }
    manager = {"SupportedInstances": Variant("y", 4), "ActiveInstances": Variant("y", 1)}
    shown = {key: value for key, value in properties.items() if value is not None}
    return {f"/org/bluez/{name}": {ADAPTER: shown, ADVERTISING: manager}}


@asynccontextmanager
async def private_bus(folder: Path, policy: str = OPEN) -> AsyncIterator[str]:
    """Run a dbus-daemon with this policy on a socket in `folder`, and yield its address."""
    configuration = folder / "bus.conf"
    configuration.write_text(
        f"<busconfig><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>{policy}</busconfig>"
    )
    daemon = await asyncio.create_subprocess_exec(
        *("dbus-daemon", "--nofork", "--nopidfile", "--print-address", f"--config-file={configuration}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert daemon.stdout is not None
        yield (await asyncio.wait_for(daemon.stdout.readline(), 10)).decode().strip()
    finally:
        daemon.terminate()
        await daemon.communicate()


@asynccontextmanager
async def service(address: str, name: str, objects: Objects | None = None) -> AsyncIterator[list[str]]:
    """Own a name on the bus; answer GetManagedObjects, anything else too, or nothing at all if `objects` is None.

    Yields the members that were called.
    """
    called: list[str] = []

    def answer(message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        called.append(str(message.member))
        if objects is None:
            return True
        return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])

    bus = await MessageBus(address).connect()
    bus.add_message_handler(answer)
    await bus.request_name(name)
    try:
        yield called
    finally:
        await leave(bus)


async def leave(bus: MessageBus) -> None:
    """Disconnect, and wait for it."""
    bus.disconnect()
    await asyncio.wait_for(bus.wait_for_disconnect(), 10)


async def call(address: str, destination: str, member: str = "Ping") -> Any:
    """Call a method of a service, and return the name of the error that comes back, or None."""
    bus = await MessageBus(address).connect()
    try:
        reply = await bus.call(Message(destination=destination, path="/", interface="org.bluez.Any", member=member))
        return reply.error_name
    finally:
        await leave(bus)
