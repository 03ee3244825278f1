import asyncio

import pytest
from bleak import BleakClient

from oob.sim import bleak_backend
from oob.sim.bluez import SimulatedBluez
from oob.sim.radio import VirtualRadio
from oob.transport.gatt_profile import SERVICE_UUID
from tests.sim.bluez.bench import found, until
from tests.sim.bluez.peripheral import INFO_UUID, peripheral


async def test_advertising_goes_on_while_centrals_are_connected(bluez: SimulatedBluez, radio: VirtualRadio) -> None:
    async with peripheral(bluez.address) as app:
        address = (await found(adapter="hci1")).address
        clients = [BleakClient(address, backend=radio.client_backend, timeout=5) for _ in range(3)]
        await asyncio.gather(*(client.connect() for client in clients))
        for client in clients:
            await client.write_gatt_char(INFO_UUID, b"me, too", response=True)
        assert len({options["device"] for _, options in app.written}) == 3
        for client in clients:
            await client.disconnect()
        async with BleakClient(await found(adapter="hci1")):
            pass


async def test_each_central_has_its_own_mtu(
    bluez: SimulatedBluez, radio: VirtualRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with peripheral(bluez.address) as app:
        address = (await found(adapter="hci1")).address
        for mtu in (23, 185, 517):
            monkeypatch.setattr(bleak_backend, "CENTRAL_MTU", mtu)
            async with BleakClient(address, backend=radio.client_backend, timeout=5) as client:
                await client.write_gatt_char(INFO_UUID, b"x", response=True)
        assert [options["mtu"] for _, options in app.written] == [23, 185, 517]


async def test_services_and_advertisements_outlast_a_time_without_power(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address) as app:
        client = BleakClient(await found(adapter="hci1"))
        await client.connect()
        await bluez.power(0, False)
        await until(lambda: not client.is_connected)
        await bluez.power(0, True)
        async with BleakClient(await found(adapter="hci1")) as client:
            assert SERVICE_UUID in [service.uuid for service in client.services]
            await client.write_gatt_char(INFO_UUID, b"x", response=True)
        assert len(app.written) == 1


async def test_after_a_restart_the_application_must_register_anew(bluez: SimulatedBluez) -> None:
    async with peripheral(bluez.address) as app:
        await bluez.restart()
        await app.register()
        await app.advertise(path="/ad2")
        async with BleakClient(await found(adapter="hci1")) as client:
            await client.write_gatt_char(INFO_UUID, b"x", response=True)
        assert len(app.written) == 1
