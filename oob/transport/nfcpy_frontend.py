"""A reader as nfcpy drives it: opened when it is needed, closed when it fails. Everything here blocks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event
from typing import Final, TypeVar

from oob.errors import LinkError, LinkTimeout, OobError, UsageError
from oob.transport.nfcpy_edge import AGAIN, Device, absent_or_unusable, failure_of, load_nfcpy
from oob.transport.nfcpy_tags import Bounded, Connection, activate
from oob.transport.nfcpy_udp import like_the_air
from oob.transport.worker import Worker

LAST_RESORT: Final = 10.0
"""Seconds for any call of nfcpy: all that it does here is bounded by less, but for a reader that hangs."""
PARTING: Final = 1.5
"""Seconds that whoever lets go of a reader waits for it: a call that was interrupted takes one at most."""

T = TypeVar("T")


class Frontend:
    """A reader as nfcpy drives it. Opened by the first call that needs it, and again after it was unplugged."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a path of nfcpy; `clock` returns seconds."""
        self.name = path
        """What people call it, once it is open."""
        self._path = path
        self._clock = clock
        self._device: Device | None = None

    def sense(self, technology: str) -> Connection | None:
        """Return the tag that answers to "106A", "106B" or "212F", None for none. Raises LinkError."""
        with self._watched():
            device, nfc = self._open(), load_nfcpy()
            try:
                target = device.sense(nfc.clf.RemoteTarget(technology))
                return activate(Bounded(device, self._clock), target) if target else None
            except OSError:
                raise
            except Exception:
                return None  # the driver cannot do this technology, or what answered is no tag

    def mute(self) -> None:
        """Switch the field off. Raises LinkError."""
        with self._watched():
            if self._device is not None:
                self._device.sense()  # for nothing

    def close(self) -> None:
        """Switch the field off and let go of the reader. May be called twice."""
        device, self._device = self._device, None
        if device is not None:
            with suppress(Exception):  # it was unplugged
                device.close()

    def call(self, do: Callable[[Device], T]) -> T:
        """Return what `do` returns for the open front-end of nfcpy. Raises LinkError where the reader is gone."""
        with self._watched():
            return do(self._open())

    def use(self, connection: Connection, command: bytes) -> bytes:
        """Return a tag's response to a command. Raises LinkLost, PeerError; LinkError where the reader is gone."""
        with self._watched():
            return connection.transceive(command)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Close a reader that fails, so that the next call opens it anew."""
        try:
            yield
        except OSError as error:
            self.close()
            raise failure_of(self._path, error) from error

    def _open(self) -> Device:
        if self._device is None:
            device: Device = load_nfcpy().ContactlessFrontend()
            if not _connect(device, self._path):
                raise absent_or_unusable(self._path)
            if self._path.startswith("udp"):
                like_the_air(device.device)
            self._device = device
            names = (device.device.vendor_name, device.device.product_name)
            self.name = " ".join(filter(None, names)) or self._path
        return self._device


class FrontendThread:
    """A front-end and the thread that alone uses it. What `call` raises in there, is raised here."""

    def __init__(self, path: str, last_resort: float = LAST_RESORT) -> None:
        """Take a path of nfcpy; `last_resort` are the seconds that a call may take."""
        self._path = path
        self._last_resort = last_resort
        self._begin()

    @property
    def name(self) -> str:
        """What people call the front-end, once it is open."""
        return self._frontend.name

    async def run(self, call: Callable[[Frontend], T]) -> T:
        """Return what `call` returns for the front-end. LinkTimeout where it hangs: the next call gets another one."""
        frontend = self._frontend
        try:
            return await self._worker.run(self._in_turn(partial(call, frontend)), self._last_resort)
        except LinkTimeout:
            if frontend is self._frontend:
                self._begin()
            raise

    async def release(self) -> None:
        """Switch the field off and let go of the reader, when the calls that there are have ended; wait 1.5 s for that.

        Another call, whether this has ended or not, opens the reader anew after that.
        """
        worker, released = self._worker, Event()
        close = self._in_turn(partial(_close, self._frontend, released))
        self._begin(released)
        try:
            with suppress(LinkTimeout):
                await worker.run(close, PARTING)
        finally:
            worker.close()

    def _begin(self, released: Event | None = None) -> None:
        """Take a new front-end in a new thread, which waits until the former one is `released`."""
        self._frontend, self._worker = Frontend(self._path), Worker(f"nfcpy {self._path}")
        self._released = released

    def _in_turn(self, call: Callable[[], T]) -> Callable[[], T]:
        former, patience = self._released, self._last_resort / 2

        def wait_and_call() -> T:
            if former:
                former.wait(patience)
            return call()

        return wait_and_call


def _close(frontend: Frontend, released: Event) -> None:
    try:
        frontend.close()
    finally:
        released.set()


def _connect(device: Device, path: str) -> bool:
    try:
        return bool(device.open(path))
    except (OSError, OobError):
        raise
    except ImportError as error:
        raise UsageError(f"nfcpy has no driver for {path}", remedy="For example: tty:USB0:pn532") from error
    except ValueError as error:
        if not path.startswith("udp"):
            raise _odd(path, error) from error
        # It looks the number up in /etc/services, and wants a number back.
        raise UsageError(f"nfcpy takes no port that has a name: {path}", remedy="Take another port") from error
    except Exception as error:  # of libusb, of pyserial, of a driver whose reader answers oddly
        raise _odd(path, error) from error


def _odd(path: str, error: Exception) -> LinkError:
    return LinkError(f"{path} does not answer as a reader ({error})", step="reader", remedy=AGAIN)
