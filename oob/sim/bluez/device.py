"""A device that a simulated adapter has seen or is connected to: org.bluez.Device1."""

import asyncio
from functools import partial
from typing import Any, Final, Protocol

from bumble.device import Advertisement
from bumble.hci import Address
from dbus_fast import Variant

from oob.sim.bluez.advertised import device_properties
from oob.sim.bluez.errors import ABORTED, CANCELLED, BluezError, failed, in_progress, not_ready
from oob.sim.bluez.link import Link, Radio
from oob.sim.bluez.objects import Interface, Method, ObjectTree
from oob.sim.bluez.remote_gatt import RemoteServices

DEVICE: Final = "org.bluez.Device1"


class Host(Protocol):
    """What a device needs of the adapter that shows it."""

    path: str
    radio: Radio
    tree: ObjectTree
    powered: bool
    connect_timeout: float
    temporary_timeout: float

    def connect_fault(self) -> str | None:
        """Return the error with which the next Connect is to fail, as a test asked for; None: with none."""
        ...

    async def hang_up(self, address: Address) -> None:
        """End the connection that the device at `address` opened to this adapter, if there is one."""
        ...

    def forget(self, device: "RemoteDevice") -> None:
        """Drop a device that is gone."""
        ...


def path_of(adapter: str, address: Address) -> str:
    """Return the object path of a device."""
    return f"{adapter}/dev_{address.to_string(with_type_qualifier=False).replace(':', '_')}"


class RemoteDevice:
    """A device as an object on the bus. Until somebody connects to it, it is temporary: removed when it is silent."""

    def __init__(self, host: Host, address: Address) -> None:
        self.address = address
        self.path = path_of(host.path, address)
        self._host = host
        self._tree = host.tree
        self._own_address = ""  # the adapter's towards this device: always the same
        self._shown = self._interface()
        self._temporary = True
        self._flicker = 0  # dB
        self._seen = asyncio.get_running_loop().time()
        self._silence: asyncio.TimerHandle | None = None
        self._link: Link | None = None
        self._incoming = False
        self._services: RemoteServices | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether a connection stands, from either side."""
        return bool(self._value("Connected"))

    def export(self, seen: Advertisement | None = None) -> None:
        """Show the device on the bus, with what it advertises."""
        if seen is not None:
            self._shown.properties |= {"RSSI": Variant("n", seen.rssi), **device_properties(seen.data)}
        self._tree.add(self.path, self._shown)
        self._silence = self._watch_silence()

    def _interface(self) -> Interface:
        text = self.address.to_string(with_type_qualifier=False)
        flags = ("Paired", "Bonded", "Trusted", "Blocked", "LegacyPairing", "Connected", "ServicesResolved")
        properties = {
            "Address": Variant("s", text),
            "AddressType": Variant("s", "public" if self.address.is_public else "random"),
            "Alias": Variant("s", text.replace(":", "-")),
            "UUIDs": Variant("as", []),
            "Adapter": Variant("o", self._host.path),
            **{name: Variant("b", False) for name in flags},
        }
        methods = {
            "Connect": Method(self._connect),
            "Disconnect": Method(lambda _: self.disconnect()),
            "Pair": Method(self._pair),
            "CancelPairing": Method(self._cancel_pairing),
        }
        writable = {name: partial(self._store, name) for name in ("Alias", "Trusted", "Blocked")}
        return Interface(DEVICE, properties, methods, writable)

    def saw(self, seen: Advertisement, *, repeat: bool) -> None:
        """Show what has changed in an advertisement; with `repeat` also the data that has not."""
        self._seen = asyncio.get_running_loop().time()
        # Real signal strength is never still, and so a device that goes on advertising is reported on and on. Programs
        # live by that: bleak's `find_device_by_filter` misses what is reported while the scan is being started.
        self._flicker ^= 1
        values = {"RSSI": Variant("n", seen.rssi - self._flicker), **device_properties(seen.data)}
        if "UUIDs" in values:  # only ever more of them, as in `device_add_eir_uuids` of src/device.c
            known = self._value("UUIDs")
            values["UUIDs"].value = [*known, *(uuid for uuid in values["UUIDs"].value if uuid not in known)]
        always = ("ManufacturerData", "ServiceData") if repeat else ()
        changed = {name: value for name, value in values.items() if name in always or self._value(name) != value.value}
        self._change(changed)

    def not_heard(self) -> None:
        """The scan is over: what its signal strength was, is no longer known."""
        self._change({}, gone=("RSSI",))

    def came_in(self) -> None:
        """The device itself has connected to this adapter."""
        self._incoming = True
        self._change({"Connected": Variant("b", True)})

    def went_out(self) -> None:
        """The connection that the device opened has ended."""
        self._incoming = False
        self._lost()

    async def disconnect(self) -> None:
        """End every connection with the device, and a try to connect."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        await self._close_link()
        if self._incoming:
            await self._host.hang_up(self.address)

    async def forget_caller(self, caller: str) -> None:
        """A program is gone from the bus. The connection stays, as it is nobody's."""
        if self._services is not None:
            await self._services.forget_caller(caller)

    async def remove(self) -> None:
        """Disconnect, and take the object away."""
        await self.disconnect()
        self.drop()

    def drop(self) -> None:
        """Take the object away."""
        if self._silence is not None:
            self._silence.cancel()
        self._tree.remove(self.path)
        self._host.forget(self)

    async def _connect(self, _caller: str) -> None:
        """Connect and resolve the services (`dev_connect` in src/device.c)."""
        if self._connecting is not None:
            raise in_progress()
        if not self._host.powered:
            raise not_ready()
        if self.connected:
            return
        self._temporary = False
        self._connecting = task = asyncio.create_task(self._establish())
        try:
            await asyncio.wait({task}, timeout=self._host.connect_timeout)
            in_time = task.done()
        finally:
            task.cancel()
            await asyncio.wait({task})
            self._connecting = None
        if task.cancelled():
            raise failed(CANCELLED if in_time else ABORTED)
        task.result()

    async def _establish(self) -> None:
        await self._fail_as_asked()
        await self._close_link()  # one that was lost
        self._own_address = self._own_address or self._host.radio.fresh_address()
        self._link = link = Link(self._host.radio, self._lost)
        try:
            await link.open(self._own_address, self.address)
            self._change({"Connected": Variant("b", True)})
            await self._resolve(link)
        except BaseException:
            await self._close_link()
            raise

    async def _resolve(self, link: Link) -> None:
        try:
            found = await link.discover()
        except BluezError:
            raise failed(CANCELLED) from None  # `device_remove_connection` in src/device.c
        if self._services is not None:
            self._services.withdraw()
        self._services = RemoteServices(self._tree, self.path, link, found)
        known = self._value("UUIDs")
        uuids = [*known, *(uuid for uuid in self._services.uuids if uuid not in known)]
        self._change({"UUIDs": Variant("as", uuids), "ServicesResolved": Variant("b", True)})

    async def _fail_as_asked(self) -> None:
        fault = self._host.connect_fault()
        if fault is None:
            return
        if fault == ABORTED:  # the controller had connected, and did not hear of the other side
            self._change({"Connected": Variant("b", True)})
            self._change({"Connected": Variant("b", False)})
        raise failed(fault)

    async def _close_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._closing = asyncio.create_task(link.close())
        if self._closing is not None:
            await asyncio.shield(self._closing)

    def _lost(self) -> None:
        """The connection has ended, from whatever side."""
        self._seen = asyncio.get_running_loop().time()
        self._change({"ServicesResolved": Variant("b", False), "Connected": Variant("b", False)})

    async def _pair(self, _caller: str) -> None:
        raise BluezError("AuthenticationFailed", "Authentication Failed")  # the simulated radio does not pair

    async def _cancel_pairing(self, _caller: str) -> None:
        raise BluezError("DoesNotExist", "Does Not Exist")

    async def _store(self, name: str, value: str | bool) -> None:
        self._change({name: Variant("s" if name == "Alias" else "b", value)})

    def _value(self, name: str) -> Any:  # noqa: ANN401  of many kinds
        found = self._shown.properties.get(name)
        return None if found is None else found.value

    def _change(self, values: dict[str, Variant], gone: tuple[str, ...] = ()) -> None:
        if self.path in self._tree:
            self._tree.change(self.path, DEVICE, values, gone)

    def _watch_silence(self) -> asyncio.TimerHandle:
        """Look after a while whether the device was heard since (`TemporaryTimeout` of BlueZ's main.conf)."""
        loop = asyncio.get_running_loop()
        return loop.call_at(self._seen + self._host.temporary_timeout, self._on_timer)

    def _on_timer(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.connected:
            self._seen = now
        if not self._temporary:
            return
        if now - self._seen >= self._host.temporary_timeout:
            self.drop()
        else:
            self._silence = self._watch_silence()
