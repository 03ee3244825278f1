"""A client whose peer is a liar: whatever is notified, it ends in bounded time, by an error with a name."""

import asyncio
from collections.abc import Callable, Iterator
from random import Random

import pytest

from oob.errors import LinkError, PeerError
from oob.framing.gatt import MessageType, control, fragment, identify, nak, resume
from oob.sim.virtual_time import run
from oob.transport.carrier import Inbox, connection_lost
from oob.transport.conversation import expect
from oob.transport.link import FramedLink

HANDSHAKE = MessageType.HANDSHAKE
MESSAGE = b"message 1"
ID = identify(MESSAGE)
WAIT = 30.0
BOUND = WAIT + 8 * (30.0 + WAIT)
"""Seconds of one wait: eight connections that are lost, each taken up at the last moment, after a whole wait."""

Liar = Callable[[Random], Iterator[bytes | None]]
"""What is notified, one frame after the other; None: the connection is dropped."""


def garbage(random: Random) -> Iterator[bytes | None]:
    while True:
        yield random.randbytes(random.randrange(513))


def endless_parts(random: Random) -> Iterator[bytes | None]:
    while True:
        yield fragment(HANDSHAKE, ID[0] + random.randrange(1, 5) & 0xFF, random.randbytes(2000), 182)[
            random.randrange(5)
        ]


def nothing_but_the_first(random: Random) -> Iterator[bytes | None]:
    yield fragment(HANDSHAKE, ID[0] + 1 & 0xFF, bytes(2000), 182)[0]


def silence(random: Random) -> Iterator[bytes | None]:
    yield from ()


def busy(random: Random) -> Iterator[bytes | None]:
    while True:
        yield control(MessageType.BUSY, identify(random.choice([resume(ID), MESSAGE])))


def naks(random: Random) -> Iterator[bytes | None]:
    while True:
        yield nak(ID[0], range(128), 512)


def drops(random: Random) -> Iterator[bytes | None]:
    while True:
        yield None


def lies(random: Random) -> Iterator[bytes | None]:
    """Say yes, and drop the connection."""
    while True:
        yield from (resume(ID, True), None, resume(ID, False), None, resume(bytes(8), True))


def others(random: Random) -> Iterator[bytes | None]:
    """Say what is for others."""
    while True:
        yield from fragment(HANDSHAKE, ID[0] + random.randrange(5, 257) & 0xFF, random.randbytes(300), 20)
        yield resume(random.randbytes(8), True)


class Peer:
    """A carrier to a liar."""

    name = "test"
    max_frame = 182

    def __init__(self, liar: Liar, random: Random, pace: float) -> None:
        self._saying, self._pace = liar(random), pace
        self.inbox = Inbox()
        self.bytes_taken = 0
        self._timer = asyncio.get_running_loop().call_later(pace, self._say)

    async def send(self, frame: bytes, last: bool) -> None:
        if self.inbox.error is not None:
            raise self.inbox.error
        self.bytes_taken += len(frame)

    async def receive(self) -> bytes:
        return await self.inbox.get()

    async def reconnect(self) -> None:
        await asyncio.sleep(1)
        self.inbox = Inbox()

    async def close(self) -> None:
        self._timer.cancel()

    def _say(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pace, self._say)
        match next(self._saying, b""):
            case None:
                self.inbox.fail(connection_lost())
            case b"":
                return
            case bytes() as frame:
                self.inbox.put(frame)


async def converse(peer: Peer) -> None:
    async with FramedLink(peer, initiator=True) as link:
        await link.send(HANDSHAKE, MESSAGE)
        await expect(link, HANDSHAKE, WAIT)


LIARS = [garbage, endless_parts, nothing_but_the_first, silence, busy, naks, drops, lies, others]


@pytest.mark.parametrize("pace", [0.001, 0.2, 0.9])
@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.__name__)
def test_a_client_ends_in_time_with_an_error_that_has_a_name(liar: Liar, pace: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for seed in range(3):
            begin, peer = loop.time(), Peer(liar, Random(seed), pace)
            with pytest.raises((LinkError, PeerError)) as caught:
                await converse(peer)
            assert str(caught.value)
            assert loop.time() - begin <= BOUND
            assert peer.bytes_taken < 30 * len(MESSAGE) * (loop.time() - begin + 1)

    run(main())
