"""Conversations over a radio that loses whatever it can: both ends agree on what was said, or hear an error.

The real link and the real peripheral, in virtual time; only the air between them is made up here, since it has to be
worse than the one of `oob.sim`: each end hears of a loss at a moment of its own, and each connection has another MTU.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import pytest

from oob.errors import LinkBusy, LinkError
from oob.framing.gatt import MessageType, identify
from oob.sim.virtual_time import run
from oob.transport.carrier import Inbox, connection_lost, link_closed
from oob.transport.link import FramedLink
from oob.transport.peripheral import Clients, Peripheral

HANDSHAKE, CHANNEL = MessageType.HANDSHAKE, MessageType.CHANNEL
ROUNDS = 4
LONGEST = 9 * (30.0 + 20.0) + ROUNDS * 60.0
"""Seconds of the longest conversation: 8 resumptions, each with its wait, and the waits of a sound one."""


@dataclass(frozen=True)
class Weather:
    """What the air does. Probabilities are per frame, or per frame that ends a connection."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    cut: float = 0.0
    broadcast: bool = False
    """Each notification reaches all who subscribed, as under BlueZ."""
    cancellation: float = 0.0
    """The probability that a wait is cancelled, and begun again."""
    frames: tuple[int, ...] = (20, 37, 182, 512)
    """The bytes that a frame may have, of which each connection gets one."""


class Ether:
    """A Stack, and the air between it and its phones."""

    carrier = "ble"

    def __init__(self, weather: Weather, random: Random) -> None:
        self.weather, self.random = weather, random
        self.phones: dict[Hashable, Phone] = {}
        self.subscribed: set[Hashable] = set()
        self.names = 0
        self._held: list[Callable[[], None]] = []
        self._flying: deque[Callable[[], None]] = deque()

    async def start(self, clients: Clients) -> None:
        self.clients = clients

    async def advertise(self, tag: bytes | None) -> None: ...

    async def stop(self) -> None: ...

    async def notify(self, peer: Hashable, value: bytes) -> None:
        phone = self.phones.get(peer)
        if phone is None:
            raise LinkError("gone", step="link")
        hearers = [peer, *sorted(self.subscribed - {peer}, key=str)] if self.weather.broadcast else [peer]
        for each in hearers:
            if each in self.phones:
                self.carry(partial(self.phones[each].hear, each, value))
        self.cut(phone)

    async def disconnect(self, peer: Hashable) -> None:
        await asyncio.sleep(0.05)
        if peer in self.phones:
            self.phones[peer].lose(0.0)

    def carry(self, deliver: Callable[[], None], certain: bool = False) -> None:
        """Deliver a frame after a moment; lose, repeat or hold it back by chance."""
        weather, chance = self.weather, self.random.random
        if not certain and chance() < weather.reordering:
            self._held.append(deliver)
            return
        copies = 1 if certain or chance() >= weather.loss else 0
        copies += copies and not certain and chance() < weather.duplication
        held, self._held = self._held, []
        for each in [deliver] * copies + held:
            self._flying.append(each)
            # Timers of equal time may fire in any order: each delivers the oldest frame, whichever started it.
            asyncio.get_running_loop().call_later(0.03, lambda: self._flying.popleft()())

    def cut(self, phone: "Phone") -> None:
        if self.random.random() < self.weather.cut:
            phone.lose(self.random.choice([0.0, 0.5, 3.0]))


class Phone:
    """The carrier of a client: a new name, and maybe a new MTU, for each connection."""

    name = "test"

    def __init__(self, ether: Ether) -> None:
        self.max_frame = 20
        self.inbox = Inbox()
        self._ether = ether
        self._peer: Hashable = None
        self._closed = False

    async def reconnect(self) -> None:
        if self._closed:
            raise link_closed()
        await asyncio.sleep(self._ether.random.choice([0.1, 2.0, 20.0]))
        ether = self._ether
        ether.names += 1
        self._peer = ether.names
        self.max_frame = ether.random.choice(ether.weather.frames)
        self.inbox = Inbox()
        ether.phones[self._peer] = self
        ether.clients.on_connect(self._peer)
        asyncio.get_running_loop().call_later(ether.random.choice([0.0, 0.2]), self._subscribe, self._peer)

    async def send(self, frame: bytes, last: bool) -> None:
        if self.inbox.error is not None:
            raise self.inbox.error
        peer, longest, ether = self._peer, self.max_frame, self._ether

        def arrive() -> None:
            if peer in ether.phones:
                ether.clients.on_write(peer, frame, longest)

        ether.carry(arrive, certain=last)
        ether.cut(self)

    async def receive(self) -> bytes:
        return await self.inbox.get()

    async def close(self) -> None:
        self._closed = True
        self.inbox.fail(link_closed())
        self.lose(0.0)

    def hear(self, peer: Hashable, value: bytes) -> None:
        if peer == self._peer:
            self.inbox.put(value[: self.max_frame])  # a stack cuts off what does not fit

    def lose(self, later: float) -> None:
        """Lose the connection; the device hears of that so many seconds later."""
        peer = self._peer
        if self._ether.phones.pop(peer, None) is not None:
            self._ether.subscribed.discard(peer)
            self.inbox.fail(connection_lost())
            asyncio.get_running_loop().call_later(later, self._ether.clients.on_disconnect, peer)

    def _subscribe(self, peer: Hashable) -> None:
        if peer in self._ether.phones:
            self._ether.subscribed.add(peer)
            self._ether.clients.on_subscribe(peer, True)


async def patient(random: Random, weather: Weather, wait: Callable[[], Awaitable[Any]]) -> Any:
    """Wait, and begin anew where the wait is cancelled half-way."""
    while random.random() < weather.cancellation:
        try:
            async with asyncio.timeout(random.choice([0.0, 0.04, 0.3, 1.1])):
                return await wait()
        except TimeoutError:
            continue
    return await wait()


def answer_to(message: bytes) -> bytes:
    return Random(message).randbytes(len(message) * 7 % 1500)


def opening(random: Random) -> bytes:
    """Return a first message; half of them begin to count their msgids right before the number begins anew."""
    while True:
        message = random.randbytes(random.randrange(1, 600))
        if random.random() < 0.02 or identify(message)[0] >= 253:
            return message


class World:
    """A device that answers, and clients that ask; everything that was heard is written down."""

    def __init__(self, weather: Weather, seed: int) -> None:
        self.random, self.weather = Random(seed), weather
        self.ether = Ether(weather, self.random)
        self.peripheral = Peripheral(self.ether)
        self.served: list[list[bytes]] = []

    async def serve(self) -> None:
        while True:
            async with await self.peripheral.accept() as link:
                heard: list[bytes] = []
                self.served.append(heard)
                try:
                    while True:
                        kind, message = await patient(self.random, self.weather, partial(link.receive, 20))
                        heard.append(message)
                        await asyncio.sleep(self.random.choice([0.0, 0.0, 2.5]))
                        await link.send(kind, answer_to(message))
                except LinkError:
                    continue

    async def converse(self, said: list[bytes]) -> LinkError | None:
        """Say these, one after the other; return the error that ended it, if one did."""
        phone = Phone(self.ether)
        await phone.reconnect()
        link = FramedLink(phone, initiator=True)
        try:
            for i, message in enumerate(said):
                kind = CHANNEL if i else HANDSHAKE
                await link.send(kind, message)
                got = await patient(self.random, self.weather, partial(link.receive, 20))
                assert got == (kind, answer_to(message))
        except LinkError as error:
            return error
        finally:
            await link.close()
        return None

    def check(self, said: list[bytes], error: LinkError | None) -> None:
        """Each conversation that the device had is the head of what was said, and the last one all of it."""
        for heard in self.served:
            assert heard == said[: len(heard)]
        if error is None:
            assert self.served[-1] == said
        # Only one that was never answered may begin anew.
        assert all(len(heard) <= 1 for heard in self.served[:-1])
        self.served.clear()


async def tell(world: World) -> LinkError | None:
    random = world.random
    said = [opening(random), *(random.randbytes(random.randrange(600)) for _ in range(ROUNDS - 1))]
    begin = asyncio.get_running_loop().time()
    error = await world.converse(said)
    assert asyncio.get_running_loop().time() - begin < LONGEST
    world.check(said, error)
    return error


async def live(world: World, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await world.peripheral.start()
    server = asyncio.create_task(world.serve())
    try:
        await work()
    finally:
        server.cancel()
        await asyncio.wait({server})
        await world.peripheral.close()
    await asyncio.sleep(1)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left


SKIES = {
    "cuts": Weather(cut=0.03),
    "cuts and losses": Weather(cut=0.02, loss=0.05, duplication=0.05, reordering=0.05),
    "cancelled waits": Weather(cut=0.02, loss=0.05, cancellation=0.5),
    "everything": Weather(0.05, 0.05, 0.05, 0.03, broadcast=True, cancellation=0.3),
}


@pytest.mark.parametrize("weather", SKIES.values(), ids=SKIES)
def test_both_ends_agree_on_what_was_said_or_hear_an_error(weather: Weather) -> None:
    ends = []

    async def main() -> None:
        for seed in range(200):
            world = World(weather, seed)

            async def work(world: World = world) -> None:
                ends.append(await tell(world))
                world.ether.weather = world.weather = Weather()
                await asyncio.sleep(60)  # whatever is left of it has passed
                assert await tell(world) is None

            await live(world, work)

    run(main())
    assert sum(error is None for error in ends) > 150


def test_two_who_come_at_once_never_hear_what_is_for_the_other() -> None:
    """One is served, and the other is told so, or takes the place of one who is away."""
    ends = []

    async def main() -> None:
        for seed in range(200):
            world = World(Weather(0.03, 0.03, 0.03, 0.02, broadcast=True), seed)
            random = world.random
            said = [[opening(random), random.randbytes(random.randrange(600)), b"end"] for _ in range(2)]

            async def work(world: World = world, said: list[list[bytes]] = said) -> None:
                ends.extend(await asyncio.gather(*map(world.converse, said)))

            await live(world, work)
            for heard in world.served:
                assert heard in [each[: len(heard)] for each in said]

    run(main())
    assert sum(error is None for error in ends) > 150
    assert sum(isinstance(error, LinkBusy) for error in ends) > 50


def test_every_mtu_from_23_to_517() -> None:
    async def main() -> None:
        for mtu in range(23, 518):
            world = World(Weather(frames=(min(mtu - 3, 512),)), mtu)

            async def work(world: World = world) -> None:
                assert await tell(world) is None

            await live(world, work)

    run(main())
