"""Looking for devices over Bluetooth LE, on genuine bleak."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from oob.errors import DeviceNotFound, LinkError
from oob.progress import Report, silent
from oob.transport.bleak_edge import hear_out, load_bleak, on_adapter, renamed
from oob.transport.gatt_profile import COMPANY_ID, SERVICE_UUID
from oob.transport.retry import persist

if TYPE_CHECKING:
    from bleak import BleakScanner
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData, BaseBleakScanner


START_WAIT: Final = 5.0
"""Seconds that the stack has to start a scan, all tries included."""
START_GRACE: Final = 2.0
"""Seconds that a start goes on after nobody waits for it any more: only what has started can be stopped."""
STOP_WAIT: Final = 5.0
"""Seconds that the stack has to stop a scan."""


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

    def __str__(self) -> str:
        """Return its address and signal strength, for people."""
        return f"{self.address} ({self.rssi} dBm)"


async def scan(
    timeout: float,
    *,
    backend: "type[BaseBleakScanner] | None" = None,
    adapter: str | None = None,
    repeats: bool = False,
    report: Report = silent,
) -> AsyncGenerator[Found, None]:
    """Yield each device that advertises the service, and again when its tag changes, for `timeout` seconds.

    `adapter` is the one of several under BlueZ, "hci1"; with `repeats` each advertisement that the stack passes on
    counts. Leave early with `contextlib.aclosing`, so that the radio stops at once. Raises LinkError, UsageError (no
    bleak).
    """
    bleak, sightings = load_bleak(), _Sightings(repeats)

    def make() -> "BleakScanner":
        hear = sightings.on_advertisement
        made: BleakScanner = bleak.BleakScanner(hear, [SERVICE_UUID], backend=backend, **on_adapter(adapter))
        return made

    now = asyncio.get_running_loop().time
    started = now() + START_WAIT
    scanner = await persist(lambda: _started(make, started), deadline=started, report=report)
    try:
        deadline = now() + timeout  # of listening: to settle takes less time than a busy stack to start
        while (sighting := await sightings.next_before(deadline)) is not None:
            yield sighting
    except BaseException:
        await _stop(scanner)
        raise
    error = await _stop(scanner)
    if error is not None and not sightings.seen:
        raise error  # the stack went away meanwhile, and could hear nobody


class _Sightings:
    """What the stack heard, on its way from bleak's callback to the one who asked."""

    def __init__(self, repeats: bool) -> None:
        self.seen: dict[str, bytes] = {}
        self._repeats = repeats
        self._queue: asyncio.Queue[Found] = asyncio.Queue()

    def on_advertisement(self, device: "BLEDevice", data: "AdvertisementData") -> None:
        """Take an advertisement that bleak passes on."""
        tag = data.manufacturer_data.get(COMPANY_ID, b"")
        if SERVICE_UUID in data.service_uuids and (self._repeats or self.seen.get(device.address) != tag):
            self.seen[device.address] = tag
            self._queue.put_nowait(Found(device.address, tag, data.rssi, device))

    async def next_before(self, deadline: float) -> Found | None:
        """Return the next sighting, or None at the deadline, which covers this wait and not the consumer's own work."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._queue.get()
        except TimeoutError:
            return None


async def _started(make: Callable[[], "BleakScanner"], deadline: float) -> "BleakScanner":
    with renamed("scan"):
        scanner = make()
        try:
            async with asyncio.timeout_at(deadline):
                await hear_out(scanner.start(), START_GRACE)
        except (asyncio.CancelledError, TimeoutError):
            with suppress(AssertionError):  # bleak's WinRT scanner asserts that it came so far as to start
                await _stop(scanner)
            raise
    return scanner


async def _stop(scanner: "BleakScanner") -> LinkError | None:
    """Stop, and return what came of it: a scan that cannot be stopped in order is over (hbldh/bleak#2021)."""

    async def stop() -> None:
        async with asyncio.timeout(STOP_WAIT):
            await scanner.stop()

    try:
        with renamed("scan"):
            await hear_out(stop(), STOP_WAIT)
    except LinkError as error:
        return error
    return None


async def find(
    accept: Callable[[Found], bool],
    timeout: float,
    *,
    backend: "type[BaseBleakScanner] | None" = None,
    adapter: str | None = None,
    report: Report = silent,
) -> Found:
    """Return the first device that `accept` says yes to. Raises DeviceNotFound after `timeout` seconds, LinkError."""
    others: set[str] = set()
    async with aclosing(scan(timeout, backend=backend, adapter=adapter, report=report)) as sightings:
        async for found in sightings:
            if accept(found):
                return found
            others.add(found.address)
    raise not_seen(timeout, len(others))


def not_seen(timeout: float, others: int = 0) -> DeviceNotFound:
    """Return the error for a device that did not turn up within `timeout` seconds, while so many `others` did."""
    crowd = "" if not others else "; another device was" if others == 1 else f"; {others} others were"
    return DeviceNotFound(
        f"the device was not seen within {timeout:g} s{crowd}",
        step="discover",
        remedy="Check that it is on, near, and waiting to be paired",
    )
