import asyncio

import pytest

from oob.sim import screens
from oob.sim.screens import Screens


@pytest.mark.parametrize(("device", "client", "same"), [("123 456", "123 456", True), ("123 456", "654 321", False)])
async def test_compares_what_both_show(device: str, client: str, same: bool) -> None:
    both = Screens()
    assert set(await asyncio.gather(both.device(device, "app"), both.client(client, "Lamp"))) == {same}


async def test_one_screen_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "LOOK", 0.01)
    assert not await Screens().device("123 456", "app")
