import asyncio
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError
from dbus_fast import Variant

from oob.sim.bluez import SimulatedBluez
from oob.sim.bluez.objects import Interface
from oob.transport.gatt_profile import COMPANY_ID, SERVICE_UUID
from tests.sim.bluez.bench import HCI0, HCI1, caller, found, heard, until
from tests.sim.bluez.peripheral import ADVERTISEMENT, ADVERTISING, peripheral


async def counts(program: Any) -> tuple[int, int]:
    """Return how many advertisements are active on hci0, and how many more there can be."""
    shown = (await program.objects())[HCI0][ADVERTISING]
    return shown["ActiveInstances"], shown["SupportedInstances"]


async def test_an_advertisement_is_heard_until_it_is_unregistered(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address, HCI1) as app:
        await heard(b"tag--1")
        await app.stop_advertising(HCI1)
        async with BleakScanner(service_uuids=[SERVICE_UUID], bluez={"adapter": "hci0"}) as scanner:
            await asyncio.sleep(0.1)
        assert scanner.discovered_devices == []
        unregister = ("UnregisterAdvertisement", "o", ("/ad",))
        assert (await app.error(HCI1, ADVERTISING, *unregister))[0] == "DoesNotExist"


async def test_changed_properties_are_advertised(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address, HCI1) as app:
        await heard(b"tag--1")
        changed = {COMPANY_ID: Variant("ay", b"tag--2")}
        app.tree.change("/ad", ADVERTISEMENT, {"ManufacturerData": Variant("a{qv}", changed)})
        await heard(b"tag--2")


async def test_only_so_many_side_by_side(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address, adapter=None) as app:
        for number in range(4):
            assert await counts(app) == (number, 4 - number)
            await app.advertise(path=f"/ad{number}")
        app.advertisement("/ad4")
        fifth: tuple[Any, ...] = ("RegisterAdvertisement", "oa{sv}", ("/ad4", {}))
        assert await app.error(HCI0, ADVERTISING, *fifth) == ("NotPermitted", "Maximum advertisements reached")
        again: tuple[Any, ...] = ("RegisterAdvertisement", "oa{sv}", ("/ad1", {}))
        assert (await app.error(HCI0, ADVERTISING, *again))[0] == "AlreadyExists"
        await app.stop_advertising(path="/ad2")
        assert await counts(app) == (3, 1)


async def test_an_advertisement_ends_with_its_program(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as witness:
        async with peripheral(bluez.address):
            assert await counts(witness) == (1, 3)
        ended = [ADVERTISING, {"ActiveInstances": 0, "SupportedInstances": 4}, []]
        await until(lambda: (HCI0, "PropertiesChanged", ended) in witness.signals)


@pytest.mark.parametrize(
    "properties",
    [
        {"Type": Variant("s", "shout")},
        {"ServiceUUIDs": Variant("as", [])},
        {"Type": Variant("s", "broadcast"), "Discoverable": Variant("b", True)},
        {"Type": Variant("s", "peripheral"), "ManufacturerData": Variant("s", "of the wrong type")},
    ],
)
async def test_what_cannot_be_advertised(bluez: SimulatedBluez, properties: dict[str, Variant]) -> None:
    async with peripheral(bluez.address, adapter=None) as app:
        app.tree.add("/ad", Interface(ADVERTISEMENT, properties))
        register: tuple[Any, ...] = ("RegisterAdvertisement", "oa{sv}", ("/ad", {}))
        assert await app.error(HCI0, ADVERTISING, *register) == ("Failed", "Failed to parse advertisement.")
        assert await counts(app) == (0, 4)


async def test_nobody_connects_to_a_broadcast(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address, adapter=None) as app:
        await app.register()
        await app.advertise(kind="broadcast")
        device = await found(adapter="hci1")
        with pytest.raises((BleakError, TimeoutError)):
            await BleakClient(device, timeout=0.2).connect()
        await app.stop_advertising()
        await app.advertise(path="/connectable")
        async with BleakClient(await found(adapter="hci1"), timeout=5):
            pass


async def test_a_program_is_told_when_the_adapter_goes(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address) as app:
        await bluez.unplug(0)
        await until(lambda: app.calls == ["Release"])


async def test_without_power_nothing_is_advertised(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address, adapter=None) as app:
        await bluez.power(0, False)
        app.advertisement()
        register: tuple[Any, ...] = ("RegisterAdvertisement", "oa{sv}", ("/ad", {}))
        refused = await app.error(HCI0, ADVERTISING, *register)
        assert refused == ("Failed", "Failed to register advertisement")
