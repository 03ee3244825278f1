"""The edge to D-Bus: one connection to the system bus, a time limit on every call, and foreign errors renamed.

Nothing else of the library touches dbus_fast. It is used raw: messages come in and go out, and no class of this
library is derived from one of its classes, so that the library can be imported without it.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from oob.errors import LinkError, LinkTimeout, UsageError
from oob.transport.bleak_failures import NO_SERVICE, OFF, USER_DENIED, Meaning

if TYPE_CHECKING:
    from dbus_fast import Message, Variant
    from dbus_fast.aio import MessageBus

CALL_TIMEOUT: Final = 10.0
"""Seconds that D-Bus and the Bluetooth service have for each answer."""
BLUEZ: Final = "org.bluez"
OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
OBJECTS: Final = "a{oa{sa{sv}}}"
"""The signature of what GetManagedObjects returns."""
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
DAEMON: Final = "org.freedesktop.DBus"

_BURST: Final = 16
"""Signals sent in a row before the bus must have read them all."""

T = TypeVar("T")

_ERROR: Final = "org.freedesktop.DBus.Error."
# What a reply that is an error means, by the head of its name: the first that fits.
_MEANINGS: Final = (
    (_ERROR + "ServiceUnknown", NO_SERVICE),
    (_ERROR + "NameHasNoOwner", NO_SERVICE),
    (_ERROR + "Spawn.", NO_SERVICE),
    ("org.freedesktop.systemd1.", NO_SERVICE),
    (_ERROR + "AccessDenied", USER_DENIED),
    (
        _ERROR + "Unknown",  # UnknownObject, UnknownMethod, UnknownInterface
        Meaning(
            "the Bluetooth adapter has gone, or BlueZ is too old",
            "Check: bluetoothctl list; BlueZ 5.48 is the oldest that will do",
        ),
    ),
    ("org.bluez.Error.NotReady", OFF),
    (
        "org.bluez.Error.NotPermitted",
        Meaning(
            "all places for advertisements of the Bluetooth adapter are taken",
            "Stop what else advertises (bluetoothctl advertise off), or run: systemctl restart bluetooth",
        ),
    ),
)
_TIMEOUTS: Final = (_ERROR + "NoReply", _ERROR + "TimedOut", _ERROR + "Timeout")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A method call, a signal or a reply: the unique name of its sender, and its body without variants."""

    sender: str
    path: str
    interface: str
    member: str
    signature: str
    body: list[Any]


Reply = tuple[str, list[Any]]
"""What answers a method call: a D-Bus signature and the values for it."""


class Refusal(Exception):
    """A method call is to be answered with this D-Bus error; or was, and then this is the cause of a LinkError.

    Never leaves this package by itself.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def require_dbus() -> None:
    """Raise UsageError where there is no BlueZ, or dbus_fast is not installed."""
    if sys.platform != "linux":
        raise UsageError(
            "a device over Bluetooth LE needs Linux", remedy="Run it on a Linux machine, such as a Raspberry Pi"
        )
    try:
        import dbus_fast.aio  # noqa: F401
    except ImportError:
        raise UsageError("a device over BlueZ needs dbus-fast", remedy="Run: pip install 'oob[ble]'") from None


def variant(signature: str, value: object) -> "Variant":
    """Return a D-Bus variant."""
    from dbus_fast import Variant

    return Variant(signature, value)


def error_named(name: str, text: str, step: str) -> LinkError:
    """Return the error of this library for the D-Bus error `name`, whose own words are `text`."""
    if name in _TIMEOUTS:
        return _silent(step)
    for head, told in _MEANINGS:
        if name.startswith(head):
            return told.error(told.cause, step=step, remedy=told.remedy)
    words = f"{name}: {text}" if text else name
    return LinkError(f"BlueZ refused ({words})", step=step, remedy="See what it says: journalctl -u bluetooth")


def _decline(_call: Incoming) -> Reply | None:
    return None


def _ignore(*_: object) -> None:
    pass


class Bus:
    """A connection to the system bus (or to the one in DBUS_SYSTEM_BUS_ADDRESS)."""

    def __init__(self, bus: "MessageBus", on_lost: Callable[[], None], timeout: float) -> None:
        self._bus = bus
        self._timeout = timeout
        self._unread = 0  # signals of which it is not known that the bus has read them
        self._watcher = asyncio.create_task(self._watch_end(on_lost))

    @classmethod
    async def open(
        cls,
        on_call: Callable[[Incoming], Reply | None] = _decline,
        on_signal: Callable[[Incoming], None] = _ignore,
        on_lost: Callable[[], None] = _ignore,
        *,
        timeout: float | None = None,
    ) -> "Bus":
        """Connect. `on_call` answers method calls, or returns None to leave one to dbus_fast. Raises LinkError.

        `on_lost` is called once, when the connection has ended for whatever reason. `timeout` is for this and for each
        call, in seconds; 10 by default.
        """
        timeout = CALL_TIMEOUT if timeout is None else timeout
        bus = await _connect(timeout)
        bus.add_message_handler(lambda message: _dispatch(message, on_call, on_signal))
        return cls(bus, on_lost, timeout)

    async def call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: object,
        destination: str = BLUEZ,
        autostart: bool = False,
        returns: str | None = None,
        step: str = "listen",
    ) -> Incoming:
        """Call a method and return the reply. Raises LinkTimeout, LinkError, of which an error reply is the cause.

        With `autostart` the bus may start who is called; a reply of another signature than `returns` is an error.
        """
        from dbus_fast import Message, MessageFlag, MessageType

        request = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
            flags=MessageFlag.NONE if autostart else MessageFlag.NO_AUTOSTART,
        )
        with self._connected(step):
            reply = await self._in_time(self._bus.call(request), step)
        if reply.message_type is MessageType.ERROR:
            refusal = Refusal(reply.error_name or "", str(reply.body[0]) if reply.body else "")
            raise error_named(refusal.name, str(refusal), step) from refusal
        if returns not in (None, reply.signature):
            cause = f"what calls itself {destination} answers {member} as no other does"
            raise LinkError(cause, step=step, remedy="Run: systemctl restart bluetooth")
        return _incoming(reply)

    async def emit(self, path: str, interface: str, member: str, signature: str, *body: object) -> None:
        """Send a signal. At most 16 are on their way to the bus. Raises LinkError.

        dbus_fast (5.2; github.com/altdesktop/python-dbus-next/issues/153) ends the connection where the socket is
        full for a moment, as some 300 signals make it. So now and then a call, which the bus answers in turn.
        """
        from dbus_fast import Message

        self._unread += 1
        if self._unread > _BURST:
            self._unread = 1
            await self.call("/org/freedesktop/DBus", DAEMON, "GetId", destination=DAEMON, step="link")
        with self._connected("link"):
            signal = Message.new_signal(path, interface, member, signature, list(body))
            await self._in_time(self._bus.send(signal), "link")

    async def watch(self, rule: str) -> None:
        """Ask for the signals that match `rule`. Raises LinkError."""
        await self.call("/org/freedesktop/DBus", DAEMON, "AddMatch", "s", rule, destination=DAEMON)

    async def close(self) -> None:
        """End the connection, with which BlueZ forgets all that was registered over it. May be called twice."""
        self._bus.disconnect()
        await self._watcher

    @contextmanager
    def _connected(self, step: str) -> Iterator[None]:
        """Give the end of the connection, before or inside the block, its name."""
        lost = LinkError("the connection to D-Bus was lost", step=step, remedy="Check that D-Bus runs, and try again")
        if not self._bus.connected:
            raise lost
        try:
            yield
        except (OSError, EOFError) as error:
            raise lost from error

    async def _in_time(self, answer: Awaitable[T], step: str) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            raise _silent(step) from None

    async def _watch_end(self, on_lost: Callable[[], None]) -> None:
        with suppress(Exception):  # why it ended makes no difference
            await self._bus.wait_for_disconnect()
        on_lost()


async def _connect(timeout: float) -> "MessageBus":
    from dbus_fast import BusType
    from dbus_fast.aio import MessageBus
    from dbus_fast.errors import AuthError, DBusError

    try:
        async with asyncio.timeout(timeout):
            return await MessageBus(bus_type=BusType.SYSTEM).connect()
    except AuthError as error:
        raise LinkError(f"{USER_DENIED.cause} ({error})", step="listen", remedy=USER_DENIED.remedy) from error
    except (OSError, EOFError, ValueError, DBusError) as error:  # ValueError: an address that is none
        raise LinkError(
            f"the D-Bus system bus cannot be reached ({_reason(error)})",
            step="listen",
            remedy="Start D-Bus (package dbus); in a container, hand in /run/dbus/system_bus_socket",
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def _dispatch(
    message: "Message", on_call: Callable[[Incoming], Reply | None], on_signal: Callable[[Incoming], None]
) -> "Message | bool":
    """Hand on what came in; return what is to be sent back, or whether that is settled."""
    from dbus_fast import Message, MessageFlag, MessageType

    if message.message_type is MessageType.SIGNAL:
        on_signal(_incoming(message))
        return False
    if message.message_type is not MessageType.METHOD_CALL:
        return False
    try:
        reply = on_call(_incoming(message))
    except Refusal as refusal:
        answer = Message.new_error(message, refusal.name, str(refusal))
    else:
        if reply is None:
            return False
        answer = Message.new_method_return(message, *reply)
    # A reply that nobody asked for is held up by the bus policy, with an AccessDenied in our own inbox.
    return bool(message.flags & MessageFlag.NO_REPLY_EXPECTED) or answer


def _incoming(message: "Message") -> Incoming:
    from dbus_fast.unpack import unpack_variants

    return Incoming(
        message.sender or "",
        message.path or "",
        message.interface or "",
        message.member or "",
        message.signature,
        unpack_variants(message.body),
    )


def _silent(step: str) -> LinkTimeout:
    return LinkTimeout(
        "the Bluetooth service did not answer",
        step=step,
        remedy="Try again; if it stays so: systemctl restart bluetooth",
    )
