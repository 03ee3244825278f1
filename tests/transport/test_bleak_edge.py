"""Foreign exceptions are renamed where they enter."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
)

from oob.errors import DeviceNotFound, LinkError, LinkTimeout, UsageError
from oob.transport.ble_central import connect
from oob.transport.ble_scanner import find
from oob.transport.bleak_edge import CLEANING, hear_out, load_bleak, on_adapter, prepare_bluez, renamed

Run = Callable[[Coroutine[Any, Any, Any]], Any]

OFF = BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF)


@pytest.mark.parametrize(
    ("foreign", "step", "ours", "words"),
    [
        (BleakError("oops"), "link", LinkError, "oops"),
        (BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort"]), "connect", LinkError, "org.bluez"),
        (BleakDeviceNotFoundError("C0:01"), "connect", DeviceNotFound, "range"),
        (BleakCharacteristicNotFoundError("1234"), "connect", LinkError, "pairing service"),
        (OFF, "scan", LinkError, "switched off"),
        (FileNotFoundError("no such socket"), "scan", LinkError, "no such socket"),
        (FileNotFoundError(2, "No such file"), "scan", LinkError, "(No such file)"),
        (EOFError(), "link", LinkError, "the Bluetooth service went away"),
        (TimeoutError(), "connect", DeviceNotFound, "in time"),
        (TimeoutError(), "link", LinkTimeout, "in time"),
    ],
)
def test_each_gets_a_name_a_step_and_a_remedy(foreign: Exception, step: str, ours: type[LinkError], words: str) -> None:
    with pytest.raises(LinkError) as caught, renamed(step):
        raise foreign
    assert type(caught.value) is ours
    assert words in str(caught.value)
    assert caught.value.step == step
    assert caught.value.remedy


def test_what_dbus_daemon_says_of_a_refusal_is_shown_without_the_header_of_the_message() -> None:
    said = 'Rejected send message, 2 matched rules; type="method_call", sender=":1.2" (uid=0 pid=1 comm="python")'
    with pytest.raises(LinkError) as caught, renamed("scan"):
        raise BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", [said])
    assert caught.value.cause.endswith("Rejected send message, 2 matched rules)")


def test_what_dbus_fast_raises_is_a_link_error() -> None:
    errors = pytest.importorskip("dbus_fast.errors")
    with pytest.raises(LinkError, match="refused"), renamed("connect"):
        raise errors.AuthError("refused")


def test_defects_keep_their_name() -> None:
    with pytest.raises(ZeroDivisionError), renamed("link"):
        raise ZeroDivisionError
    with pytest.raises(UsageError), renamed("link"):
        raise UsageError("ours")


async def test_without_bleak_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bleak", None)
    for call in (connect("C0:00:00:00:00:01"), find(lambda _: True, 1)):
        with pytest.raises(UsageError, match=r"pip install 'oob\[ble\]'"):
            await call
    monkeypatch.undo()
    assert load_bleak().__name__ == "bleak"


def test_the_adapter_is_an_argument_of_bluez_alone() -> None:
    assert on_adapter(None) == {}
    assert on_adapter("hci1") == {"bluez": {"adapter": "hci1"}}


class Work:
    """Takes its time, and for cleaning up, too."""

    def __init__(self, seconds: float, cleaning: float = 0) -> None:
        self.seconds, self.cleaning = seconds, cleaning
        self.ended = ""

    async def run(self) -> str:
        try:
            await asyncio.sleep(self.seconds)
            self.ended = "done"
        except asyncio.CancelledError:
            self.ended = "dropped"
            await asyncio.sleep(self.cleaning)
            self.ended = "cleaned"
            raise
        return self.ended


async def cut(work: Work, grace: float, *at: float) -> float:
    """Hear `work` out, cancel that at each of these times, and return when it ended."""
    hearing = asyncio.create_task(hear_out(work.run(), grace))
    loop = asyncio.get_running_loop()
    for each in at:
        loop.call_at(each, hearing.cancel)
    with pytest.raises(asyncio.CancelledError):
        await hearing
    return loop.time()


def test_what_nobody_cancels_returns(run_virtual: Run) -> None:
    assert run_virtual(hear_out(Work(3).run(), 0)) == "done"


def test_what_is_cancelled_may_end_by_itself(run_virtual: Run) -> None:
    work = Work(3)
    assert run_virtual(cut(work, 5, 1)) == 3
    assert work.ended == "done"


def test_but_not_for_ever(run_virtual: Run) -> None:
    work = Work(100, cleaning=2)
    assert run_virtual(cut(work, 5, 1)) == 8
    assert work.ended == "cleaned"


def test_a_second_cancellation_changes_nothing(run_virtual: Run) -> None:
    work = Work(100, cleaning=2)
    assert run_virtual(cut(work, 5, 1, 2, 7)) == 8
    assert work.ended == "cleaned"


def test_cleaning_up_that_hangs_is_cut_short(run_virtual: Run) -> None:
    work = Work(100, cleaning=100)
    assert run_virtual(cut(work, 0, 1)) == 1 + CLEANING
    assert work.ended == "dropped"


def test_what_no_cancellation_ends_is_left_alone(run_virtual: Run) -> None:
    over = asyncio.Event()

    async def stubborn() -> None:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    async def main() -> float:
        hearing = asyncio.create_task(hear_out(stubborn(), 1))
        await asyncio.sleep(1)
        hearing.cancel()
        await asyncio.wait({hearing})
        assert hearing.cancelled()
        ended = asyncio.get_running_loop().time()
        over.set()
        await asyncio.sleep(1)
        return ended

    assert run_virtual(main()) == 1 + 1 + 2 * CLEANING


def test_an_error_goes_through_unless_it_was_cancelled(run_virtual: Run) -> None:
    async def fail() -> None:
        await asyncio.sleep(2)
        raise EOFError

    with pytest.raises(EOFError):
        run_virtual(hear_out(fail(), 0))

    async def cancelled() -> None:
        hearing = asyncio.create_task(hear_out(fail(), 5))
        await asyncio.sleep(1)
        hearing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hearing

    run_virtual(cancelled())


async def test_a_cancelled_look_at_bluez_is_heard_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else bleak 3.1 waits for it at every connection of this process, for ever."""
    from bleak.backends.bluezdbus import version

    asked, answered = asyncio.Event(), asyncio.Event()

    async def bluetoothctl() -> None:
        asked.set()
        await answered.wait()

    features: Any = type(
        "Features", (version.BlueZFeatures,), {"checked_bluez_version": False, "_check_bluez_event": None}
    )
    monkeypatch.setattr(version, "BlueZFeatures", features)
    monkeypatch.setattr(version, "_get_bluetoothctl_version", bluetoothctl)
    monkeypatch.setattr(sys, "platform", "linux")
    preparing = asyncio.create_task(prepare_bluez())
    await asked.wait()
    preparing.cancel()
    await asyncio.sleep(0)
    answered.set()
    await asyncio.wait({preparing})
    assert preparing.cancelled()
    assert features.checked_bluez_version
    await prepare_bluez()
