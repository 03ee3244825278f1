"""Bleak backends that do what a test tells them, under the genuine bleak API."""

import asyncio
from collections.abc import Callable
from typing import Any

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection

from oob.transport.gatt_profile import COMPANY_ID, RX_UUID, SERVICE_UUID, TX_UUID

Failing = Exception | list[Exception]
"""An exception for each time, or one for each of the first times."""


def trouble(fails: dict[str, Failing], what: str) -> None:
    """Raise what is due."""
    due = fails.get(what)
    if isinstance(due, list):
        due = due.pop(0) if due else None
    if due is not None:
        raise due


class FakeClient(BaseBleakClient):
    """A client whose calls are noted, and may be made to fail or to wait. Subclass it anew for each test."""

    calls: list[tuple[Any, ...]]
    fails: dict[str, Failing]
    waits: dict[str, asyncio.Event]
    made: list["FakeClient"]
    size = 20
    mtu_size = 23
    name = "fake"
    connected = False
    options: dict[str, Any]
    last: "FakeClient"

    def __init__(self, device: Any, services: Any = None, **options: Any) -> None:
        self.options = options
        super().__init__(device, disconnected_callback=options["disconnected_callback"], timeout=options["timeout"])
        self.made.append(self)

    @classmethod
    def fresh(cls) -> type["FakeClient"]:
        return type("Fresh", (cls,), {"calls": [], "fails": {}, "waits": {}, "made": []})

    @classmethod
    def connections(cls) -> int:
        return sum(each.connected for each in cls.made)

    async def _do(self, what: str, *details: Any) -> None:
        self.calls.append((what, *details))
        type(self).last = self
        await asyncio.sleep(0)
        if what in self.waits:
            await self.waits[what].wait()
        trouble(self.fails, what)

    @property
    def is_connected(self) -> bool:
        return self.connected

    def lose(self) -> None:
        self.connected = False
        assert self._disconnected_callback is not None
        self._disconnected_callback()

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        await self._do("connect")
        self.connected = True
        await asyncio.sleep(0)
        self.services = BleakGATTServiceCollection()
        self.services.add_service(service := BleakGATTService(None, 1, SERVICE_UUID))
        for handle, uuid in ((2, RX_UUID), (4, TX_UUID)):
            self.services.add_characteristic(
                BleakGATTCharacteristic(None, handle, uuid, [], lambda: self.size, service)
            )
        await asyncio.sleep(0)
        trouble(self.fails, "discover")

    async def disconnect(self) -> None:
        await self._do("disconnect")
        self.connected = False
        await asyncio.sleep(0)

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
        await self._do("write", bytes(data), response)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Callable[[bytearray], None], **kwargs: Any
    ) -> None:
        await self._do("subscribe")
        self.notify = callback

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_char(self, characteristic: Any, **kwargs: Any) -> bytearray:
        raise NotImplementedError

    async def read_gatt_descriptor(self, descriptor: Any, **kwargs: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_descriptor(self, descriptor: Any, data: Any) -> None:
        raise NotImplementedError

    async def stop_notify(self, characteristic: Any) -> None:
        raise NotImplementedError


class FakeScanner(BaseBleakScanner):
    """A scanner that sees what a test shows it. Subclass it anew for each test.

    As on BlueZ, a start that nobody waits for to the end leaves a scan that cannot be stopped.
    """

    calls: list[str]
    fails: dict[str, Failing]
    waits: dict[str, asyncio.Event]
    shows: list[tuple[str, bytes | None, list[str]]]
    made: list["FakeScanner"]
    rssi: dict[str, int]
    scanning = False
    stoppable = False

    def __init__(self, callback: Any, uuids: Any, *_: Any, **options: Any) -> None:
        super().__init__(callback, uuids)
        self.uuids, self.options = uuids, options
        self.made.append(self)

    @classmethod
    def fresh(cls, *shows: tuple[str, bytes | None, list[str]]) -> type["FakeScanner"]:
        new = {"calls": [], "fails": {}, "waits": {}, "made": [], "rssi": {}, "shows": list(shows)}
        return type("Fresh", (cls,), new)

    @classmethod
    def scans(cls) -> int:
        return sum(each.scanning for each in cls.made)

    async def start(self) -> None:
        self.calls.append("start")
        await asyncio.sleep(0)
        if "start" in self.waits:
            await self.waits["start"].wait()
        trouble(self.fails, "start")
        self.scanning = True
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.stoppable = True
        for show in self.shows:
            self.show(*show)

    def show(self, address: str, tag: bytes | None, uuids: list[str]) -> None:
        manufacturer = {} if tag is None else {COMPANY_ID: tag}
        data = AdvertisementData(None, manufacturer, {}, uuids, None, self.rssi.get(address, -40), ())
        self.call_detection_callbacks(BLEDevice(address, None, None), data)

    async def stop(self) -> None:
        self.calls.append("stop")
        await asyncio.sleep(0)
        if "stop" in self.waits:
            await self.waits["stop"].wait()
        if self.stoppable:
            self.scanning = False
        trouble(self.fails, "stop")
        await asyncio.sleep(0)
