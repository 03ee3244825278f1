"""A client that sends what no honest one does: the device keeps its memory and its time, and serves the next one."""

import asyncio
import itertools
import os
import tracemalloc
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from oob.binding import InitiatorExchange
from oob.client import initiator_model
from oob.device import Device
from oob.framing.gatt import MAX_INDEX, MessageType, control, fragment, identify, is_start, nak, resume
from oob.progress import Progress
from oob.sim.virtual_time import run
from oob.transport.carrier import beside
from oob.transport.peripheral import Clients, Peripheral
from tests.e2e.stage import NoPage
from tests.exchange import ephemeral, identity

MTU, FRAME = 247, 244
PATIENCE = 30.0
"""Seconds after which the next client is served, whatever the first one does meanwhile."""
RECONNECT = 0.5
"""Seconds that it takes to connect: an advertisement, some connection events, the discovery."""
MEMORY = 1 << 20
"""Bytes that the device may need besides, at most."""
Liar = Callable[[Random], Iterator[bytes]]


def garbage(random: Random) -> Iterator[bytes]:
    while True:
        yield random.randbytes(random.randrange(1, FRAME + 1))


def oversize(_: Random) -> Iterator[bytes]:
    while True:
        yield b"\x80\x00\xff\xff" + bytes(FRAME - 4)


def longer_than_the_mtu(_: Random) -> Iterator[bytes]:
    while True:
        yield bytes(MTU)


def endless_parts(random: Random) -> Iterator[bytes]:
    yield b"\x80\x00\x10\x00" + bytes(28)
    for index in itertools.cycle(range(1, MAX_INDEX + 1)):
        yield bytes((index,)) + random.randbytes(31)


def parts_without_a_start(random: Random) -> Iterator[bytes]:
    for index in itertools.cycle(range(1, MAX_INDEX + 1)):
        yield bytes((index,)) + random.randbytes(FRAME - 1)


def endless_beginnings(_: Random) -> Iterator[bytes]:
    for msgid in itertools.cycle(range(256)):
        yield bytes((0x80, msgid, 0x10, 0x00)) + bytes(FRAME - 4)


def endless_messages(random: Random) -> Iterator[bytes]:
    for msgid in itertools.cycle(range(256)):
        yield from fragment(MessageType.HANDSHAKE, msgid, random.randbytes(200), FRAME)


def naks(_: Random) -> Iterator[bytes]:
    for msgid in itertools.cycle(range(256)):
        yield nak(msgid, range(120), FRAME)


def resumes(random: Random) -> Iterator[bytes]:
    while True:
        yield resume(random.randbytes(8))


def goodbyes(_: Random) -> Iterator[bytes]:
    while True:
        yield control(MessageType.CLOSE)


def silence(_: Random) -> Iterator[bytes]:
    yield from ()


def one_byte_and_silence(_: Random) -> Iterator[bytes]:
    yield b"\x80\x00\x00\x10"


LIARS: list[Liar] = [
    *(garbage, oversize, longer_than_the_mtu, endless_parts, parts_without_a_start, endless_beginnings),
    *(endless_messages, naks, resumes, goodbyes, silence, one_byte_and_silence),
]


class Stack:
    """A Stack that writes down what "honest" is told, and hangs up when it is asked to."""

    carrier = "ble"

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.clients: Clients | None = None

    async def start(self, clients: Clients) -> None:
        self.clients = clients

    async def stop(self) -> None:
        pass

    async def advertise(self, tag: bytes | None) -> None:
        pass

    async def notify(self, peer: Hashable, value: bytes) -> None:
        if peer == "honest":
            self.told.append(value)

    async def disconnect(self, peer: Hashable) -> None:
        assert self.clients is not None
        self.clients.on_disconnect(peer)


def message_1(device: Device) -> bytes:
    session = identity()
    model = initiator_model(device.offer.out_of_band(), os.urandom, session.credential.cred)
    return InitiatorExchange(session, model, None).start(ephemeral(), b"\x00")


async def attack(peripheral: Peripheral, frames: Iterator[bytes], pace: float, subscribes: bool) -> None:
    """Write, and come again when the device hangs up: whoever is there first is served (docs/threat-model.md)."""
    for frame in frames:
        if "liar" not in peripheral._connections:
            await asyncio.sleep(RECONNECT)
            peripheral.on_connect("liar")
            peripheral.on_subscribe("liar", subscribes)
        peripheral.on_write("liar", frame, FRAME)
        await asyncio.sleep(pace)
    await asyncio.Event().wait()


async def is_served(peripheral: Peripheral, stack: Stack, message: bytes) -> bool:
    """Try as an honest client does; return whether message_2 begins, rather than BUSY or nothing."""
    stack.told.clear()
    peripheral.on_connect("honest")
    peripheral.on_subscribe("honest", True)
    for frame in fragment(MessageType.HANDSHAKE, identify(message)[0], message, FRAME):
        peripheral.on_write("honest", frame, FRAME)
    await asyncio.sleep(0.2)
    served = any(is_start(frame, MessageType.HANDSHAKE) and len(frame) > 100 for frame in stack.told)
    peripheral.on_disconnect("honest")
    return served


@pytest.mark.parametrize("subscribes", [True, False], ids=["subscribed", "deaf"])
@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.__name__)
def test_the_device_keeps_its_memory_and_its_time(liar: Liar, subscribes: bool, tmp_path: Path) -> None:
    reports: list[Progress] = []

    async def main() -> float:
        loop, stack = asyncio.get_running_loop(), Stack()
        device = Device("Lamp", tmp_path, NoPage(), clock=loop.time, report=reports.append)
        peripheral = Peripheral(stack)
        await peripheral.start()
        async with beside(device.serve(peripheral)), beside(attack(peripheral, liar(Random(3)), 0.004, subscribes)):
            await asyncio.sleep(1)
            while not await is_served(peripheral, stack, message_1(device)):
                assert loop.time() < PATIENCE
                await asyncio.sleep(0.037)
            waited = loop.time()
        await peripheral.close()
        return waited

    tracemalloc.start()
    try:
        run(main())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY
    for each in reports:
        assert each.step in ("message_2", "failed", "refused"), each
        if each.step == "failed":
            assert ":" in each.detail  # the step, and why
    with suppress(FileNotFoundError):
        assert (tmp_path / "device.cbor").stat().st_size < 1000
