import asyncio

import pytest

from oob.errors import DeviceNotFound, LinkLost
from oob.sim.reader import SimulatedReader
from oob.sim.tags import SimulatedChip, SimulatedNtag
from oob.sim.virtual_time import run
from oob.transport.nfc import Reader, Tag


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
    reader: Reader = SimulatedReader(chip)
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
        reader, times = SimulatedReader(latency=0.01), []
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
    tag = await SimulatedReader(chip).tap(1)
    await tag.transceive(b"\x30\x00")
    with pytest.raises(LinkLost):
        await tag.transceive(b"\x30\x00")
