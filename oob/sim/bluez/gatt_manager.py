"""Where programs register their services: org.bluez.GattManager1."""

from collections.abc import Callable
from typing import Final

from bumble.device import Connection
from dbus_fast import Variant

from oob.sim.bluez.application import Application, Surroundings
from oob.sim.bluez.errors import BluezError, already_exists, does_not_exist, failed
from oob.sim.bluez.objects import OBJECT_MANAGER, Interface, Method
from oob.sim.bluez.program import Program
from oob.sim.bluez.remote_gatt import CHARACTERISTIC
from oob.sim.bluez.serving import Serving
from oob.sim.uuids import text_of

GATT_MANAGER: Final = "org.bluez.GattManager1"


class GattManager:
    """The applications of one adapter. `around` gives each what it needs; `on_change` says that others are there."""

    def __init__(
        self, serving: Serving, around: Callable[[Program], Surroundings], on_change: Callable[[], None]
    ) -> None:
        self._serving = serving
        self._around = around
        self._on_change = on_change
        self._applications: dict[tuple[str, str], Application | None] = {}  # None: being registered

    @property
    def uuids(self) -> list[str]:
        """The services of all applications."""
        return [text_of(service.uuid) for each in self._ready() for service in each.services]

    def interface(self, program: Callable[[str], Program]) -> Interface:
        """Return the interface; `program` gives the program of a name."""
        methods = {
            "RegisterApplication": Method(
                lambda caller, path, _: self._register(program(caller), caller, path), "oa{sv}"
            ),
            "UnregisterApplication": Method(self._unregister, "o"),
        }
        return Interface(GATT_MANAGER, {}, methods)

    def forget_caller(self, caller: str) -> None:
        """A program is gone, and its applications with it."""
        for key in [key for key in self._applications if key[0] == caller]:
            self._drop(key)

    async def on_properties(self, caller: str, path: str, interface: str, changed: dict[str, Variant]) -> None:
        """A program has changed properties of an object of its own."""
        if interface != CHARACTERISTIC or "Value" not in changed:
            return
        for (owner, _), application in list(self._applications.items()):
            if owner == caller and application is not None:
                await application.on_value(path, bytes(changed["Value"].value))

    def on_disconnect(self, connection: Connection) -> None:
        """A central is gone."""
        for application in self._ready():
            application.on_disconnect(connection)

    async def _register(self, program: Program, caller: str, path: str) -> None:
        """Read the application's objects, and serve them (`manager_register_app` in src/gatt-database.c)."""
        key = (caller, path)
        if key in self._applications:
            raise already_exists()
        self._applications[key] = None
        try:
            self._applications[key] = application = await self._read(program, path)
        finally:
            if self._applications.get(key) is None:
                self._applications.pop(key, None)
        for service in application.services:
            self._serving.add(service)
        self._on_change()

    async def _read(self, program: Program, path: str) -> Application:
        try:
            objects = await program.ask(path, OBJECT_MANAGER, "GetManagedObjects")
        except BluezError:
            objects = {}
        if not objects:
            raise failed("No object received")
        return Application(objects, self._around(program))

    async def _unregister(self, caller: str, path: str) -> None:
        if (caller, path) not in self._applications:
            raise does_not_exist()
        self._drop((caller, path))

    def _drop(self, key: tuple[str, str]) -> None:
        application = self._applications.pop(key)
        if application is not None:
            for service in application.services:
                self._serving.remove(service)
            self._on_change()

    def _ready(self) -> list[Application]:
        return [application for application in self._applications.values() if application is not None]
