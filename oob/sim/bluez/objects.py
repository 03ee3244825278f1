"""A tree of D-Bus objects: properties, methods, and the signals of `org.freedesktop.DBus.ObjectManager`.

Each method runs in a task of its own, as the stand-in must go on answering while a device is being connected.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from xml.sax.saxutils import quoteattr

from dbus_fast import Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.signature import SignatureTree

from oob.sim.bluez.errors import BluezError

OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_DBUS_ERROR: Final = "org.freedesktop.DBus.Error."

T = TypeVar("T")
Values = dict[str, Variant]


@dataclass(frozen=True, slots=True)
class Method:
    """A method: D-Bus signatures of what it takes and gives, and the function, called with the caller's name first."""

    call: Callable[..., Awaitable[Any]]
    takes: str = ""
    gives: str = ""


@dataclass(slots=True)
class Interface:
    """An interface of an object. Change the properties of one that is exported by `ObjectTree.change` alone."""

    name: str
    properties: Values = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    writable: Mapping[str, Callable[[Any], Awaitable[None]]] = field(default_factory=dict)


class ObjectTree:
    """The objects that a service shows on a bus. Its handler belongs on the bus before the service takes its name."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self._objects: dict[str, dict[str, Interface]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    def __contains__(self, path: str) -> bool:
        return path in self._objects

    def add(self, path: str, *interfaces: Interface) -> None:
        """Export an object."""
        self._objects[path] = {interface.name: interface for interface in interfaces}
        shown = {interface.name: dict(interface.properties) for interface in interfaces}
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, shown])

    def remove(self, path: str) -> None:
        """Withdraw an object and all below it, the innermost first."""
        inside = [each for each in self._objects if each == path or each.startswith(path + "/")]
        for each in sorted(inside, reverse=True):
            names = list(self._objects.pop(each))
            self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [each, names])

    def change(self, path: str, interface: str, values: Values, gone: tuple[str, ...] = ()) -> None:
        """Set properties, take the `gone` ones away, and tell everybody, also where a value is as it was."""
        properties = self._objects[path][interface].properties
        properties.update(values)
        invalidated = [name for name in gone if properties.pop(name, None) is not None]
        if values or invalidated:
            self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, values, invalidated])

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the background, until `close`."""
        task = asyncio.create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return task

    async def close(self) -> None:
        """End every call that is still being answered; the caller hears nothing more."""
        while self._calls:
            for call in self._calls:
                call.cancel()
            await asyncio.wait(self._calls)

    def handle(self, message: Message) -> bool:
        """Take a method call. A message handler of the bus."""
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        self.spawn(self._answer(message))
        return True

    async def _answer(self, message: Message) -> None:
        try:
            method = self._find(message)
            result = await method.call(message.sender, *message.body)
        except BluezError as error:
            reply = Message.new_error(message, error.name, error.text)
        else:
            body = [] if not method.gives else [result]
            reply = Message.new_method_return(message, method.gives, body)
        if MessageFlag.NO_REPLY_EXPECTED not in message.flags and self.bus.connected:
            await self.bus.send(reply)

    def _find(self, message: Message) -> Method:
        interface, member = message.interface or "", message.member or ""
        found: Mapping[str, Method] | None = self._standard(message.path or "").get(interface)
        if found is None:
            if message.path not in self._objects:
                raise BluezError(_DBUS_ERROR + "UnknownObject", f"no object at {message.path}")
            owned = self._objects[message.path].get(interface)
            found = owned.methods if owned is not None else {}
        method = found.get(member)
        if method is None or method.takes != message.signature:
            raise BluezError(
                _DBUS_ERROR + "UnknownMethod",
                f'Method "{member}" with signature "{message.signature}" on interface "{interface}" doesn\'t exist',
            )
        return method

    def _standard(self, path: str) -> dict[str, dict[str, Method]]:
        """Return what every object has, and the root besides."""
        everywhere = {
            "org.freedesktop.DBus.Peer": {"Ping": Method(_nothing)},
            "org.freedesktop.DBus.Introspectable": {
                "Introspect": Method(lambda _: _soon(self._introspection(path)), gives="s")
            },
        }
        if path == "/":
            listing = Method(lambda _: _soon(self._listing()), gives="a{oa{sa{sv}}}")
            return everywhere | {OBJECT_MANAGER: {"GetManagedObjects": listing}}
        if path not in self._objects:
            return everywhere if any(each.startswith(path + "/") for each in self._objects) else {}
        properties = {
            "Get": Method(lambda _, interface, name: self._get(path, interface, name), "ss", "v"),
            "GetAll": Method(lambda _, interface: self._get_all(path, interface), "s", "a{sv}"),
            "Set": Method(lambda _, interface, name, value: self._set(path, interface, name, value), "ssv"),
        }
        return everywhere | {PROPERTIES: properties}

    def _listing(self) -> dict[str, dict[str, Values]]:
        return {
            path: {name: interface.properties for name, interface in interfaces.items()}
            for path, interfaces in self._objects.items()
        }

    async def _get(self, path: str, interface: str, name: str) -> Variant:
        value = (await self._get_all(path, interface)).get(name)
        if value is None:
            raise BluezError(_DBUS_ERROR + "InvalidArgs", f"No such property '{name}'")
        return value

    async def _get_all(self, path: str, interface: str) -> Values:
        return self._interface(path, interface).properties

    async def _set(self, path: str, interface: str, name: str, value: Variant) -> None:
        owned = self._interface(path, interface)
        if name not in owned.properties:
            raise BluezError(_DBUS_ERROR + "InvalidArgs", f"No such property '{name}'")
        if name not in owned.writable:
            raise BluezError(_DBUS_ERROR + "PropertyReadOnly", f"Property '{name}' is not writable")
        if value.signature != owned.properties[name].signature:
            raise BluezError("InvalidArguments", "Invalid arguments in method call")
        await owned.writable[name](value.value)

    def _interface(self, path: str, name: str) -> Interface:
        try:
            return self._objects[path][name]
        except KeyError:
            raise BluezError(_DBUS_ERROR + "InvalidArgs", f"No such interface '{name}'") from None

    def _introspection(self, path: str) -> str:
        """Return the description of an object: interfaces, methods, properties, children."""
        lines = [line for interface in self._objects.get(path, {}).values() for line in _described(interface)]
        base = path.rstrip("/") + "/"
        children = {each.removeprefix(base).split("/")[0] for each in self._objects if each.startswith(base)}
        lines += [f"<node name={quoteattr(child)}/>" for child in sorted(children)]
        return "<node>" + "".join(lines) + "</node>"

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        if self.bus.connected:
            self.bus.send(Message.new_signal(path, interface, member, signature, body))


def _described(interface: Interface) -> list[str]:
    methods = [
        f"<method name={quoteattr(name)}>{_arguments(method.takes, 'in')}{_arguments(method.gives, 'out')}</method>"
        for name, method in interface.methods.items()
    ]
    properties = [
        f"<property name={quoteattr(name)} type={quoteattr(value.signature)} "
        f'access="{"readwrite" if name in interface.writable else "read"}"/>'
        for name, value in interface.properties.items()
    ]
    return [f"<interface name={quoteattr(interface.name)}>", *methods, *properties, "</interface>"]


def _arguments(signature: str, direction: str) -> str:
    kinds = (kind.signature for kind in SignatureTree(signature).types)
    return "".join(f'<arg type={quoteattr(kind)} direction="{direction}"/>' for kind in kinds)


async def _soon(value: T) -> T:
    return value


async def _nothing(_caller: str) -> None:
    pass
