from collections.abc import AsyncIterator

import pytest

from oob.sim.bluez import SimulatedBluez, simulated_bluez
from oob.sim.radio import VirtualRadio


@pytest.fixture
async def bluez(radio: VirtualRadio, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimulatedBluez]:
    """Two simulated adapters, which programs of this process find as those of the system."""
    async with simulated_bluez(radio, adapters=2) as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        yield bluez
