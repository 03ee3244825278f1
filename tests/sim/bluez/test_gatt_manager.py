from typing import Any

import pytest
from bleak import BleakClient
from bleak.exc import BleakGATTProtocolError
from bumble.att import ATT_INVALID_HANDLE_ERROR
from dbus_fast import Variant

from oob.sim.bluez import SimulatedBluez
from oob.sim.bluez.objects import Interface
from oob.transport.gatt_profile import RX_UUID, SERVICE_UUID
from tests.sim.bluez.bench import HCI0, HCI1, caller, found, until
from tests.sim.bluez.peripheral import CHARACTERISTIC, GATT, INFO_UUID, RX, peripheral

ADAPTER = "org.bluez.Adapter1"


async def test_an_application_is_registered_once(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address, adapter=None) as app:
        await app.register()
        assert (await app.objects())[HCI0][ADAPTER]["UUIDs"] == [SERVICE_UUID]
        again: tuple[Any, ...] = ("RegisterApplication", "oa{sv}", ("/", {}))
        assert await app.error(HCI0, GATT, *again) == ("AlreadyExists", "Already Exists")
        await app.register(HCI1)
        await app.unregister()
        assert (await app.objects())[HCI0][ADAPTER]["UUIDs"] == []
        assert await app.error(HCI0, GATT, "UnregisterApplication", "o", ("/",)) == ("DoesNotExist", "Does Not Exist")
        await app.register()


async def test_what_is_no_application(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as program:
        register: tuple[Any, ...] = ("RegisterApplication", "oa{sv}", ("/", {}))
        assert await program.error(HCI0, GATT, *register) == ("Failed", "No object received")


async def test_an_application_without_a_service(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address, adapter=None) as app:
        app.tree.remove("/service")
        app.advertisement()
        register: tuple[Any, ...] = ("RegisterApplication", "oa{sv}", ("/", {}))
        assert await app.error(HCI0, GATT, *register) == ("Failed", "No valid service object found")


@pytest.mark.parametrize(
    "properties",
    [
        {"Service": Variant("o", "/service"), "Flags": Variant("as", ["read"])},
        {"UUID": Variant("s", RX_UUID), "Service": Variant("o", "/service"), "Flags": Variant("as", ["fly"])},
        {"UUID": Variant("s", "no uuid"), "Service": Variant("o", "/service"), "Flags": Variant("as", [])},
    ],
    ids=["no UUID", "no flag", "bad UUID"],
)
async def test_a_characteristic_that_is_none(bluez: SimulatedBluez, properties: dict[str, Variant]) -> None:
    async with peripheral(bluez.address, adapter=None) as app:
        app.tree.add(RX, Interface(CHARACTERISTIC, properties))
        register: tuple[Any, ...] = ("RegisterApplication", "oa{sv}", ("/", {}))
        assert await app.error(HCI0, GATT, *register) == ("Failed", "No valid service object found")


async def test_an_application_ends_with_its_program(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as witness:
        async with peripheral(bluez.address):
            pass
        gone = (HCI0, "PropertiesChanged", [ADAPTER, {"UUIDs": []}, []])
        await until(lambda: gone in witness.signals)


async def test_the_handles_of_what_stays_are_the_same(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address) as first, peripheral(bluez.address, adapter=None) as second:
        await second.register()
        async with BleakClient(await found(adapter="hci1")) as client:
            await first.unregister()
            handles = sorted(each.handle for each in client.services.characteristics.values() if each.uuid == INFO_UUID)
            await client.write_gatt_char(handles[1], b"still there", response=True)
            assert second.written[0][0] == b"still there"
            with pytest.raises(BleakGATTProtocolError) as caught:
                await client.write_gatt_char(handles[0], b"not there", response=True)
            assert int(caught.value.code) == ATT_INVALID_HANDLE_ERROR
        async with BleakClient(await found(adapter="hci1")) as client:
            assert [service.uuid for service in client.services].count(SERVICE_UUID) == 1
