"""The edge to bleak: loads it when it is needed, and renames its exceptions."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from oob.errors import DeviceNotFound, LinkError, LinkTimeout, UsageError

_NEARER = "Check that it is on and near, and try again"


def load_bleak() -> ModuleType:
    """Return the `bleak` package. Raises UsageError where it is not installed."""
    try:
        import bleak
    except ImportError:
        raise UsageError("Bluetooth LE needs the package bleak", remedy="Run: pip install 'oob[ble]'") from None
    return bleak


@contextmanager
def renamed(step: str) -> Iterator[None]:
    """Rename what bleak, D-Bus and the operating system raise inside the block to LinkError or DeviceNotFound."""
    try:
        yield
    except (OSError, EOFError) as error:  # TimeoutError included; EOFError: the D-Bus daemon went away
        raise _rename_system(error, step) from error
    except Exception as error:
        named = _rename_bleak(error, step)
        if named is None:
            raise
        raise named from error


def _rename_system(error: Exception, step: str) -> LinkError:
    if isinstance(error, TimeoutError):
        kind = DeviceNotFound if step == "connect" else LinkTimeout
        return kind("the device did not answer in time", step=step, remedy=_NEARER)
    return LinkError(
        f"Bluetooth cannot be reached ({type(error).__name__}: {error})",
        step=step,
        remedy="Check that the Bluetooth service runs and that this user may use it",
    )


def _rename_bleak(error: Exception, step: str) -> LinkError | None:
    """Return the error of this library for one of bleak or dbus_fast; None for anything else, which is a defect."""
    from bleak import exc

    if isinstance(error, exc.BleakDeviceNotFoundError):
        return DeviceNotFound("no such device in range", step=step, remedy=_NEARER)
    if isinstance(error, exc.BleakBluetoothNotAvailableError):
        reason = error.reason.name.lower().replace("_", " ")
        return LinkError(f"Bluetooth is not available ({reason})", step=step, remedy="Switch Bluetooth on, or allow it")
    if isinstance(error, exc.BleakCharacteristicNotFoundError):
        return LinkError("the device does not offer the pairing service", step=step, remedy="Choose another device")
    if isinstance(error, exc.BleakError) or type(error).__module__.partition(".")[0] == "dbus_fast":
        return LinkError(f"Bluetooth failed ({error})", step=step, remedy=_NEARER)
    return None
