import asyncio
from pathlib import Path

import pytest

from oob.errors import LinkError, StorageError
from oob.pairing import Bootstrap, Model, Passcode
from oob.progress import Progress
from oob.sim.home import home


@pytest.mark.parametrize("carrier", ["ble", "nfc", "nfc-static", "memory"])
async def test_leaves_nothing_running(tmp_path: Path, carrier: str) -> None:
    told: list[Progress] = []
    async with home(tmp_path, carrier=carrier, report=told.append) as running:
        assert running.carrier == carrier
        assert isinstance(running.device.offer.out_of_band(), Bootstrap if "nfc" in carrier else Passcode)
        url = running.issuer.directory_url
        link = await running.connect()
        assert link.carrier == carrier.replace("nfc-static", "ble")
        await link.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert told[0] == Progress("issuer", "serving", url)
    assert (told[1].who, told[1].step) == ("device", "offering")
    if carrier == "memory":
        with pytest.raises(LinkError):
            await running.connect()


async def test_the_issuer_is_the_same_the_next_time(tmp_path: Path) -> None:
    roots = []
    for model in (Model.PASSCODE, Model.SECRET):
        async with home(tmp_path, carrier="memory", model=model) as running:
            roots.append(running.issuer.authority.root_der)
    assert roots[0] == roots[1]
    assert isinstance(running.device.offer.out_of_band(), Bootstrap)


@pytest.mark.parametrize(
    "part", ["issuer/authority.pem", "issuer/issuer.sqlite", "device/device.cbor", "device/identity.key"]
)
async def test_a_damaged_home_says_what_is_damaged(tmp_path: Path, part: str) -> None:
    (tmp_path / part).parent.mkdir()
    (tmp_path / part).write_bytes(b"garbage" * 99)
    with pytest.raises(StorageError, match=part.replace(".", r"\.")):
        async with home(tmp_path, carrier="memory"):
            raise AssertionError("it runs")
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("carrier", ["ble", "nfc", "nfc-static", "memory"])
async def test_ends_when_it_is_cancelled(tmp_path: Path, carrier: str) -> None:
    up = asyncio.Event()

    async def live() -> None:
        async with home(tmp_path, carrier=carrier):
            up.set()
            await asyncio.Event().wait()

    life = asyncio.create_task(live())
    await up.wait()
    life.cancel()
    await asyncio.wait({life}, timeout=10)
    assert life.cancelled()


async def test_a_defect_of_the_device_is_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oob.device import Device

    async def defect(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Device, "serve", defect)
    with pytest.raises(ZeroDivisionError):
        async with home(tmp_path, carrier="memory"):
            await asyncio.sleep(0)
