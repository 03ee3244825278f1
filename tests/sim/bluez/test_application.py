"""A peripheral application on hci0, reached over the simulated radio by genuine bleak on hci1; and BlueZ's traps."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bleak import BleakClient
from bleak.exc import BleakGATTProtocolError

from oob.sim.bluez import Settings, SimulatedBluez, simulated_bluez
from oob.sim.bluez.errors import BluezError
from oob.sim.radio import VirtualRadio
from oob.transport.gatt_profile import RX_UUID, TX_UUID
from tests.sim.bluez.bench import HCI0, caller, found, until
from tests.sim.bluez.peripheral import INFO_UUID, Peripheral, peripheral

DEVICE = "org.bluez.Device1"


@pytest.fixture
async def app(bluez: SimulatedBluez) -> AsyncIterator[Peripheral]:
    async with peripheral(bluez.address) as app:
        yield app


def clients(radio: VirtualRadio, address: str) -> list[BleakClient]:
    """Return two phones, each a central of its own."""
    return [BleakClient(address, backend=radio.client_backend, timeout=5) for _ in range(2)]


async def subscribed(client: BleakClient) -> list[bytes]:
    """Subscribe, and return what will have been heard."""
    heard: list[bytes] = []
    await client.start_notify(TX_UUID, lambda _, value: heard.append(bytes(value)))
    return heard


async def test_bleak_on_one_adapter_talks_to_an_application_on_the_other(
    bluez: SimulatedBluez, app: Peripheral
) -> None:
    async with BleakClient(await found(adapter="hci1"), timeout=5) as client:
        heard = await subscribed(client)
        for number in range(50):
            await client.write_gatt_char(RX_UUID, bytes([number]), response=number % 10 == 0)
        await until(lambda: len(app.written) == 50)
        assert [value for value, _ in app.written] == [bytes([number]) for number in range(50)]
        for number in range(50):
            app.notify(bytes([number]))
        await until(lambda: len(heard) == 50)
        assert heard == [bytes([number]) for number in range(50)]


async def test_an_operation_comes_with_its_device_link_and_mtu(bluez: SimulatedBluez, app: Peripheral) -> None:
    async with BleakClient(await found(adapter="hci1")) as client:
        await client.write_gatt_char(INFO_UUID, b"hello", response=True)
    ((value, options),) = app.written
    device = options.pop("device")
    assert (value, options) == (b"hello", {"link": "LE", "mtu": 517})
    assert device.startswith(f"{HCI0}/dev_E0_")


async def test_the_central_is_a_device_that_is_connected_until_it_drops(bluez: SimulatedBluez, app: Peripheral) -> None:
    async with BleakClient(await found(adapter="hci1")) as client:
        await client.write_gatt_char(INFO_UUID, b"x", response=True)
        path = app.written[0][1]["device"]
        assert (await app.objects())[path][DEVICE]["Connected"] is True
    async with asyncio.timeout(5):
        while (await app.objects())[path][DEVICE]["Connected"]:
            pass


async def test_the_peripheral_can_hang_up(bluez: SimulatedBluez, app: Peripheral) -> None:
    async with BleakClient(await found(adapter="hci1")) as client:
        await client.write_gatt_char(INFO_UUID, b"x", response=True)
        await app.call(app.written[0][1]["device"], DEVICE, "Disconnect")
        await until(lambda: not client.is_connected)


async def test_what_was_notified_before_the_peripheral_hangs_up_still_arrives(
    bluez: SimulatedBluez, app: Peripheral
) -> None:
    async with BleakClient(await found(adapter="hci1")) as client:
        heard = await subscribed(client)
        await client.write_gatt_char(INFO_UUID, b"x", response=True)
        for number in range(20):
            app.notify(bytes([number]) * 500)
        await app.call(app.written[0][1]["device"], DEVICE, "Disconnect")
        await until(lambda: not client.is_connected)
        assert len(heard) == 20


async def test_reading_goes_to_the_application_and_so_do_descriptors(bluez: SimulatedBluez, app: Peripheral) -> None:
    async with BleakClient(await found(adapter="hci1")) as client:
        assert await client.read_gatt_char(INFO_UUID) == b"about me"
        info = client.services.get_characteristic(INFO_UUID)
        assert info is not None
        (description,) = info.descriptors
        assert await client.read_gatt_descriptor(description) == b"about me"
        await client.write_gatt_descriptor(description, b"written")
        assert app.written[0][0] == b"written"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BluezError("Failed", "0x8f"), 0x8F),
        (BluezError("NotSupported", ""), 0x06),
        (BluezError("NotPermitted", ""), 0x03),
    ],
)
async def test_an_error_of_the_application_reaches_the_central(
    bluez: SimulatedBluez, app: Peripheral, error: BluezError, code: int
) -> None:
    app.fails = error
    async with BleakClient(await found(adapter="hci1")) as client:
        with pytest.raises(BleakGATTProtocolError) as caught:
            await client.write_gatt_char(INFO_UUID, b"x", response=True)
        assert caught.value.code == code


async def test_a_long_write_arrives_in_one_piece(bluez: SimulatedBluez, app: Peripheral) -> None:
    async with BleakClient(await found(adapter="hci1")) as client:
        await client.write_gatt_char(INFO_UUID, bytes(range(256)) * 2, response=True)
    assert app.written[0][0] == bytes(range(256)) * 2


# --- the traps, each by its name --------------------------------------------------------------------------------------


async def test_trap_a_notification_goes_to_all_who_have_subscribed(
    radio: VirtualRadio, bluez: SimulatedBluez, app: Peripheral
) -> None:
    first, second = clients(radio, await _address(bluez))
    async with first, second:
        one, two = await subscribed(first), await subscribed(second)
        app.notify(b"for one of you")
        await until(lambda: bool(one and two))
        assert one == two == [b"for one of you"]


async def test_trap_start_notify_for_each_subscriber_stop_notify_for_the_last_alone(
    radio: VirtualRadio, bluez: SimulatedBluez, app: Peripheral
) -> None:
    first, second = clients(radio, await _address(bluez))
    async with first, second:
        await subscribed(first)
        await subscribed(second)
        await until(lambda: app.calls == ["StartNotify", "StartNotify"])
        await first.stop_notify(TX_UUID)
        await second.write_gatt_char(INFO_UUID, b"after it", response=True)
        assert app.calls == ["StartNotify", "StartNotify"]
        await second.stop_notify(TX_UUID)
        await until(lambda: app.calls == ["StartNotify", "StartNotify", "StopNotify"])


async def test_trap_a_central_that_drops_unsubscribes(
    radio: VirtualRadio, bluez: SimulatedBluez, app: Peripheral
) -> None:
    first, second = clients(radio, await _address(bluez))
    async with first:
        async with second:
            await subscribed(first)
            await subscribed(second)
        await first.write_gatt_char(INFO_UUID, b"after it", response=True)
        assert app.calls == ["StartNotify", "StartNotify"], "one is left"
    await until(lambda: app.calls == ["StartNotify", "StartNotify", "StopNotify"])


async def test_trap_a_remembered_central_that_drops_stays_subscribed(
    radio: VirtualRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No StopNotify when it drops, notifications before it subscribes, and no second StartNotify when it does."""
    settings = Settings(remembers_subscriptions=True)
    async with simulated_bluez(radio, adapters=2, settings=settings) as bluez, peripheral(bluez.address) as app:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        async with BleakClient(await found(adapter="hci1")) as client:
            await subscribed(client)
        async with BleakClient(await found(adapter="hci1")) as client:
            heard = await subscribed(client)
            app.notify(b"again")
            await until(lambda: heard == [b"again"])
            assert app.calls == ["StartNotify"]
            await client.stop_notify(TX_UUID)
            await until(lambda: app.calls == ["StartNotify", "StopNotify"])


async def test_trap_a_write_request_is_answered_before_the_application_has_it(
    bluez: SimulatedBluez, app: Peripheral
) -> None:
    """Where the characteristic takes commands, too: so an error of the application is lost."""
    app.fails = BluezError("Failed", "0x80")
    async with BleakClient(await found(adapter="hci1")) as client:
        await client.write_gatt_char(RX_UUID, b"lost", response=True)
        assert app.written == []


async def test_trap_bluez_does_not_say_whether_it_was_a_request(bluez: SimulatedBluez, app: Peripheral) -> None:
    async with BleakClient(await found(adapter="hci1")) as client:
        await client.write_gatt_char(RX_UUID, b"request", response=True)
        await client.write_gatt_char(RX_UUID, b"command", response=False)
        await until(lambda: len(app.written) == 2)
        assert ["type" in options for _, options in app.written] == [False, False]


async def _address(bluez: SimulatedBluez) -> str:
    """Return the address of hci0."""
    async with caller(bluez.address) as program:
        address = (await program.objects())[HCI0]["org.bluez.Adapter1"]["Address"]
        assert isinstance(address, str)
        return address
