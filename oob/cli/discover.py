"""`oob discover`."""

import argparse
import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

from oob.cli.terminal import Terminal
from oob.errors import DeviceNotFound
from oob.progress import Progress
from oob.transport.ble_scanner import Found, scan


async def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Show devices as they are seen, and list them in the end; DeviceNotFound if there is none."""
    clock = asyncio.get_running_loop().time
    range_ = InRange()
    terminal.say(f"Listening for {args.timeout:g} s ...")
    heard = scan(args.timeout, adapter=args.adapter, repeats=True, report=terminal.progress)
    async with aclosing(heard) as sightings:
        async for found in sightings:
            if range_.add(found, clock()):
                terminal.progress(Progress("client", "seen", f"{found}  {found.tag.hex()}"))
                terminal.result({"address": found.address, "rssi": found.rssi, "tag": found.tag.hex()})
    for line in range_.listing():
        terminal.show(line)
    if not range_.devices:
        raise DeviceNotFound(
            "no device offers pairing here",
            step="discover",
            remedy="Let the device show its passcode, and listen near it",
        )
    return 0


@dataclass
class Heard:
    """What was heard from one address."""

    last: Found
    since: float
    until: float
    tags: list[bytes] = field(default_factory=list)


class InRange:
    """The devices in range, as far as they can be told apart: by their address, which they change at will."""

    def __init__(self) -> None:
        self.devices: dict[str, Heard] = {}

    def add(self, found: Found, now: float) -> bool:
        """Take an advertisement heard at `now`, in seconds; return whether it is news: a new address, or a new tag."""
        device = self.devices.setdefault(found.address, Heard(found, now, now))
        device.last, device.until = found, now
        if found.tag in device.tags:
            return False
        device.tags.append(found.tag)
        return True

    def listing(self) -> list[str]:
        """Return a line for each address, strongest signal first, with what can be said of its being another's."""
        nearest = sorted(self.devices.values(), key=lambda each: -each.last.rssi)
        return [self._line(each) for each in nearest]

    def _line(self, device: Heard) -> str:
        found = device.last
        line = f"{found.address}  {found.rssi:4} dBm  {found.tag.hex():12}"
        return f"{line}  {self._doubt(device)}".rstrip()

    def _doubt(self, device: Heard) -> str:
        others = [each for each in self.devices.values() if each is not device]
        copies = [each.last.address for each in others if share_a_tag(each, device)]
        if copies:
            return f"same tag as {', '.join(copies)}: the same device, or a copy"
        former = [each.last.address for each in others if each.until < device.since]
        if former:
            return f"perhaps {' or '.join(former)} under a new address"
        return f"{len(device.tags)} tags" if len(device.tags) > 1 else ""


def share_a_tag(one: Heard, other: Heard) -> bool:
    """Return whether one tag was heard from both addresses; no tag is none."""
    return bool(set(one.tags) & set(other.tags) - {b""})
