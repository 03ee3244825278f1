"""What happens to a pairing when something happens on the radio; and the next try works."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from oob.client import client, reach
from oob.device import device
from oob.errors import DeviceNotFound, LinkError
from oob.issuance import http
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.transport.link import Link, Timing
from tests.e2e.stage import Stage, stage

SOON = Timing(resume=0.3)
"""So that a connection that is lost for good is given up soon."""


@dataclass
class OnAir:
    """A stage on a simulated radio."""

    stage: Stage
    radio: VirtualRadio
    peripheral: SimulatedPeripheral


@asynccontextmanager
async def on_air(directory: Path, *, mtu: int = 185, timing: Timing = SOON) -> AsyncIterator[OnAir]:
    async with VirtualRadio() as radio:
        peripheral = await radio.peripheral(mtu=mtu, timing=timing)

        async def connect() -> Link:
            scanner, backend = radio.scanner_backend, radio.client_backend
            return await reach(timeout=2.0, settle=0.02, scanner=scanner, backend=backend, timing=timing)

        async with stage(directory, listener=peripheral, connect=connect) as on:
            yield OnAir(on, radio, peripheral)


async def check_next_try(on: Stage) -> None:
    on.device.offer.press()
    pairing = await on.pair()
    assert (pairing.device, pairing.status) == (on.key, "ready")


async def test_out_of_range_from_the_start(tmp_path: Path) -> None:
    async with on_air(tmp_path) as air:
        await air.peripheral.leave()
        error = await air.stage.fail()
        assert isinstance(error, DeviceNotFound)
        assert (error.exit_code, error.step) == (3, "discover")
        assert "Check that it is on, near" in error.remedy
        await air.peripheral.come_back()
        await check_next_try(air.stage)


MOMENTS = [
    ("client", "session"),
    ("client", "message_3"),
    ("client", "agreed"),
    ("client", "bound"),
    ("device", "owned"),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=[f"{who} {step}" for who, step in MOMENTS])
async def test_goes_out_of_range(tmp_path: Path, moment: tuple[str, str]) -> None:
    async with on_air(tmp_path) as air:
        on = air.stage
        leaving: list[asyncio.Future[None]] = []

        def leave(who: str, step: str) -> None:
            if (who, step) == moment and not leaving:
                leaving.append(asyncio.ensure_future(air.peripheral.leave()))

        on.on_step = leave
        async with asyncio.timeout(5):
            error = await on.fail()
        assert isinstance(error, LinkError), error
        assert error.exit_code == 3
        assert error.remedy
        await leaving[0]
        await air.peripheral.come_back()
        await check_next_try(on)


@pytest.mark.parametrize("moment", MOMENTS, ids=[f"{who} {step}" for who, step in MOMENTS])
async def test_is_switched_off(tmp_path: Path, moment: tuple[str, str]) -> None:
    async with on_air(tmp_path) as air:
        on = air.stage
        dying: list[asyncio.Future[None]] = []

        def die(who: str, step: str) -> None:
            if (who, step) == moment and not dying:
                dying.append(asyncio.ensure_future(air.peripheral.switch_off()))

        on.on_step = die
        async with asyncio.timeout(5):
            error = await on.fail()
        assert isinstance(error, LinkError), error
        await dying[0]
        key = on.key
        await on.restart_device(await air.radio.peripheral(timing=SOON))
        assert on.key == key
        await check_next_try(on)


@pytest.mark.parametrize("writes", range(10))
async def test_a_link_that_drops_is_taken_up_again(tmp_path: Path, writes: int) -> None:
    async with on_air(tmp_path, mtu=100, timing=Timing()) as air:
        air.peripheral.drop_after(writes)
        pairing = await air.stage.pair()
        assert (pairing.device, pairing.status) == (air.stage.key, "ready")
        await check_next_try(air.stage)


async def test_the_device_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MESSAGE_WAIT", 0.1)
    async with on_air(tmp_path) as air:
        await air.stage.stop_device()
        error = await air.stage.fail()
        assert isinstance(error, LinkError)
        assert "did not answer within 0.1 s" in error.cause
        await air.stage.start_device(air.peripheral)
        await check_next_try(air.stage)


async def test_another_client_holds_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "MESSAGE_WAIT", 0.3)
    async with on_air(tmp_path) as air:
        on = air.stage
        holder, _, _ = await on.agree()
        error = await on.fail()
        assert (type(error).__name__, error.exit_code) == ("LinkBusy", 3)
        assert error.remedy == "Wait until that one is done"
        await holder.close()
        await on.until(("device", "failed"))
        await check_next_try(on)


async def test_the_issuer_is_down_from_the_start(tmp_path: Path) -> None:
    async with on_air(tmp_path) as air:
        await air.stage.switch.off()
        error = await air.stage.fail()
        assert (error.exit_code, error.step) == (5, "issuance")
        assert "cannot be reached" in error.cause
        assert "Check that the issuer runs" in error.remedy
        guesses = air.stage.device.store.state.guesses
        assert guesses is not None
        assert guesses.window == 0
        await air.stage.switch.on()
        await check_next_try(air.stage)


@pytest.mark.parametrize("moment", [("client", "session"), ("client", "agreed"), ("device", "owned")])
async def test_the_issuer_goes_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: tuple[str, str]) -> None:
    monkeypatch.setattr(device, "RETRY", 0.01)
    async with on_air(tmp_path) as air:
        on = air.stage
        stopping: list[asyncio.Future[None]] = []

        def stop(who: str, step: str) -> None:
            if (who, step) == moment and not stopping:
                stopping.append(asyncio.ensure_future(on.switch.off()))

        genuine = http.HttpClient.request

        async def after_the_stop(self: http.HttpClient, *args: str, **options: str) -> http.Response:
            if stopping:
                await asyncio.wait(stopping)
            return await genuine(self, *args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(http.HttpClient, "request", after_the_stop)
        on.on_step = stop
        async with asyncio.timeout(10):
            error = await on.fail()
        assert error.exit_code == 5, error
        assert "cannot be reached" in error.cause
        on.on_step = lambda *_: None
        monkeypatch.setattr(http.HttpClient, "request", genuine)
        await on.switch.on()
        if moment == ("device", "owned"):
            assert "the device got no certificate" in error.cause
            await on.until(("device", "page"))
        await check_next_try(on)
