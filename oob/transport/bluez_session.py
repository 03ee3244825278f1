"""One life on the bus: a connection to D-Bus, and all that BlueZ was told over it.

BlueZ forgets the registrations of a connection that ends. So whatever goes wrong (the connection is lost, bluetoothd
ends, the adapter is unplugged or switched off) ends the session as a whole, and the next one begins from nothing.
"""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

from oob.errors import LinkError
from oob.transport.bluez_adapter import ADAPTER, ADVERTISING_MANAGER, GATT_MANAGER, choose
from oob.transport.bluez_application import CHARACTERISTIC_INTERFACE, ROOT, TX, Application, Audience, advertisement
from oob.transport.bluez_bus import (
    BLUEZ,
    DAEMON,
    OBJECT_MANAGER,
    OBJECTS,
    PROPERTIES,
    Bus,
    Incoming,
    Refusal,
    Reply,
    variant,
)

DEVICE: Final = "org.bluez.Device1"
_RULES: Final = (
    f"type='signal',sender='{DAEMON}',interface='{DAEMON}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    f"type='signal',sender='{BLUEZ}',interface='{OBJECT_MANAGER}'",
    f"type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',member='PropertiesChanged',arg0='{ADAPTER}'",
    f"type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',member='PropertiesChanged',arg0='{DEVICE}'",
)
_VANISHING: Final = {ADAPTER, GATT_MANAGER, ADVERTISING_MANAGER}


class Clients(Audience, Protocol):
    """Who is told of the clients. None of it may raise, or take long."""

    def on_gone(self, device: str) -> None:
        """The device at this object path, client or not, is not connected any more."""
        ...


class Session:
    """Registers the application, and the advertisement; ends as soon as one of the things it stands on goes away."""

    def __init__(self, adapter: str | None, clients: Clients) -> None:
        self.ended = asyncio.Event()
        """Set once nothing of the session works any more."""
        self._wanted = adapter
        self._clients = clients
        self._application = Application(clients, self._on_release)
        self._bus: Bus | None = None
        self._owner = ""  # the unique name of BlueZ on the bus: nobody else is obeyed
        self._adapter = ""
        self._on_air: tuple[str, bytes] | None = None  # the object path and the tag of the advertisement
        self._count = 0
        self._stirred = asyncio.Event()  # something came that may make the next try succeed

    # --- what a session is told to do ---

    async def begin(self, *, autostart: bool) -> None:
        """Connect and register the service; with `autostart` D-Bus may start BlueZ. Raises LinkError."""
        self._bus = bus = await Bus.open(self._on_call, self._on_signal, self.ended.set)
        for rule in _RULES:
            await bus.watch(rule)
        reply = await bus.call("/", OBJECT_MANAGER, "GetManagedObjects", autostart=autostart, returns=OBJECTS)
        self._owner = reply.sender
        self._adapter = choose(reply.body[0], self._wanted)
        await bus.call(self._adapter, GATT_MANAGER, "RegisterApplication", "oa{sv}", ROOT, {})

    async def advertise(self, tag: bytes | None) -> None:
        """Put an advertisement with `tag` in place of what is on the air; None: nothing. Raises LinkError.

        The new one is registered before the old one goes, so that there is no gap, where the adapter has a place for
        both. BlueZ would also take a new ManufacturerData by PropertiesChanged (since 5.47), but then Linux keeps the
        private address of that advertising set until it expires (net/bluetooth/hci_sync.c, adv_rpa_valid): whoever
        listens could tell that both tags are of one device.
        """
        old = self._on_air
        if tag == (old and old[1]):
            return
        if tag is not None and old is not None:
            with suppress(LinkError):  # what is refused beside another may do alone; a tag that had its time must go
                if await self._has_room():
                    await self._publish(tag)
        if old is not None:
            await self._withdraw(old[0])
        if tag is not None and self._on_air is None:
            await self._publish(tag)

    async def notify(self, value: bytes) -> None:
        """Send a notification to all that subscribed: BlueZ cannot send to one of them. Raises LinkError.

        Each goes into a queue of bluetoothd for each subscriber, which has no limit (src/shared/att.c) and tells nobody
        how full it is. Since the link is half-duplex it holds one message, 4 KiB, at most; where a client asks for it
        again and again and takes nothing off the air, eight more a second, for as long as it is served.
        """
        changed = {"Value": variant("ay", value)}
        bus = self._require()
        await bus.emit(TX, PROPERTIES, "PropertiesChanged", "sa{sv}as", CHARACTERISTIC_INTERFACE, changed, [])

    async def hang_up(self, device: str) -> None:
        """End the connection to a client; what was sent before still leaves. Raises LinkError.

        BlueZ waits for 2 s until it hangs up, and answers when the connection has ended (src/device.c,
        DISCONNECT_TIMER, in 5.43 to 5.87): time enough for its queue to empty.
        """
        await self._require().call(device, DEVICE, "Disconnect", step="disconnect")

    async def close(self) -> None:
        """End the connection, and with it all that BlueZ was told. May be called twice."""
        self.ended.set()
        if self._bus is not None:
            await self._bus.close()

    async def wait_stirred(self, timeout: float) -> None:
        """Wait until BlueZ or an adapter shows up or is switched on, at most `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._stirred.wait()

    def _require(self) -> Bus:
        if self._bus is None or self.ended.is_set():
            raise LinkError("Bluetooth is gone", step="link", remedy="Wait until the adapter is back")
        return self._bus

    async def _has_room(self) -> bool:
        """Whether one more advertisement may be registered; SupportedInstances counts the places that are left."""
        which = (ADVERTISING_MANAGER, "SupportedInstances")
        reply = await self._require().call(
            self._adapter, PROPERTIES, "Get", "ss", *which, returns="v", step="advertise"
        )
        return bool(reply.body[0] > 0)

    async def _publish(self, tag: bytes) -> None:
        self._count += 1
        path = f"{ROOT}/advertisement{self._count}"
        self._application.advertisements[path] = advertisement(tag)
        try:
            await self._require().call(
                self._adapter, ADVERTISING_MANAGER, "RegisterAdvertisement", "oa{sv}", path, {}, step="advertise"
            )
        except BaseException:
            self._application.advertisements.pop(path, None)
            raise
        self._on_air = path, tag

    async def _withdraw(self, path: str) -> None:
        if self._on_air is not None and self._on_air[0] == path:
            self._on_air = None
        self._application.advertisements.pop(path, None)
        await self._require().call(
            self._adapter, ADVERTISING_MANAGER, "UnregisterAdvertisement", "o", path, step="advertise"
        )

    # --- what BlueZ tells ---

    def _on_release(self, path: str) -> None:
        """Begin anew when BlueZ gives up the advertisement: its adapter goes."""
        if self._on_air is not None and self._on_air[0] == path:
            self.ended.set()

    def _on_call(self, call: Incoming) -> Reply | None:
        if call.sender != self._owner or self.ended.is_set():
            raise Refusal(
                "org.freedesktop.DBus.Error.AccessDenied", "only the Bluetooth service may do this, and not now"
            )
        return self._application.answer(call)

    def _on_signal(self, signal: Incoming) -> None:
        if signal.sender == DAEMON and signal.member == "NameOwnerChanged":
            self._on_owner(signal.body[2])
        elif self._owner in ("", signal.sender):
            if signal.member == "PropertiesChanged":
                self._on_changed(signal.path, *signal.body[:2])
            elif signal.member == "InterfacesRemoved":
                self._on_removed(*signal.body)
            elif signal.member == "InterfacesAdded" and _VANISHING.intersection(signal.body[1]):
                self._stirred.set()

    def _on_owner(self, owner: str) -> None:
        """BlueZ has come or gone."""
        if owner:
            self._stirred.set()
        if self._owner and owner != self._owner:
            self.ended.set()

    def _on_changed(self, path: str, interface: str, changed: dict[str, object]) -> None:
        if interface == DEVICE and changed.get("Connected") is False:
            self._clients.on_gone(path)
        elif interface == ADAPTER and "Powered" in changed:
            if changed["Powered"]:
                self._stirred.set()
            elif path == self._adapter:
                self.ended.set()

    def _on_removed(self, path: str, interfaces: list[str]) -> None:
        # BlueZ removes a device that is not paired soon after it has disconnected.
        if DEVICE in interfaces:
            self._clients.on_gone(path)
        elif path == self._adapter and _VANISHING.intersection(interfaces):
            self.ended.set()
