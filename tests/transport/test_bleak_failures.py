"""Each row of the table, by an exception of the genuine type, as users report it; what connect and scan make of it."""

import asyncio
from collections.abc import Callable, Coroutine
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
from dbus_fast.errors import AuthError, InvalidAddressError

from oob.errors import LinkError
from oob.transport import bleak_failures as table
from oob.transport.ble_central import connect
from oob.transport.ble_scanner import find
from oob.transport.bleak_failures import FAILURES, Again, Failure, Meaning, failure_of
from oob.transport.retry import LONGEST_PAUSE, MAX_TRIES
from tests.transport.fake_bleak import FakeClient, FakeScanner

Run = Callable[[Coroutine[Any, Any, Any]], Any]

NEVER, LATER, AFRESH, AT_ONCE = Again.NEVER, Again.LATER, Again.AFRESH, Again.AT_ONCE


def closed(reason: str) -> Exception:
    return BleakBluetoothNotAvailableError("not now", BleakBluetoothNotAvailableReason[reason])


def bluez(name: str, *text: str) -> Exception:
    return BleakDBusError(f"org.bluez.Error.{name}", list(text))


def bus(name: str, *text: str) -> Exception:
    return BleakDBusError(f"org.freedesktop.DBus.Error.{name}", list(text))


def windows(code: int) -> Exception:
    return OSError(f"[WinError {code}] in the language of the system")


SAMPLES: list[tuple[Exception, str, Again, Meaning]] = [
    (closed("NO_BLUETOOTH"), "scan", NEVER, table.NO_ADAPTER),
    (closed("NO_BLE_CENTRAL_ROLE"), "scan", NEVER, table.CLASSIC_ONLY),
    (closed("POWERED_OFF"), "scan", NEVER, table.OFF),
    (closed("DENIED_BY_USER"), "scan", NEVER, table.PROGRAM_DENIED),
    (closed("DENIED_BY_SYSTEM"), "scan", NEVER, table.USER_DENIED),
    (closed("DENIED_BY_UNKNOWN"), "scan", NEVER, table.PROGRAM_DENIED),
    (closed("UNKNOWN"), "scan", LATER, table.NOT_READY),
    (BleakDeviceNotFoundError("C0:01", "was not found"), "connect", AFRESH, table.GONE),
    (BleakCharacteristicNotFoundError("1234"), "connect", NEVER, table.OTHER_DEVICE),
    (TimeoutError(), "connect", AFRESH, table.NOT_THERE),
    (TimeoutError(), "scan", NEVER, table.STUCK),
    (TimeoutError(), "link", NEVER, table.SILENT),
    (FileNotFoundError(2, "No such file or directory"), "scan", NEVER, table.NO_BUS),
    (ConnectionRefusedError(111, "Connection refused"), "scan", NEVER, table.NO_BUS),
    (PermissionError(13, "Permission denied"), "scan", NEVER, table.USER_DENIED),
    (AuthError("REJECTED"), "connect", NEVER, table.USER_DENIED),
    (EOFError(), "connect", LATER, table.SERVICE_LOST),
    (BrokenPipeError(32, "Broken pipe"), "connect", LATER, table.SERVICE_LOST),
    (ConnectionResetError(104, "Connection reset by peer"), "connect", LATER, table.SERVICE_LOST),
    (bus("AccessDenied", "Rejected send message, 2 matched rules"), "scan", NEVER, table.USER_DENIED),
    (bus("ServiceUnknown", "The name org.bluez was not provided"), "connect", LATER, table.SERVICE_LOST),
    (bus("ServiceUnknown", "The name org.bluez was not provided"), "scan", NEVER, table.NO_SERVICE),
    (bus("NameHasNoOwner", "Could not get owner of name"), "scan", NEVER, table.NO_SERVICE),
    (BleakDBusError("org.freedesktop.systemd1.NoSuchUnit", ["not found"]), "scan", NEVER, table.NO_SERVICE),
    (bus("NoReply", "Message recipient disconnected"), "connect", LATER, table.SERVICE_LOST),
    (BleakError("Bleak requires BlueZ >= 5.55."), "connect", NEVER, table.TOO_OLD),
    (BleakError("adapter 'hci7' not found"), "scan", NEVER, table.NOT_THIS_ADAPTER),
    (bluez("NotReady", "Resource Not Ready"), "scan", NEVER, table.OFF),
    (bluez("Failed", "le-connection-adapter-not-powered"), "connect", NEVER, table.OFF),
    (bus("UnknownObject", 'Method "SetDiscoveryFilter" does not exist'), "scan", NEVER, table.ADAPTER_GONE),
    (bus("UnknownObject", 'Method "Connect" does not exist'), "connect", AFRESH, table.GONE),
    (bluez("InProgress", "Operation already in progress"), "scan", LATER, table.BUSY),
    (bluez("InProgress", "Operation already in progress"), "connect", LATER, table.BUSY),
    (bluez("Failed", "le-connection-abort-by-local"), "connect", AT_ONCE, table.ABORTED),
    (bluez("Failed", "Software caused connection abort"), "connect", AT_ONCE, table.ABORTED),
    (bluez("Failed", "le-connection-concurrent-connection-limit"), "connect", LATER, table.ADAPTER_FULL),
    (bluez("Failed", "le-connection-abort-by-remote"), "connect", LATER, table.ABORTED),
    (bluez("Failed", "br-connection-canceled"), "connect", LATER, table.ABORTED),
    (bluez("Failed", "br-connection-unknown"), "connect", AFRESH, table.CLASSIC),
    (BleakError("failed to discover services, device disconnected"), "connect", LATER, table.DROPPED),
    (bluez("NotConnected", "Not Connected"), "connect", LATER, table.DROPPED),
    (bluez("Failed", "Host is down"), "connect", LATER, table.ABORTED),
    (BleakError("Could not get GATT services: Unreachable"), "connect", LATER, table.ABORTED),
    (BleakError("Could not get GATT characteristics: Access Denied"), "connect", NEVER, table.TAKEN),
    (BleakError("Failed to start scanner. Is Bluetooth turned on?"), "scan", NEVER, table.OFF),
    (windows(-2147020577), "scan", NEVER, table.OFF),
    (windows(-2147023836), "scan", NEVER, table.NO_SERVICE),
    (windows(-2147221231), "scan", NEVER, table.NO_ADAPTER),
    (windows(-2147483629), "connect", LATER, table.DROPPED),
    (BleakError("failed to connect: Peer removed pairing information"), "connect", NEVER, table.STALE_BOND),
    (BleakError("failed to connect: Error Domain=CBErrorDomain Code=6"), "connect", LATER, table.ABORTED),
    (BleakError("disconnected"), "connect", LATER, table.DROPPED),
    (BleakError("No backend with an available connection slot"), "connect", LATER, table.PROXY_FULL),
    (BleakError("of a kind that nobody knows"), "connect", NEVER, table.UNKNOWN),
    (InvalidAddressError("address did not contain a transport"), "scan", NEVER, table.UNREACHABLE),
    (OSError(5, "Input/output error"), "scan", NEVER, table.UNREACHABLE),
]


def name(value: object) -> str | None:
    return f"{type(value).__name__}-{value}" if isinstance(value, Exception) else None


each_sample = pytest.mark.parametrize(("error", "step", "again", "meaning"), SAMPLES, ids=name)


def row_of(error: Exception, step: str) -> Failure:
    row = failure_of(error, step)
    assert row is not None
    return row


@each_sample
def test_each_failure_is_known(error: Exception, step: str, again: Again, meaning: Meaning) -> None:
    row = row_of(error, step)
    assert (row.again, row.meaning) == (again, meaning)


def test_no_row_is_without_a_sample_a_source_and_a_remedy() -> None:
    met = [row_of(error, step) for error, step, _, _ in SAMPLES]
    assert [row for row in FAILURES if row not in met] == []
    assert all(row.source and row.meaning.cause and row.meaning.remedy for row in FAILURES)
    assert all(not row.meaning.remedy.endswith(".") for row in FAILURES)


@pytest.mark.parametrize("defect", [ZeroDivisionError(), AssertionError(), LinkError("ours"), None])
def test_defects_are_none_of_them(defect: Exception | None) -> None:
    assert failure_of(defect, "connect") is None


async def timed(work: Coroutine[Any, Any, Any]) -> tuple[LinkError, float]:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(LinkError) as caught:
        await work
    return caught.value, loop.time() - begun


def expected(row: Failure) -> tuple[int, float]:
    """The tries, and the seconds that all of them take, where it never passes and time is no matter."""
    if row.again is LATER:
        return MAX_TRIES, sum(min(row.pause * 2**each, LONGEST_PAUSE) for each in range(MAX_TRIES - 1))
    return (MAX_TRIES if row.again is AT_ONCE else 1), 0.0


@each_sample
def test_what_connect_makes_of_it(
    run_virtual: Run, error: Exception, step: str, again: Again, meaning: Meaning
) -> None:
    backend = FakeClient.fresh()
    backend.fails["connect"] = error
    row = row_of(error, "connect")
    told: list[str] = []
    report = lambda progress: told.append(progress.step)  # noqa: E731
    raised, seconds = run_virtual(timed(connect("C0:01", backend=backend, timeout=60, report=report)))
    assert type(raised) is row.meaning.error
    assert (raised.step, raised.exit_code, raised.remedy) == ("connect", 3, row.meaning.remedy)
    assert raised.cause.startswith(row.meaning.cause)
    assert ([call[0] for call in backend.calls].count("connect"), seconds) == expected(row)
    assert told == ["connecting"] + ["retrying"] * (expected(row)[0] - 1)
    assert backend.connections() == 0


@each_sample
def test_what_scanning_makes_of_it(
    run_virtual: Run, error: Exception, step: str, again: Again, meaning: Meaning
) -> None:
    backend = FakeScanner.fresh()
    backend.fails["start"] = error
    row = row_of(error, "scan")
    raised, seconds = run_virtual(timed(find(lambda _: True, 60, backend=backend)))
    assert type(raised) is row.meaning.error
    assert (raised.step, raised.remedy) == ("scan", row.meaning.remedy)
    tries, takes = expected(row)
    assert len(backend.made) <= tries
    assert seconds <= min(takes, 5.0)
    if takes < 5.0:
        assert (len(backend.made), seconds) == (tries, takes)
    assert backend.scans() == 0
