"""Foreign exceptions are renamed where they enter."""

import sys

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
from oob.transport.bleak_edge import load_bleak, renamed

OFF = BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF)


@pytest.mark.parametrize(
    ("foreign", "step", "ours", "words"),
    [
        (BleakError("oops"), "link", LinkError, "oops"),
        (BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort"]), "connect", LinkError, "org.bluez"),
        (BleakDeviceNotFoundError("C0:01"), "connect", DeviceNotFound, "range"),
        (BleakCharacteristicNotFoundError("1234"), "connect", LinkError, "pairing service"),
        (OFF, "scan", LinkError, "powered off"),
        (FileNotFoundError("no such socket"), "scan", LinkError, "no such socket"),
        (EOFError(), "link", LinkError, "EOFError"),
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
