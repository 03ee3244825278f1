"""A simulated home: an issuer, a device with its page, and a client, joined by a simulated radio or by memory.

Protocols, keys, signatures, TLS and ACME are the real ones, on loopback; only radios and tags are simulated.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from oob.client import Carried, Client, Comparison
from oob.device import Device
from oob.issuance.authority import AUTHORITY_FILE, Authority
from oob.issuance.server import Issuer, Policy, serve
from oob.issuance.store import Store
from oob.pairing import Model
from oob.progress import Progress, Report, silent
from oob.sim.page import DemoPage
from oob.sim.screens import Screens
from oob.sim.ways import Way, open_way
from oob.storage import private_directory
from oob.transport.carrier import beside
from oob.transport.link import Link

ZONE: Final = "oob-demo.home.arpa"
NETWORK: Final = "127.0.0.0/8"
DEVICE_NAME: Final = "Demo lamp"
USUAL: Final = {"nfc": Model.SECRET, "nfc-static": Model.SECRET}
"""The model by which a carrier is usually used; others by passcode."""


@dataclass
class Home:
    """Everything that runs; `connect` gives the client a new link to the device, and what a tag told on the way."""

    directory: Path
    carrier: str
    issuer: Issuer
    device: Device
    client: Client
    way: Way = field(repr=False)
    screens: Screens

    async def connect(self) -> Link:
        """Give the client a new link to the device."""
        return await self.way.connect()

    def carried(self) -> Carried:
        """Return what a person who stands at the device carries to the client, by a tag that was tapped or else."""
        if self.way.told is not None:
            return self.way.told
        if self.device.offer.model is Model.COMPARE:
            return Comparison(self.screens.client)
        return self.device.offer.out_of_band()


@asynccontextmanager
async def home(
    directory: Path,
    *,
    carrier: str = "ble",
    model: Model | None = None,
    clock: Callable[[], float] = time.time,
    report: Report = silent,
) -> AsyncIterator[Home]:
    """Run a home under `directory`, on loopback; leaving the context ends all of it.

    `carrier` is "ble", a simulated radio; "nfc", a simulated tag of the device, through which all goes; "nfc-static", a
    simulated sticker, then the radio; or "memory". `model` is by default what goes with that; over "nfc" a secret is
    made for each tap. Raises StorageError, LinkError, UsageError.
    """
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(_issuer(private_directory(directory / "issuer"), clock))
        report(Progress("issuer", "serving", issuer.directory_url))
        page = DemoPage(DEVICE_NAME, private_directory(directory / "device"))
        stack.push_async_callback(page.close)
        screens = Screens()
        device = Device(
            DEVICE_NAME,
            directory / "device",
            page,
            model=model or USUAL.get(carrier, Model.PASSCODE),
            printed=False if carrier == "nfc" else None,
            confirm=screens.device,
            clock=clock,
            report=report,
        )
        client = Client(issuer.directory_url, issuer.authority.root_der, directory / "client", report=report)
        stack.callback(client.close)
        way = await open_way(stack, carrier, device, report)
        await stack.enter_async_context(beside(device.serve(way.listener)))
        report(Progress("device", "offering", f"to pair by {device.offer.model.name.lower()}, over {way.medium}"))
        yield Home(directory, carrier, issuer, device, client, way, screens)


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
