"""A minimal peripheral application, as a device maker writes one for BlueZ."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from dbus_fast import Variant
from dbus_fast.aio import MessageBus

from oob.sim.bluez.errors import BluezError
from oob.sim.bluez.objects import Interface, Method, ObjectTree
from oob.transport.gatt_profile import COMPANY_ID, RX_UUID, SERVICE_UUID, TX_UUID
from tests.sim.bluez.bench import HCI0, Caller

SERVICE, RX, TX = "/service", "/service/rx", "/service/tx"
INFO_UUID = "3f34ffff-935c-4f53-b007-23fccaf0e150"
INFO = "/service/info"
DESCRIPTION = "/service/info/description"
GATT, ADVERTISING = "org.bluez.GattManager1", "org.bluez.LEAdvertisingManager1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
ADVERTISEMENT = "org.bluez.LEAdvertisement1"


class Peripheral(Caller):
    """An application at / with RX and TX as in this library's profile, and one that is read and answers writes."""

    def __init__(self, bus: MessageBus) -> None:
        super().__init__(bus)
        self.tree = ObjectTree(bus)
        bus.add_message_handler(self.tree.handle)
        self.calls: list[str] = []
        self.written: list[tuple[bytes, dict[str, Any]]] = []
        self.fails: BluezError | None = None

    def export(self) -> None:
        """Make the objects; they do not change any more."""
        service = {"UUID": Variant("s", SERVICE_UUID), "Primary": Variant("b", True)}
        self.tree.add(SERVICE, Interface("org.bluez.GattService1", service))
        self._characteristic(RX, RX_UUID, ["write", "write-without-response"])
        self._characteristic(TX, TX_UUID, ["notify"])
        self._characteristic(INFO, INFO_UUID, ["read", "write"])
        descriptor = {
            "UUID": Variant("s", "00002901-0000-1000-8000-00805f9b34fb"),
            "Characteristic": Variant("o", INFO),
            "Flags": Variant("as", ["read", "write"]),
        }
        self.tree.add(DESCRIPTION, Interface("org.bluez.GattDescriptor1", descriptor, self._methods()))

    def _characteristic(self, path: str, uuid: str, flags: list[str]) -> None:
        properties = {
            "UUID": Variant("s", uuid),
            "Service": Variant("o", SERVICE),
            "Flags": Variant("as", flags),
            "Value": Variant("ay", b""),
        }
        self.tree.add(path, Interface(CHARACTERISTIC, properties, self._methods()))

    def _methods(self) -> dict[str, Method]:
        return {
            "ReadValue": Method(self._read, "a{sv}", "ay"),
            "WriteValue": Method(self._write, "aya{sv}"),
            "StartNotify": Method(self._noting("StartNotify")),
            "StopNotify": Method(self._noting("StopNotify")),
            "Release": Method(self._noting("Release")),
        }

    async def register(self, adapter: str = HCI0) -> None:
        await self.call(adapter, GATT, "RegisterApplication", "oa{sv}", ("/", {}))

    async def unregister(self, adapter: str = HCI0) -> None:
        await self.call(adapter, GATT, "UnregisterApplication", "o", ("/",))

    def advertisement(self, path: str = "/ad", kind: str = "peripheral", tag: bytes = b"tag--1") -> None:
        properties = {
            "Type": Variant("s", kind),
            "ServiceUUIDs": Variant("as", [SERVICE_UUID]),
            "ManufacturerData": Variant("a{qv}", {COMPANY_ID: Variant("ay", tag)}),
            "Discoverable": Variant("b", kind == "peripheral"),
        }
        self.tree.add(path, Interface(ADVERTISEMENT, properties, self._methods()))

    async def advertise(self, adapter: str = HCI0, path: str = "/ad", **chosen: Any) -> None:
        self.advertisement(path, **chosen)
        await self.call(adapter, ADVERTISING, "RegisterAdvertisement", "oa{sv}", (path, {}))

    async def stop_advertising(self, adapter: str = HCI0, path: str = "/ad") -> None:
        await self.call(adapter, ADVERTISING, "UnregisterAdvertisement", "o", (path,))

    def notify(self, value: bytes) -> None:
        self.tree.change(TX, CHARACTERISTIC, {"Value": Variant("ay", value)})

    async def _read(self, _caller: str, _options: dict[str, Variant]) -> bytes:
        if self.fails is not None:
            raise self.fails
        return b"about me"

    async def _write(self, _caller: str, value: bytes, options: dict[str, Variant]) -> None:
        if self.fails is not None:
            raise self.fails
        self.written.append((bytes(value), {name: option.value for name, option in options.items()}))

    def _noting(self, name: str) -> Callable[[str], Any]:
        async def note(_caller: str) -> None:
            self.calls.append(name)

        return note


@asynccontextmanager
async def peripheral(address: str, adapter: str | None = HCI0) -> AsyncIterator[Peripheral]:
    """Run a peripheral; with `adapter`, registered and advertising there. It ends without unregistering."""
    bus = MessageBus(address)
    program = Peripheral(bus)
    await bus.connect()
    program.export()
    try:
        if adapter is not None:
            await program.register(adapter)
            await program.advertise(adapter)
        yield program
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()
        await program.tree.close()
        await asyncio.sleep(0)
