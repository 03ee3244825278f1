"""What the tests of the simulated BlueZ share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from dbus_fast import Message, MessageType, unpack_variants
from dbus_fast.aio import MessageBus

from oob.sim.radio import SimulatedPeripheral
from oob.transport.gatt_profile import COMPANY_ID, SERVICE_UUID

BLUEZ = "org.bluez"
HCI0, HCI1 = "/org/bluez/hci0", "/org/bluez/hci1"
WAIT = 5.0
"""Seconds after which a test gives up waiting."""


async def found(address: str | None = None, adapter: str = "hci0") -> BLEDevice:
    """Return the device of this address, or the first one that offers the service, as bleak's scanner finds it."""
    device = await BleakScanner.find_device_by_filter(
        lambda device, data: address in (None, device.address),
        timeout=WAIT,
        service_uuids=[SERVICE_UUID],
        bluez={"adapter": adapter},
    )
    assert device is not None
    return device


async def heard(tag: bytes, adapter: str = "hci0") -> BLEDevice:
    """Return the device that advertises this tag, once it is heard."""
    device = await BleakScanner.find_device_by_filter(
        lambda _, data: data.manufacturer_data.get(COMPANY_ID) == tag,
        timeout=WAIT,
        service_uuids=[SERVICE_UUID],
        bluez={"adapter": adapter},
    )
    assert device is not None
    return device


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.001)


class Caller:
    """A program on the bus, which calls, and keeps all signals of org.bluez."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.signals: list[tuple[str, str, list[Any]]] = []
        bus.add_message_handler(self._keep)

    def _keep(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.path is not None and message.member is not None:
            self.signals.append((message.path, message.member, unpack_variants(message.body)))

    async def reply(
        self, path: str, interface: str, member: str, signature: str = "", body: tuple[Any, ...] = ()
    ) -> Message:
        """Call, and return the reply as it is."""
        async with asyncio.timeout(WAIT):
            call = Message(BLUEZ, path, interface, member, signature=signature, body=list(body))
            return await self.bus.call(call)

    async def call(
        self, path: str, interface: str, member: str, signature: str = "", body: tuple[Any, ...] = ()
    ) -> Any:
        """Call, and return what is returned; an error is an AssertionError with its name and text."""
        reply = await self.reply(path, interface, member, signature, body)
        assert reply.message_type is MessageType.METHOD_RETURN, (reply.error_name, reply.body)
        return unpack_variants(reply.body[0]) if reply.body else None

    async def error(
        self, path: str, interface: str, member: str, signature: str = "", body: tuple[Any, ...] = ()
    ) -> tuple[str, str]:
        """Call, and return name and text of the error."""
        reply = await self.reply(path, interface, member, signature, body)
        assert reply.message_type is MessageType.ERROR, reply.body
        assert reply.error_name is not None
        return reply.error_name.removeprefix("org.bluez.Error."), reply.body[0]

    async def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return all objects with their interfaces and properties."""
        listed = await self.call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        assert isinstance(listed, dict)
        return listed


@asynccontextmanager
async def caller(address: str) -> AsyncIterator[Caller]:
    """Connect a program to the bus, and disconnect it."""
    bus = MessageBus(address)
    program = Caller(bus)
    await bus.connect()
    try:
        rule = "type='signal',sender='org.bluez'"
        daemon = "org.freedesktop.DBus"
        await bus.call(Message(daemon, "/org/freedesktop/DBus", daemon, "AddMatch", signature="s", body=[rule]))
        yield program
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


@asynccontextmanager
async def connected(device: SimulatedPeripheral, adapter: str = "hci0") -> AsyncIterator[BleakClient]:
    """Find a device by bleak, and connect to it."""
    async with BleakClient(await found(device.address, adapter), timeout=WAIT) as client:
        yield client
