import asyncio
from collections.abc import AsyncIterator

import pytest

from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from tests.sim.echoing import echo


@pytest.fixture
async def radio() -> AsyncIterator[VirtualRadio]:
    """A simulated radio; at its end nothing is left in the loop, and nothing went wrong unseen."""
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with VirtualRadio() as radio:
        yield radio
    for _ in range(10):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert faults == []


@pytest.fixture
async def device(radio: VirtualRadio) -> AsyncIterator[SimulatedPeripheral]:
    """A simulated device of this library that returns each message reversed."""
    device = await radio.peripheral(tag=b"tagtag")
    server = asyncio.create_task(echo(device))
    yield device
    await device.close()
    await server
