"""SIGKILL at any moment: device, client and issuer go on from what is on their disks."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from oob.binding import SessionContext
from oob.client import Pairing, PairingStore, pair
from oob.client.page import visit
from oob.cose import CoseKey
from oob.crypto import Algorithm, SigningKey
from oob.device.state import IDENTITY_FILE, STATE_FILE, DeviceState
from oob.errors import IssuanceError, LinkError, OobError
from oob.issuance import Authority, IssuerClient, IssuerSession
from oob.issuance.client import SessionStatus
from oob.storage import find
from oob.transport.socket import connect
from tests.e2e.family import Child, Zygote, free_port, until, zygote

ZONE, NETWORK = "home.example", "127.0.0.0/8"
DEVICE_STEPS = ("message_2", "guess counted", "bound", "owned", "certificate", "page", "done")
CLIENT_STEPS = ("session", "message_3", "agreed", "bound", "ready")
DEVICE_WRITES = ("identity", "code", "guess", "confirmed", "owner", "certificate", "tls.pem")
CLIENT_WRITES = ("code entered", "code right", "agreed", "bound", "ready")
REQUESTS = (
    "directory",
    "nonce",
    "session",
    "binding",
    "device: directory",
    "device: nonce",
    "newAccount",
    "newOrder",
    "finalize",
    "certificate",
)
AROUND = ("before", "between", "after")


@dataclass
class House:
    """An issuer in a process of its own, and the means to fork devices and clients that pair with its help."""

    zygote: Zygote
    directory: Path
    url: str
    root: bytes
    issuer: Child | None = None

    def serve(self, kill: tuple[str, int] | None = None) -> None:
        listen = self.url.removeprefix("https://").removesuffix("/directory")
        argv = ["issuer", "serve", "--json", "--state", str(self.directory / "issuer"), "--listen", listen]
        seen = self._lines()
        self.issuer = self.zygote.start("issuer", argv=argv, kill=kill)
        until(lambda: self._lines() > seen, "the issuer")

    def _lines(self) -> int:
        errors = self.zygote.errors
        return errors.read_text().count('"serving"') if errors.exists() else 0


@dataclass
class Lamp:
    """One device over its lives, and its client."""

    house: House
    directory: Path
    name: str
    model: str = "passcode"
    child: Child | None = None

    @property
    def socket(self) -> Path:
        return self.directory / "s"

    @property
    def steps(self) -> list[str]:
        log = self.directory / "log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def state(self) -> DeviceState:
        stored = find(self.directory / "device" / STATE_FILE)
        return DeviceState() if stored is None else DeviceState.decode(stored)

    @property
    def key(self) -> bytes | None:
        """The thumbprint of its identity key, if it has one yet."""
        stored = find(self.directory / "device" / IDENTITY_FILE)
        return stored and CoseKey.of(SigningKey.from_bytes(Algorithm.ES256, stored)).thumbprint()

    def start(self, kill: tuple[str, int] | None = None) -> Child:
        (self.directory / "log").unlink(missing_ok=True)
        self.child = self.house.zygote.start(
            "device",
            state=self.directory / "device",
            socket=self.socket,
            log=self.directory / "log",
            model=self.model,
            kill=kill,
        )
        return self.child

    def press(self) -> None:
        assert self.child is not None
        before = self.state
        self.child.signal(signal.SIGUSR1)
        until(lambda: self.state != before, "another passcode")

    def pair(self) -> Pairing:
        """Pair from this process, as a person does who reads the code off the screen."""
        code = self.state.passcode
        assert code is not None

        async def run() -> Pairing:
            house, client = self.house, self.directory / "client"
            link = await connect(self.socket)
            return await pair(code, issuer=house.url, root=house.root, directory=client, names=(self.name,), link=link)

        return asyncio.run(run())

    def start_client(self, kill: tuple[str, int]) -> Child:
        return self.house.zygote.start(
            "client",
            state=self.directory / "client",
            socket=self.socket,
            log=self.directory / "client-log",
            code=self.state.passcode,
            issuer=self.house.url,
            root=self.house.directory / "root.der",
            name=self.name,
            kill=kill,
        )

    def pairings(self) -> list[Pairing]:
        return PairingStore(self.directory / "client").all()

    def status(self, pairing: Pairing) -> SessionStatus:
        """Ask the issuer, with the session key that the client kept, what became of the binding."""

        async def ask() -> SessionStatus:
            client = IssuerClient(self.house.url, self.house.root)
            key = SigningKey.from_bytes(Algorithm.ES256, pairing.session_key)
            context = SessionContext(self.house.url, None, "", bytes(16), pairing.names)
            try:
                return await client.session_status(IssuerSession(pairing.session_url, context, "", key))
            finally:
                client.close()

        return asyncio.run(ask())

    def check_served(self, pairing: Pairing) -> None:
        assert asyncio.run(visit(pairing, self.house.root)).status == 200


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("house")
    authority = Authority.create(directory / "issuer", dns_zones=[ZONE], ip_networks=[NETWORK], now=1.7e9)
    (directory / "root.der").write_bytes(authority.root_der)
    with zygote(directory) as family:
        house = House(family, directory, f"https://127.0.0.1:{free_port()}/directory", authority.root_der)
        house.serve()
        yield house
        assert "Traceback" not in family.errors.read_text()


@contextmanager
def new_lamp(house: House, directory: Path, name: str) -> Iterator[Lamp]:
    lamp = Lamp(house, directory, name)
    try:
        yield lamp
    finally:
        if lamp.child is not None:
            lamp.child.kill()


@pytest.fixture
def lamp(house: House, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lamp]:
    name = "".join(each if each.isalnum() else "-" for each in request.node.name)
    with new_lamp(house, tmp_path, name[-50:]) as lamp:
        yield lamp


def check_next_life(lamp: Lamp) -> None:
    """Nothing is corrupt, nothing counted is forgotten, what was promised comes, and a new try works."""
    at_death, key = lamp.state, lamp.key
    lamp.start()
    until(lambda: "up" in lamp.steps, "the device")
    if at_death.owner is not None:
        until(lambda: "page" in lamp.steps, "the certificate that the owner was promised")
        assert lamp.state.certificate is not None
    if at_death.guesses is not None:
        assert lamp.state.guesses == at_death.guesses
    assert key in (None, lamp.key)
    lamp.press()
    pairing = lamp.pair()
    assert pairing.device == lamp.key
    assert pairing.status == "ready"
    lamp.check_served(pairing)


def check_account(lamp: Lamp) -> None:
    """A guess that was counted stays counted, unless it was right and the owner is on the disk."""
    if "guess counted" in lamp.steps:
        guesses = lamp.state.guesses
        assert guesses is not None
        assert guesses.burnt or guesses.window == 1
        assert guesses.burnt or lamp.state.owner is None


def check_binding(lamp: Lamp) -> None:
    """What the issuer accepted is there on both sides."""
    for pairing in lamp.pairings():
        status = lamp.status(pairing)
        if pairing.status != "agreed":
            assert status.status == "bound"
        assert status.device in (None, pairing.device)


def die_pairing(lamp: Lamp, kill: tuple[str, int]) -> None:
    child = lamp.start(kill)
    until(lambda: "up" in lamp.steps or ((lamp.directory / "device").exists() and _is_dead(child)), "the device")
    if not _is_dead(child):
        try:
            lamp.pair()
        except OobError as error:
            assert isinstance(error, LinkError | IssuanceError), error
    assert child.wait() == -signal.SIGKILL


def _is_dead(child: Child) -> bool:
    if child.code is None:
        child.code = child.zygote.ask({"wait": child.pid, "seconds": 0.01})
    return child.code is not None


@pytest.mark.parametrize("n", range(len(DEVICE_STEPS)), ids=DEVICE_STEPS)
def test_device_killed_at_a_step(lamp: Lamp, n: int) -> None:
    die_pairing(lamp, ("step", n))
    assert lamp.steps[1:] == list(DEVICE_STEPS[: n + 1])
    check_account(lamp)
    check_binding(lamp)
    check_next_life(lamp)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("n", range(len(DEVICE_WRITES)), ids=DEVICE_WRITES)
def test_device_killed_around_a_write(lamp: Lamp, n: int, around: str) -> None:
    die_pairing(lamp, (around, n))
    check_account(lamp)
    check_binding(lamp)
    check_next_life(lamp)


@pytest.mark.parametrize("n", range(len(CLIENT_STEPS)), ids=CLIENT_STEPS)
def test_client_killed_at_a_step(lamp: Lamp, n: int) -> None:
    kill_client(lamp, ("step", n))
    assert (lamp.directory / "client-log").read_text().splitlines() == list(CLIENT_STEPS[: n + 1])


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("n", range(len(CLIENT_WRITES)), ids=CLIENT_WRITES)
def test_client_killed_around_a_write(lamp: Lamp, n: int, around: str) -> None:
    kill_client(lamp, (around, n))


def kill_client(lamp: Lamp, kill: tuple[str, int]) -> None:
    lamp.start()
    until(lambda: "up" in lamp.steps, "the device")
    assert lamp.start_client(kill).wait() == -signal.SIGKILL
    check_binding(lamp)
    until(lambda: lamp.steps[-1] in ("up", "failed", "refused", "done"), "the device to be free")
    lamp.press()
    pairing = lamp.pair()
    assert [each.status for each in lamp.pairings()] == ["ready"]
    assert lamp.status(pairing).status == "bound"
    lamp.check_served(pairing)


@pytest.mark.parametrize("moment", ["request", "answer"])
@pytest.mark.parametrize("n", range(len(REQUESTS)), ids=REQUESTS)
def test_issuer_killed_at_a_request(house: House, lamp: Lamp, n: int, moment: str) -> None:
    lamp.start()
    until(lambda: "up" in lamp.steps, "the device")
    assert house.issuer is not None
    house.issuer.kill()
    house.serve(kill=(moment, n))
    with pytest.raises(IssuanceError):
        lamp.pair()
    assert house.issuer.wait() == -signal.SIGKILL
    before = lamp.pairings()
    house.serve()
    for pairing in before:  # it has been signed and kept, and what the issuer took of it is still there
        taken = pairing.status == "bound" or (n, moment) == (3, "answer")
        assert lamp.status(pairing).status == ("bound" if taken else "pending")
    if lamp.state.owner is not None:
        until(lambda: "page" in lamp.steps, "the certificate that the device gets by itself")
    lamp.press()
    lamp.check_served(lamp.pair())
