"""What is on the air, over a day of virtual time: no constant, and nothing outside the pairing window."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from bumble.device import Advertisement

from oob.device import Device
from oob.device.presence import EPOCH
from oob.device.state import Paired
from oob.discovery import matches
from oob.errors import LinkError
from oob.pairing import Model
from oob.progress import Progress
from oob.sim import bumble_peripheral
from oob.sim.radio import VirtualRadio
from oob.sim.virtual_time import run
from oob.transport.link import Listener as Carrier
from oob.transport.memory import MemoryListener
from tests.e2e.stage import NoPage

DAY = 86_400.0
OWNER = Paired(bytes(32), "phone", "passcode", "passcode", bytes(32))


class Listener(MemoryListener):
    """Writes down what it is told to advertise, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[float, bytes | None]] = []
        self.fails = 0

    async def advertise(self, tag: bytes | None) -> None:
        if self.fails:
            self.fails -= 1
            raise LinkError("no adapter", step="advertise")
        self.shown.append((asyncio.get_running_loop().time(), tag))


def make(directory: Path, model: Model = Model.PASSCODE, **options: Any) -> Device:
    loop, random = asyncio.get_running_loop(), Random(7)
    options = {"clock": loop.time, "random": random.randbytes, **options}
    return Device("Lamp", directory, NoPage(), model=model, **options)


@asynccontextmanager
async def shown(device: Device, listener: Carrier) -> AsyncIterator[None]:
    task = asyncio.create_task(device.presence.keep(listener))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def test_a_day_on_the_air_holds_nothing_constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every advertisement of a paired device, as a neighbour with an antenna hears it."""
    monkeypatch.setattr(bumble_peripheral, "ADVERTISING_INTERVAL", 10_000.0)
    heard: list[tuple[float, Advertisement]] = []
    keys = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with VirtualRadio() as radio:
            peripheral = await radio.peripheral(tag=None)
            await radio.central(lambda seen: heard.append((loop.time(), seen)))
            device = make(tmp_path)
            device.store.update(pairings=(OWNER,))
            keys.append(device.store.state.tag_key)
            async with shown(device, peripheral):
                await asyncio.sleep(DAY)

    run(main())
    seen = [(at, each) for at, each in heard if not each.is_scan_response]
    assert len(seen) > 8000
    assert max(b - a for (a, _), (b, _) in pairwise(seen)) < 30  # it is there all day
    payloads = [each.data_bytes for _, each in seen]
    fixed = bumble_peripheral.advertising_payload(bytes(6))[:-6]
    assert {payload[:-6] for payload in payloads} == {fixed}  # what every device of this kind sends, and no more
    tags = [payload[-6:] for payload in payloads]
    addresses = [each.address.to_string() for _, each in seen]
    lives: dict[str, set[bytes]] = {}
    for tag, address in zip(tags, addresses, strict=True):
        lives.setdefault(address, set()).add(tag)
    assert all(len(each) == 1 for each in lives.values())  # neither outlives the other: nothing links two epochs
    assert len(lives) == len(set(tags)) == round(DAY / EPOCH)
    for position in range(6):
        assert len({tag[position] for tag in tags}) > 48  # no byte is constant, nor any counter
    for at, each in zip((at for at, _ in seen), tags, strict=True):
        assert at - next(t for (t, _), tag in zip(seen, tags, strict=True) if tag == each) <= 900
    assert all(matches(keys[0] or b"", tag) for tag in tags)  # and yet its owners know it


async def captured(device: Device, listener: Listener, *waits: float) -> list[bytes | None]:
    states = []
    async with shown(device, listener):
        for wait in waits:
            await asyncio.sleep(wait)
            states.append(listener.shown[-1][1] if listener.shown else None)
    return states


def test_a_passcode_is_offered_for_ten_minutes_and_then_nothing_is_advertised(tmp_path: Path) -> None:
    async def main() -> None:
        device, listener = make(tmp_path), Listener()
        armed, still, later = await captured(device, listener, 1, 590, 20)
        assert armed is not None
        assert armed == still
        assert later is None
        device.offer.press()
        again, day_after = await captured(device, listener, 2, DAY)
        assert again not in (None, armed)
        assert day_after is None

    run(main())


@pytest.mark.parametrize("model", [Model.BUTTON, Model.COMPARE])
def test_without_a_press_nothing_is_advertised(tmp_path: Path, model: Model) -> None:
    async def main() -> None:
        async def confirm(number: str, who: str) -> bool:
            return True

        device, listener = make(tmp_path, model, confirm=confirm), Listener()
        assert await captured(device, listener, 5) == [None]
        device.offer.press()
        armed, later = await captured(device, listener, 5, 120)
        assert armed is not None
        assert later is None

    run(main())


def test_a_secret_made_for_a_tap_is_offered_while_it_is_good(tmp_path: Path) -> None:
    async def main() -> None:
        device, listener = make(tmp_path, Model.SECRET, printed=False), Listener()
        assert await captured(device, listener, 5) == [None]
        device.offer.out_of_band()
        armed, later = await captured(device, listener, 5, 120)
        assert armed is not None
        assert matches(device.store.state.tag_key or b"", armed)
        assert later is None

    run(main())


def test_guesses_that_are_used_up_end_the_window(tmp_path: Path) -> None:
    async def main() -> None:
        device, listener = make(tmp_path), Listener()
        (before,) = await captured(device, listener, 2)
        for _ in range(3):
            device.offer.attempt().begin()
        (after,) = await captured(device, listener, 2)
        assert before is not None
        assert after is None

    run(main())


def test_a_paired_device_stays_visible_to_its_owners_and_a_reset_ends_that(tmp_path: Path) -> None:
    async def main() -> None:
        device, listener = make(tmp_path), Listener()
        device.store.update(pairings=(OWNER,))
        key = device.store.state.tag_key
        assert (await captured(device, listener, DAY))[0] is not None
        device.store.update(pairings=(), **device.offer.reset())
        assert await captured(device, listener, 5) == [None]
        assert device.store.state.tag_key != key  # who owned it once does not know it any more

    run(main())


def test_what_a_label_carries_stays_after_a_reset(tmp_path: Path) -> None:
    async def main() -> None:
        for model in (Model.SECRET, Model.PINNED):
            assert make(tmp_path / model.name, model).offer.reset() == {}

    run(main())


def test_the_key_of_the_tags_outlives_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        assert make(tmp_path).store.state.tag_key == make(tmp_path, random=Random(8).randbytes).store.state.tag_key

    run(main())


def test_a_carrier_that_cannot_advertise_is_asked_again(tmp_path: Path) -> None:
    async def main() -> None:
        reports: list[Progress] = []
        device, listener = make(tmp_path, report=reports.append), Listener()
        listener.fails = 3
        assert await captured(device, listener, 25, 10) != [None, None]
        assert [each.step for each in reports] == 3 * ["not visible"]
        assert "no adapter" in reports[0].detail

    run(main())


def test_the_device_shows_itself_while_it_serves(tmp_path: Path) -> None:
    async def main() -> None:
        device, listener = make(tmp_path), Listener()
        await listener.start()
        serving = asyncio.create_task(device.serve(listener))
        await asyncio.sleep(2 * EPOCH)
        assert [tag is None for _, tag in listener.shown] == [False, True]
        await listener.close()
        await serving

    run(main())


def test_a_reset_within_the_window_ends_the_tags_that_the_former_owners_know(tmp_path: Path) -> None:
    """Its button was pressed, so that it stays visible: not for a moment longer as the device that it was."""

    async def main() -> None:
        device, listener = make(tmp_path), Listener()
        device.store.update(pairings=(OWNER,))
        key = device.store.state.tag_key or b""
        async with shown(device, listener):
            device.offer.press()
            await asyncio.sleep(2)
            device.store.update(pairings=(), **device.offer.reset())
            device.offer.press()
            await asyncio.sleep(2)
        _, tag = listener.shown[-1]
        assert tag is not None
        assert not matches(key, tag)
        assert matches(device.store.state.tag_key or b"", tag)

    run(main())


@pytest.mark.parametrize("fault", ["hangs", "breaks"])
def test_a_stack_that_hangs_or_breaks_does_not_end_the_presence(tmp_path: Path, fault: str) -> None:
    async def main() -> None:
        reports: list[Progress] = []
        device, listener = make(tmp_path, report=reports.append), Listener()
        advertise = listener.advertise

        async def fail(tag: bytes | None) -> None:
            listener.advertise = advertise  # type: ignore[method-assign]
            if fault == "hangs":
                await asyncio.Event().wait()
            raise RuntimeError("a defect")

        listener.advertise = fail  # type: ignore[method-assign]
        async with shown(device, listener):
            await asyncio.sleep(60)
        assert listener.shown[-1][1] is not None
        assert [each.step for each in reports] == ["not visible"]

    run(main())


def test_a_carrier_that_cannot_hide_is_asked_again(tmp_path: Path) -> None:
    async def main() -> None:
        device, listener = make(tmp_path), Listener()
        async with shown(device, listener):
            await asyncio.sleep(599)
            listener.fails = 2
            await asyncio.sleep(25)
        assert [tag is None for _, tag in listener.shown] == [False, True]

    run(main())
