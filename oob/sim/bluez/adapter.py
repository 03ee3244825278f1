"""A simulated adapter: org.bluez.Adapter1, and the devices that it knows.

Inside it is several bumble stacks on one radio: one that scans, one for each connection that it opens, and one that
advertises and serves. Towards each device it has an address of its own, as with privacy switched on.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from bumble.device import Advertisement, Device
from bumble.hci import Address
from dbus_fast import Variant

from oob.sim.bluez.device import RemoteDevice, path_of
from oob.sim.bluez.discovery import FILTERS, Filter, Sessions
from oob.sim.bluez.errors import does_not_exist, failed, in_progress, not_ready
from oob.sim.bluez.link import Radio
from oob.sim.bluez.objects import Interface, Method, ObjectTree

ADAPTER: Final = "org.bluez.Adapter1"
_MODALIAS: Final = "usb:v1D6Bp0246d0542"  # what BlueZ 5.66 shows on any host


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
        connect_timeout: float,
        temporary_timeout: float,
    ) -> None:
        self.path = f"/org/bluez/hci{index}"
        self.radio = radio
        self.tree = tree
        self.powered = True
        self.connect_fault = connect_fault
        self.connect_timeout = connect_timeout
        self.temporary_timeout = temporary_timeout
        self._name = f"simulated-hci{index}"
        self._address = address
        self._own = Address(address)
        self._sessions = Sessions()
        self._devices: dict[str, RemoteDevice] = {}
        self._scanner: Device | None = None
        self._turn = asyncio.Lock()  # starting and stopping the scan, one after the other

    def interfaces(self) -> list[Interface]:
        """Return what the adapter's object has."""
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
        return [Interface(ADAPTER, properties, methods, {**writable, "Powered": self.power})]

    async def close(self) -> None:
        """Switch everything off, without a word on the bus."""
        self.powered = False
        await self._silence()

    async def power(self, powered: bool) -> None:
        """Switch the adapter on or off, as by `Powered`."""
        if powered == self.powered:
            return
        self.powered = powered
        if not powered:
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

    def forget(self, device: RemoteDevice) -> None:
        """Drop a device that is gone."""
        self._devices.pop(device.path, None)

    async def hang_up(self, address: Address) -> None:
        """End the connection that the device at `address` opened to this adapter, if there is one."""

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
