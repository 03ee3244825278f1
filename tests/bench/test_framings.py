"""The framings that the benchmark compares: they carry every message, in the events that can be counted by hand."""

import asyncio

import pytest

from oob.sim.air import LinkModel
from oob.sim.radio import VirtualRadio
from oob.sim.virtual_time import run
from tests.bench.framings import MAX_ATTRIBUTE, Framing, btp, ours, write_then_read
from tests.bench.radio import FRAMINGS, INTERVAL, pairing_messages


async def events(framing: Framing, mtu: int, *sizes: int) -> list[tuple[float, int]]:
    """Exchange messages; return the events that each took, and its ATT PDUs."""
    loop, taken = asyncio.get_running_loop(), []
    async with (
        asyncio.timeout(3600),
        VirtualRadio(model=LinkModel(interval=INTERVAL, payload=27 if mtu == 23 else 251)) as radio,
        framing(radio, mtu, lambda message: message[::-1]) as ask,
    ):
        for size in sizes:
            begin, carried = loop.time(), radio.att_pdus
            message = bytes(index * 7 % 251 for index in range(size))
            assert await ask(message) == message[::-1]
            taken.append((round((loop.time() - begin) / INTERVAL, 6), radio.att_pdus - carried))
    return taken


@pytest.mark.parametrize("name", FRAMINGS)
@pytest.mark.parametrize("mtu", [23, 100, 247, 517])
def test_each_carries_messages_of_every_size(name: str, mtu: int) -> None:
    sizes = [1, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 94, 241, 242, 243, 244, 246, MAX_ATTRIBUTE]
    if name != "as protocomm":
        sizes += [1000, 2000]
    assert len(run(events(FRAMINGS[name], mtu, *sizes))) == len(sizes)


def test_ours_by_hand() -> None:
    # 11 frames each way, 4 in an event, and one write response.
    assert run(events(ours, 23, 1, 200))[1] == (6, 23)
    # At first: subscription and message, then its response and the reply. Later the message has a response, too.
    assert run(events(ours, 247, 200, 200, 200)) == [(2, 4), (2, 2), (2, 3)]


def test_write_then_read_by_hand() -> None:
    # 20 bytes fit a write request and a read response: two round trips.
    assert run(events(write_then_read, 23, 20)) == [(4, 4)]
    # 200 bytes: 12 prepared writes of 18, their execution, a read and 9 read blobs of 22.
    assert run(events(write_then_read, 23, 200)) == [(46, 46)]


def test_matter_by_hand() -> None:
    # 15 and 5 bytes in two fragments, a round trip each; the reply begins with the answer to the last one.
    # At first: the handshake request and the subscription are a round trip each, the response comes with the latter's.
    assert run(events(btp(), 23, 20, 20)) == [(10, 13), (6, 8)]
    # 15 and three times 18 bytes: only the first fragment acknowledges something, and all in time.
    assert run(events(btp(), 23, 20, 69))[1] == (14, 16)
    # 12 fragments each way, and every fifth one is acknowledged by a packet of its own.
    assert run(events(btp(), 23, 20, 200))[1] == (46, 56)


def test_the_messages_are_those_of_a_pairing() -> None:
    pairs = pairing_messages()
    assert [tuple(map(len, pair)) for pair in pairs[:2]] == [(77, 230), (333, 138)]
    assert max(len(message) for pair in pairs for message in pair) <= MAX_ATTRIBUTE
