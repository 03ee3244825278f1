"""What can happen to bluetoothd and its adapters, as programs see it."""

import asyncio
import os
import signal

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from dbus_fast import Message
from dbus_fast.aio import MessageBus

from oob.errors import LinkError
from oob.sim.bluez import SimulatedBluez, simulated_bluez
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.transport.ble_scanner import find
from oob.transport.gatt_profile import RX_UUID
from tests.sim.bluez.bench import HCI0, HCI1, WAIT, caller, connected, found, until

ADAPTER = "org.bluez.Adapter1"
DAEMON = "org.freedesktop.DBus"


async def test_a_killed_bluetoothd_says_nothing_and_is_gone(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    async with caller(bluez.address) as program:
        client = BleakClient(await found())
        await client.connect()
        program.signals.clear()
        await bluez.kill()
        await bluez.kill()
        with pytest.raises(BleakDBusError, match="ServiceUnknown"):
            await client.write_gatt_char(RX_UUID, b"x", response=True)
        assert (await program.error("/", "org.freedesktop.DBus.Peer", "Ping"))[0].endswith("ServiceUnknown")
        assert [signal for signal in program.signals if signal[1] != "NameOwnerChanged"] == []
        await bluez.start()
        with pytest.raises(BleakError):
            await client.disconnect()


async def test_a_message_bus_that_went_away_is_no_error_at_the_end(radio: VirtualRadio) -> None:
    async with simulated_bluez(radio) as bluez:
        bus = await MessageBus(bluez.address).connect()
        ask = Message(DAEMON, "/", DAEMON, "GetConnectionUnixProcessID", signature="s", body=[DAEMON])
        os.kill((await bus.call(ask)).body[0], signal.SIGTERM)
        with pytest.raises(EOFError):
            await asyncio.wait_for(bus.wait_for_disconnect(), WAIT)
        bus.disconnect()


async def test_after_a_restart_the_adapters_are_back_and_the_devices_forgotten(
    bluez: SimulatedBluez, device: SimulatedPeripheral
) -> None:
    async with caller(bluez.address) as program:
        before = await program.objects()
        handle = await found()
        assert handle.details["path"] in await program.objects()
        await bluez.restart()
        assert await program.objects() == before
        async with connected(device):
            pass


async def test_a_restart_cuts_the_connections(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    client = BleakClient(await found())
    await client.connect()
    await bluez.restart()
    with pytest.raises(BleakDBusError, match="UnknownObject"):
        await client.write_gatt_char(RX_UUID, b"x", response=True)
    with pytest.raises(BleakError):
        await client.disconnect()
    async with connected(device):
        pass


async def test_an_adapter_is_unplugged_and_put_in_again(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    async with caller(bluez.address) as program:
        before = (await program.objects())[HCI0]
        ended = asyncio.Event()
        client = BleakClient(await found(), lambda _: ended.set())
        await client.connect()
        await bluez.unplug(0)
        await asyncio.wait_for(ended.wait(), 5)
        assert [path for path in await program.objects() if path.startswith(HCI0)] == []
        assert any(member == "InterfacesRemoved" and body[0] == HCI0 for _, member, body in program.signals)
        async with connected(device, "hci1"):
            pass
        await bluez.plug(0)
        assert (await program.objects())[HCI0] == before
        async with connected(device, "hci0"):
            pass
        await bluez.unplug(1)
        await bluez.restart()
        await bluez.unplug(0)
        await bluez.unplug(0)
        assert list(await program.objects()) == ["/org/bluez"]


async def test_without_an_adapter_bleak_says_so(bluez: SimulatedBluez) -> None:
    await bluez.unplug(0)
    await bluez.unplug(1)
    with pytest.raises(BleakBluetoothNotAvailableError):
        await BleakScanner().start()


async def test_power_off_ends_all_and_is_refused_until_power_on(
    bluez: SimulatedBluez, device: SimulatedPeripheral
) -> None:
    async with caller(bluez.address) as program:
        handle = await found()
        client = BleakClient(handle)
        await client.connect()
        await program.call(HCI0, ADAPTER, "StartDiscovery")
        await bluez.power(0, False)
        await until(lambda: not client.is_connected)
        adapter = (await program.objects())[HCI0][ADAPTER]
        assert adapter["Powered"] is adapter["Discovering"] is False
        for member in ("StartDiscovery", "StopDiscovery"):
            assert await program.error(HCI0, ADAPTER, member) == ("NotReady", "Resource Not Ready")
        with pytest.raises(BleakDBusError, match="NotReady"):
            await BleakClient(handle).connect()
        await bluez.power(0, True)
        async with BleakClient(handle):
            pass


async def test_nobody_may_call_where_the_policy_denies_it(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    await bluez.deny()
    async with caller(bluez.address) as program:
        assert (await program.error(HCI0, ADAPTER, "StartDiscovery"))[0] == f"{DAEMON}.Error.AccessDenied"
        with pytest.raises(LinkError, match="AccessDenied"):
            await find(lambda _: True, 1)
        await bluez.allow()
        await find(lambda _: True, 5)


async def test_adapters_keep_apart_what_they_see(bluez: SimulatedBluez, device: SimulatedPeripheral) -> None:
    first, second = await found(adapter="hci0"), await found(adapter="hci1")
    assert first.details["path"].startswith(HCI0)
    assert second.details["path"].startswith(HCI1)
    assert first.address == second.address


async def test_agents_may_register(bluez: SimulatedBluez) -> None:
    async with caller(bluez.address) as program:
        manager = ("/org/bluez", "org.bluez.AgentManager1")
        await program.call(*manager, "RegisterAgent", "os", ("/agent", "NoInputNoOutput"))
        await program.call(*manager, "RequestDefaultAgent", "o", ("/agent",))
        await program.call(*manager, "UnregisterAgent", "o", ("/agent",))
