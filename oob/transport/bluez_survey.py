"""What BlueZ says of itself and its adapters, asked over D-Bus. Asking changes nothing and starts nothing."""

import asyncio
import os
import platform
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from oob.errors import LinkError
from oob.transport.bluez_adapter import ADAPTER, ADVERTISING_MANAGER, Objects
from oob.transport.bluez_bus import BLUEZ, DAEMON, OBJECT_MANAGER, OBJECTS, Bus, Refusal
from oob.transport.finding import Finding, State, missing, ok, warning

WAIT: Final = 2.0
"""Seconds for each answer."""

_DENIED: Final = "org.freedesktop.DBus.Error.AccessDenied"
_INSTALLED: Final = ("usr/libexec/bluetooth/bluetoothd", "usr/lib/bluetooth/bluetoothd", "usr/sbin/bluetoothd")
_UPGRADE: Final = "sudo apt update && sudo apt install bluez"
_RESTART: Final = {"bluez": "sudo systemctl restart bluetooth", "d-bus": "sudo systemctl restart dbus"}
_OTHER: Final = "Plug in another adapter; hardware/adapters.md says what is known of some"

Interfaces = Mapping[str, Mapping[str, Any]]
"""The properties of one object of BlueZ, by interface."""


async def survey_bluez(adapter: str | None = None, *, root: Path = Path("/")) -> list[Finding]:
    """Say whether BlueZ can be reached, and what its adapters can do; `adapter` narrows it to one, such as "hci0".

    Each answer is waited for at most WAIT seconds. Empty if dbus-fast is not installed, which another survey says.
    """
    if find_spec("dbus_fast") is None:
        return []
    findings: list[Finding] = []
    try:
        async with _system_bus() as bus:
            findings.append(ok("d-bus", "the system bus answers"))
            await _require_bluez(bus, root)
            findings.append(ok("bluez", "org.bluez is on the bus"))
            objects = await _objects(bus)
            findings.append(ok("permission", "this user may speak to BlueZ"))
    except LinkError as error:
        return [*findings, missing(error.step, error.cause, error.remedy)]
    adapters = adapters_in(objects)
    return [*findings, judge_version(await _version(adapters)), *judge_adapters(adapters, adapter)]


@asynccontextmanager
async def _system_bus() -> AsyncIterator[Bus]:
    """Connect to the system bus, at DBUS_SYSTEM_BUS_ADDRESS where that is set. Raises LinkError."""
    try:
        bus = await Bus.open(timeout=WAIT)
    except LinkError as error:
        named = "DBUS_SYSTEM_BUS_ADDRESS" in os.environ
        remedy = "unset DBUS_SYSTEM_BUS_ADDRESS" if named else "sudo apt install dbus && sudo systemctl start dbus"
        raise LinkError(error.cause, step="d-bus", remedy=remedy) from error
    try:
        yield bus
    finally:
        await bus.close()


async def _require_bluez(bus: Bus, root: Path) -> None:
    try:
        reply = await bus.call(
            "/org/freedesktop/DBus", DAEMON, "NameHasOwner", "s", BLUEZ, destination=DAEMON, step="d-bus"
        )
    except LinkError as error:
        raise LinkError("the system bus does not answer", step="d-bus", remedy=_RESTART["d-bus"]) from error
    if reply.body == [True]:
        return
    if any((root / path).exists() for path in _INSTALLED):
        raise LinkError("bluetoothd does not run", step="bluez", remedy="sudo systemctl enable --now bluetooth")
    raise LinkError("BlueZ is not installed", step="bluez", remedy="sudo apt install bluez")


async def _objects(bus: Bus) -> Objects:
    """Return all objects of BlueZ, which is not started where it does not run. Raises LinkError."""
    try:
        reply = await bus.call("/", OBJECT_MANAGER, "GetManagedObjects", returns=OBJECTS, step="bluez")
    except LinkError as error:
        if isinstance(error.__cause__, Refusal) and error.__cause__.name == _DENIED:
            raise LinkError(
                "the policy of the bus forbids this user to speak to BlueZ",
                step="permission",
                remedy="sudo usermod -aG bluetooth $USER, and log in anew; for a service: hardware/oob-bluetooth.conf",
            ) from error
        raise LinkError(error.cause, step="bluez", remedy=_RESTART["bluez"]) from error
    objects: Objects = reply.body[0]
    return objects


def adapters_in(objects: Objects) -> dict[str, Interfaces]:
    """Return the adapters among BlueZ's objects by name, such as "hci0"."""
    return {path.rpartition("/")[2]: objects[path] for path in sorted(objects) if ADAPTER in objects[path]}


async def _version(adapters: Mapping[str, Interfaces]) -> tuple[int, int] | None:
    """Return BlueZ's version: what an adapter shows of it, or bluetoothctl, which comes with it."""
    for interfaces in adapters.values():
        if (version := version_in(str(interfaces[ADAPTER].get("Modalias", "")))) is not None:
            return version
    return await _ask_bluetoothctl()


def version_in(modalias: str) -> tuple[int, int] | None:
    """Return the version in "usb:v1D6Bp0246d0542", that of BlueZ 5.66; None if main.conf sets another DeviceID."""
    found = re.fullmatch(r"usb:v1D6Bp0246d([0-9A-F]{2})([0-9A-F]{2})", modalias)
    return (int(found[1], 16), int(found[2], 16)) if found else None


async def _ask_bluetoothctl() -> tuple[int, int] | None:
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            "bluetoothctl", "--version", stdin=null, stdout=pipe, stderr=null
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(WAIT):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    found = re.search(rb"(\d+)\.(\d+)", output)
    return (int(found[1]), int(found[2])) if found else None


def judge_version(version: tuple[int, int] | None) -> Finding:
    """Judge BlueZ's version, by what bleak and the two sides of a link need."""
    if version is None:
        return warning("bluez version", "unknown: 5.55 is needed, 5.63 is better", "bluetoothctl --version")
    shown = f"{version[0]}.{version[1]}"
    if version < (5, 55):  # `mtu` of WriteValue, which a device needs, came with 5.51; Roles with 5.55
        return missing("bluez version", f"{shown}: bleak needs 5.55", _UPGRADE)
    if version < (5, 62):
        return warning(
            "bluez version", f"{shown}: a client sends 20 bytes at a time, as MTU is shown from 5.62 on", _UPGRADE
        )
    if version < (5, 63):
        return warning("bluez version", f"{shown}: may lose connections over MTU, mended in 5.63", _UPGRADE)
    return ok("bluez version", shown)


def judge_adapters(adapters: Mapping[str, Interfaces], adapter: str | None = None) -> list[Finding]:
    """Judge each adapter, or the one of this name; the last finding says whether any of them serves a client."""
    chosen = {name: each for name, each in adapters.items() if adapter in (None, name)}
    if not chosen:
        others = f"no {adapter}, but {', '.join(adapters)}" if adapters else "none"
        return [
            missing("adapters", others, "Plug an adapter in, or name another one by --adapter" if adapters else _OTHER)
        ]
    radios = [_radio(name, each[ADAPTER]) for name, each in chosen.items()]
    rest = [found for name, each in chosen.items() for found in (_advertiser(name, each), _alias(name, each[ADAPTER]))]
    usable = [each.check for each in radios if each.state is State.OK]
    verdict = (
        ok("adapters", f"{', '.join(usable)} can be a client") if usable else missing("adapters", "none is usable")
    )
    return [*radios, *rest, verdict]


def _radio(name: str, properties: Mapping[str, Any]) -> Finding:
    roles = properties.get("Roles")
    if roles is not None and "central" not in roles:
        return missing(name, "no Bluetooth LE", _OTHER)
    if properties.get("PowerState") == "off-blocked":  # told since BlueZ 5.66
        return missing(name, "blocked by rfkill", "sudo rfkill unblock bluetooth")
    if not properties.get("Powered"):
        return missing(name, "switched off", _set(name, "Powered b true"))
    return ok(name, f"on, Bluetooth LE as {', '.join(roles) if roles else 'it does not say what'}")


def _advertiser(name: str, interfaces: Interfaces) -> Finding:
    """Say whether this machine can be the device through an adapter. BlueZ counts free slots as SupportedInstances."""
    check, manager = f"{name} advertising", interfaces.get(ADVERTISING_MANAGER)
    if manager is None:
        return warning(check, "none: this machine cannot be the device through it", _OTHER)
    free, used = manager.get("SupportedInstances", 0), manager.get("ActiveInstances", 0)
    extended = bool(manager.get("SupportedSecondaryChannels")) or "HardwareOffload" in manager.get(
        "SupportedFeatures", ()
    )
    seen = f"{free} of {free + used} slots free, {'extended' if extended else 'legacy only, which is enough'}"
    return ok(check, seen) if free else warning(check, seen, f"Stop who advertises, or {_RESTART['bluez']}")


def _alias(name: str, properties: Mapping[str, Any]) -> Finding:
    """Say whether the adapter is called as this machine: BlueZ shows that, as Device Name, to whoever connects."""
    check, host, alias = f"{name} name", platform.node(), str(properties.get("Alias", ""))
    if host and alias.startswith(host):
        return warning(check, "whoever connects can read the name of this machine", _set(name, "Alias s oob"))
    return ok(check, f"{alias}, not that of this machine")


def _set(name: str, change: str) -> str:
    return f"busctl set-property {BLUEZ} /org/bluez/{name} {ADAPTER} {change}"
