"""The services of a connected device as D-Bus objects: org.bluez.GattService1, GattCharacteristic1, GattDescriptor1."""

import asyncio
from contextlib import suppress
from typing import Final, NoReturn

from bumble.gatt import GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR, Characteristic
from bumble.gatt_client import CharacteristicProxy, DescriptorProxy, ServiceProxy
from dbus_fast import Variant

from oob.sim.bluez.errors import BluezError, failed, in_progress, not_permitted, not_supported
from oob.sim.bluez.link import Link
from oob.sim.bluez.objects import Interface, Method, ObjectTree
from oob.sim.uuids import text_of

SERVICE: Final = "org.bluez.GattService1"
CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"
DESCRIPTOR: Final = "org.bluez.GattDescriptor1"
GENERIC_ACCESS: Final = "00001800-0000-1000-8000-00805f9b34fb"
"""The service that BlueZ keeps to itself."""

_ATT_HEADER: Final = 3
_Properties = Characteristic.Properties
FLAGS: Final = {
    "broadcast": _Properties.BROADCAST,
    "read": _Properties.READ,
    "write-without-response": _Properties.WRITE_WITHOUT_RESPONSE,
    "write": _Properties.WRITE,
    "notify": _Properties.NOTIFY,
    "indicate": _Properties.INDICATE,
    "authenticated-signed-writes": _Properties.AUTHENTICATED_SIGNED_WRITES,
    "extended-properties": _Properties.EXTENDED_PROPERTIES,
}
"""What BlueZ calls the properties of a characteristic."""


class RemoteServices:
    """The GATT objects below one device. They stay when the connection ends, and then refuse their service."""

    def __init__(self, tree: ObjectTree, device: str, link: Link, services: list[ServiceProxy]) -> None:
        self._tree = tree
        self._characteristics: list[_RemoteCharacteristic] = []
        self._paths: list[str] = []
        self.uuids = [text_of(service.uuid) for service in services]
        for service in services:
            if text_of(service.uuid) != GENERIC_ACCESS:
                self._export(device, link, service)

    def withdraw(self) -> None:
        """Remove all these objects."""
        for path in self._paths:
            self._tree.remove(path)

    async def forget_caller(self, caller: str) -> None:
        """End what a program that has gone had subscribed to."""
        for characteristic in self._characteristics:
            await characteristic.forget_caller(caller)

    def _export(self, device: str, link: Link, service: ServiceProxy) -> None:
        path = f"{device}/service{service.handle:04x}"
        self._paths.append(path)
        properties = {
            "UUID": Variant("s", text_of(service.uuid)),
            "Device": Variant("o", device),
            "Primary": Variant("b", True),
            "Includes": Variant("ao", []),
        }
        self._tree.add(path, Interface(SERVICE, properties))
        for proxy in service.characteristics:
            characteristic = _RemoteCharacteristic(self._tree, path, link, proxy)
            self._characteristics.append(characteristic)
            for descriptor in proxy.descriptors:
                _RemoteDescriptor(self._tree, characteristic.path, link, descriptor)


class _RemoteCharacteristic:
    def __init__(self, tree: ObjectTree, service: str, link: Link, proxy: CharacteristicProxy[bytes]) -> None:
        self.path = f"{service}/char{proxy.handle - 1:04x}"  # the handle of the declaration, one before the value's
        self._tree = tree
        self._link = link
        self._proxy = proxy
        self._writing = False
        self._subscribed = False
        self._turn = asyncio.Lock()
        self._sessions: dict[str, bool] = {}  # who called StartNotify, and whether that is through
        flags = [name for name, flag in FLAGS.items() if proxy.properties & flag]
        self._notifies = not {"notify", "indicate"}.isdisjoint(flags)
        properties = {
            "UUID": Variant("s", text_of(proxy.uuid)),
            "Service": Variant("o", service),
            "Value": Variant("ay", b""),
            "Flags": Variant("as", flags),
            "MTU": Variant("q", link.mtu),
        }
        if self._notifies:
            properties["Notifying"] = Variant("b", False)
        methods = {
            "ReadValue": Method(self._read, "a{sv}", "ay"),
            "WriteValue": Method(self._write, "aya{sv}"),
            "StartNotify": Method(self._start_notify),
            "StopNotify": Method(self._stop_notify),
            "AcquireWrite": Method(self._acquire, "a{sv}", "hq"),
            "AcquireNotify": Method(self._acquire, "a{sv}", "hq"),
        }
        tree.add(self.path, Interface(CHARACTERISTIC, properties, methods))

    async def forget_caller(self, caller: str) -> None:
        if self._sessions.pop(caller, False):
            with suppress(BluezError):  # the connection may be gone, too
                await self._settle()

    async def _read(self, _caller: str, options: dict[str, Variant]) -> bytes:
        if _offset(options):
            raise not_supported()
        value = bytes(await self._link.run(self._proxy.read_value()))
        self._show(value)
        return value

    async def _write(self, _caller: str, value: bytes, options: dict[str, Variant]) -> None:
        """Write by request or command (`characteristic_write_value` in src/gatt-client.c)."""
        if self._writing:
            raise in_progress()
        request = self._by_request(options)
        if _offset(options):
            raise not_supported()
        if not request and len(value) > self._link.mtu - _ATT_HEADER:
            raise failed("Failed to initiate write")
        self._writing = True
        try:
            await self._link.run(self._proxy.write_value(bytes(value), with_response=request))
        finally:
            self._writing = False

    def _by_request(self, options: dict[str, Variant]) -> bool:
        kind = options["type"].value if "type" in options else None
        if kind in ("request", "command"):
            return bool(kind == "request")
        if kind is not None:
            raise not_supported()
        if self._proxy.properties & _Properties.WRITE:
            return True
        if self._proxy.properties & _Properties.WRITE_WITHOUT_RESPONSE:
            return False
        raise not_supported()

    async def _start_notify(self, caller: str) -> None:
        """Subscribe for this caller; a second call of the same one is none."""
        if not self._notifies:
            raise not_supported()
        if caller in self._sessions:
            if not self._sessions[caller]:
                raise in_progress()
            return
        self._sessions[caller] = False
        try:
            await self._settle()
        except BaseException:
            self._sessions.pop(caller, None)
            raise
        if caller in self._sessions:  # else it has gone meanwhile
            self._sessions[caller] = True

    async def _stop_notify(self, caller: str) -> None:
        if self._sessions.pop(caller, None) is None:
            raise failed("No notify session started")
        await self._settle()

    async def _acquire(self, _caller: str, _options: dict[str, Variant]) -> NoReturn:
        raise not_supported()

    async def _settle(self) -> None:
        """Be subscribed at the device as long as somebody here is."""
        async with self._turn:
            wanted = bool(self._sessions)
            if wanted == self._subscribed:
                return
            proxy = self._proxy
            await self._link.run(proxy.subscribe(self._show) if wanted else proxy.unsubscribe(self._show))
            self._subscribed = wanted
            self._tree.change(self.path, CHARACTERISTIC, {"Notifying": Variant("b", wanted)})

    def _show(self, value: bytes) -> None:
        """Signal a value, a notified or a read one, also where it is the same as the last."""
        if self.path in self._tree:
            self._tree.change(self.path, CHARACTERISTIC, {"Value": Variant("ay", bytes(value))})


class _RemoteDescriptor:
    def __init__(self, tree: ObjectTree, characteristic: str, link: Link, proxy: DescriptorProxy) -> None:
        self._link = link
        self._proxy = proxy
        properties = {
            "UUID": Variant("s", text_of(proxy.type)),
            "Characteristic": Variant("o", characteristic),
            "Value": Variant("ay", b""),
        }
        methods = {"ReadValue": Method(self._read, "a{sv}", "ay"), "WriteValue": Method(self._write, "aya{sv}")}
        tree.add(f"{characteristic}/desc{proxy.handle:04x}", Interface(DESCRIPTOR, properties, methods))

    async def _read(self, _caller: str, _options: dict[str, Variant]) -> bytes:
        return bytes(await self._link.run(self._proxy.read_value()))

    async def _write(self, _caller: str, value: bytes, _options: dict[str, Variant]) -> None:
        if self._proxy.type == GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR:
            raise not_permitted("Write not permitted")  # by StartNotify and StopNotify only
        await self._link.run(self._proxy.write_value(bytes(value), with_response=True))


def _offset(options: dict[str, Variant]) -> int:
    return int(options["offset"].value) if "offset" in options else 0
