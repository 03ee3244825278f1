"""Genuine bleak, with its BlueZ backend, connects to simulated devices."""

import asyncio

import pytest
from bleak import BleakClient
from bleak.exc import BleakDBusError, BleakError

from oob.framing.gatt import MessageType
from oob.sim.bluez import Settings, SimulatedBluez, link, simulated_bluez
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.transport.ble_central import connect
from oob.transport.ble_scanner import find
from oob.transport.gatt_profile import RX_UUID, SERVICE_UUID, TX_UUID
from tests.sim.bluez.bench import HCI0, caller, connected, found, until
from tests.sim.echoing import echo

DEVICE = "org.bluez.Device1"


async def test_this_librarys_client_finds_and_talks(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    sighting = await find(lambda found: found.tag == b"tagtag", 5)
    assert sighting.address == device.address
    async with await connect(sighting.handle, timeout=5) as opened:
        for message in (b"x", bytes(range(256)) * 8):
            await opened.send(MessageType.HANDSHAKE, message)
            assert await opened.receive(5) == (MessageType.HANDSHAKE, message[::-1])


@pytest.mark.parametrize("mtu", [23, 185, 247, 517])
async def test_the_mtu_is_agreed_on_and_seen(bluez: SimulatedBluez, radio: VirtualRadio, mtu: int) -> None:
    device = await radio.peripheral(mtu=mtu)
    async with connected(device) as client:
        rx = client.services.get_characteristic(RX_UUID)
        assert rx is not None
        assert rx.max_write_without_response_size == mtu - 3


async def test_services_are_resolved_when_connect_returns(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    async with caller(bluez.address) as program, connected(device) as client:
        tx = client.services.get_characteristic(TX_UUID)
        assert tx is not None
        assert tx.properties == ["notify"]
        assert [descriptor.uuid[4:8] for descriptor in tx.descriptors] == ["2902"]
        assert {service.uuid[:8] for service in client.services} == {SERVICE_UUID[:8], "00001801"}
        objects = await program.objects()
        (shown,) = (interfaces[DEVICE] for interfaces in objects.values() if DEVICE in interfaces)
        assert shown["Connected"] is shown["ServicesResolved"] is True
        assert {SERVICE_UUID, "00001800-0000-1000-8000-00805f9b34fb"} <= set(shown["UUIDs"])


async def test_only_the_services_asked_for(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    async with BleakClient(await found(), services=[SERVICE_UUID]) as client:
        assert [service.uuid for service in client.services] == [SERVICE_UUID]


async def test_the_client_ends_the_connection(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    ends: list[BleakClient] = []
    client = BleakClient(await found(), ends.append)
    for _ in range(3):
        await client.connect()
        assert client.is_connected
        await client.disconnect()
        assert not client.is_connected
    assert ends == [client] * 3


async def test_the_device_ends_the_connection(
    bluez: SimulatedBluez, radio: VirtualRadio, device: SimulatedPeripheral
) -> None:
    ended = asyncio.Event()
    stacks = len(radio._devices)
    client = BleakClient(await found(), lambda _: ended.set())
    await client.connect()
    await device.drop()
    await asyncio.wait_for(ended.wait(), 5)
    assert not client.is_connected
    await client.connect()
    await client.disconnect()
    assert len(radio._devices) == stacks


async def test_a_device_that_goes_out_of_range_is_lost(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    ended = asyncio.Event()
    client = BleakClient(await found(), lambda _: ended.set())
    await client.connect()
    await device.leave()
    await asyncio.wait_for(ended.wait(), 5)
    with pytest.raises((BleakError, TimeoutError)):
        await BleakClient(client.address, timeout=0.2).connect()
    await device.come_back()
    async with connected(device):
        pass


async def test_two_clients_of_one_adapter_share_the_connection(
    bluez: SimulatedBluez, device: SimulatedPeripheral
) -> None:
    handle = await found()
    async with BleakClient(handle) as first, BleakClient(handle) as second:
        heard: list[bytes] = []
        await first.start_notify(TX_UUID, lambda _, value: heard.append(bytes(value)))
        await second.start_notify(TX_UUID, lambda _, value: heard.append(bytes(value)))
        await first.disconnect()
        await until(lambda: not second.is_connected)


async def test_two_devices_at_once(bluez: SimulatedBluez, radio: VirtualRadio, device: SimulatedPeripheral) -> None:
    other = await radio.peripheral(tag=b"other!")
    server = asyncio.create_task(echo(other))
    async with (
        await connect(await found(device.address)) as first,
        await connect(await found(other.address)) as second,
    ):
        for opened in (first, second, first):
            await opened.send(MessageType.HANDSHAKE, b"abc")
            assert await opened.receive(5) == (MessageType.HANDSHAKE, b"cba")
    await other.close()
    await server


async def test_bleak_tries_again_when_bluez_aborts_a_connection(
    bluez: SimulatedBluez, device: SimulatedPeripheral
) -> None:
    bluez.fail_connects(2)
    async with connected(device) as client:
        assert client.is_connected


async def test_a_connect_that_fails_says_why(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    handle = await found()
    bluez.fail_connects(1, "le-connection-refused")
    with pytest.raises(BleakDBusError, match="le-connection-refused"):
        await BleakClient(handle).connect()
    async with BleakClient(handle):
        pass


async def test_disconnect_ends_a_connect_that_takes_long(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    path = (await found()).details["path"]
    await device.leave()
    async with caller(bluez.address) as program:
        connecting = asyncio.create_task(program.error(path, DEVICE, "Connect"))
        await asyncio.sleep(0)  # it is on its way: the bus keeps the order
        assert (await program.error(path, DEVICE, "Connect"))[0] == "InProgress"
        await program.call(path, DEVICE, "Disconnect")
        assert await connecting == ("Failed", "br-connection-canceled")
        await program.call(path, DEVICE, "Disconnect")
        await device.come_back()
        await program.call(path, DEVICE, "Connect")
        await program.call(path, DEVICE, "Connect")


async def test_a_connection_that_is_lost_while_services_are_resolved(
    bluez: SimulatedBluez, device: SimulatedPeripheral, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(_: object) -> list[object]:
        await device.drop()
        await asyncio.Event().wait()
        return []

    path = (await found()).details["path"]
    async with caller(bluez.address) as program:
        with monkeypatch.context() as broken:
            broken.setattr(link, "_discover", interrupted)
            assert await program.error(path, DEVICE, "Connect") == ("Failed", "br-connection-canceled")
        assert (await program.objects())[path][DEVICE]["Connected"] is False
        await program.call(path, DEVICE, "Connect")


async def test_a_connect_takes_only_so_long(radio: VirtualRadio, monkeypatch: pytest.MonkeyPatch) -> None:
    device = await radio.peripheral()
    async with simulated_bluez(radio, settings=Settings(connect_timeout=0.05)) as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        path = (await found()).details["path"]
        await device.leave()
        async with caller(bluez.address) as program:
            assert await program.error(path, DEVICE, "Connect") == ("Failed", "le-connection-abort-by-local")


async def test_silent_devices_are_removed_unless_they_were_connected_to(
    radio: VirtualRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, silent = await radio.peripheral(), await radio.peripheral()
    async with (
        simulated_bluez(radio, settings=Settings(temporary_timeout=0.1)) as bluez,
        caller(bluez.address) as program,
    ):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        first = (await found(kept.address)).details["path"]
        await program.call(first, DEVICE, "Connect")
        await program.call(first, DEVICE, "Disconnect")
        await kept.leave()
        second = (await found(silent.address)).details["path"]
        await until(lambda: (second, [DEVICE]) in [tuple(b) for _, m, b in program.signals if m == "InterfacesRemoved"])
        assert first in await program.objects()
        await program.call(HCI0, "org.bluez.Adapter1", "RemoveDevice", "o", (first,))
        assert [path for path in await program.objects() if "dev_" in path] == []


async def test_pairing_is_refused(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    async with connected(device) as client:
        with pytest.raises(BleakDBusError, match="AuthenticationFailed"):
            await client.pair()
