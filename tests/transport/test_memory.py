"""The in-memory twin behaves as a radio does, faults included."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from oob.errors import DeviceNotFound, LinkBusy, LinkError, UsageError
from oob.framing.gatt import MessageType
from oob.transport.memory import Faults, MemoryListener, link_pair

Run = Callable[[Coroutine[Any, Any, Any]], Any]
HANDSHAKE = MessageType.HANDSHAKE


def test_delay_is_what_it_says(run_virtual: Run) -> None:
    async def main() -> None:
        client, device = link_pair(delay=0.25, max_frame=20)
        await client.send(HANDSHAKE, bytes(range(200)))
        start = asyncio.get_running_loop().time()
        assert await device.receive(1) == (HANDSHAKE, bytes(range(200)))
        assert asyncio.get_running_loop().time() - start == pytest.approx(0.25)

    run_virtual(main())


def test_delay_keeps_the_order(run_virtual: Run) -> None:
    async def main() -> None:
        client, device = link_pair(delay=0.25)
        await client.send(HANDSHAKE, b"first")
        await client.send(HANDSHAKE, b"second")
        assert await device.receive(1) == (HANDSHAKE, b"first")
        assert await device.receive(1) == (HANDSHAKE, b"second")

    run_virtual(main())


def test_faults_really_happen(run_virtual: Run) -> None:
    async def main() -> None:
        client, device = link_pair(duplicate=1.0, random=Random(1))
        await client.send(HANDSHAKE, b"x")
        await device.receive(1)
        with pytest.raises(LinkError):
            await device.receive(0.1)
        assert device.bytes_received == 2 * client.bytes_sent
        client, device = link_pair(loss=1.0, random=Random(1))
        await client.send(HANDSHAKE, b"x")
        with pytest.raises(LinkError):
            await device.receive(1)
        assert device.bytes_received == 0

    run_virtual(main())


@pytest.mark.parametrize("frames", range(12))
def test_a_cut_ends_both_sides_at_once(run_virtual: Run, frames: int) -> None:
    async def main() -> None:
        client, device = link_pair(max_frame=20, cut_after=frames)
        start = asyncio.get_running_loop().time()

        async def answer() -> None:
            _, message = await device.receive(60)
            await device.send(HANDSHAKE, message)
            await device.receive(60)

        async def ask() -> None:
            for _ in range(2):
                await client.send(HANDSHAKE, bytes(100))
                await client.receive(60)

        server = asyncio.create_task(answer())
        with pytest.raises(LinkError, match="connection lost"):
            await ask()
        with pytest.raises(LinkError, match="connection lost"):
            await server
        assert asyncio.get_running_loop().time() == start

    run_virtual(main())


def test_what_was_sent_before_the_end_still_arrives(run_virtual: Run) -> None:
    async def main() -> None:
        client, device = link_pair()
        await device.send(HANDSHAKE, b"last words")
        await device.close()
        assert await client.receive(1) == (HANDSHAKE, b"last words")
        with pytest.raises(LinkError, match="connection lost"):
            await client.receive(1)

    run_virtual(main())


async def test_a_listener_serves_one_client_and_then_the_next() -> None:
    listener = MemoryListener(faults=Faults())
    with pytest.raises(DeviceNotFound):
        await listener.connect()
    await listener.start()
    first = await listener.connect()
    await first.send(HANDSHAKE, b"1")
    device = await listener.accept()
    assert await device.receive(1) == (HANDSHAKE, b"1")

    second = await listener.connect()
    await second.send(HANDSHAKE, b"2")
    with pytest.raises(LinkBusy):
        await second.receive(1)

    await first.close()
    third = await listener.connect()
    await third.send(HANDSHAKE, b"3")
    assert await (await listener.accept()).receive(1) == (HANDSHAKE, b"3")

    await listener.close()
    with pytest.raises(LinkError, match="connection lost"):
        await third.receive(1)
    with pytest.raises(LinkError, match="closed"):
        await listener.accept()


def test_chance_needs_a_seed_and_frames_a_size() -> None:
    with pytest.raises(UsageError, match="random"):
        link_pair(loss=0.1)
    with pytest.raises(UsageError, match="max_frame"):
        link_pair(max_frame=19)
