"""What BlueZ sees of a device: one GATT service with two characteristics, and one advertisement at a time.

    /oob                   ObjectManager, handed to GattManager1.RegisterApplication
    /oob/service           GattService1
    /oob/service/rx        GattCharacteristic1, write and write-without-response
    /oob/service/tx        GattCharacteristic1, notify
    /oob/advertisement<n>  LEAdvertisement1, handed to LEAdvertisingManager1.RegisterAdvertisement

The characteristics have no WriteAcquired and NotifyAcquired: with them BlueZ would want sockets, one a client, and
mixes up whose notifications end when a client drops (BlueZ 5.78 and 5.83, github.com/bluez/bluez/issues/1452).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from oob.errors import UsageError
from oob.framing.gatt import MAX_FRAME
from oob.transport.bluez_bus import OBJECT_MANAGER, OBJECTS, PROPERTIES, Incoming, Refusal, Reply, variant
from oob.transport.gatt_profile import ATT_HEADER, COMPANY_ID, RX_UUID, SERVICE_UUID, TAG_LENGTH, TX_UUID

if TYPE_CHECKING:
    from dbus_fast import Variant

ROOT: Final = "/oob"
SERVICE: Final = f"{ROOT}/service"
RX: Final = f"{SERVICE}/rx"
TX: Final = f"{SERVICE}/tx"
CHARACTERISTIC_INTERFACE: Final = "org.bluez.GattCharacteristic1"
SERVICE_INTERFACE: Final = "org.bluez.GattService1"
ADVERTISEMENT_INTERFACE: Final = "org.bluez.LEAdvertisement1"
MIN_MTU: Final = 23
"""The ATT MTU of a connection on which none was agreed (Bluetooth Core, volume 3, part F, section 3.2.8)."""

Interfaces = dict[str, dict[str, "Variant"]]


class Audience(Protocol):
    """Who is told what BlueZ calls. None of it may raise, or take long."""

    def on_write(self, device: str, value: bytes, mtu: int) -> None:
        """The client at the object path `device` wrote to RX."""
        ...

    def on_subscribe(self, enabled: bool) -> None:
        """Notifications on TX are wanted by somebody, or by nobody any more."""
        ...


def advertisement(tag: bytes) -> dict[str, "Variant"]:
    """Return the properties of an advertisement with `tag`, 6 bytes or none. Raises UsageError for another length.

    BlueZ adds the Flags by itself, but for an adapter that is not discoverable only where the advertisement says
    Discoverable (since BlueZ 5.50; an older one ignores the property). They fill the 31 bytes of gatt_profile.
    """
    if len(tag) not in (0, TAG_LENGTH):
        raise UsageError(f"an advertised tag has {TAG_LENGTH} bytes, not {len(tag)}", step="advertise")
    properties = {
        "Type": variant("s", "peripheral"),
        "ServiceUUIDs": variant("as", [SERVICE_UUID]),
        "Discoverable": variant("b", True),
    }
    if tag:
        properties["ManufacturerData"] = variant("a{qv}", {COMPANY_ID: variant("ay", tag)})
    return properties


class Application:
    """Answers the method calls of BlueZ on the exported objects. `on_release`: BlueZ gives up an advertisement."""

    def __init__(self, audience: Audience, on_release: Callable[[str], None]) -> None:
        self.advertisements: dict[str, dict[str, Variant]] = {}
        """The properties of each advertisement that BlueZ may read, by object path."""
        self._audience, self._on_release = audience, on_release
        self._objects = _objects()
        self._methods: dict[tuple[str, str, str], Callable[[Incoming], Reply]] = {
            (OBJECT_MANAGER, "GetManagedObjects", ""): lambda _: (OBJECTS, [self._objects]),
            (PROPERTIES, "GetAll", "s"): self._get_all,
            (PROPERTIES, "Get", "ss"): self._get,
            (CHARACTERISTIC_INTERFACE, "WriteValue", "aya{sv}"): self._write,
            (CHARACTERISTIC_INTERFACE, "StartNotify", ""): lambda call: self._subscribe(call, True),
            (CHARACTERISTIC_INTERFACE, "StopNotify", ""): lambda call: self._subscribe(call, False),
            (ADVERTISEMENT_INTERFACE, "Release", ""): self._release,
        }

    def answer(self, call: Incoming) -> Reply | None:
        """Answer a method call; None where its object is none of these. Raises Refusal."""
        interfaces = self._interfaces(call.path)
        if interfaces is None:
            return None
        method = self._methods.get((call.interface, call.member, call.signature))
        if method is None or (call.interface not in interfaces and call.interface != PROPERTIES):
            raise Refusal("org.freedesktop.DBus.Error.UnknownMethod", f"no such method: {call.interface}.{call.member}")
        return method(call)

    def _interfaces(self, path: str) -> Interfaces | None:
        if path == ROOT:
            return {OBJECT_MANAGER: {}}
        if path in self.advertisements:
            return {ADVERTISEMENT_INTERFACE: self.advertisements[path]}
        return self._objects.get(path)

    def _get_all(self, call: Incoming) -> Reply:
        interfaces = self._interfaces(call.path) or {}
        return "a{sv}", [interfaces.get(call.body[0], {})]

    def _get(self, call: Incoming) -> Reply:
        interface, name = call.body
        properties = (self._interfaces(call.path) or {}).get(interface, {})
        if name not in properties:
            raise Refusal("org.freedesktop.DBus.Error.UnknownProperty", f"no such property: {interface}.{name}")
        return "v", [properties[name]]

    def _write(self, call: Incoming) -> Reply:
        value, options = call.body
        if call.path != RX:
            raise Refusal("org.bluez.Error.NotSupported", "not writable")
        # BlueZ waits for no answer where a characteristic takes write commands, too: it has acknowledged the write to
        # the client by then (since BlueZ 5.40; src/gatt-database.c, chrc_write_cb). The refusals matter to others.
        self._audience.on_write(_device(options), value, _mtu(options, value))
        return "", []

    def _subscribe(self, call: Incoming, enabled: bool) -> Reply:
        if call.path != TX:
            raise Refusal("org.bluez.Error.NotSupported", "not notifying")
        self._audience.on_subscribe(enabled)
        return "", []

    def _release(self, call: Incoming) -> Reply:
        del self.advertisements[call.path]
        self._on_release(call.path)
        return "", []


def _objects() -> dict[str, Interfaces]:
    """Return the objects below the root, with their interfaces and properties."""
    return {
        SERVICE: {SERVICE_INTERFACE: {"UUID": variant("s", SERVICE_UUID), "Primary": variant("b", True)}},
        RX: _characteristic(RX_UUID, "write", "write-without-response"),
        TX: _characteristic(TX_UUID, "notify"),
    }


def _characteristic(uuid: str, *flags: str) -> Interfaces:
    return {
        CHARACTERISTIC_INTERFACE: {
            "UUID": variant("s", uuid),
            "Service": variant("o", SERVICE),
            "Flags": variant("as", list(flags)),
        }
    }


def _device(options: dict[str, Any]) -> str:
    """Return the object path of the client that writes."""
    device = options.get("device")
    if not isinstance(device, str) or not device:
        raise Refusal("org.bluez.Error.InvalidArguments", "which device writes?")
    return device


def _mtu(options: dict[str, Any], value: bytes) -> int:
    """Return the ATT MTU of the client, and refuse what is no whole write that fits it."""
    if options.get("offset") or options.get("prepare-authorize"):
        raise Refusal("org.bluez.Error.InvalidOffset", "no long writes")
    mtu = options.get("mtu")
    if not isinstance(mtu, int):
        # BlueZ before 5.51 does not say. That the write arrived shows that the MTU is at least as large.
        mtu = len(value) + ATT_HEADER
    mtu = max(mtu, MIN_MTU)
    if not 0 < len(value) <= min(mtu - ATT_HEADER, MAX_FRAME):
        raise Refusal("org.bluez.Error.InvalidValueLength", f"{len(value)} bytes with an MTU of {mtu}")
    return mtu
