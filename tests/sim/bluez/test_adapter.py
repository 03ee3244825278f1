"""Scanning by genuine bleak, and what the adapter answers to others."""

import asyncio

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from dbus_fast import Variant

from oob.sim.bluez import SimulatedBluez
from oob.sim.radio import SimulatedPeripheral
from oob.transport.ble_scanner import scan
from oob.transport.gatt_profile import COMPANY_ID, SERVICE_UUID
from tests.sim.bluez.bench import HCI0, caller, found, heard, until
from tests.sim.bluez.peripheral import peripheral

ADAPTER = "org.bluez.Adapter1"
PROPERTIES = "org.freedesktop.DBus.Properties"


async def test_what_is_advertised_is_reported(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    seen: dict[str, AdvertisementData] = {}

    def on_advertisement(device: BLEDevice, data: AdvertisementData) -> None:
        seen[device.address] = data

    async with BleakScanner(on_advertisement, [SERVICE_UUID]):
        await until(lambda: device.address in seen)
    data = seen[device.address]
    assert data.manufacturer_data == {COMPANY_ID: b"tagtag"}
    assert data.service_uuids == [SERVICE_UUID]
    assert data.rssi < 0
    assert data.local_name is None


async def test_each_scan_reports_the_same_device_anew(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    for _ in range(3):
        assert (await found()).address == device.address


async def test_a_new_tag_of_the_same_device_is_reported(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    tags = []
    async for sighting in scan(0.3):
        tags.append(sighting.tag)
        await device.advertise(b"tag--2")
    assert tags == [b"tagtag", b"tag--2"]


async def test_the_filter_of_the_scan_is_that_of_the_adapter(
    bluez: SimulatedBluez, device: SimulatedPeripheral
) -> None:
    async with caller(bluez.address) as program:
        other = "0000180d-0000-1000-8000-00805f9b34fb"
        async with BleakScanner(service_uuids=[other]):
            await asyncio.sleep(0.05)
            assert [path for path in await program.objects() if "dev_" in path] == []
        await found()
        assert [path for path in await program.objects() if "dev_" in path] != []


async def test_an_adapter_does_not_hear_itself(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address, HCI0):
        await heard(b"tag--1", "hci1")
        async with BleakScanner(service_uuids=[SERVICE_UUID], bluez={"adapter": "hci0"}) as scanner:
            await asyncio.sleep(0.1)
        assert scanner.discovered_devices == []


async def test_one_discovery_for_each_client(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as first, caller(bluez.address) as second:
        assert await first.error(HCI0, ADAPTER, "StopDiscovery") == ("Failed", "No discovery started")
        await first.call(HCI0, ADAPTER, "StartDiscovery")
        assert (await first.error(HCI0, ADAPTER, "StartDiscovery"))[0] == "InProgress"
        await second.call(HCI0, ADAPTER, "StartDiscovery")
        await first.call(HCI0, ADAPTER, "StopDiscovery")
        assert (await second.objects())[HCI0][ADAPTER]["Discovering"] is True
        await second.call(HCI0, ADAPTER, "StopDiscovery")
        assert (await second.objects())[HCI0][ADAPTER]["Discovering"] is False


async def test_a_client_that_vanishes_stops_its_discovery(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as witness:
        async with caller(bluez.address) as program:
            await program.call(HCI0, ADAPTER, "SetDiscoveryFilter", "a{sv}", ({},))
            await program.call(HCI0, ADAPTER, "StartDiscovery")
        stopped = (HCI0, "PropertiesChanged", [ADAPTER, {"Discovering": False}, []])
        await until(lambda: stopped in witness.signals)


async def test_without_a_filter_only_discoverable_devices_count(
    bluez: SimulatedBluez, device: SimulatedPeripheral
) -> None:
    async with caller(bluez.address) as program:
        await program.call(HCI0, ADAPTER, "StartDiscovery")
        await until(lambda: any(member == "InterfacesAdded" for _, member, _ in program.signals))
        filters = await program.call(HCI0, ADAPTER, "GetDiscoveryFilters")
        assert {"UUIDs", "RSSI", "Transport", "DuplicateData"} <= set(filters)


async def test_the_signal_strength_is_not_known_after_the_scan(
    bluez: SimulatedBluez, device: SimulatedPeripheral
) -> None:
    async with caller(bluez.address) as program:
        path = (await found()).details["path"]
        assert "RSSI" not in (await program.objects())[path]["org.bluez.Device1"]
        assert (path, "PropertiesChanged", ["org.bluez.Device1", {}, ["RSSI"]]) in program.signals


async def test_settings_are_kept(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as program:
        for name, value in (("Alias", Variant("s", "mine")), ("Discoverable", Variant("b", True))):
            await program.call(HCI0, PROPERTIES, "Set", "ssv", (ADAPTER, name, value))
            assert await program.call(HCI0, PROPERTIES, "Get", "ss", (ADAPTER, name)) == value.value
        off = (ADAPTER, "Powered", Variant("b", False))
        await program.call(HCI0, PROPERTIES, "Set", "ssv", off)
        assert (await program.objects())[HCI0][ADAPTER]["Powered"] is False


async def test_only_known_devices_can_be_removed(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    async with caller(bluez.address) as program:
        unknown = (f"{HCI0}/dev_00_00_00_00_00_00",)
        assert (await program.error(HCI0, ADAPTER, "RemoveDevice", "o", unknown))[0] == "DoesNotExist"
        path = (await found()).details["path"]
        await program.call(path, "org.bluez.Device1", "Connect")
        await program.call(HCI0, ADAPTER, "RemoveDevice", "o", (path,))
        assert [each for each in await program.objects() if each.startswith(path)] == []
