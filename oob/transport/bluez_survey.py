"""What BlueZ says of itself and its adapters, asked over D-Bus. Asking changes nothing and starts nothing."""

import asyncio
import os
import platform
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oob.errors import LinkError
from oob.transport.finding import Finding, State, missing, ok, warning

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

WAIT: Final = 2.0
"""Seconds for each answer."""
BLUEZ: Final = "org.bluez"
ADAPTER: Final = "org.bluez.Adapter1"
ADVERTISING: Final = "org.bluez.LEAdvertisingManager1"

_DAEMON: Final = "org.freedesktop.DBus"
_DENIED: Final = "org.freedesktop.DBus.Error.AccessDenied"
_INSTALLED: Final = ("usr/libexec/bluetooth/bluetoothd", "usr/lib/bluetooth/bluetoothd", "usr/sbin/bluetoothd")
_UPGRADE: Final = "sudo apt update && sudo apt install bluez"
_OTHER: Final = "Plug in another adapter; hardware/adapters.md says what is known of some"

Interfaces = Mapping[str, Mapping[str, Any]]
"""The properties of one object of BlueZ, by interface."""


async def survey_bluez(adapter: str = "", *, root: Path = Path("/")) -> list[Finding]:
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
async def _system_bus() -> AsyncIterator["MessageBus"]:
    """Connect to the system bus, at DBUS_SYSTEM_BUS_ADDRESS where that is set. Raises LinkError."""
    from dbus_fast import BusType
    from dbus_fast.aio import MessageBus
    from dbus_fast.errors import DBusFastError

    try:
        async with asyncio.timeout(WAIT):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    except (OSError, EOFError, DBusFastError) as error:
        named = "DBUS_SYSTEM_BUS_ADDRESS" in os.environ
        raise LinkError(
            f"the system bus does not answer ({type(error).__name__})",
            step="d-bus",
            remedy="unset DBUS_SYSTEM_BUS_ADDRESS" if named else "sudo apt install dbus && sudo systemctl start dbus",
        ) from error
    try:
        yield bus
    finally:
        bus.disconnect()
        with suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(WAIT):
                await bus.wait_for_disconnect()


async def _call(bus: "MessageBus", destination: str, path: str, interface: str, member: str, *body: str) -> "Message":
    """Call a method, without starting the service where it does not run. Raises LinkError if no answer comes."""
    from dbus_fast import Message
    from dbus_fast.constants import MessageFlag

    message = Message(
        destination=destination,
        path=path,
        interface=interface,
        member=member,
        signature="s" * len(body),
        body=list(body),
        flags=MessageFlag.NO_AUTOSTART,
    )
    try:
        async with asyncio.timeout(WAIT):
            return await bus.call(message)
    except (OSError, EOFError) as error:
        step = "bluez" if destination == BLUEZ else "d-bus"
        seen = f"no answer within {WAIT:g} s" if isinstance(error, TimeoutError) else "the connection was lost"
        raise LinkError(seen, step=step, remedy=f"sudo systemctl restart {_service(step)}") from error


def _service(step: str) -> str:
    return "bluetooth" if step == "bluez" else "dbus"


async def _require_bluez(bus: "MessageBus", root: Path) -> None:
    reply = await _call(bus, _DAEMON, "/org/freedesktop/DBus", _DAEMON, "NameHasOwner", BLUEZ)
    if reply.body == [True]:
        return
    if any((root / path).exists() for path in _INSTALLED):
        raise LinkError("bluetoothd does not run", step="bluez", remedy="sudo systemctl enable --now bluetooth")
    raise LinkError("BlueZ is not installed", step="bluez", remedy="sudo apt install bluez")


async def _objects(bus: "MessageBus") -> dict[str, Interfaces]:
    """Return all objects of BlueZ. Raises LinkError."""
    from dbus_fast.constants import MessageType
    from dbus_fast.unpack import unpack_variants

    reply = await _call(bus, BLUEZ, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    if reply.error_name == _DENIED:
        raise LinkError(
            "the policy of the bus forbids this user to speak to BlueZ",
            step="permission",
            remedy="sudo usermod -aG bluetooth $USER, and log in anew; for a service: hardware/oob-bluetooth.conf",
        )
    if reply.message_type is not MessageType.METHOD_RETURN or reply.signature != "a{oa{sa{sv}}}":
        raise LinkError(f"an error for an answer ({reply.error_name})", step="bluez", remedy=_restart())
    objects: dict[str, Interfaces] = unpack_variants(reply.body[0])
    return objects


def _restart() -> str:
    return f"sudo systemctl restart {_service('bluez')}"


def adapters_in(objects: Mapping[str, Interfaces]) -> dict[str, Interfaces]:
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


def judge_adapters(adapters: Mapping[str, Interfaces], adapter: str = "") -> list[Finding]:
    """Judge each adapter, or the one of this name; the last finding says whether any of them serves a client."""
    chosen = {name: each for name, each in adapters.items() if adapter in ("", name)}
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
    check, manager = f"{name} advertising", interfaces.get(ADVERTISING)
    if manager is None:
        return warning(check, "none: this machine cannot be the device through it", _OTHER)
    free, used = manager.get("SupportedInstances", 0), manager.get("ActiveInstances", 0)
    extended = bool(manager.get("SupportedSecondaryChannels")) or "HardwareOffload" in manager.get(
        "SupportedFeatures", ()
    )
    seen = f"{free} of {free + used} slots free, {'extended' if extended else 'legacy only, which is enough'}"
    return ok(check, seen) if free else warning(check, seen, f"Stop who advertises, or {_restart()}")


def _alias(name: str, properties: Mapping[str, Any]) -> Finding:
    """Say whether the adapter is called as this machine: BlueZ shows that, as Device Name, to whoever connects."""
    check, host, alias = f"{name} name", platform.node(), str(properties.get("Alias", ""))
    if host and alias.startswith(host):
        return warning(check, "whoever connects can read the name of this machine", _set(name, "Alias s oob"))
    return ok(check, f"{alias}, not that of this machine")


def _set(name: str, change: str) -> str:
    return f"busctl set-property {BLUEZ} /org/bluez/{name} {ADAPTER} {change}"
