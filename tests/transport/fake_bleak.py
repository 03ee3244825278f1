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


class FakeClient(BaseBleakClient):
    """A client whose calls are noted, and may be made to fail or to wait. Subclass it anew for each test."""

    calls: list[tuple[Any, ...]]
    fails: dict[str, Exception]
    waits: dict[str, asyncio.Event]
    size = 20
    mtu_size = 23
    name = "fake"
    connected = False
    last: "FakeClient"

    @classmethod
    def fresh(cls) -> type["FakeClient"]:
        return type("Fresh", (cls,), {"calls": [], "fails": {}, "waits": {}})

    async def _do(self, what: str, *details: Any) -> None:
        self.calls.append((what, *details))
        type(self).last = self
        if what in self.waits:
            await self.waits[what].wait()
        if what in self.fails:
            raise self.fails[what]

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
        self.services = BleakGATTServiceCollection()
        self.services.add_service(service := BleakGATTService(None, 1, SERVICE_UUID))
        for handle, uuid in ((2, RX_UUID), (4, TX_UUID)):
            self.services.add_characteristic(
                BleakGATTCharacteristic(None, handle, uuid, [], lambda: self.size, service)
            )

    async def disconnect(self) -> None:
        await self._do("disconnect")
        self.connected = False

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
    """A scanner that sees what a test shows it. Subclass it anew for each test."""

    calls: list[str]
    fails: dict[str, Exception]
    shows: list[tuple[str, bytes | None, list[str]]]

    def __init__(self, callback: Any, uuids: Any, *_: Any, **__: Any) -> None:
        super().__init__(callback, uuids)

    @classmethod
    def fresh(cls, *shows: tuple[str, bytes | None, list[str]]) -> type["FakeScanner"]:
        return type("Fresh", (cls,), {"calls": [], "fails": {}, "shows": list(shows)})

    async def start(self) -> None:
        self.calls.append("start")
        if "start" in self.fails:
            raise self.fails["start"]
        for address, tag, uuids in self.shows:
            manufacturer = {} if tag is None else {COMPANY_ID: tag}
            data = AdvertisementData(None, manufacturer, {}, uuids, None, -40, ())
            self.call_detection_callbacks(BLEDevice(address, None, None), data)

    async def stop(self) -> None:
        self.calls.append("stop")
