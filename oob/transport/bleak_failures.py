"""What goes wrong on genuine Bluetooth stacks: what it means, what the user can do, and whether to try again.

One row for each way to fail that users report; the first row that fits counts. `source` is where it is described: an
issue or pull request (owner/name#number), or a file of the stack. `oob.transport.bluez_bus` takes its words from here.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from oob.errors import DeviceNotFound, LinkError, LinkTimeout


class Again(Enum):
    """What to do after a failure."""

    AT_ONCE = "try again at once"
    LATER = "try again after a pause, which doubles each time"
    AFRESH = "look for the device again, as the stack forgot it or its address changed; give up if that is impossible"
    NEVER = "give up: it fails again until somebody mends it"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the user is told."""

    cause: str
    remedy: str
    error: type[LinkError] = LinkError


FIRST_PAUSE: Final = 0.25
"""Seconds before the first of the tries that come later, where the row says nothing else."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A row: an exception whose class, or a base of it, is called `kind`, with `words` in its text, at `step`."""

    kind: str
    words: str
    again: Again
    meaning: Meaning
    source: str
    step: str = ""
    """"connect", "scan", ...; "" for any."""
    pause: float = FIRST_PAUSE
    """Seconds before the next try, where that comes later; doubles each time."""


_DOCTOR: Final = "run: oob doctor"
_NEARER: Final = "Check that it is on and near, and try again"
_SWITCH_ON: Final = f"Switch it on (Linux: bluetoothctl power on), or {_DOCTOR}"
_CYCLE: Final = f"Switch Bluetooth off and on again, or {_DOCTOR}"
_RADIO: Final = "Bring the two closer together, away from Wi-Fi and USB 3, and try again"
_START: Final = f"Start it (Linux: sudo systemctl start bluetooth), or {_DOCTOR}"
_GROUP: Final = f"Allow it (Linux: sudo usermod -aG bluetooth USER, then log in again), or {_DOCTOR}"
_SETTINGS: Final = "Allow it in the privacy settings of the system, under Bluetooth"
_SLOTS: Final = "Disconnect something else"

OFF: Final = Meaning("Bluetooth is switched off", _SWITCH_ON)
NO_ADAPTER: Final = Meaning("this machine has no Bluetooth adapter", f"Plug one in, or {_DOCTOR}")
NOT_THIS_ADAPTER: Final = Meaning("there is no such Bluetooth adapter", f"See: bluetoothctl list; or {_DOCTOR}")
ADAPTER_GONE: Final = Meaning("the Bluetooth adapter is gone", f"Plug it in again, or {_DOCTOR}")
CLASSIC_ONLY: Final = Meaning("the Bluetooth adapter cannot do Bluetooth LE", f"Use another one, or {_DOCTOR}")
PROGRAM_DENIED: Final = Meaning("this program may not use Bluetooth", _SETTINGS)
USER_DENIED: Final = Meaning("this user may not use Bluetooth", _GROUP)
NO_BUS: Final = Meaning(
    "Bluetooth cannot be reached: there is no D-Bus system bus", f"Start D-Bus and BlueZ, or {_DOCTOR}"
)
NO_SERVICE: Final = Meaning("the Bluetooth service does not run", _START)
SERVICE_LOST: Final = Meaning("the Bluetooth service went away", _START)
UNREACHABLE: Final = Meaning("Bluetooth cannot be reached", _START)
TOO_OLD: Final = Meaning("this BlueZ is too old", f"Update it, or {_DOCTOR}")
NOT_READY: Final = Meaning("Bluetooth is not ready", _CYCLE)
BUSY: Final = Meaning("Bluetooth is busy with something else", _CYCLE)
STUCK: Final = Meaning("Bluetooth did not answer in time", _CYCLE, LinkTimeout)
SILENT: Final = Meaning("the device did not answer in time", _NEARER, LinkTimeout)
NOT_THERE: Final = Meaning("the device did not answer in time", _NEARER, DeviceNotFound)
GONE: Final = Meaning("no such device in range", _NEARER, DeviceNotFound)
ABORTED: Final = Meaning("the connection did not come about", _RADIO)
DROPPED: Final = Meaning("the connection was lost as soon as it stood", _RADIO)
CLASSIC: Final = Meaning("BlueZ dialled by classic Bluetooth", _CYCLE)
ADAPTER_FULL: Final = Meaning("the Bluetooth adapter has too many connections", _SLOTS)
PROXY_FULL: Final = Meaning("the Bluetooth proxy has too many connections", _SLOTS)
TAKEN: Final = Meaning("the system keeps the device from this program", "End other programs that use it")
STALE_BOND: Final = Meaning("the system remembers a pairing of its own", "Forget the device in its Bluetooth settings")
OTHER_DEVICE: Final = Meaning("the device does not offer the pairing service", "Choose another device")
UNKNOWN: Final = Meaning("Bluetooth failed", f"{_NEARER}, or {_DOCTOR}")

_NEVER, _LATER, _AFRESH, _AT_ONCE = Again.NEVER, Again.LATER, Again.AFRESH, Again.AT_ONCE
_CLOSED: Final = "BleakBluetoothNotAvailableError"
_DBUS: Final = "BleakDBusError"
_BUS: Final = "org.freedesktop.DBus.Error"
_BLUEZ: Final = "org.bluez.Error"
_MACOS: Final = "bleak/backends/corebluetooth/CentralManagerDelegate.py"
_MANAGER: Final = "bleak/backends/bluezdbus/manager.py"
_PROXIES: Final = "Bluetooth-Devices/bleak-retry-connector"
_ERROR_H: Final = "bluez/bluez: src/error.h"

FAILURES: Final = (
    # --- on every platform
    Failure(_CLOSED, "Reason.NO_BLUETOOTH", _NEVER, NO_ADAPTER, "hbldh/bleak#1180"),
    Failure(_CLOSED, "Reason.NO_BLE_CENTRAL_ROLE", _NEVER, CLASSIC_ONLY, _MANAGER),
    Failure(_CLOSED, "Reason.POWERED_OFF", _NEVER, OFF, "hbldh/bleak#1180"),
    Failure(_CLOSED, "Reason.DENIED_BY_USER", _NEVER, PROGRAM_DENIED, _MACOS),
    Failure(_CLOSED, "Reason.DENIED_BY_SYSTEM", _NEVER, USER_DENIED, _MANAGER),
    Failure(_CLOSED, "Reason.DENIED_BY_UNKNOWN", _NEVER, PROGRAM_DENIED, _MACOS),
    Failure(_CLOSED, "Reason.UNKNOWN", _LATER, NOT_READY, _MACOS),
    Failure("BleakDeviceNotFoundError", "", _AFRESH, GONE, "hbldh/bleak#1176"),
    Failure("BleakCharacteristicNotFoundError", "", _NEVER, OTHER_DEVICE, "bleak/exc.py"),
    Failure("TimeoutError", "", _AFRESH, NOT_THERE, "bluez/bluez#1521", step="connect"),
    Failure("TimeoutError", "", _NEVER, STUCK, "hbldh/bleak#1689", step="scan"),
    Failure("TimeoutError", "", _NEVER, SILENT, "asyncio"),
    # --- D-Bus
    Failure("FileNotFoundError", "", _NEVER, NO_BUS, "dbus_fast/aio/message_bus.py"),
    Failure("ConnectionRefusedError", "", _NEVER, NO_BUS, "dbus_fast/aio/message_bus.py"),
    Failure("PermissionError", "", _NEVER, USER_DENIED, "dbus_fast/aio/message_bus.py"),
    Failure("AuthError", "", _NEVER, USER_DENIED, "dbus_fast/auth.py"),
    Failure("EOFError", "", _LATER, SERVICE_LOST, f"{_PROXIES}#235"),
    Failure("ConnectionError", "", _LATER, SERVICE_LOST, "home-assistant/core#79857"),
    Failure(_DBUS, f"{_BUS}.AccessDenied", _NEVER, USER_DENIED, "hbldh/bleak#356"),
    # bluetoothd, which ran when the device was found, is being restarted.
    Failure(_DBUS, f"{_BUS}.ServiceUnknown", _LATER, SERVICE_LOST, "hbldh/bleak#674", step="connect", pause=1.0),
    Failure(_DBUS, f"{_BUS}.ServiceUnknown", _NEVER, NO_SERVICE, "mvidner/ruby-dbus#65"),
    Failure(_DBUS, f"{_BUS}.NameHasNoOwner", _NEVER, NO_SERVICE, "D-Bus Specification, message bus names"),
    Failure(_DBUS, "NoSuchUnit", _NEVER, NO_SERVICE, "blueman-project/blueman#836"),
    Failure(_DBUS, f"{_BUS}.NoReply", _LATER, SERVICE_LOST, "hbldh/bleak#674", pause=1.0),
    # --- BlueZ
    Failure("BleakError", "requires BlueZ", _NEVER, TOO_OLD, "bleak/backends/bluezdbus/version.py"),
    Failure("BleakError", "adapter '", _NEVER, NOT_THIS_ADAPTER, _MANAGER),
    Failure(_DBUS, f"{_BLUEZ}.NotReady", _NEVER, OFF, "home-assistant/core#80713"),
    Failure(_DBUS, "connection-adapter-not-powered", _NEVER, OFF, _ERROR_H),
    Failure(_DBUS, f"{_BUS}.UnknownObject", _NEVER, ADAPTER_GONE, "hbldh/bleak#693", step="scan"),
    Failure(_DBUS, f"{_BUS}.UnknownObject", _AFRESH, GONE, "hbldh/bleak#1176"),
    # bluetoothd still has a former call at hand, perhaps that of a program that died.
    Failure(_DBUS, f"{_BLUEZ}.InProgress", _LATER, BUSY, "hbldh/bleak#859", step="scan", pause=0.5),
    Failure(_DBUS, f"{_BLUEZ}.InProgress", _LATER, BUSY, f"{_PROXIES}#226", pause=0.5),
    # The link stood, and no packet came: new words and old ones.
    Failure(_DBUS, "le-connection-abort-by-local", _AT_ONCE, ABORTED, "hbldh/bleak#1255"),
    Failure(_DBUS, "Software caused connection abort", _AT_ONCE, ABORTED, "hbldh/bleak#666"),
    Failure(_DBUS, "concurrent-connection-limit", _LATER, ADAPTER_FULL, _ERROR_H, pause=2.0),
    Failure(_DBUS, "le-connection-", _LATER, ABORTED, _ERROR_H),
    Failure(_DBUS, "br-connection-canceled", _LATER, ABORTED, f"{_PROXIES}: src/bleak_retry_connector/__init__.py"),
    # It goes by what it heard of the device last, and a scan hears Bluetooth LE.
    Failure(_DBUS, "br-connection-", _AFRESH, CLASSIC, "hbldh/bleak#1333"),
    Failure("BleakError", "failed to discover services, device disconnected", _LATER, DROPPED, "hbldh/bleak#1489"),
    Failure(_DBUS, f"{_BLUEZ}.NotConnected", _LATER, DROPPED, "bluez/bluez#207"),
    Failure(_DBUS, f"{_BLUEZ}.Failed", _LATER, ABORTED, "bluez/bluez: doc/org.bluez.Device.rst", step="connect"),
    # --- WinRT
    Failure("BleakError", "Unreachable", _LATER, ABORTED, "hbldh/bleak#1900", pause=1.0),
    Failure("BleakError", "Access Denied", _NEVER, TAKEN, "hbldh/bleak#1291"),
    Failure("BleakError", "Is Bluetooth turned on?", _NEVER, OFF, "hbldh/bleak#1548"),
    Failure("OSError", "-2147020577", _NEVER, OFF, "hbldh/bleak#792"),
    Failure("OSError", "-2147023836", _NEVER, NO_SERVICE, "hbldh/bleak#714"),
    Failure("OSError", "-2147221231", _NEVER, NO_ADAPTER, "hbldh/bleak#1180"),
    Failure("OSError", "-2147483629", _LATER, DROPPED, "hbldh/bleak#1280"),
    # --- CoreBluetooth
    Failure("BleakError", "Peer removed pairing information", _NEVER, STALE_BOND, "JuulLabs/kable#334"),
    Failure("BleakError", "failed to connect", _LATER, ABORTED, "PhilipsHue/flutter_reactive_ble#799"),
    Failure("BleakError", "disconnected", _LATER, DROPPED, "bleak/backends/corebluetooth/client.py", step="connect"),
    # --- Bluetooth proxies, which come as a backend of their own
    Failure("BleakError", "connection slot", _LATER, PROXY_FULL, f"{_PROXIES}#57", pause=4.0),
    # --- all else
    Failure("BleakError", "", _NEVER, UNKNOWN, "bleak/exc.py"),
    Failure("dbus_fast", "", _NEVER, UNREACHABLE, "dbus_fast/errors.py"),
    Failure("OSError", "", _NEVER, UNREACHABLE, "dbus_fast/aio/message_bus.py"),
)


def failure_of(error: BaseException | None, step: str) -> Failure | None:
    """Return the row for what bleak, D-Bus or the system raised at `step`; None for what is no failure of theirs."""
    kinds = {each.__name__ for each in type(error).__mro__} | {type(error).__module__.partition(".")[0]}
    text = str(error).casefold()
    fitting = (row for row in FAILURES if row.kind in kinds and row.step in ("", step))
    return next((row for row in fitting if row.words.casefold() in text), None)
