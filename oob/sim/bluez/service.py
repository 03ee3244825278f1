"""A stand-in for bluetoothd: the name org.bluez on a bus, with simulated adapters, and what can happen to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from oob.sim.bluez.adapter import Adapter, Settings
from oob.sim.bluez.advertising_manager import ADVERTISEMENT
from oob.sim.bluez.bus import PrivateBus, private_bus
from oob.sim.bluez.errors import ABORTED
from oob.sim.bluez.link import Radio
from oob.sim.bluez.objects import Interface, Method, ObjectTree
from oob.sim.bluez.remote_gatt import CHARACTERISTIC

NAME: Final = "org.bluez"
_DAEMON: Final = "org.freedesktop.DBus"
_CHANGED: Final = "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'"
_RULES: Final = (
    f"type='signal',sender='{_DAEMON}',member='NameOwnerChanged'",
    f"{_CHANGED},arg0='{CHARACTERISTIC}'",
    f"{_CHANGED},arg0='{ADVERTISEMENT}'",
)
"""What the stand-in hears of the programs on the bus."""


class SimulatedBluez:
    """A running stand-in. `address` is a value for DBUS_SYSTEM_BUS_ADDRESS.

    The methods are what can happen to bluetoothd and its adapters; an adapter is named by its number, 0 for hci0.
    """

    def __init__(self, radio: Radio, bus: PrivateBus, adapters: int, settings: Settings) -> None:
        self.address = bus.address
        self._radio = radio
        self._private_bus = bus
        self._settings = settings
        self._addresses = [radio.fresh_address() for _ in range(adapters)]
        self._plugged = set(range(adapters))
        self._adapters: dict[int, Adapter] = {}
        self._faults: list[str] = []
        self._bus: MessageBus | None = None
        self._tree: ObjectTree | None = None

    async def start(self) -> None:
        """Start bluetoothd: it takes its name, and shows the adapters that are plugged in."""
        bus = MessageBus(self.address)
        self._bus, self._tree = bus, ObjectTree(bus)
        bus.add_message_handler(self._tree.handle)
        bus.add_message_handler(self._on_signal)
        await bus.connect()
        for rule in _RULES:
            await bus.call(Message(_DAEMON, "/org/freedesktop/DBus", _DAEMON, "AddMatch", signature="s", body=[rule]))
        await bus.request_name(NAME)
        self._tree.add("/org/bluez", Interface("org.bluez.AgentManager1", {}, _agent_methods()))
        for index in sorted(self._plugged):
            await self._show(index)

    async def kill(self) -> None:
        """Kill bluetoothd: its name is gone from the bus, and so are all connections. Nothing is said of them."""
        bus, tree = self._bus, self._tree
        if bus is None or tree is None:
            return
        self._bus = self._tree = None
        bus.disconnect()
        with suppress(EOFError, OSError):  # the bus itself has ended before
            await bus.wait_for_disconnect()
        await tree.close()
        adapters, self._adapters = self._adapters, {}
        for adapter in adapters.values():
            await adapter.close()

    async def restart(self) -> None:
        """Kill bluetoothd and start it again: the adapters come back, everything else is forgotten."""
        await self.kill()
        await self.start()

    async def unplug(self, index: int) -> None:
        """Pull an adapter out: its objects go, and all its connections."""
        self._plugged.discard(index)
        adapter = self._adapters.pop(index, None)
        if adapter is not None:
            await adapter.unplug()

    async def plug(self, index: int) -> None:
        """Put the adapter in again."""
        self._plugged.add(index)
        if self._tree is not None and index not in self._adapters:
            await self._show(index)

    async def power(self, index: int, powered: bool) -> None:
        """Switch an adapter off or on, as a user does."""
        await self._adapters[index].power(powered)

    def fail_connects(self, times: int, error: str = ABORTED) -> None:
        """Let the next calls of Connect fail with org.bluez.Error.Failed and this text."""
        self._faults += [error] * times

    async def deny(self) -> None:
        """Let the policy of the bus refuse everybody who calls org.bluez."""
        await self._private_bus.deny(NAME)

    async def allow(self) -> None:
        """Let everybody call org.bluez again."""
        await self._private_bus.deny(None)

    async def _show(self, index: int) -> None:
        assert self._tree is not None  # noqa: S101  the callers have looked
        adapter = self._adapters[index] = Adapter(
            index,
            self._addresses[index],
            self._radio,
            self._tree,
            connect_fault=lambda: self._faults.pop(0) if self._faults else None,
            settings=self._settings,
        )
        await adapter.start()

    def _on_signal(self, message: Message) -> bool:
        tree, adapters = self._tree, list(self._adapters.values())
        if message.message_type is not MessageType.SIGNAL or tree is None:
            return False
        if message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if not owner:
                tree.spawn(self._forget_caller(name))
        elif message.member == "PropertiesChanged" and message.sender != tree.bus.unique_name:
            interface, changed, _ = message.body
            for adapter in adapters:
                tree.spawn(adapter.on_properties(message.sender or "", message.path or "", interface, changed))
        return False

    async def _forget_caller(self, name: str) -> None:
        for adapter in list(self._adapters.values()):
            await adapter.forget_caller(name)


def _agent_methods() -> dict[str, Method]:
    """Agents may register; as nothing here pairs, none is ever asked."""
    return {
        "RegisterAgent": Method(_done, "os"),
        "UnregisterAgent": Method(_done, "o"),
        "RequestDefaultAgent": Method(_done, "o"),
    }


async def _done(*_: object) -> None:
    pass


@asynccontextmanager
async def simulated_bluez(
    radio: Radio, *, adapters: int = 1, settings: Settings | None = None
) -> AsyncIterator[SimulatedBluez]:
    """Run a private bus with a stand-in for bluetoothd, whose adapters are on this simulated radio.

    Raises UsageError (dbus-daemon is not installed), LinkError (it does not start).
    """
    async with private_bus() as bus:
        bluez = SimulatedBluez(radio, bus, adapters, settings or Settings())
        try:
            await bluez.start()
            yield bluez
        finally:
            await bluez.kill()
