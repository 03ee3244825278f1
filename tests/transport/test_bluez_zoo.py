"""Genuine bleak and the device on one BlueZoo: a simulated BlueZ that neither side was written against.

BlueZoo 1.0.2 wants `Discoverable`, dies silently on ManufacturerData in an advertisement (so the tag is b"" here), and
gives TX no CCC descriptor. It runs as a process of its own, on a private bus.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from oob.errors import LinkError
from oob.framing.gatt import MessageType
from oob.transport.ble_central import connect
from oob.transport.bluez_bus import OBJECT_MANAGER, Bus
from oob.transport.bluez_peripheral import bluez_listener
from oob.transport.peripheral import Peripheral
from tests.transport.dbus_daemon import dbus_daemon

PATIENCE = 20.0
ADDRESS = "00:11:22:33:44:02"
HANDSHAKE = MessageType.HANDSHAKE


@contextmanager
def bluezoo(directory: Path) -> Iterator[None]:
    """Run BlueZoo with two simulated adapters."""
    program = [str(Path(sys.executable).with_name("bluezoo")), "--auto-enable", "--scan-interval", "1"]
    adapters = ["--adapter", "00:11:22:33:44:01", "--adapter", ADDRESS]
    with (
        (directory / "bluezoo.log").open("ab") as log,
        subprocess.Popen([*program, *adapters], stdout=log, stderr=log) as process,  # noqa: S603
    ):
        try:
            yield
        finally:
            process.terminate()


async def until_ready() -> None:
    bus = await Bus.open()
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                reply = await bus.call("/", OBJECT_MANAGER, "GetManagedObjects")
            except LinkError:
                reply = None
            if reply is not None and "/org/bluez/hci1" in reply.body[0]:
                break
            await asyncio.sleep(0.01)
    await bus.close()


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a private bus in place of the system bus."""
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield


@asynccontextmanager
async def listening() -> AsyncIterator[Peripheral]:
    await until_ready()
    listener = bluez_listener("hci1")
    await listener.start()
    try:
        await listener.advertise(b"")
        yield listener
    finally:
        await listener.close()


async def discovered() -> BLEDevice:
    """Find the device with bleak on the other adapter: left alone, bleak takes any of them.

    BlueZoo reports it once and at once, and never again: too early for `find_device_by_address`.
    """
    seen = asyncio.get_running_loop().create_future()

    def on_advertisement(device: BLEDevice, _: AdvertisementData) -> None:
        if device.address == ADDRESS and not seen.done():
            seen.set_result(device)

    async with asyncio.timeout(PATIENCE), BleakScanner(on_advertisement, bluez={"adapter": "hci0"}):
        found: BLEDevice = await seen
    return found


async def exchange(listener: Peripheral) -> None:
    """Send a message both ways. Once for each BlueZoo: it cannot connect twice, and does not hang up for a device."""
    await until_ready()
    client = await connect(await discovered())
    await client.send(HANDSHAKE, bytes(3000))
    device = await listener.accept()
    assert await device.receive(PATIENCE) == (HANDSHAKE, bytes(3000))
    await device.send(HANDSHAKE, bytes(4000))
    assert await client.receive(PATIENCE) == (HANDSHAKE, bytes(4000))
    await client.close()
    with pytest.raises(LinkError, match="hung up"):
        await device.receive(PATIENCE)
    await device.close()


@pytest.mark.usefixtures("bus")
async def test_bleak_reaches_the_device(tmp_path: Path) -> None:
    with bluezoo(tmp_path):
        async with listening() as listener:
            await exchange(listener)


@pytest.mark.usefixtures("bus")
async def test_bleak_reaches_the_device_after_a_restart_of_bluez(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with bluezoo(tmp_path):
            listener = await stack.enter_async_context(listening())
        stack.enter_context(bluezoo(tmp_path))
        await exchange(listener)
