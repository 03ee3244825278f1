"""The ways to a simulated device, each of which brings what a tag told."""

from pathlib import Path

import pytest

from oob.errors import UsageError
from oob.pairing import Bootstrap, Model
from oob.sim.home import home


@pytest.mark.parametrize(("carrier", "dynamic"), [("nfc", True), ("nfc-static", False)])
async def test_a_tag_tells_the_secret(tmp_path: Path, carrier: str, dynamic: bool) -> None:
    async with home(tmp_path, carrier=carrier) as running:
        link = await running.connect()
        carried = running.carried()
        await link.close()
        assert isinstance(carried, Bootstrap)
        assert (carried.models, carried.dynamic) == ((Model.SECRET,), dynamic)
        link = await running.connect()
        again = running.carried()
        await link.close()
    assert isinstance(again, Bootstrap)
    assert (again == carried) is not dynamic


@pytest.mark.parametrize("model", [Model.PASSCODE, Model.COMPARE, Model.PINNED])
async def test_a_sticker_carries_a_secret_and_nothing_else(tmp_path: Path, model: Model) -> None:
    with pytest.raises(UsageError, match="a static tag carries a secret"):
        async with home(tmp_path, carrier="nfc-static", model=model):
            raise AssertionError("it runs")
