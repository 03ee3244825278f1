"""Scanning, on genuine bleak over a backend that shows what the test wants."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest
from bleak.exc import BleakDBusError, BleakError

from oob.errors import DeviceNotFound, LinkError, LinkTimeout
from oob.progress import Progress
from oob.transport.ble_scanner import START_GRACE, START_WAIT, Found, find, scan
from oob.transport.gatt_profile import SERVICE_UUID
from tests.transport.fake_bleak import FakeScanner

Run = Callable[[Coroutine[Any, Any, Any]], Any]

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
    assert backend.calls == ["start"]


async def test_a_stack_that_is_slow_to_start_takes_nothing_from_the_listening() -> None:
    backend = FakeScanner.fresh(("C0:01", None, OURS))
    backend.waits["start"] = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, backend.waits["start"].set)
    assert [one.address for one in await collect(backend, timeout=0.01)] == ["C0:01"]


def test_a_stack_that_never_starts(run_virtual: Run) -> None:
    backend = FakeScanner.fresh()
    backend.waits["start"] = asyncio.Event()
    assert run_virtual(until(LinkTimeout, collect(backend))) == START_WAIT + START_GRACE
    assert backend.calls == ["start", "stop"]


async def until(error: type[BaseException], work: Coroutine[Any, Any, Any]) -> float:
    with pytest.raises(error):
        await work
    return asyncio.get_running_loop().time()


def test_a_stack_that_is_busy_is_asked_again_and_that_is_told(run_virtual: Run) -> None:
    backend = FakeScanner.fresh(("C0:01", None, OURS))
    busy = BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"])
    backend.fails["start"] = [busy, busy]
    told: list[Progress] = []
    assert run_virtual(find(lambda _: True, 60, backend=backend, report=told.append)).address == "C0:01"
    assert [(each.who, each.step, each.detail[:6]) for each in told] == [
        ("client", "retrying", "2 of 5"),
        ("client", "retrying", "3 of 5"),
    ]
    assert backend.calls == ["start"] * 3 + ["stop"]


@pytest.mark.parametrize("error", [BleakDBusError("org.bluez.Error.InProgress", []), EOFError()])
async def test_a_stop_that_fails_spoils_nothing(error: Exception) -> None:
    backend = FakeScanner.fresh(("C0:01", None, OURS))
    backend.fails["stop"] = error
    assert (await find(lambda _: True, 60, backend=backend)).address == "C0:01"


async def test_a_stack_that_went_away_meanwhile_is_an_error_where_nobody_was_heard() -> None:
    gone = BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["The name is not activatable"])
    backend = FakeScanner.fresh()
    backend.fails["stop"] = gone
    with pytest.raises(LinkError, match="the Bluetooth service does not run"):
        await collect(backend)
    backend = FakeScanner.fresh(("C0:01", None, OURS))
    backend.fails["stop"] = gone
    assert len(await collect(backend)) == 1


def test_nor_does_one_that_hangs(run_virtual: Run) -> None:
    backend = FakeScanner.fresh(("C0:01", None, OURS))
    backend.waits["stop"] = asyncio.Event()
    assert run_virtual(find(lambda _: True, 60, backend=backend)).address == "C0:01"


async def test_a_scanner_that_asserts_that_it_started_is_believed() -> None:
    """WinRT: what was cancelled too early cannot be stopped."""

    class Asserting(FakeScanner):
        async def stop(self) -> None:
            raise AssertionError

    backend = Asserting.fresh()
    backend.waits["start"] = asyncio.Event()
    looking = asyncio.create_task(find(lambda _: True, 60, backend=backend))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    looking.cancel()
    backend.waits["start"].set()
    with pytest.raises(asyncio.CancelledError):
        await looking


async def test_filter_and_adapter_are_passed_on() -> None:
    backend = FakeScanner.fresh(("C0:01", None, OURS))
    await find(lambda _: True, 1, backend=backend, adapter="hci1")
    await find(lambda _: True, 1, backend=backend)
    assert [each.uuids for each in backend.made] == [OURS, OURS]
    assert [each.options["bluez"] for each in backend.made] == [{"adapter": "hci1"}, {}]


async def test_repeats_are_yielded_where_they_are_wanted() -> None:
    backend = FakeScanner.fresh(*[("C0:01", b"tag--1", OURS)] * 3)
    assert len([found async for found in scan(0.01, backend=backend, repeats=True)]) == 3


def test_a_device_found_is_shown_by_address_and_signal() -> None:
    assert str(Found("C0:01", b"tag--1", -40, None)) == "C0:01 (-40 dBm)"


@pytest.mark.parametrize("cancellations", [1, 2])
@pytest.mark.parametrize("shows", [[], [("C0:01", None, OURS)]])
def test_cancelled_anywhere_nothing_scans_and_no_task_is_left(
    run_virtual: Run, cancellations: int, shows: list[tuple[str, None, list[str]]]
) -> None:
    async def cancel_after(turns: int) -> bool:
        backend = FakeScanner.fresh(*shows)
        looking = asyncio.create_task(find(lambda _: True, 60, backend=backend))
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(cancellations):
            looking.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({looking})
        assert backend.scans() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return looking.cancelled()

    assert sum(run_virtual(cancel_after(turns)) for turns in range(30)) >= 9
