"""A simulated adapter: org.bluez.Adapter1, and the devices that it knows.

Inside it is several bumble stacks on one radio: one that scans, one for each connection that it opens, and one that
advertises and serves. Towards each device it has an address of its own, as with privacy switched on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from bumble.device import Advertisement, Connection, Device
from bumble.hci import Address
from dbus_fast import Variant

from oob.sim.bluez.advertising_manager import ADVERTISING_MANAGER, AdvertisingManager
from oob.sim.bluez.application import Surroundings
from oob.sim.bluez.device import RemoteDevice, path_of
from oob.sim.bluez.discovery import FILTERS, Filter, Sessions
from oob.sim.bluez.errors import does_not_exist, failed, in_progress, not_ready
from oob.sim.bluez.gatt_manager import GattManager
from oob.sim.bluez.link import Radio
from oob.sim.bluez.objects import Interface, Method, ObjectTree, Values
from oob.sim.bluez.program import Program
from oob.sim.bluez.serving import Serving

ADAPTER: Final = "org.bluez.Adapter1"
_MODALIAS: Final = "usb:v1D6Bp0246d0542"  # what BlueZ 5.66 shows on any host


@dataclass(frozen=True, slots=True)
class Settings:
    """How the stand-in behaves. Times are in seconds."""

    connect_timeout: float = 20.0
    """How long a Connect may take: as the Linux kernel has it (HCI_LE_CONN_TIMEOUT)."""
    temporary_timeout: float = 30.0
    """After which a device that is silent is removed: `TemporaryTimeout` of BlueZ's main.conf by default."""
    remembers_subscriptions: bool = False
    """Whether centrals that drop stay subscribed: see `oob.sim.bluez.application`."""


class Adapter:
    """One adapter while the stand-in runs. `connect_fault` gives the error that the next Connect ends in, if any."""

    def __init__(
        self,
        index: int,
        address: str,
        radio: Radio,
        tree: ObjectTree,
        *,
        connect_fault: Callable[[], str | None],
        settings: Settings,
    ) -> None:
        self.path = f"/org/bluez/hci{index}"
        self.radio = radio
        self.tree = tree
        self.powered = True
        self.connect_fault = connect_fault
        self.connect_timeout = settings.connect_timeout
        self.temporary_timeout = settings.temporary_timeout
        self._remembers_subscriptions = settings.remembers_subscriptions
        self._name = f"simulated-hci{index}"
        self._address = address
        self._own = Address(address)
        self._sessions = Sessions()
        self._devices: dict[str, RemoteDevice] = {}
        self._scanner: Device | None = None
        self._turn = asyncio.Lock()  # starting and stopping the scan, one after the other
        self._serving = Serving(radio, address, self._on_central, self._on_central_gone)
        self._gatt = GattManager(self._serving, self._around, self._on_services)
        self._advertising = AdvertisingManager(self._serving, self._advertiser, self._on_advertisements)
        self._shown = self._interface()

    async def start(self) -> None:
        """Switch the adapter on, and show it."""
        await self._serving.start()
        managers = [manager.interface(self._program) for manager in (self._gatt, self._advertising)]
        self.tree.add(self.path, self._shown, *managers)

    def _interface(self) -> Interface:
        properties = {
            "Address": Variant("s", self._address),
            "AddressType": Variant("s", "random"),
            "Name": Variant("s", self._name),
            "Alias": Variant("s", self._name),
            "Class": Variant("u", 0),
            "Powered": Variant("b", True),
            "Discoverable": Variant("b", False),
            "DiscoverableTimeout": Variant("u", 180),
            "Pairable": Variant("b", True),
            "PairableTimeout": Variant("u", 0),
            "Discovering": Variant("b", False),
            "UUIDs": Variant("as", []),
            "Modalias": Variant("s", _MODALIAS),
            "Roles": Variant("as", ["central", "peripheral"]),
            "ExperimentalFeatures": Variant("as", []),
        }
        methods = {
            "StartDiscovery": Method(self._start_discovery),
            "StopDiscovery": Method(self._stop_discovery),
            "SetDiscoveryFilter": Method(self._set_filter, "a{sv}"),
            "GetDiscoveryFilters": Method(self._filters, "", "as"),
            "RemoveDevice": Method(self._remove_device, "o"),
        }
        stored = ("Alias", "Discoverable", "DiscoverableTimeout", "Pairable", "PairableTimeout")
        writable = {name: partial(self._store, name) for name in stored}
        return Interface(ADAPTER, properties, methods, {**writable, "Powered": self.power})

    async def close(self) -> None:
        """Switch everything off, without a word on the bus."""
        self.powered = False
        await self._silence()

    async def unplug(self) -> None:
        """Switch everything off, and take the adapter and its devices off the bus."""
        self._advertising.release()
        await self.close()
        self.tree.remove(self.path)

    async def power(self, powered: bool) -> None:
        """Switch the adapter on or off, as by `Powered`."""
        if powered == self.powered:
            return
        self.powered = powered
        if powered:
            await self._serving.start()
        else:
            await self._silence()
        self._change(Powered=Variant("b", powered))

    async def forget_caller(self, caller: str) -> None:
        """A program is gone from the bus: end what it had started."""
        self._sessions.filters.pop(caller, None)
        if caller in self._sessions.discovering:
            self._sessions.discovering.discard(caller)
            await self._scan_as_wanted()
        for device in list(self._devices.values()):
            await device.forget_caller(caller)
        self._gatt.forget_caller(caller)
        await self._advertising.forget_caller(caller)

    async def on_properties(self, caller: str, path: str, interface: str, changed: dict[str, Variant]) -> None:
        """A program has changed properties of an object of its own."""
        await self._gatt.on_properties(caller, path, interface, changed)
        await self._advertising.on_properties(caller, path, interface, changed)

    def forget(self, device: RemoteDevice) -> None:
        """Drop a device that is gone."""
        self._devices.pop(device.path, None)

    async def hang_up(self, address: Address) -> None:
        """End the connection that the device at `address` opened to this adapter, if there is one."""
        await self._serving.hang_up(address)

    async def _start_discovery(self, caller: str) -> None:
        self._require_power()
        if caller in self._sessions.discovering:
            raise in_progress()
        self._sessions.discovering.add(caller)
        await self._scan_as_wanted()

    async def _stop_discovery(self, caller: str) -> None:
        self._require_power()
        if caller not in self._sessions.discovering:
            raise failed("No discovery started")
        self._sessions.discovering.discard(caller)
        self._sessions.filters.pop(caller, None)
        await self._scan_as_wanted()

    async def _set_filter(self, caller: str, options: dict[str, Variant]) -> None:
        self._require_power()
        chosen = Filter.parse(options)
        self._sessions.filters.pop(caller, None)
        if chosen is not None:
            self._sessions.filters[caller] = chosen

    async def _filters(self, _caller: str) -> list[str]:
        return list(FILTERS)

    async def _remove_device(self, _caller: str, path: str) -> None:
        device = self._devices.get(path)
        if device is None:
            raise does_not_exist()
        self._require_power()
        await device.remove()

    async def _store(self, name: str, value: str | bool | int) -> None:
        kinds = {str: "s", bool: "b", int: "u"}
        self._change(**{name: Variant(kinds[type(value)], value)})

    async def _silence(self) -> None:
        """End every scan and every connection."""
        self._sessions = Sessions()
        await self._scan_as_wanted()
        for device in list(self._devices.values()):
            await device.disconnect()
        await self._serving.stop()

    async def _scan_as_wanted(self) -> None:
        """Scan as long as somebody wants to."""
        async with self._turn:
            wanted = bool(self._sessions.discovering)
            scanner = self._scanner
            if wanted == (scanner is not None):
                return
            if scanner is None:
                self._scanner = await self.radio.central(self._on_advertisement)
            else:
                self._scanner = None
                await self.radio.retire(scanner)
            self._change(Discovering=Variant("b", wanted))
        if not wanted:
            for device in self._devices.values():
                device.not_heard()

    def _on_advertisement(self, seen: Advertisement) -> None:
        if seen.is_scan_response:
            return  # bumble makes one up, of the advertisement's own data
        if seen.address == self._own or not self._sessions.wants(seen):
            return
        device = self._devices.get(path_of(self.path, seen.address))
        if device is not None:
            device.saw(seen, repeat=self._sessions.repeats)
        else:
            self._show(seen.address).export(seen)

    def _on_central(self, connection: Connection) -> None:
        """Somebody has connected to this adapter."""
        path = path_of(self.path, connection.peer_address)
        device = self._devices.get(path)
        if device is None:
            device = self._show(connection.peer_address)
            device.export()
        device.came_in()

    def _on_central_gone(self, connection: Connection) -> None:
        self._gatt.on_disconnect(connection)
        device = self._devices.get(path_of(self.path, connection.peer_address))
        if device is not None:
            device.went_out()

    def _program(self, name: str) -> Program:
        return Program(self.tree.bus, name)

    def _around(self, program: Program) -> Surroundings:
        return Surroundings(
            program,
            lambda: self._serving.connections,
            self._serving.notify,
            lambda connection: path_of(self.path, connection.peer_address),
            self._remembers_subscriptions,
        )

    def _advertiser(self) -> tuple[str, bool, bool]:
        return self._name, self.powered, bool(self._shown.properties["Discoverable"].value)

    def _on_services(self) -> None:
        self._change(UUIDs=Variant("as", self._gatt.uuids))

    def _on_advertisements(self, changed: Values) -> None:
        self.tree.change(self.path, ADVERTISING_MANAGER, changed)

    def _show(self, address: Address) -> RemoteDevice:
        device = RemoteDevice(self, address)
        self._devices[device.path] = device
        return device

    def _require_power(self) -> None:
        if not self.powered:
            raise not_ready()

    def _change(self, **values: Variant) -> None:
        if self.path in self.tree:
            self.tree.change(self.path, ADAPTER, values)
