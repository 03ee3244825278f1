"""Where programs register their advertisements: org.bluez.LEAdvertisingManager1."""

from collections.abc import Callable
from typing import Any, Final

from dbus_fast import Variant, unpack_variants

from oob.sim.bluez.advertised import LEGACY_LENGTH, payload
from oob.sim.bluez.errors import already_exists, does_not_exist, failed, not_permitted
from oob.sim.bluez.objects import PROPERTIES, Interface, Method, Values
from oob.sim.bluez.program import Program
from oob.sim.bluez.serving import Advertised, Serving

ADVERTISING_MANAGER: Final = "org.bluez.LEAdvertisingManager1"
ADVERTISEMENT: Final = "org.bluez.LEAdvertisement1"
INSTANCES: Final = 4
"""Advertisements that an adapter sends side by side."""


class AdvertisingManager:
    """The advertisements of one adapter. `around` tells its name, and whether it is powered and discoverable.

    `on_change` is called with properties that are others now.
    """

    def __init__(
        self, serving: Serving, around: Callable[[], tuple[str, bool, bool]], on_change: Callable[[Values], None]
    ) -> None:
        self._serving = serving
        self._around = around
        self._on_change = on_change
        self._registered: dict[tuple[str, str], tuple[Program, dict[str, Any]]] = {}

    def interface(self, program: Callable[[str], Program]) -> Interface:
        """Return the interface; `program` gives the program of a name."""
        longest = Variant("y", LEGACY_LENGTH)
        properties = {
            **self._instances(),
            "SupportedIncludes": Variant("as", ["local-name"]),
            "SupportedSecondaryChannels": Variant("as", []),
            "SupportedFeatures": Variant("as", []),
            "SupportedCapabilities": Variant("a{sv}", {"MaxAdvLen": longest, "MaxScnRspLen": longest}),
        }
        methods = {
            "RegisterAdvertisement": Method(
                lambda caller, path, _: self._register(program(caller), caller, path), "oa{sv}"
            ),
            "UnregisterAdvertisement": Method(self._unregister, "o"),
        }
        return Interface(ADVERTISING_MANAGER, properties, methods)

    async def forget_caller(self, caller: str) -> None:
        """A program is gone, and its advertisements with it."""
        for key in [key for key in self._registered if key[0] == caller]:
            await self._drop(key)

    async def on_properties(self, caller: str, path: str, interface: str, changed: dict[str, Variant]) -> None:
        """A program has changed properties of an object of its own: advertise the new ones."""
        if interface != ADVERTISEMENT or (caller, path) not in self._registered:
            return
        _, properties = self._registered[caller, path]
        properties.update(unpack_variants(changed))
        await self._serving.advertise((caller, path), self._parse(properties))

    def release(self) -> None:
        """The adapter goes: tell the programs that their advertisements are released."""
        for (_, path), (program, _) in self._registered.items():
            program.tell(path, ADVERTISEMENT, "Release")

    async def _register(self, program: Program, caller: str, path: str) -> None:
        """Read the advertisement, and send it (`register_advertisement` in src/advertising.c)."""
        key = (caller, path)
        if key in self._registered:
            raise already_exists()
        if len(self._registered) >= INSTANCES:
            raise not_permitted("Maximum advertisements reached")
        self._registered[key] = (program, {})
        try:
            properties = await program.ask(path, PROPERTIES, "GetAll", "s", [ADVERTISEMENT])
            advertised = self._parse(properties)
            if not self._around()[1]:
                raise failed("Failed to register advertisement")
        except BaseException:
            self._registered.pop(key, None)
            raise
        if key not in self._registered:
            return  # the program has gone meanwhile
        self._registered[key] = (program, properties)
        await self._serving.advertise(key, advertised)
        self._on_change(self._instances())

    def _parse(self, properties: dict[str, Any]) -> Advertised:
        name, _, discoverable = self._around()
        kind = properties.get("Type")
        if kind not in ("peripheral", "broadcast"):
            raise failed("Failed to parse advertisement.")
        try:
            made = payload(properties, name, discoverable=discoverable)
        except (ValueError, TypeError, AttributeError):  # of the wrong type, or too long
            raise failed("Failed to parse advertisement.") from None
        return Advertised(made, connectable=kind == "peripheral")

    async def _unregister(self, caller: str, path: str) -> None:
        if (caller, path) not in self._registered:
            raise does_not_exist()
        await self._drop((caller, path))

    async def _drop(self, key: tuple[str, str]) -> None:
        self._registered.pop(key)
        await self._serving.advertise(key, None)
        self._on_change(self._instances())

    def _instances(self) -> Values:
        active = len(self._registered)
        return {"ActiveInstances": Variant("y", active), "SupportedInstances": Variant("y", INSTANCES - active)}
