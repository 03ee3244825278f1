"""The edge to bleak: loads it when it is needed, renames its exceptions, and hears out what was asked of it."""

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import Enum
from types import ModuleType
from typing import Any, Final, TypeVar

from oob.errors import UsageError
from oob.transport.bleak_failures import failure_of

T = TypeVar("T")

VERSION_WAIT: Final = 5.0
"""Seconds that bluetoothctl gets to tell its version, when nobody waits for it any more."""
CLEANING: Final = 5.0
"""Seconds that a call that was cancelled gets to clean up."""


def load_bleak() -> ModuleType:
    """Return the `bleak` package. Raises UsageError where it is not installed."""
    try:
        import bleak
    except ImportError:
        raise UsageError("Bluetooth LE needs the package bleak", remedy="Run: pip install 'oob[ble]'") from None
    return bleak


def on_adapter(adapter: str | None) -> dict[str, Any]:
    """Return the arguments of bleak that choose an adapter ("hci1"); only BlueZ has several."""
    return {} if adapter is None else {"bluez": {"adapter": adapter}}


@contextmanager
def renamed(step: str) -> Iterator[None]:
    """Rename what bleak, D-Bus and the operating system raise inside the block to LinkError or one of its leaves."""
    try:
        yield
    except Exception as error:
        row = failure_of(error, step)
        if row is None:
            raise  # a defect, or an error of this library
        told, said = row.meaning, _said(error)
        cause = f"{told.cause} ({said})" if said else told.cause
        raise told.error(cause, step=step, remedy=told.remedy) from error


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None)  # bleak adds it to the arguments, and thus to the text
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error.args[0] if isinstance(reason, Enum) else error)
    return text.partition("; type=")[0].rstrip(".")  # where dbus-daemon refuses, the whole message header follows


async def prepare_bluez() -> None:
    """Let bleak find out BlueZ's version, which it does once, before it first connects, by running bluetoothctl.

    Cancelled in the middle of that, bleak 3.1 would wait for the answer whenever it connects, for ever.
    """
    if sys.platform != "linux":
        return
    from bleak.backends.bluezdbus.version import BlueZFeatures

    if not BlueZFeatures.checked_bluez_version:
        await hear_out(BlueZFeatures.check_bluez_version(), VERSION_WAIT)


async def hear_out(work: Coroutine[Any, Any, T], grace: float) -> T:
    """Return what `work` returns; when this is cancelled meanwhile, `work` is over before it ends.

    It gets `grace` seconds to end by itself, is cancelled then, and once more if its cleaning up takes too long. A
    stack that was asked to scan or to connect goes on with it when nobody waits for its answer.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    timers: list[asyncio.TimerHandle] = []
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            call_later = asyncio.get_running_loop().call_later
            timers = timers or [call_later(grace, task.cancel), call_later(grace + CLEANING, task.cancel)]
            cancelled = error
    for timer in timers:
        timer.cancel()
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # the cancellation goes first
    raise cancelled
