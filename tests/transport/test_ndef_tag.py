"""The NDEF message of a tag, over a tag in memory that may fail."""

import asyncio

import pytest

from oob.errors import LinkLost, LinkTimeout, PeerError, UsageError
from oob.framing.procedure import Procedure, TagType
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.sim.field import Field
from oob.sim.tags import simulated_chip
from oob.sim.virtual_time import run
from oob.transport.ndef_tag import drive, open_tag
from oob.transport.nfc import tag_lost


class MemoryTag:
    """A card without a radio. The field goes after `left` commands; each takes `latency` seconds."""

    type = TagType.TYPE_4

    def __init__(self, card: Type4Card, *, left: int = 1_000_000, latency: float = 0.0) -> None:
        self.card, self.left, self.latency = card, left, latency
        self.is_closed = False
        card.activate()

    async def transceive(self, command: bytes) -> bytes:
        await asyncio.sleep(self.latency)
        if self.left == 0:
            raise tag_lost()
        self.left -= 1
        return self.card.process(command)

    async def close(self) -> None:
        self.is_closed = True
        self.card.deactivate()


async def test_store_read_and_lock() -> None:
    held = MemoryTag(Type4Card(StoredNdef(), capacity=300))
    tag = await open_tag(held)
    assert (tag.type, tag.capacity, tag.is_writable) == (TagType.TYPE_4, 300, True)
    await tag.store(b"message")
    assert await tag.read() == b"message"
    await tag.lock()
    await tag.close()
    assert held.is_closed


async def test_a_tag_that_keeps_something_else() -> None:
    class Forgetful(StoredNdef):
        def written(self, message: bytes) -> None:
            self.message = message[:-1]

    tag = await open_tag(MemoryTag(Type4Card(Forgetful())))
    with pytest.raises(PeerError, match="did not keep"):
        await tag.store(b"message")


async def test_a_tag_that_goes_away() -> None:
    for left in range(5):
        with pytest.raises(LinkLost):
            await (await open_tag(MemoryTag(Type4Card(StoredNdef(b"m")), left=left))).store(b"n")


def test_a_tag_that_takes_its_time() -> None:
    with pytest.raises(LinkTimeout, match="within 10 s"):
        run(open_tag(MemoryTag(Type4Card(StoredNdef()), latency=3.0)))


@pytest.mark.parametrize("name", ["NTAG213", "NTAG215", "NTAG216", "FeliCa Lite-S", "Type 4"])
async def test_tags_of_each_type(name: str) -> None:
    chip = simulated_chip(name)
    tag = await open_tag(await Field(chip=chip).tap(1))
    assert (tag.type, await tag.read()) == (chip.type, b"")
    await tag.store(b"m" * tag.capacity)
    with pytest.raises(UsageError, match="1 too many"):
        await tag.store(b"m" * (tag.capacity + 1))
    await tag.lock()
    again = await open_tag(await Field(chip=chip).tap(1))
    with pytest.raises(UsageError, match="read-only"):
        await again.store(b"n")
    assert await again.read() == b"m" * again.capacity


@pytest.mark.parametrize("name", ["NTAG213", "FeliCa Lite-S", "Type 4"])
async def test_a_procedure_that_is_left_behind_is_closed(name: str) -> None:
    chip = simulated_chip(name)
    tag = await Field(chip=chip).tap(1)
    ended = []

    def endless() -> Procedure[None]:
        try:
            while True:
                yield b"\x30\x00"
        finally:
            ended.append(name)

    chip.torn_after = 3
    procedure = endless()
    with pytest.raises(LinkLost):
        await drive(procedure, tag.transceive)
    assert (ended, chip.commands) == ([name], 3)
