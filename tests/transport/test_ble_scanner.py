"""Scanning, on genuine bleak over a backend that shows what the test wants."""

import asyncio
from contextlib import aclosing

import pytest
from bleak.exc import BleakError

from oob.errors import DeviceNotFound, LinkError, LinkTimeout
from oob.transport import ble_scanner
from oob.transport.ble_scanner import Found, find, scan
from oob.transport.gatt_profile import SERVICE_UUID
from tests.transport.fake_bleak import FakeScanner

OURS = [SERVICE_UUID]


async def collect(backend: type[FakeScanner], timeout: float = 0.01) -> list[Found]:
    return [found async for found in scan(timeout, backend=backend)]


async def test_only_the_service_counts_and_each_tag_once() -> None:
    backend = FakeScanner.fresh(
        ("C0:01", b"tag--1", OURS),
        ("C0:01", b"tag--1", OURS),
        ("C0:02", b"tag--2", ["0000180f-0000-1000-8000-00805f9b34fb"]),
        ("C0:03", None, OURS),
        ("C0:01", b"tag--2", OURS),
    )
    found = await collect(backend)
    assert [(one.address, one.tag) for one in found] == [("C0:01", b"tag--1"), ("C0:03", b""), ("C0:01", b"tag--2")]
    assert found[0].handle.address == "C0:01"
    assert found[0].rssi == -40
    assert backend.calls == ["start", "stop"]


async def test_leaving_early_stops_the_radio() -> None:
    backend = FakeScanner.fresh(("C0:01", None, OURS))
    async with aclosing(scan(60, backend=backend)) as sightings:
        async for _ in sightings:
            break
    assert backend.calls == ["start", "stop"]


async def test_cancelling_stops_the_radio() -> None:
    backend = FakeScanner.fresh()
    looking = asyncio.create_task(find(lambda _: True, 60, backend=backend))
    await asyncio.sleep(0.01)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert backend.calls == ["start", "stop"]


async def test_a_slow_consumer_is_not_cut_off() -> None:
    backend = FakeScanner.fresh(("C0:01", None, OURS))
    async for _ in scan(0.01, backend=backend):
        await asyncio.sleep(0.03)


async def test_find_says_what_else_was_there() -> None:
    backend = FakeScanner.fresh(("C0:01", b"tag--1", OURS), ("C0:02", b"tag--2", OURS))
    assert (await find(lambda found: found.tag == b"tag--2", 1, backend=backend)).address == "C0:02"
    with pytest.raises(DeviceNotFound, match="2 other"):
        await find(lambda found: False, 0.01, backend=backend)


@pytest.mark.parametrize("error", [BleakError("no adapter"), OSError("no bus")])
async def test_a_radio_that_does_not_start_is_a_link_error(error: Exception) -> None:
    backend = FakeScanner.fresh()
    backend.fails["start"] = error
    with pytest.raises(LinkError, match=str(error)):
        await collect(backend)
    assert backend.calls == ["start", "stop"]


class SlowScanner(FakeScanner):
    """A stack that takes its time to start, or for ever."""

    started: asyncio.Event

    async def start(self) -> None:
        await self.started.wait()
        await super().start()


async def test_a_stack_that_is_slow_to_start_takes_nothing_from_the_listening() -> None:
    backend = SlowScanner.fresh(("C0:01", None, OURS))
    backend.started = asyncio.Event()  # type: ignore[attr-defined]
    asyncio.get_running_loop().call_later(0.05, backend.started.set)  # type: ignore[attr-defined]
    assert [one.address for one in await collect(backend, timeout=0.01)] == ["C0:01"]


async def test_a_stack_that_never_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_scanner, "START_WAIT", 0.01)
    backend = SlowScanner.fresh()
    backend.started = asyncio.Event()  # type: ignore[attr-defined]
    with pytest.raises(LinkTimeout):
        await collect(backend)
    assert backend.calls == ["stop"]
