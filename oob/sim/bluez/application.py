"""Services that a program on the bus offers: the objects below an application, served over the simulated radio.

What BlueZ does here is in its src/gatt-database.c; this keeps to it, also where it surprises:

- `StartNotify` is called for each central that subscribes (`ccc_write_cb`; so since 5.30), without saying which one.
- `StopNotify` is called only when the last one has unsubscribed.
- A central that drops counts as unsubscribed (`att_disconnected`, since 5.48). One that is bonded does not, nor did any
  before 5.48: its subscription stays, no `StopNotify` comes, and when it subscribes again, no second `StartNotify`, as
  its value is what it was (`gatt_ccc_write_cb`). That is how it is with `remembers_subscriptions`.
- A changed `Value` is notified to every central that has subscribed, never to one alone.
- The answer to a write request does not wait for the application where the characteristic also takes write commands
  (`chrc_write_cb` gives no queue): what it says is that the request arrived, and an error of the application is lost.
- `WriteValue` is not told whether a request or a command came: its options have no `type`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bumble.att import ATT_READ_NOT_PERMITTED_ERROR, ATT_WRITE_NOT_PERMITTED_ERROR, ATT_Error
from bumble.device import Connection
from bumble.gatt import Characteristic, CharacteristicValue, Descriptor, Service
from dbus_fast import Variant

from oob.sim.bluez.errors import BluezError, failed, to_att
from oob.sim.bluez.program import Program
from oob.sim.bluez.remote_gatt import CHARACTERISTIC, DESCRIPTOR, FLAGS, SERVICE
from oob.sim.uuids import uuid_of

_Permissions = Characteristic.Permissions
_PROPERTIES: Final = {
    **FLAGS,
    "encrypt-read": Characteristic.Properties.READ,
    "encrypt-write": Characteristic.Properties.WRITE,
    "encrypt-authenticated-read": Characteristic.Properties.READ,
    "encrypt-authenticated-write": Characteristic.Properties.WRITE,
}
_PERMISSIONS: Final = {
    "read": _Permissions.READABLE,
    "write": _Permissions.WRITEABLE,
    "write-without-response": _Permissions.WRITEABLE,
    "encrypt-read": _Permissions.READABLE | _Permissions.READ_REQUIRES_ENCRYPTION,
    "encrypt-write": _Permissions.WRITEABLE | _Permissions.WRITE_REQUIRES_ENCRYPTION,
    "encrypt-authenticated-read": _Permissions.READABLE | _Permissions.READ_REQUIRES_AUTHENTICATION,
    "encrypt-authenticated-write": _Permissions.WRITEABLE | _Permissions.WRITE_REQUIRES_AUTHENTICATION,
}

Objects = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an application needs of its adapter."""

    program: Program
    connections: Callable[[], list[Connection]]
    notify: Callable[[Connection, Characteristic[bytes], bytes], Any]
    device_path: Callable[[Connection], str]
    remembers_subscriptions: bool


class Application:
    """A registered application. `services` are for the stack."""

    def __init__(self, objects: Objects, around: Surroundings) -> None:
        """Build the services. Raises BluezError where there are none, or wrong ones."""
        self._characteristics: dict[str, _Served] = {}
        self.services = [
            self._service(path, objects, around) for path, interfaces in objects.items() if SERVICE in interfaces
        ]
        if not self.services:
            raise failed("No valid service object found")

    async def on_value(self, path: str, value: bytes) -> None:
        """The application has changed the `Value` of a characteristic."""
        if path in self._characteristics:
            await self._characteristics[path].on_value(value)

    def on_disconnect(self, connection: Connection) -> None:
        """A central is gone."""
        for characteristic in self._characteristics.values():
            characteristic.on_disconnect(connection)

    def _service(self, path: str, objects: Objects, around: Surroundings) -> Service:
        try:
            characteristics = [
                self._characteristic(each, objects, around)
                for each, interfaces in objects.items()
                if interfaces.get(CHARACTERISTIC, {}).get("Service") == path
            ]
            return Service(uuid_of(objects[path][SERVICE]["UUID"]), characteristics)
        except (KeyError, ValueError):  # a property is not there, or no UUID, or no flag
            raise failed("No valid service object found") from None

    def _characteristic(self, path: str, objects: Objects, around: Surroundings) -> Characteristic[bytes]:
        descriptors = [
            _descriptor(each, interfaces[DESCRIPTOR], around)
            for each, interfaces in objects.items()
            if interfaces.get(DESCRIPTOR, {}).get("Characteristic") == path
        ]
        served = self._characteristics[path] = _Served(path, objects[path][CHARACTERISTIC], descriptors, around)
        return served.characteristic


class _Served:
    def __init__(
        self, path: str, properties: dict[str, Any], descriptors: list[Descriptor], around: Surroundings
    ) -> None:
        self._path = path
        self._around = around
        self._subscribed: set[str] = set()  # by the centrals' object paths
        flags = properties["Flags"]
        self._answers_at_once = "write-without-response" in flags
        shown = Characteristic.Properties(0)
        for flag in flags:
            shown |= _PROPERTIES[flag]
        self.characteristic: Characteristic[bytes] = Characteristic(
            uuid_of(properties["UUID"]),
            shown,
            _permissions(flags),
            CharacteristicValue(self._read, self._write),
            descriptors,
        )
        self.characteristic.on(Characteristic.EVENT_SUBSCRIPTION, self._on_subscription)

    async def on_value(self, value: bytes) -> None:
        """Notify all who have subscribed, in this connection or, being remembered, in one before."""
        for connection in self._around.connections():
            if self._around.device_path(connection) in self._subscribed:
                await self._around.notify(connection, self.characteristic, value)

    def on_disconnect(self, connection: Connection) -> None:
        if not self._around.remembers_subscriptions:
            self._unsubscribe(self._around.device_path(connection))

    def _on_subscription(self, connection: Connection, notify: bool, indicate: bool) -> None:
        device = self._around.device_path(connection)
        if not (notify or indicate):
            self._unsubscribe(device)
        elif device not in self._subscribed:
            self._subscribed.add(device)
            self._around.program.tell(self._path, CHARACTERISTIC, "StartNotify", "", [])

    def _unsubscribe(self, device: str) -> None:
        if device in self._subscribed:
            self._subscribed.discard(device)
            if not self._subscribed:
                self._around.program.tell(self._path, CHARACTERISTIC, "StopNotify", "", [])

    async def _read(self, connection: Connection) -> bytes:
        return await _read(self._path, CHARACTERISTIC, connection, self._around)

    def _write(self, connection: Connection, value: bytes) -> Any:  # noqa: ANN401  bumble awaits it if it can be
        if connection not in self._around.connections():
            return None  # bumble hands it over late; BlueZ tells of no write after the end of its connection
        body = [bytes(value), _options(connection, self._around)]
        if not self._answers_at_once:
            return _write(self._path, CHARACTERISTIC, body, self._around)
        self._around.program.tell(self._path, CHARACTERISTIC, "WriteValue", "aya{sv}", body)
        return None


def _permissions(flags: list[str]) -> Characteristic.Permissions:
    permissions = _Permissions(0)
    for flag in flags:
        permissions |= _PERMISSIONS.get(flag, _Permissions(0))
    return permissions


def _descriptor(path: str, properties: dict[str, Any], around: Surroundings) -> Descriptor:
    async def read(connection: Connection) -> bytes:
        return await _read(path, DESCRIPTOR, connection, around)

    async def write(connection: Connection, value: bytes) -> None:
        await _write(path, DESCRIPTOR, [bytes(value), _options(connection, around)], around)

    return Descriptor(uuid_of(properties["UUID"]), _permissions(properties["Flags"]), CharacteristicValue(read, write))


def _options(connection: Connection, around: Surroundings) -> dict[str, Variant]:
    """Return what the application is told of an operation (`append_options`); the offset is always 0, and left out."""
    return {
        "device": Variant("o", around.device_path(connection)),
        "link": Variant("s", "LE"),
        "mtu": Variant("q", int(connection.att_mtu)),
    }


async def _read(path: str, interface: str, connection: Connection, around: Surroundings) -> bytes:
    try:
        options = [_options(connection, around)]
        return bytes(await around.program.ask(path, interface, "ReadValue", "a{sv}", options))
    except BluezError as error:
        raise ATT_Error(to_att(error.name, error.text, ATT_READ_NOT_PERMITTED_ERROR)) from error


async def _write(path: str, interface: str, body: list[Any], around: Surroundings) -> None:
    try:
        await around.program.ask(path, interface, "WriteValue", "aya{sv}", body)
    except BluezError as error:
        raise ATT_Error(to_att(error.name, error.text, ATT_WRITE_NOT_PERMITTED_ERROR)) from error
