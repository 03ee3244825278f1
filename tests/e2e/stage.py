"""Issuer, device and client in one process, of real parts, so that a test can look at each and take away any."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oob.binding import Agreement
from oob.client import Carried, Client, Pairing
from oob.cose import CoseKey
from oob.crypto import Algorithm, SigningKey
from oob.device import Device
from oob.errors import OobError
from oob.issuance import Authority, IssuerSession
from oob.issuance.server import Issuer, Policy, serve
from oob.issuance.store import Store
from oob.pairing import Bootstrap, Model, Passcode
from oob.progress import Progress
from oob.sim.page import DemoPage
from oob.storage import private_directory
from oob.transport.link import Link, Listener
from oob.transport.memory import MemoryListener
from tests.e2e.family import free_port

ZONE, NETWORK = "home.example", "127.0.0.0/8"
Connect = Callable[[], Awaitable[Link]]


def wrong(carried: Passcode | Bootstrap) -> Passcode:
    """Return a well-formed passcode that is not the device's."""
    assert isinstance(carried, Passcode)
    return Passcode.from_number((int(carried.digits[:7]) + 1) % 10**7)


class NoPage:
    """A page for a device that never gets as far as to have one."""

    async def publish(self, tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
        raise AssertionError("it was published")

    async def withdraw(self) -> None:
        raise AssertionError("it was withdrawn")


def at(page: DemoPage, pairing: Pairing) -> Pairing:
    """Return the pairing with the address at which the device is found in this life."""
    return replace(pairing, address=page._address)


@asynccontextmanager
async def issuing(directory: Path, port: int = 0) -> AsyncIterator[Issuer]:
    """Serve the issuer in `directory`, which is made if it is not there."""
    if (directory / "authority.pem").exists():
        authority = Authority.load(directory)
    else:
        authority = Authority.create(directory, dns_zones=[ZONE], ip_networks=[NETWORK], now=1.7e9)
    store = await Store.open(directory / "issuer.sqlite")
    try:
        async with serve(authority, store, Policy(ZONE, ip_networks=(NETWORK,)), port=port) as issuer:
            yield issuer
    finally:
        await store.close()


class Switch:
    """An issuer that can be switched off and on; its address stays."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._port = directory, free_port()
        self.url = f"https://127.0.0.1:{self._port}/directory"
        self._running: AsyncExitStack | None = None
        self.issuer: Issuer | None = None

    async def on(self) -> Issuer:
        assert self._running is None
        self._running = AsyncExitStack()
        self.issuer = await self._running.enter_async_context(issuing(self._directory, self._port))
        return self.issuer

    async def off(self) -> None:
        running, self._running, self.issuer = self._running, None, None
        if running is not None:
            await running.aclose()


@dataclass
class Stage:
    """Everyone. `steps` are those of device and client, as they were reported; `on_step` is told of each."""

    directory: Path
    switch: Switch
    root: bytes
    client: Client
    connect: Connect
    model: Model
    issuers: Collection[str] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    steps: list[tuple[str, str]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    on_step: Callable[[str, str], None] = lambda *_: None
    device: Device = field(init=False)
    page: DemoPage = field(init=False)
    serving: asyncio.Task[None] | None = None
    later: float = 0.0

    def report(self, progress: Progress) -> None:
        self.steps.append((progress.who, progress.step))
        self.details.append(progress.detail)
        self.on_step(progress.who, progress.step)

    async def start_device(self, listener: Listener) -> Device:
        """Begin a life of the device, from what its former life left."""
        directory = private_directory(self.directory / "device")
        self.page = DemoPage("Lamp", directory)
        self.device = Device(
            "Lamp",
            directory,
            self.page,
            model=self.model,
            issuers=self.issuers,
            clock=lambda: time.time() + self.later,
            report=self.report,
            **self.options,
        )
        if isinstance(listener, MemoryListener):  # a simulated peripheral is on from the start
            await listener.start()
        self.serving = asyncio.create_task(self.device.serve(listener))
        return self.device

    async def stop_device(self) -> None:
        if self.serving is not None:
            self.serving.cancel()
            await asyncio.wait({self.serving})
            self.serving = None
            await self.page.close()

    async def restart_device(self, listener: Listener) -> Device:
        await self.stop_device()
        return await self.start_device(listener)

    async def pair(self, carried: Carried | None = None) -> Pairing:
        """Pair as a person does who stands at the device."""
        link = await self.connect()
        try:
            return await self.client.pair(link, carried or self.device.offer.out_of_band(), names=("lamp",))
        finally:
            await link.close()

    async def fail(self, carried: Carried | None = None) -> OobError:
        """Pair in vain; return the error."""
        try:
            await self.pair(carried)
        except OobError as error:
            return error
        raise AssertionError("it worked")

    async def agree(self) -> tuple[Link, IssuerSession, Agreement]:
        """Go as far as the signed binding; the link is still open."""
        key = SigningKey.generate(Algorithm.ES256, os.urandom)
        session = await self.client.issuer.open_session(key, names=("lamp",))
        link = await self.connect()
        return link, session, await self.client.handshake(link, self.device.offer.out_of_band(), key, session)

    async def until(self, step: tuple[str, str]) -> None:
        """Wait for a report, also of one that came before."""
        async with asyncio.timeout(10):
            while step not in self.steps:
                await asyncio.sleep(0.002)

    @property
    def key(self) -> bytes:
        return CoseKey.of(self.device.store.key).thumbprint()


@asynccontextmanager
async def stage(
    directory: Path,
    *,
    listener: Listener | None = None,
    connect: Connect | None = None,
    model: Model = Model.PASSCODE,
    issuers: Collection[str] | None = None,
    **options: Any,
) -> AsyncIterator[Stage]:
    """Set up everyone; over memory, unless said otherwise. `options` are the device's."""
    memory = MemoryListener()
    switch = Switch(directory / "issuer")
    issuer = await switch.on()
    root = issuer.authority.root_der
    client = Client(switch.url, root, directory / "client")
    set_up = Stage(directory, switch, root, client, connect or memory.connect, model, issuers, options)
    client._report = set_up.report
    try:
        await set_up.start_device(listener or memory)
        yield set_up
    finally:
        await set_up.stop_device()
        client.close()
        await switch.off()
