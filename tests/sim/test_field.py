"""The simulated NFC field: near and far, torn, one reader after another, and the time that it takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from oob.errors import DeviceNotFound, LinkLost
from oob.framing.type4 import AID, OK
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.sim.field import Field, FieldModel, on_air
from oob.sim.tags import SimulatedChip, SimulatedNtag
from oob.sim.virtual_time import run
from oob.transport.carrier import beside
from oob.transport.nfc import Reader, Tag

SELECT = b"\x00\xa4\x04\x00\x07" + AID + b"\x00"


class Noted(Type4Card):
    """A card that writes down what it sees."""

    def __init__(self) -> None:
        super().__init__(StoredNdef())
        self.seen: list[str] = []

    def activate(self) -> None:
        self.seen.append("on")
        super().activate()

    def process(self, command: bytes) -> bytes:
        self.seen.append("command")
        return super().process(command)

    def deactivate(self) -> None:
        self.seen.append("off")
        super().deactivate()


@asynccontextmanager
async def shown(field: Field) -> AsyncIterator[Noted]:
    card = Noted()
    async with beside(field.emulate(card)):
        await asyncio.sleep(0)
        yield card


@pytest.mark.parametrize(("size", "bytes_on_air"), [(0, 6), (253, 259), (254, 263)])
def test_a_command_takes_its_bytes_at_106_kbit_s_and_the_host_its_time(size: int, bytes_on_air: int) -> None:
    assert on_air(bytes(size)) + on_air(b"") == bytes_on_air
    seconds = 0.005 + 2 * 86e-6 + bytes_on_air * 9 / 106_000
    assert FieldModel(0.005, air=True).seconds(bytes(size), b"") == pytest.approx(seconds)


def test_without_the_air_a_command_takes_the_host_alone() -> None:
    assert FieldModel(0.015).seconds(bytes(250), bytes(250)) == 0.015


def test_commands_take_their_time_and_are_counted() -> None:
    async def main() -> None:
        field = Field(FieldModel(0.01, air=True))
        async with shown(field):
            tag = await field.tap(1)
            begin = asyncio.get_running_loop().time()
            assert await tag.transceive(SELECT) == OK
            taken = asyncio.get_running_loop().time() - begin
            assert taken == pytest.approx(field.model.seconds(SELECT, OK))
            assert (field.commands, field.bytes, field.air_bytes) == (1, len(SELECT) + 2, len(SELECT) + 2 + 6)

    run(main())


def test_a_tap_waits_until_the_tag_is_there_and_near() -> None:
    async def main() -> None:
        loop, field = asyncio.get_running_loop(), Field()
        with pytest.raises(DeviceNotFound, match="within 2 s"):
            await field.tap(2)
        assert loop.time() == pytest.approx(2)
        waiting = asyncio.create_task(field.tap(5))
        await asyncio.sleep(1)
        async with shown(field):
            await (await waiting).close()
            field.near(False)
            waiting = asyncio.create_task(field.tap(5))
            await asyncio.sleep(1)
            assert not waiting.done()
            field.near()
            assert await (await waiting).transceive(SELECT) == OK

    run(main())


async def test_a_card_sees_each_tap_begin_and_end() -> None:
    field = Field()
    async with shown(field) as card:
        tag = await field.tap(1)
        await tag.transceive(SELECT)
        await tag.close()
        await tag.close()
        assert card.seen == ["on", "command", "off"]
        with pytest.raises(LinkLost):
            await tag.transceive(SELECT)
        first, second = await field.tap(1), await field.tap(1)
        await first.close()  # too late to end anything
        assert await second.transceive(SELECT) == OK
        with pytest.raises(LinkLost):
            await first.transceive(SELECT)
        await field.close()
        with pytest.raises(LinkLost):
            await second.transceive(SELECT)


@pytest.mark.parametrize("loses_response", [False, True])
async def test_torn_once_after_so_many_commands(loses_response: bool) -> None:
    field = Field()
    async with shown(field) as card:
        field.torn_after, field.loses_response = 2, loses_response
        tag = await field.tap(1)
        for _ in range(2):
            assert await tag.transceive(SELECT) == OK
        with pytest.raises(LinkLost):
            await tag.transceive(SELECT)
        assert card.seen == ["on", "command", "command", *["command"] * loses_response, "off"]
        with pytest.raises(LinkLost):
            await tag.transceive(SELECT)
        tag = await field.tap(1)
        for _ in range(5):
            assert await tag.transceive(SELECT) == OK


async def test_a_card_that_is_switched_off_is_gone_and_another_may_come() -> None:
    field = Field()
    async with shown(field) as card:
        tag = await field.tap(1)
        with pytest.raises(LinkLost):
            await field.emulate(Noted())  # there is one already
    assert card.seen == ["on", "off"]
    with pytest.raises(LinkLost):
        await tag.transceive(SELECT)
    with pytest.raises(DeviceNotFound):
        await field.tap(0.01)
    async with shown(field):
        assert await (await field.tap(1)).transceive(SELECT) == OK


def test_a_response_under_way_as_the_two_part_is_lost() -> None:
    async def main() -> None:
        field = Field(FieldModel(0.1))
        async with shown(field):
            tag = await field.tap(1)
            waiting = asyncio.create_task(tag.transceive(SELECT))
            await asyncio.sleep(0.05)
            field.near(False)
            with pytest.raises(LinkLost):
                await waiting

    run(main())


# --- chips


class Noting(SimulatedNtag):
    """Notes when it is selected and let go."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def activate(self) -> None:
        self.seen.append("activate")

    def deactivate(self) -> None:
        self.seen.append("deactivate")


async def test_a_chip_in_the_field() -> None:
    chip = Noting()
    reader: Reader = Field(chip=chip)
    tag: Tag = await reader.tap(0)
    assert tag.type is chip.type
    assert await tag.transceive(b"\x30\x00") == chip.process(b"\x30\x00")
    await tag.close()
    await tag.close()
    with pytest.raises(LinkLost):
        await tag.transceive(b"\x30\x00")
    await (await reader.tap(0)).transceive(b"\x30\x00")
    await reader.close()
    assert chip.seen == ["activate", "deactivate"] * 2


def test_a_chip_that_comes_and_goes() -> None:
    async def taps() -> list[float]:
        reader, times = Field(FieldModel(0.01)), []
        clock = asyncio.get_running_loop().time
        with pytest.raises(DeviceNotFound, match="within 5 s"):
            await reader.tap(5)
        asyncio.get_running_loop().call_later(2, reader.place, SimulatedNtag())
        tag = await reader.tap(5)
        times.append(clock())
        await tag.transceive(b"\x30\x00")
        times.append(clock())
        reader.remove()
        with pytest.raises(LinkLost):
            await tag.transceive(b"\x30\x00")
        with pytest.raises(DeviceNotFound):
            await reader.tap(1)
        reader.place(SimulatedNtag())
        reader.place(other := SimulatedNtag("NTAG215"))
        await (await reader.tap(1)).transceive(b"\x30\x00")
        assert other.commands == 1
        return times

    assert run(taps()) == [7, 7.01]


async def test_a_chip_that_is_torn_away() -> None:
    chip: SimulatedChip = SimulatedNtag()
    chip.torn_after = 1
    tag = await Field(chip=chip).tap(1)
    await tag.transceive(b"\x30\x00")
    with pytest.raises(LinkLost):
        await tag.transceive(b"\x30\x00")
