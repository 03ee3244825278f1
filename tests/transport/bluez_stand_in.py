"""A scripted stand-in for bluetoothd: it writes down what is registered, and calls what it is told to call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dbus_fast import Message, MessageFlag, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

from oob.transport.bluez_adapter import ADAPTER, ADVERTISING_MANAGER, GATT_MANAGER
from oob.transport.bluez_application import ADVERTISEMENT_INTERFACE, CHARACTERISTIC_INTERFACE, RX, TX
from oob.transport.bluez_bus import OBJECT_MANAGER, PROPERTIES

PATIENCE = 20.0
HCI0 = "/org/bluez/hci0"
ADDRESS = "C0:FF:EE:00:00:01"
DEVICE = "org.bluez.Device1"
PHONE = f"{HCI0}/dev_C0_00_00_00_00_01"
TABLET = f"{HCI0}/dev_C0_00_00_00_00_02"
HEADSET = f"{HCI0}/dev_C0_00_00_00_00_03"


def adapter(**changes: Variant | None) -> dict[str, dict[str, Variant]]:
    """Return the interfaces of an adapter that is fit and on, with some properties changed, or left out by None."""
    properties: dict[str, Variant | None] = {
        "Address": Variant("s", ADDRESS),
        "Modalias": Variant("s", "usb:v1D6Bp0246d0542"),  # BlueZ 5.66
        "Powered": Variant("b", True),
        "Roles": Variant("as", ["central", "peripheral"]),
        **changes,
    }
    shown = {name: value for name, value in properties.items() if value is not None}
    places = {"SupportedInstances": Variant("y", 4), "ActiveInstances": Variant("y", 1)}
    return {ADAPTER: shown, GATT_MANAGER: {}, ADVERTISING_MANAGER: places}


@dataclass
class StandIn:
    """What `org.bluez` is in a test. `refuse` maps a method to the error that answers it."""

    bus: MessageBus
    daemon: int  # the process of the bus
    objects: dict[str, dict[str, dict[str, Variant]]]
    places: int = 5
    lies_about_places: bool = False  # there is one, whatever it says
    refuse: dict[str, tuple[str, str]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    held: dict[str, asyncio.Event] = field(default_factory=dict)  # methods that are answered once this is set
    app: str = ""  # the unique name of whoever registered
    services: dict[str, Any] = field(default_factory=dict)
    on_air: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    values: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # --- what a test has it do ---

    async def until(self, *lines: str) -> None:
        """Wait until these have been logged."""
        async with asyncio.timeout(PATIENCE):
            while not set(lines) <= set(self.log):
                self.changed.clear()
                await self.changed.wait()

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await self.bus.call(
                Message(
                    destination=self.app,
                    path=path,
                    interface=interface,
                    member=member,
                    signature=signature,
                    body=list(body),
                )
            )

    async def write(self, device: str, value: bytes, **options: Variant) -> str:
        """Write to RX as BlueZ does for a client; return the name of the error, or ""."""
        arguments = {"device": Variant("o", device), "link": Variant("s", "LE"), **options}
        reply = await self.call(RX, CHARACTERISTIC_INTERFACE, "WriteValue", "aya{sv}", value, arguments)
        return reply.error_name or ""

    async def write_unanswered(self, device: str, value: bytes) -> None:
        """Write as BlueZ does in fact: it wants no reply."""
        options = {"device": Variant("o", device), "mtu": Variant("q", 517)}
        await self.bus.send(
            Message(
                destination=self.app,
                path=RX,
                interface=CHARACTERISTIC_INTERFACE,
                member="WriteValue",
                signature="aya{sv}",
                body=[value, options],
                flags=MessageFlag.NO_REPLY_EXPECTED,
            )
        )

    async def notifying(self, enabled: bool) -> None:
        await self.call(TX, CHARACTERISTIC_INTERFACE, "StartNotify" if enabled else "StopNotify")

    async def signal(self, path: str, interface: str, **properties: Variant) -> None:
        """Tell of changed properties, and wait until the application has heard it."""
        await self.emit(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", interface, properties, [])

    async def connected(self, device: str, state: bool) -> None:
        await self.signal(device, DEVICE, Connected=Variant("b", state))

    async def power(self, state: bool) -> None:
        self.objects[HCI0][ADAPTER]["Powered"] = Variant("b", state)
        await self.signal(HCI0, ADAPTER, Powered=Variant("b", state))

    async def emit(self, path: str, interface: str, member: str, signature: str, *body: Any) -> None:
        await self.bus.send(Message.new_signal(path, interface, member, signature, list(body)))
        await self.settle()

    async def call_daemon(self, member: str) -> None:
        """Call a method of the bus itself."""
        await _ask(self.bus, member)

    async def settle(self) -> None:
        """Wait until the application has handled all that it was sent."""
        if self.app:
            await self.call("/", "org.freedesktop.DBus.Peer", "Ping")

    async def value(self) -> bytes:
        """Wait for the next notification."""
        async with asyncio.timeout(PATIENCE):
            return await self.values.get()

    # --- what it does of itself ---

    def note(self, line: str) -> None:
        self.log.append(line)
        self.changed.set()

    def on_message(self, message: Message) -> Message | bool:
        if message.message_type is MessageType.SIGNAL:
            self._on_signal(message)
            return False
        if message.message_type is not MessageType.METHOD_CALL or message.member in self.silent:
            return message.message_type is MessageType.METHOD_CALL
        match message.member:
            case "GetManagedObjects":
                self.note("GetManagedObjects")
                return Message.new_method_return(message, "a{oa{sa{sv}}}", [self.objects])
            case "Get":
                left = Variant("y", self.places - len(self.on_air))
                return Message.new_method_return(message, "v", [left])
            case "RegisterApplication" | "RegisterAdvertisement" | "UnregisterAdvertisement" | "Disconnect":
                task = asyncio.get_running_loop().create_task(self._work(message))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
                return True
        return False

    def _on_signal(self, message: Message) -> None:
        if message.member == "PropertiesChanged" and message.path == TX:
            self.values.put_nowait(bytes(message.body[1]["Value"].value))
        elif message.member == "NameOwnerChanged" and message.body[0] == self.app and not message.body[2]:
            self.app = ""
            self.on_air.clear()
            self.note("app gone")

    async def _work(self, message: Message) -> None:
        member = message.member or ""
        if member in self.held:
            await self.held[member].wait()
        refusal = self.refuse.get(member)
        if member == "RegisterAdvertisement" and self.lies_about_places and self.on_air:
            refusal = ("org.bluez.Error.Failed", "Failed to register advertisement")
        if refusal is not None:
            await self.bus.send(Message.new_error(message, *refusal))
            self.note(f"{member} refused")
            return
        match member:
            case "RegisterApplication":
                self.app = message.sender or ""
                reply = await self.call(message.body[0], OBJECT_MANAGER, "GetManagedObjects")
                self.services = unpack_variants(reply.body[0])
            case "RegisterAdvertisement":
                reply = await self.call(message.body[0], PROPERTIES, "GetAll", "s", ADVERTISEMENT_INTERFACE)
                self.on_air[message.body[0]] = unpack_variants(reply.body[0])
            case "UnregisterAdvertisement":
                del self.on_air[message.body[0]]
            case "Disconnect":
                await self.bus.send(_disconnected(message.path or ""))
        self.note(f"{member} {message.path if member == 'Disconnect' else message.body[0]}")
        await self.bus.send(Message.new_method_return(message))


def _disconnected(device: str) -> Message:
    changed = {"Connected": Variant("b", False)}
    return Message.new_signal(device, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, changed, []])


async def _ask(bus: MessageBus, member: str, *arguments: str) -> Any:
    """Ask the bus itself."""
    name, signature = "org.freedesktop.DBus", "s" * len(arguments)
    message = Message(
        destination=name, path="/", interface=name, member=member, signature=signature, body=list(arguments)
    )
    reply = await bus.call(message)
    return reply.body[0] if reply.body else None


@asynccontextmanager
async def stand_in(
    address: str, *, objects: dict[str, Any] | None = None, name: str = "org.bluez"
) -> AsyncIterator[StandIn]:
    """Run a stand-in for BlueZ on the bus at `address`, with one adapter and under its name unless told otherwise."""
    bus = await MessageBus(bus_address=address).connect()
    daemon = await _ask(bus, "GetConnectionUnixProcessID", "org.freedesktop.DBus")
    bluez = StandIn(bus, daemon, {HCI0: adapter()} if objects is None else objects)
    bus.add_message_handler(bluez.on_message)
    for rule in ("type='signal',member='PropertiesChanged'", "type='signal',member='NameOwnerChanged'"):
        await _ask(bus, "AddMatch", rule)
    assert await bus.request_name(name) is RequestNameReply.PRIMARY_OWNER
    try:
        yield bluez
    finally:
        bus.disconnect()
        await asyncio.gather(bus.wait_for_disconnect(), *bluez.tasks, return_exceptions=True)
