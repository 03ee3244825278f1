"""A device that is tapped and a client that taps it, in virtual time: real but for the field and the issuer.

The issuer is a stand-in that knows one session and takes each binding that is right; certificates come from nowhere.
"""

import asyncio
import dataclasses
import os
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from oob.binding import Binding, SessionContext, verify_binding
from oob.client import Client, Pairing
from oob.cose import CoseKey
from oob.crypto import Algorithm, Hash, SigningKey
from oob.device import Device
from oob.errors import LinkLost, OobError
from oob.framing.ndef import Record
from oob.issuance import Certificate, IssuerSession
from oob.issuance.client import Bound
from oob.pairing import Model
from oob.pairing.tag_content import TagContent
from oob.progress import Progress
from oob.sim.field import Field, FieldModel
from oob.storage import private_directory
from oob.transport.carrier import beside
from oob.transport.link import Link, Listener, Timing
from oob.transport.nfc import Reader
from oob.transport.tnep_poller import connect, tap
from oob.transport.tnep_stack import nfc_listener
from tests.exchange import CONTEXT
from tests.pair import Random, certificate

NAME = "lamp.home.example"
URL = "https://maker.example/d/1"
NOW = 1_700_000_000


@cache
def root_der() -> bytes:
    """Return a certificate in DER, that of the issuer."""
    return certificate(CoseKey.of(SigningKey.generate(Algorithm.ES256, Random("issuer"))))


def pem() -> bytes:
    return ssl.DER_cert_to_PEM_cert(root_der()).encode()


class Issuer:
    """Stands for `IssuerClient`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # that each request takes
        self.bound: list[Binding] = []
        self.context = dataclasses.replace(CONTEXT, root_hash=Hash.SHA256.digest(root_der()), names=(NAME,))

    async def open_session(self, key: SigningKey, *, origin: str, names: Sequence[str]) -> IssuerSession:
        await asyncio.sleep(self.seconds)
        return IssuerSession("https://issuer.example/session/1", self.context, "", key)

    async def submit(self, session: IssuerSession, binding: Binding) -> Bound:
        await asyncio.sleep(self.seconds)
        assert isinstance(session.key, SigningKey)
        verify_binding(binding, CoseKey.of(session.key))
        self.bound.append(binding)
        return Bound(self.context.names, b"", "", "")

    def close(self) -> None:
        pass


class Page:
    """A page that nobody looks at."""

    async def publish(self, tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
        return f"https://{names[0]}/", "192.0.2.20:443"

    async def withdraw(self) -> None:
        pass


@dataclasses.dataclass
class Tapping:
    """Both ends. `certifying` is how many seconds a certificate takes, `steps` what either end reported."""

    field: Field
    device: Device
    client: Client
    listener: Listener
    issuer: Issuer
    timing: Timing | None
    certifying: float
    steps: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    on_step: Callable[[str, str], None] = lambda *_: None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Whose time is virtual."""
        return asyncio.get_running_loop()

    def report(self, progress: Progress) -> None:
        self.steps.append((progress.who, progress.step))
        self.on_step(progress.who, progress.step)

    async def obtain(self, context: SessionContext, root: bytes) -> tuple[Certificate, bytes]:
        """Stand for the ACME client."""
        await asyncio.sleep(self.certifying)
        return Certificate(pem(), root, context.names, 0, 0, "", "", bytes(32)), pem()

    def greeting(self) -> list[Record]:
        """What a tap shows: in the model `secret` the bootstrap data, made for that tap."""
        return self.device.tapped(URL)

    async def link(self, reader: Reader | None = None, patience: float = 40.0) -> tuple[tuple[Record, ...], Link]:
        """Tap until the service is selected, up to 4 times, as a person does; return what was read, and the link."""
        for tries in range(4):
            tapped = await tap(reader or self.field, patience, report=self.report)
            try:
                return tapped.records, await connect(tapped, timing=self.timing, report=self.report)
            except LinkLost:
                if tries == 3:
                    raise
        raise AssertionError("not reached")

    async def pair(self, reader: Reader | None = None) -> Pairing:
        """Tap and pair, by what the tap shows or by the passcode."""
        records, link = await self.link(reader)
        try:
            shown = TagContent.of(records).bootstrap
            return await self.client.pair(link, shown or self.device.offer.out_of_band())
        finally:
            await link.close()

    async def fail(self, reader: Reader | None = None) -> OobError:
        try:
            await self.pair(reader)
        except OobError as error:
            return error
        raise AssertionError("it worked")

    @property
    def key(self) -> bytes:
        """The device's, by its thumbprint."""
        return CoseKey.of(self.device.store.key).thumbprint()

    async def check_next(self, reader: Reader | None = None) -> None:
        """A person who presses the button and taps again pairs."""
        self.device.offer.press()
        pairing = await self.pair(reader)
        assert (pairing.device, pairing.status) == (self.key, "ready")


@asynccontextmanager
async def tapping(
    directory: Path,
    *,
    model: Model = Model.PASSCODE,
    field: Field | None = None,
    timing: Timing | None = None,
    certifying: float = 0.0,
    asking: float = 0.0,
    random: Callable[[str], Callable[[int], bytes]] = lambda _: os.urandom,
    clock: Callable[[], float] | None = None,
    listener: Listener | None = None,
    **options: Any,
) -> AsyncIterator[Tapping]:
    """Set both up, near each other, or with another `listener`, which is started.

    `asking` is how many seconds a request to the issuer takes. `options` are the device's.
    """
    loop = asyncio.get_running_loop()
    clock = clock or (lambda: NOW + loop.time())
    field = field or Field(FieldModel(0.015, air=True))
    steps: list[Callable[[Progress], None]] = []
    told: Any = lambda progress: [each(progress) for each in steps]  # noqa: E731
    device = Device(
        "Lamp",
        private_directory(directory / "device"),
        Page(),
        model=model,
        printed=False if model is Model.SECRET else None,
        clock=clock,
        random=random("device"),
        report=told,
        **options,
    )
    issuer = Issuer(asking)
    client = Client(
        "https://issuer.example/directory",
        root_der(),
        private_directory(directory / "client"),
        clock=clock,
        random=random("client"),
        report=told,
    )
    client.issuer = issuer  # type: ignore[assignment]
    if listener is None:
        listener = nfc_listener(field, lambda: both.greeting(), timing=timing)
        await listener.start()
    both = Tapping(field, device, client, listener, issuer, timing, certifying)
    steps.append(both.report)
    device.certifier.obtain = both.obtain  # type: ignore[method-assign]
    async with beside(device.serve(listener)):
        await asyncio.sleep(0.001)  # until it is visible
        yield both
    await listener.close()
