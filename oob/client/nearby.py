"""Finding the one device that is meant, and reaching it over Bluetooth LE."""

from contextlib import aclosing
from typing import Any

from oob.discovery import matches
from oob.errors import LinkError
from oob.transport import ble_central, ble_scanner
from oob.transport.ble_scanner import Found
from oob.transport.link import Link

SETTLE = 1.0
"""Seconds for which the radio listens on after the first device, to notice a second one."""


async def reach(
    *,
    tag_key: bytes | None = None,
    address: str | None = None,
    timeout: float = 20.0,
    settle: float = SETTLE,
    scanner: type[Any] | None = None,
    backend: type[Any] | None = None,
) -> Link:
    """Connect to the device with this tag key or address, or to the only one in range.

    `tag_key` comes from bootstrap data, 16 bytes. `scanner` and `backend` are passed to bleak. Raises DeviceNotFound
    when it is not seen within `timeout` seconds, LinkError when several answer and nothing tells them apart.
    """
    if tag_key is None and address is None:
        found = await _only(timeout, settle, scanner)
    else:
        found = await ble_scanner.find(lambda seen: _is_meant(seen, tag_key, address), timeout, backend=scanner)
    return await ble_central.connect(found.handle, backend=backend, timeout=timeout)


def _is_meant(seen: Found, tag_key: bytes | None, address: str | None) -> bool:
    if address is not None:
        return seen.address.casefold() == address.casefold()
    return tag_key is not None and matches(tag_key, seen.tag)


async def _only(timeout: float, settle: float, scanner: type[Any] | None) -> Found:
    """Return the device in range if there is exactly one: the first to answer may be the neighbour's."""
    first = await ble_scanner.find(lambda _: True, timeout, backend=scanner)
    async with aclosing(ble_scanner.scan(settle, backend=scanner)) as sightings:
        async for other in sightings:
            if other.address != first.address:
                remedy = "Choose one by its address, or pair by the device's tag or QR code"
                raise LinkError("several devices offer pairing", step="discover", remedy=remedy)
    return first
