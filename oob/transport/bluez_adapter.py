"""Which adapter a device uses, out of the objects of BlueZ, and what is wrong with those that will not do."""

from typing import Any, Final

from oob.errors import LinkError

ADAPTER: Final = "org.bluez.Adapter1"
GATT_MANAGER: Final = "org.bluez.GattManager1"
ADVERTISING_MANAGER: Final = "org.bluez.LEAdvertisingManager1"

Objects = dict[str, dict[str, dict[str, Any]]]
"""The answer of ObjectManager.GetManagedObjects, without variants: path, interface, property."""


def choose(objects: Objects, wanted: str | None) -> str:
    """Return the object path of the adapter `wanted` ("hci0", or its address), or of the first that is fit and on.

    Raises LinkError, which names what is wrong and what mends it.
    """
    adapters = {path: interfaces for path, interfaces in sorted(objects.items()) if ADAPTER in interfaces}
    if not adapters:
        raise _wrong("there is no Bluetooth adapter", "Plug one in; check that rfkill list and dmesg know it")
    if wanted is not None:
        chosen = {path: each for path, each in adapters.items() if wanted.lower() in _names(path, each)}
        if not chosen:
            there = ", ".join(_name(path) for path in adapters)
            raise _wrong(f"there is no Bluetooth adapter {wanted}", f"Choose one of those that are there: {there}")
        adapters = chosen
    faults = {path: _fault(path, interfaces) for path, interfaces in adapters.items()}
    for path, fault in faults.items():
        if fault is None:
            return path
    raise next(fault for fault in faults.values() if fault is not None)


def _fault(path: str, interfaces: dict[str, dict[str, Any]]) -> LinkError | None:
    """Return why the adapter cannot be used now, or None."""
    properties, name = interfaces[ADAPTER], _name(path)
    if not properties.get("Powered"):
        if properties.get("PowerState") == "off-blocked":  # told since BlueZ 5.66
            return _wrong(f"the Bluetooth adapter {name} is blocked", "Run: rfkill unblock bluetooth")
        remedy = "Run: bluetoothctl power on; if that fails, rfkill unblock bluetooth"
        return _wrong(f"the Bluetooth adapter {name} is switched off", remedy)
    missing = [each.rpartition(".")[2] for each in (GATT_MANAGER, ADVERTISING_MANAGER) if each not in interfaces]
    roles = properties.get("Roles")  # told since BlueZ 5.55
    if missing or (roles is not None and "peripheral" not in roles):
        what = f" (no {' and no '.join(missing)})" if missing else ""
        remedy = "Use another adapter, or BlueZ 5.48 or newer with ControllerMode other than bredr in main.conf"
        return _wrong(f"the Bluetooth adapter {name} cannot be a peripheral{what}", remedy)
    return None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _names(path: str, interfaces: dict[str, dict[str, Any]]) -> set[str]:
    return {_name(path).lower(), str(interfaces[ADAPTER].get("Address", "")).lower()}


def _wrong(cause: str, remedy: str) -> LinkError:
    return LinkError(cause, step="listen", remedy=remedy)
