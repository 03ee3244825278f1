"""Looking for devices over Bluetooth LE, on genuine bleak."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from oob.errors import DeviceNotFound
from oob.transport.bleak_edge import load_bleak, renamed
from oob.transport.gatt_profile import COMPANY_ID, SERVICE_UUID

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData, BaseBleakScanner


START_WAIT: Final = 5.0
"""Seconds that the stack has at least to start a scan."""


@dataclass(frozen=True, slots=True)
class Found:
    """A device in range: what it advertises, and the handle that `connect` takes. Nothing here is verified."""

    address: str
    """For display; it changes, and means nothing."""
    tag: bytes
    """The advertised tag, 6 bytes; empty where the device sends none."""
    rssi: int
    """Signal strength in dBm."""
    handle: Any = field(repr=False, compare=False)
    """What bleak needs to connect."""


async def scan(timeout: float, *, backend: "type[BaseBleakScanner] | None" = None) -> AsyncGenerator[Found, None]:
    """Yield each device that advertises the service, and again when its tag changes, for `timeout` seconds.

    Leave early with `contextlib.aclosing`, so that the radio stops at once. Raises LinkError, UsageError (no bleak).
    """
    bleak = load_bleak()
    loop = asyncio.get_running_loop()
    sightings: asyncio.Queue[Found] = asyncio.Queue()
    seen: dict[str, bytes] = {}

    def on_advertisement(device: "BLEDevice", data: "AdvertisementData") -> None:
        tag = data.manufacturer_data.get(COMPANY_ID, b"")
        if SERVICE_UUID in data.service_uuids and seen.get(device.address) != tag:
            seen[device.address] = tag
            sightings.put_nowait(Found(device.address, tag, data.rssi, device))

    with renamed("scan"):
        scanner = bleak.BleakScanner(on_advertisement, [SERVICE_UUID], backend=backend)
    try:
        with renamed("scan"):
            async with asyncio.timeout(max(timeout, START_WAIT)):
                await scanner.start()
        deadline = loop.time() + timeout  # of listening: to settle takes less time than a busy stack to start
        while (sighting := await _next_before(deadline, sightings)) is not None:
            yield sighting
    finally:
        with renamed("scan"):
            await scanner.stop()


async def _next_before(deadline: float, sightings: asyncio.Queue[Found]) -> Found | None:
    """Return the next sighting, or None at the deadline, which covers this wait and not the consumer's own work."""
    try:
        async with asyncio.timeout_at(deadline):
            return await sightings.get()
    except TimeoutError:
        return None


async def find(
    accept: Callable[[Found], bool], timeout: float, *, backend: "type[BaseBleakScanner] | None" = None
) -> Found:
    """Return the first device that `accept` says yes to. Raises DeviceNotFound after `timeout` seconds, LinkError."""
    others = 0
    async with aclosing(scan(timeout, backend=backend)) as sightings:
        async for found in sightings:
            if accept(found):
                return found
            others += 1
    crowd = f"; {others} other device(s) answered" if others else ""
    raise DeviceNotFound(
        f"the device was not seen within {timeout:g} s{crowd}",
        step="discover",
        remedy="Check that it is on, near, and waiting to be paired",
    )
