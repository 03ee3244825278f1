"""GATT by genuine bleak, and what the objects answer to others."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bleak import BleakClient
from bleak.exc import BleakDBusError, BleakGATTProtocolError
from bumble.att import ATT_Error
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from dbus_fast import Variant

from oob.sim.bluez import SimulatedBluez
from oob.sim.bumble_peripheral import advertising_payload
from oob.sim.radio import VirtualRadio
from oob.transport.gatt_profile import SERVICE_UUID
from tests.sim.bluez.bench import caller, found, until

CHARACTERISTIC = "org.bluez.GattCharacteristic1"
DESCRIPTOR = "org.bluez.GattDescriptor1"
TEXT, PLAIN, BROKEN = (f"3f34000{number}-935c-4f53-b007-23fccaf0e150" for number in (1, 2, 3))


class Thing:
    """A device of another make: one characteristic that can all, a plain one, and one that fails."""

    def __init__(self, stack: Device) -> None:
        self.stack = stack
        self.written: list[bytes] = []
        self.subscriptions: list[bool] = []
        properties = Characteristic.Properties
        permissions = Characteristic.Permissions.READABLE | Characteristic.Permissions.WRITEABLE
        self.text: Characteristic[bytes] = Characteristic(
            TEXT,
            properties.READ | properties.WRITE | properties.WRITE_WITHOUT_RESPONSE | properties.NOTIFY,
            permissions,
            CharacteristicValue(read=lambda _: b"hello " * 50, write=self._write),
        )
        self.text.on(Characteristic.EVENT_SUBSCRIPTION, lambda _, notify, __: self.subscriptions.append(notify))
        plain: Characteristic[bytes] = Characteristic(
            PLAIN, properties.WRITE_WITHOUT_RESPONSE, permissions, CharacteristicValue(write=self._write)
        )
        broken: Characteristic[bytes] = Characteristic(
            BROKEN,
            properties.READ | properties.WRITE,
            permissions,
            CharacteristicValue(self._fail, self._fail_to_write),
        )
        stack.add_service(Service(SERVICE_UUID, [self.text, plain, broken]))

    def _write(self, _: Connection, value: bytes) -> None:
        self.written.append(bytes(value))

    def _fail(self, *_: object) -> bytes:
        raise ATT_Error(0x80)

    def _fail_to_write(self, *_: object) -> None:
        raise ATT_Error(0x80)

    async def notify(self, value: bytes) -> None:
        for connection in self.stack.connections.values():
            await self.stack.notify_subscriber(connection, self.text, value)


@pytest.fixture
async def thing(radio: VirtualRadio) -> AsyncIterator[Thing]:
    stack = await radio.stack(radio.fresh_address())
    thing = Thing(stack)
    await stack.start_advertising(
        advertising_data=advertising_payload(b""), advertising_interval_min=20.0, advertising_interval_max=20.0
    )
    yield thing
    await stack.stop_advertising()


@pytest.fixture
async def client(bluez: SimulatedBluez, thing: Thing) -> AsyncIterator[BleakClient]:
    async with BleakClient(await found()) as client:
        yield client


def path_of(client: BleakClient, uuid: str) -> str:
    found = client.services.get_characteristic(uuid)
    assert found is not None
    path = found.obj[0]
    assert isinstance(path, str)
    return path


async def test_reading_a_long_value(client: BleakClient) -> None:
    assert await client.read_gatt_char(TEXT) == b"hello " * 50


async def test_writing_by_request_by_command_and_long(client: BleakClient, thing: Thing) -> None:
    await client.write_gatt_char(TEXT, b"request", response=True)
    await client.write_gatt_char(TEXT, b"command", response=False)
    await client.write_gatt_char(PLAIN, b"plain", response=False)
    await client.write_gatt_char(TEXT, bytes(512), response=True)
    await until(lambda: len(thing.written) == 4)
    assert thing.written == [b"request", b"command", b"plain", bytes(512)]


async def test_a_hundred_commands_keep_their_order(client: BleakClient, thing: Thing) -> None:
    for number in range(100):
        await client.write_gatt_char(PLAIN, bytes([number]), response=False)
    await until(lambda: len(thing.written) == 100)
    assert thing.written == [bytes([number]) for number in range(100)]


async def test_a_command_longer_than_the_mtu_is_refused(client: BleakClient) -> None:
    with pytest.raises(BleakDBusError, match="Failed to initiate write"):
        await client.write_gatt_char(TEXT, bytes(515), response=False)


async def test_errors_of_the_device_arrive_as_what_they_are(client: BleakClient) -> None:
    with pytest.raises(BleakGATTProtocolError) as caught:
        await client.write_gatt_char(BROKEN, b"x", response=True)
    assert caught.value.code == 0x80
    with pytest.raises(BleakGATTProtocolError) as caught:
        await client.read_gatt_char(BROKEN)
    assert caught.value.code == 0x80


async def test_notifications_until_stopped(client: BleakClient, thing: Thing) -> None:
    heard: list[bytes] = []
    await client.start_notify(TEXT, lambda _, value: heard.append(bytes(value)))
    for value in (b"1", b"1", b"2"):
        await thing.notify(value)
    await until(lambda: len(heard) == 3)
    assert heard == [b"1", b"1", b"2"]
    await client.stop_notify(TEXT)
    assert thing.subscriptions == [True, False]


async def test_programs_share_one_subscription(bluez: SimulatedBluez, client: BleakClient, thing: Thing) -> None:
    path = path_of(client, TEXT)
    async with caller(bluez.address) as second:
        async with caller(bluez.address) as first:
            for program in (first, second, first):
                await program.call(path, CHARACTERISTIC, "StartNotify")
        await thing.notify(b"heard")
        await until(lambda: (path, "PropertiesChanged", [CHARACTERISTIC, {"Value": b"heard"}, []]) in second.signals)
        assert thing.subscriptions == [True]
        await second.call(path, CHARACTERISTIC, "StopNotify")
        await until(lambda: thing.subscriptions == [True, False])
        assert await second.error(path, CHARACTERISTIC, "StopNotify") == ("Failed", "No notify session started")


async def test_the_subscription_of_a_program_that_vanishes_ends(
    bluez: SimulatedBluez, client: BleakClient, thing: Thing
) -> None:
    async with caller(bluez.address) as program:
        await program.call(path_of(client, TEXT), CHARACTERISTIC, "StartNotify")
    await until(lambda: thing.subscriptions == [True, False])


async def test_what_a_characteristic_cannot_do(bluez: SimulatedBluez, client: BleakClient) -> None:
    async with caller(bluez.address) as program:
        plain = path_of(client, PLAIN)
        assert (await program.error(plain, CHARACTERISTIC, "StartNotify"))[0] == "NotSupported"
        for member in ("AcquireWrite", "AcquireNotify"):
            assert (await program.error(plain, CHARACTERISTIC, member, "a{sv}", ({},)))[0] == "NotSupported"
        reliable = (b"x", {"type": Variant("s", "reliable")})
        assert (await program.error(plain, CHARACTERISTIC, "WriteValue", "aya{sv}", reliable))[0] == "NotSupported"
        await program.call(plain, CHARACTERISTIC, "WriteValue", "aya{sv}", (b"by what it can", {}))


async def test_subscriptions_are_not_written_by_hand(bluez: SimulatedBluez, client: BleakClient) -> None:
    text = client.services.get_characteristic(TEXT)
    assert text is not None
    (descriptor,) = text.descriptors
    assert await client.read_gatt_descriptor(descriptor) == b"\0\0"
    async with caller(bluez.address) as program:
        write: tuple[str, tuple[object, ...]] = ("aya{sv}", (b"\1\0", {}))
        refused = await program.error(descriptor.obj[0], DESCRIPTOR, "WriteValue", *write)
        assert refused == ("NotPermitted", "Write not permitted")


async def test_without_a_connection_the_objects_refuse(
    bluez: SimulatedBluez, client: BleakClient, thing: Thing
) -> None:
    path = path_of(client, TEXT)
    await client.disconnect()
    async with caller(bluez.address) as program:
        for member in ("ReadValue", "StartNotify"):
            arguments: tuple[str, tuple[object, ...]] = ("a{sv}", ({},)) if member == "ReadValue" else ("", ())
            assert await program.error(path, CHARACTERISTIC, member, *arguments) == ("Failed", "Not connected")


async def test_a_connection_that_is_lost_ends_what_is_under_way(
    bluez: SimulatedBluez, client: BleakClient, thing: Thing, radio: VirtualRadio
) -> None:
    path = path_of(client, TEXT)
    await radio.set_range(thing.stack, False)
    async with caller(bluez.address) as program:
        read: tuple[str, tuple[object, ...]] = ("a{sv}", ({},))
        assert await program.error(path, CHARACTERISTIC, "ReadValue", *read) == ("Failed", "Not connected")
    await asyncio.sleep(0)
