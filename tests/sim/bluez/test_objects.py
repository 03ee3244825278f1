from xml.etree import ElementTree

import pytest
from dbus_fast import Variant

from oob.sim.bluez import SimulatedBluez
from tests.sim.bluez.bench import HCI0, caller

ADAPTER = "org.bluez.Adapter1"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"


async def test_properties_are_read_one_by_one_and_all(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as program:
        every = await program.call(HCI0, PROPERTIES, "GetAll", "s", (ADAPTER,))
        assert every == (await program.objects())[HCI0][ADAPTER]
        assert await program.call(HCI0, PROPERTIES, "Get", "ss", (ADAPTER, "Address")) == every["Address"]


async def test_objects_describe_themselves(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as program:
        root, adapter = [
            ElementTree.fromstring(await program.call(path, INTROSPECTABLE, "Introspect"))  # noqa: S314  our own
            for path in ("/", HCI0)
        ]
        assert [child.get("name") for child in root.iter("node")] == [None, "org"]
        shown = {
            method.get("name"): [argument.get("type") for argument in method]
            for method in adapter.findall(f"interface[@name='{ADAPTER}']/method")
        }
        assert shown["SetDiscoveryFilter"] == ["a{sv}"]
        access = {each.get("name"): each.get("access") for each in adapter.iter("property")}
        assert (access["Powered"], access["Address"]) == ("readwrite", "read")
        await program.call(HCI0, "org.freedesktop.DBus.Peer", "Ping")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (("/nowhere", ADAPTER, "StartDiscovery"), "UnknownObject"),
        (("/nowhere", PROPERTIES, "GetAll", "s", (ADAPTER,)), "UnknownObject"),
        ((HCI0, ADAPTER, "Explode"), "UnknownMethod"),
        ((HCI0, "org.bluez.Toaster1", "StartDiscovery"), "UnknownMethod"),
        ((HCI0, ADAPTER, "StartDiscovery", "s", ("surplus",)), "UnknownMethod"),
        ((HCI0, PROPERTIES, "GetAll", "s", ("org.bluez.Toaster1",)), "InvalidArgs"),
        ((HCI0, PROPERTIES, "Get", "ss", (ADAPTER, "Toast")), "InvalidArgs"),
        ((HCI0, PROPERTIES, "Set", "ssv", (ADAPTER, "Toast", Variant("b", True))), "InvalidArgs"),
        ((HCI0, PROPERTIES, "Set", "ssv", (ADAPTER, "Address", Variant("s", "x"))), "PropertyReadOnly"),
    ],
)
async def test_what_is_not_there(bluez: SimulatedBluez, call: tuple[str, str, str], name: str) -> None:
    async with caller(bluez.address) as program:
        assert (await program.error(*call))[0] == f"org.freedesktop.DBus.Error.{name}"


async def test_a_property_of_the_wrong_kind_is_refused(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as program:
        wrong = (ADAPTER, "Powered", Variant("s", "yes"))
        assert (await program.error(HCI0, PROPERTIES, "Set", "ssv", wrong))[0] == "InvalidArguments"
