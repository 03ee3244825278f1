"""`oob discover`."""

import argparse
from contextlib import aclosing

from oob.cli.terminal import Terminal
from oob.errors import DeviceNotFound
from oob.transport.ble_scanner import scan


async def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """List devices as they are seen; DeviceNotFound if there is none."""
    seen: set[str] = set()
    terminal.say(f"Listening for {args.timeout:g} s ...")
    async with aclosing(scan(args.timeout)) as sightings:
        async for found in sightings:
            seen.add(found.address)
            terminal.result({"address": found.address, "rssi": found.rssi, "tag": found.tag.hex()})
            terminal.show(f"{found.address}  {found.rssi:4} dBm  {found.tag.hex()}")
    if not seen:
        raise DeviceNotFound(
            "no device offers pairing here", step="discover", remedy="Let the device show its passcode"
        )
    return 0
