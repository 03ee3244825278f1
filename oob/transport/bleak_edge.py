"""The edge to bleak: loads it when it is needed, renames its exceptions, and hears out what was asked of it."""

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
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

    It gets `grace` seconds to end by itself, is cancelled then, once more if its cleaning up takes too long, and left
    alone if not even that ends it. A stack that was asked to scan or to connect goes on with it when nobody waits for
    its answer.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await _see_off(task, grace)
        raise
    return task.result()


async def _see_off(task: asyncio.Task[Any], grace: float) -> None:
    """Wait until a task whose result nobody wants is over, whatever happens meanwhile, but not for ever."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    task.add_done_callback(_look_at)
    for seconds in (grace, grace + CLEANING, grace + 2 * CLEANING):
        while not task.done() and (left := begin + seconds - loop.time()) > 0:
            with suppress(asyncio.CancelledError):  # a second one changes nothing; the first goes on from here
                await asyncio.wait({task}, timeout=left)
        task.cancel()


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take note of an error that goes behind a cancellation."""
    if not task.cancelled():
        task.exception()
