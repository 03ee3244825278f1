"""A simulated home: an issuer, a device with its page, and a client, joined by a simulated radio or by memory.

Protocols, keys, signatures, TLS and ACME are the real ones, on loopback; only the radio is simulated.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from oob.client import Carried, Client, Comparison, reach
from oob.device import Device
from oob.issuance.authority import AUTHORITY_FILE, Authority
from oob.issuance.server import Issuer, Policy, serve
from oob.issuance.store import Store
from oob.pairing import Model
from oob.progress import Progress, Report, silent
from oob.sim.page import DemoPage
from oob.sim.radio import VirtualRadio
from oob.sim.screens import Screens
from oob.storage import private_directory
from oob.transport.carrier import beside
from oob.transport.link import Link, Listener
from oob.transport.memory import MemoryListener

ZONE: Final = "oob-demo.home.arpa"
NETWORK: Final = "127.0.0.0/8"
DEVICE_NAME: Final = "Demo lamp"
SETTLE: Final = 0.1
"""Seconds of listening for a second device: on a simulated radio it answers at once."""

Connect = Callable[[], Awaitable[Link]]


@dataclass
class Home:
    """Everything that runs; `connect` gives the client a new link to the device."""

    directory: Path
    carrier: str
    issuer: Issuer
    device: Device
    client: Client
    connect: Connect = field(repr=False)
    screens: Screens

    def carried(self) -> Carried:
        """Return what a person who stands at the device carries to the client."""
        if self.device.offer.model is Model.COMPARE:
            return Comparison(self.screens.client)
        return self.device.offer.out_of_band()


@asynccontextmanager
async def home(
    directory: Path,
    *,
    carrier: str = "ble",
    model: Model = Model.PASSCODE,
    clock: Callable[[], float] = time.time,
    report: Report = silent,
) -> AsyncIterator[Home]:
    """Run a home under `directory`, on loopback; leaving the context ends all of it.

    `carrier` is "ble", a simulated radio, or "memory". Raises StorageError, LinkError.
    """
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(_issuer(private_directory(directory / "issuer"), clock))
        report(Progress("issuer", "serving", issuer.directory_url))
        page = DemoPage(DEVICE_NAME, private_directory(directory / "device"))
        stack.push_async_callback(page.close)
        screens = Screens()
        device = Device(
            DEVICE_NAME, directory / "device", page, model=model, confirm=screens.device, clock=clock, report=report
        )
        client = Client(issuer.directory_url, issuer.authority.root_der, directory / "client", report=report)
        stack.callback(client.close)
        listener, connect = await _carrier(stack, carrier, device)
        stack.push_async_callback(listener.close)
        await stack.enter_async_context(beside(device.serve(listener)))
        radio = "simulated Bluetooth LE" if carrier == "ble" else "memory"
        report(Progress("device", "offering", f"to pair by {model.name.lower()}, over {radio}"))
        yield Home(directory, carrier, issuer, device, client, connect, screens)


@asynccontextmanager
async def _issuer(directory: Path, clock: Callable[[], float]) -> AsyncIterator[Issuer]:
    authority = _authority(directory, (ZONE,), (NETWORK,), clock())
    store = await Store.open(directory / "issuer.sqlite")
    try:
        async with serve(authority, store, Policy(ZONE, ip_networks=(NETWORK,)), clock=clock) as issuer:
            yield issuer
    finally:
        await store.close()


def _authority(directory: Path, zones: Sequence[str], networks: Sequence[str], now: float) -> Authority:
    """Load the authority in `directory`, or make it there."""
    if (directory / AUTHORITY_FILE).exists():
        return Authority.load(directory)
    return Authority.create(directory, dns_zones=zones, ip_networks=networks, now=now)


async def _carrier(stack: AsyncExitStack, carrier: str, device: Device) -> tuple[Listener, Connect]:
    """Return the device's listener, which is started, and the client's way to it."""
    if carrier == "memory":
        memory = MemoryListener()
        await memory.start()
        return memory, memory.connect
    radio = await stack.enter_async_context(VirtualRadio())
    peripheral = await radio.peripheral(tag=None)  # the device says what to advertise
    is_carried = device.offer.model in (Model.SECRET, Model.PINNED)
    tag_key = device.store.state.tag_key if is_carried else None

    async def connect() -> Link:
        scanner, backend = radio.scanner_backend, radio.client_backend
        return await reach(tag_key=tag_key, settle=SETTLE, scanner=scanner, backend=backend)

    return peripheral, connect
