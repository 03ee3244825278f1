"""A device on a scripted stand-in for BlueZ: who counts as a client, what is on the air, and what it outlives."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dbus_fast import Message, Variant

from oob.errors import LinkError, LinkTimeout, UsageError
from oob.framing.gatt import MessageType, fragment, identify, resume
from oob.progress import Progress
from oob.transport import bluez_bus
from oob.transport.bluez_adapter import ADAPTER, ADVERTISING_MANAGER, GATT_MANAGER
from oob.transport.bluez_application import RX, SERVICE, TX
from oob.transport.bluez_bus import OBJECT_MANAGER, PROPERTIES
from oob.transport.bluez_peripheral import BlueZStack, bluez_listener
from oob.transport.bluez_session import Session
from oob.transport.gatt_profile import COMPANY_ID, RX_UUID, SERVICE_UUID, TX_UUID
from oob.transport.link import Timing
from oob.transport.peripheral import Peripheral
from tests.transport.bluez_stand_in import DEVICE, HCI0, HEADSET, PATIENCE, PHONE, TABLET, StandIn, adapter, stand_in
from tests.transport.dbus_daemon import activatable, dbus_daemon

HELLO = fragment(MessageType.HANDSHAKE, 0, b"hello", 20)[0]
MTU = Variant("q", 185)
OFF = {"Connected": Variant("b", False)}
FOR_EVER = 3600.0
"""What comes back within a test is noticed; nobody waits for the next try."""


class Notes(Peripheral):
    """A Peripheral that writes down what the stack tells it, and does nothing."""

    def __init__(self, stack: BlueZStack) -> None:
        super().__init__(stack)
        self.events: list[tuple[object, ...]] = []
        self.told = asyncio.Event()

    def note(self, *event: object) -> None:
        self.events.append(event)
        self.told.set()

    def on_connect(self, peer: object, carrier: str = "") -> None:
        self.note("connect", peer)

    def on_subscribe(self, peer: object, enabled: bool) -> None:
        self.note("subscribe", peer, enabled)

    def on_write(self, peer: object, value: bytes, longest: int) -> None:
        self.note("write", peer, value, longest)

    def on_disconnect(self, peer: object) -> None:
        self.note("disconnect", peer)

    async def until(self, *event: object) -> None:
        async with asyncio.timeout(PATIENCE):
            while event not in self.events:
                self.told.clear()
                await self.told.wait()


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a private bus, which stands for the system bus."""
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address


@pytest.fixture
async def bluez(address: str) -> AsyncIterator[StandIn]:
    async with stand_in(address) as bluez:
        yield bluez


@asynccontextmanager
async def running(stack: BlueZStack | None = None) -> AsyncIterator[Notes]:
    notes = Notes(stack or BlueZStack(retry=FOR_EVER))
    await notes.start()
    try:
        yield notes
    finally:
        await notes.close()


@pytest.fixture
async def notes(bluez: StandIn) -> AsyncIterator[Notes]:
    async with running() as notes:
        yield notes


# --- what is registered ---


async def test_the_service_has_two_characteristics(notes: Notes, bluez: StandIn) -> None:
    assert bluez.services[SERVICE]["org.bluez.GattService1"] == {"UUID": SERVICE_UUID, "Primary": True}
    found = {
        path: (each["UUID"], each["Service"], each["Flags"])
        for path, interfaces in bluez.services.items()
        for interface, each in interfaces.items()
        if interface == "org.bluez.GattCharacteristic1"
    }
    assert found == {
        RX: (RX_UUID, SERVICE, ["write", "write-without-response"]),
        TX: (TX_UUID, SERVICE, ["notify"]),
    }


async def test_nothing_is_on_the_air_until_told(notes: Notes, bluez: StandIn) -> None:
    assert bluez.on_air == {}
    await notes.advertise(b"")
    [seen] = bluez.on_air.values()
    assert seen == {"Type": "peripheral", "ServiceUUIDs": [SERVICE_UUID], "Discoverable": True}
    await notes.advertise(b"tagtag")
    [seen] = bluez.on_air.values()
    assert seen["ManufacturerData"] == {COMPANY_ID: b"tagtag"}
    await notes.advertise(None)
    assert bluez.on_air == {}
    await notes.advertise(None)
    assert len([line for line in bluez.log if line.startswith("Unregister")]) == 2


async def test_a_new_tag_leaves_no_gap_where_there_is_room(notes: Notes, bluez: StandIn) -> None:
    await notes.advertise(b"tag--1")
    await notes.advertise(b"tag--1")
    await notes.advertise(b"tag--2")
    assert bluez.log[2:] == [
        "RegisterAdvertisement /oob/advertisement1",
        "RegisterAdvertisement /oob/advertisement2",
        "UnregisterAdvertisement /oob/advertisement1",
    ]


async def test_a_new_tag_takes_the_only_place(notes: Notes, bluez: StandIn) -> None:
    bluez.places = 1
    await notes.advertise(b"tag--1")
    await notes.advertise(b"tag--2")
    assert bluez.log[2:] == [
        "RegisterAdvertisement /oob/advertisement1",
        "UnregisterAdvertisement /oob/advertisement1",
        "RegisterAdvertisement /oob/advertisement2",
    ]


async def test_a_new_tag_that_is_refused_beside_the_old_one_takes_its_place(notes: Notes, bluez: StandIn) -> None:
    bluez.lies_about_places = True
    await notes.advertise(b"tag--1")
    await notes.advertise(b"tag--2")
    assert [seen["ManufacturerData"] for seen in bluez.on_air.values()] == [{COMPANY_ID: b"tag--2"}]


async def test_a_tag_does_not_stay_because_the_next_one_is_refused(notes: Notes, bluez: StandIn) -> None:
    await notes.advertise(b"tag--1")
    bluez.refuse["RegisterAdvertisement"] = ("org.bluez.Error.Failed", "Failed to register advertisement")
    with pytest.raises(LinkError, match="Failed to register advertisement"):
        await notes.advertise(b"tag--2")
    assert bluez.on_air == {}


async def test_a_tag_of_another_length_changes_nothing(notes: Notes, bluez: StandIn) -> None:
    await notes.advertise(b"tagtag")
    with pytest.raises(UsageError, match="6 bytes"):
        await notes.advertise(b"tag")
    assert list(bluez.on_air) == ["/oob/advertisement1"]


async def test_an_advertisement_that_is_refused_says_why_and_may_be_tried_again(notes: Notes, bluez: StandIn) -> None:
    bluez.refuse["RegisterAdvertisement"] = ("org.bluez.Error.NotPermitted", "Maximum advertisements reached")
    with pytest.raises(LinkError, match="advertise: all places .* are taken") as caught:
        await notes.advertise(b"tagtag")
    assert "bluetoothctl advertise off" in caught.value.remedy
    bluez.refuse["RegisterAdvertisement"] = ("org.bluez.Error.Failed", "Failed to register advertisement")
    with pytest.raises(LinkError, match="Failed to register advertisement"):
        await notes.advertise(b"tagtag")
    bluez.refuse.clear()
    await notes.advertise(b"tagtag")
    assert len(bluez.on_air) == 1


async def test_closing_takes_everything_back(bluez: StandIn) -> None:
    async with running() as notes:
        await notes.advertise(b"tagtag")
        await bluez.write(PHONE, HELLO, mtu=MTU)
        assert len(bluez.on_air) == 1
    await bluez.until("app gone")
    assert bluez.log[-3:] == ["UnregisterAdvertisement /oob/advertisement1", f"Disconnect {PHONE}", "app gone"]
    await notes.close()
    await notes.start()
    await notes.advertise(b"")
    assert len(bluez.on_air) == 1
    await notes.close()


# --- who is a client ---


async def test_a_client_is_known_by_its_first_write(notes: Notes, bluez: StandIn) -> None:
    for device in (HEADSET, PHONE):
        await bluez.connected(device, True)
    assert await bluez.write(PHONE, HELLO, mtu=MTU) == ""
    await bluez.connected(HEADSET, False)
    await bluez.connected(PHONE, False)
    assert notes.events == [
        ("connect", PHONE),
        ("subscribe", PHONE, False),
        ("write", PHONE, HELLO, 182),
        ("disconnect", PHONE),
    ]


async def test_a_write_may_come_before_the_connection(notes: Notes, bluez: StandIn) -> None:
    await bluez.write(PHONE, HELLO, mtu=MTU)
    await bluez.connected(PHONE, True)
    await bluez.write(PHONE, HELLO, mtu=MTU)
    assert [event[0] for event in notes.events] == ["connect", "subscribe", "write", "write"]


async def test_a_device_that_is_removed_has_disconnected(notes: Notes, bluez: StandIn) -> None:
    await bluez.write(PHONE, HELLO, mtu=MTU)
    await bluez.emit("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", PHONE, ["org.bluez.Device1"])
    assert notes.events[-1] == ("disconnect", PHONE)


async def test_the_subscription_is_that_of_the_characteristic(notes: Notes, bluez: StandIn) -> None:
    await bluez.write(PHONE, HELLO, mtu=MTU)
    await bluez.notifying(True)
    await bluez.connected(PHONE, False)
    await bluez.write(PHONE, HELLO, mtu=MTU)  # comes again, subscribes again: no second StartNotify
    await bluez.write(TABLET, HELLO, mtu=MTU)
    await bluez.notifying(False)
    assert [event for event in notes.events if event[0] == "subscribe"][:4] == [
        ("subscribe", PHONE, False),
        ("subscribe", PHONE, True),
        ("subscribe", PHONE, True),
        ("subscribe", TABLET, True),
    ]
    assert {event[1] for event in notes.events[-2:] if event[2] is False} == {PHONE, TABLET}


@pytest.mark.parametrize(
    ("options", "length", "mtu"),
    [({"mtu": Variant("q", 517)}, 100, 517), ({}, 20, 23), ({}, 182, 185), ({"mtu": Variant("q", 0)}, 20, 23)],
    ids=["told", "BlueZ before 5.51", "BlueZ before 5.51, larger", "nonsense"],
)
async def test_the_mtu_is_that_of_the_client(
    notes: Notes, bluez: StandIn, options: dict[str, Variant], length: int, mtu: int
) -> None:
    assert await bluez.write(PHONE, bytes(length), **options) == ""
    assert notes.events[-1] == ("write", PHONE, bytes(length), mtu - 3)


async def test_a_write_that_wants_no_reply_gets_none(notes: Notes, bluez: StandIn) -> None:
    replies: list[object] = []
    bluez.bus.add_message_handler(lambda message: replies.append(message.message_type.name))
    await bluez.write_unanswered(PHONE, HELLO)
    await bluez.settle()
    assert notes.events[-1] == ("write", PHONE, HELLO, 514)
    assert replies == ["METHOD_RETURN"]  # of the Ping in `settle`


async def test_only_bluez_is_obeyed(notes: Notes, bluez: StandIn, address: str) -> None:
    await notes.advertise(b"")
    async with stand_in_stranger(address, bluez) as stranger:
        assert await stranger.write(PHONE, HELLO, mtu=MTU) == "org.freedesktop.DBus.Error.AccessDenied"
        await bluez.write(PHONE, HELLO, mtu=MTU)
        whom = (await stranger.call("/", "org.freedesktop.DBus.Peer", "Ping")).sender
        gone = Message.new_signal(PHONE, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, OFF, []])
        gone.destination = whom
        await stranger.bus.send(gone)
        await stranger.settle()
    assert [event[0] for event in notes.events] == ["connect", "subscribe", "write"]


@asynccontextmanager
async def stand_in_stranger(address: str, bluez: StandIn) -> AsyncIterator[StandIn]:
    """Some other program on the bus, which knows whom to call."""
    from dbus_fast.aio import MessageBus

    bus = await MessageBus(bus_address=address).connect()
    yield StandIn(bus, bluez.daemon, {}, app=bluez.app)
    bus.disconnect()
    await bus.wait_for_disconnect()


# --- what is sent ---


async def test_notifications_go_out_in_order_at_the_pace_of_the_bus(notes: Notes, bluez: StandIn) -> None:
    async def send() -> None:
        for i in range(1000):
            await notes.stack.notify(PHONE, i.to_bytes(2) * 200)

    await bluez.write(PHONE, HELLO, mtu=MTU)
    os.kill(bluez.daemon, signal.SIGSTOP)
    sending = asyncio.create_task(send())
    for _ in range(10):
        await asyncio.sleep(0)
    os.kill(bluez.daemon, signal.SIGCONT)
    await sending
    assert [(await bluez.value())[:2] for _ in range(1000)] == [i.to_bytes(2) for i in range(1000)]


async def test_nothing_is_sent_to_who_is_gone(notes: Notes, bluez: StandIn) -> None:
    await bluez.write(PHONE, HELLO, mtu=MTU)
    await bluez.connected(PHONE, False)
    for peer in (PHONE, HEADSET):
        with pytest.raises(LinkError, match="connection lost"):
            await notes.stack.notify(peer, b"x")


async def test_only_clients_are_disconnected(notes: Notes, bluez: StandIn) -> None:
    await bluez.write(PHONE, HELLO, mtu=MTU)
    for peer in (HEADSET, PHONE, PHONE):
        await notes.stack.disconnect(peer)
    assert [line for line in bluez.log if "Disconnect" in line] == [f"Disconnect {PHONE}"]


async def test_a_last_word_of_who_is_being_disconnected_does_not_count(notes: Notes, bluez: StandIn) -> None:
    await bluez.write(PHONE, HELLO, mtu=MTU)
    bluez.silent.add("Disconnect")
    leaving = asyncio.create_task(notes.stack.disconnect(PHONE))
    await asyncio.sleep(0)
    await bluez.write(PHONE, b"straggler", mtu=MTU)
    assert notes.events[-1] == ("write", PHONE, HELLO, 182)
    await bluez.connected(PHONE, False)
    await bluez.write(PHONE, HELLO, mtu=MTU)  # connected anew
    met = [("connect", PHONE), ("subscribe", PHONE, False), ("write", PHONE, HELLO, 182)]
    assert notes.events == [*met, ("disconnect", PHONE), *met]
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    bluez.silent.clear()


async def test_disconnecting_who_is_gone_is_no_error(notes: Notes, bluez: StandIn) -> None:
    await bluez.write(PHONE, HELLO, mtu=MTU)
    bluez.refuse["Disconnect"] = ("org.bluez.Error.NotConnected", "Not Connected")
    await notes.stack.disconnect(PHONE)


# --- what it outlives ---


class Tries:
    """The sessions that were begun, or could not be: whether each might have started BlueZ."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bool] = asyncio.Queue()
        self._begin = Session.begin

    async def begin(self, session: Session, autostart: bool) -> None:
        try:
            await self._begin(session, autostart=autostart)
        finally:
            self._queue.put_nowait(autostart)

    async def next(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            return await self._queue.get()


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Tries:
    tries = Tries()
    monkeypatch.setattr(Session, "begin", lambda session, *, autostart: tries.begin(session, autostart))
    return tries


async def test_a_restart_of_bluez(address: str, tries: Tries) -> None:
    async with stand_in(address) as bluez, running() as notes:
        await notes.advertise(b"tag--1")
        await bluez.write(PHONE, HELLO, mtu=MTU)
        await bluez.notifying(True)
        bluez.bus.disconnect()
        await notes.until("disconnect", PHONE)
        await notes.advertise(b"tag--2")  # kept until it is back
        with pytest.raises(LinkError, match="connection lost"):
            await notes.stack.notify(PHONE, b"x")
        assert [await tries.next() for _ in range(2)] == [True, False]
        async with stand_in(address) as again:
            await again.until("RegisterApplication /oob", "RegisterAdvertisement /oob/advertisement1")
            assert [seen["ManufacturerData"] for seen in again.on_air.values()] == [{COMPANY_ID: b"tag--2"}]
            await again.write(PHONE, HELLO, mtu=MTU)
            assert ("subscribe", PHONE, False) in notes.events[-2:]


async def test_it_is_told_that_bluetooth_went_and_came_back(address: str) -> None:
    told: asyncio.Queue[Progress] = asyncio.Queue()
    async with stand_in(address) as bluez, running(BlueZStack(retry=FOR_EVER, report=told.put_nowait)):
        bluez.bus.disconnect()
        async with asyncio.timeout(PATIENCE):
            assert (await told.get()).step == "unreachable"
        assert told.empty()
        async with stand_in(address), asyncio.timeout(PATIENCE):
            assert (await told.get()).step == "reachable"


async def test_bluez_that_was_stopped_is_not_started(address: str, tries: "Tries", tmp_path: Path) -> None:
    async with stand_in(address) as bluez, running(BlueZStack(retry=0.01)):
        started = activatable(tmp_path)
        await bluez.call_daemon("ReloadConfig")
        bluez.bus.disconnect()
        assert [await tries.next() for _ in range(4)] == [True, False, False, False]
        assert not started.exists()


async def test_a_restart_of_d_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with stand_in(address) as bluez:
            notes = Notes(BlueZStack(retry=0.01))
            await notes.start()
            await notes.advertise(b"")
            await bluez.write(PHONE, HELLO, mtu=MTU)
    await notes.until("disconnect", PHONE)
    with dbus_daemon(tmp_path) as address:
        async with stand_in(address) as bluez:
            await bluez.until("RegisterApplication /oob", "RegisterAdvertisement /oob/advertisement1")
            await notes.close()


async def test_an_adapter_that_is_unplugged_and_comes_back(tries: Tries, notes: Notes, bluez: StandIn) -> None:
    await notes.advertise(b"")
    await bluez.write(PHONE, HELLO, mtu=MTU)
    gone = bluez.objects.pop(HCI0)
    await bluez.emit("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", HCI0, [ADAPTER, GATT_MANAGER])
    await notes.until("disconnect", PHONE)
    assert [await tries.next() for _ in range(2)] == [True, False]
    bluez.log.clear()
    bluez.objects["/org/bluez/hci1"] = gone
    await bluez.emit("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", "/org/bluez/hci1", gone)
    await bluez.until("RegisterApplication /oob", "RegisterAdvertisement /oob/advertisement1")


async def test_an_adapter_that_is_unplugged_while_it_is_told_to_advertise(
    tries: Tries, notes: Notes, bluez: StandIn
) -> None:
    bluez.held["RegisterAdvertisement"] = asyncio.Event()  # never answered
    telling = asyncio.create_task(notes.advertise(b"tagtag"))
    await bluez.settle()
    gone = bluez.objects.pop(HCI0)
    await bluez.emit("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", HCI0, [ADAPTER, GATT_MANAGER])
    async with asyncio.timeout(PATIENCE):
        await telling  # kept until an adapter is back: no error
    assert [await tries.next() for _ in range(2)] == [True, False]
    bluez.held["RegisterAdvertisement"].set()
    bluez.log.clear()
    bluez.objects[HCI0] = gone
    await bluez.emit("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", HCI0, gone)
    await bluez.until("RegisterApplication /oob", "RegisterAdvertisement /oob/advertisement1")


async def test_an_adapter_that_is_switched_off_and_on(tries: Tries, notes: Notes, bluez: StandIn) -> None:
    await notes.advertise(b"")
    await bluez.write(PHONE, HELLO, mtu=MTU)
    await bluez.power(False)
    await notes.until("disconnect", PHONE)
    assert [await tries.next() for _ in range(2)] == [True, False]
    bluez.log.clear()
    await bluez.power(True)
    await bluez.until("RegisterApplication /oob", "RegisterAdvertisement /oob/advertisement1")


async def test_who_came_while_it_could_not_come_back_is_lost(bluez: StandIn) -> None:
    async with running(BlueZStack(retry=0.01)) as notes:
        await notes.advertise(b"")
        bluez.held["RegisterAdvertisement"] = held = asyncio.Event()
        bluez.refuse["RegisterAdvertisement"] = ("org.bluez.Error.Failed", "Failed to register advertisement")
        bluez.log.clear()
        await bluez.power(False)
        await bluez.power(True)
        await bluez.until("RegisterApplication /oob")
        await bluez.write(PHONE, HELLO, mtu=MTU)
        held.set()
        await notes.until("disconnect", PHONE)
        bluez.refuse.clear()
        await bluez.until("RegisterAdvertisement /oob/advertisement1")


async def test_nobody_comes_while_it_waits_for_the_next_try(tries: Tries, notes: Notes, bluez: StandIn) -> None:
    await notes.advertise(b"")
    bluez.refuse["RegisterAdvertisement"] = ("org.bluez.Error.Failed", "Failed to register advertisement")
    bluez.objects["/org/bluez/hci1"] = adapter()
    await bluez.power(False)
    assert [await tries.next() for _ in range(2)] == [True, False]
    await bluez.until("RegisterAdvertisement refused")
    await bluez.settle()
    assert await bluez.write(PHONE, HELLO, mtu=MTU) == "org.freedesktop.DBus.Error.AccessDenied"
    assert notes.events == []


async def test_an_advertisement_that_bluez_gives_up_begins_anew(notes: Notes, bluez: StandIn) -> None:
    await notes.advertise(b"")
    [path] = bluez.on_air
    bluez.log.clear()
    await bluez.call(path, "org.bluez.LEAdvertisement1", "Release")
    await bluez.until("app gone", "RegisterApplication /oob", "RegisterAdvertisement /oob/advertisement1")


async def test_other_adapters_may_come_and_go(bluez: StandIn) -> None:
    bluez.objects["/org/bluez/hci1"] = adapter()
    async with running(BlueZStack("hci0")) as notes:
        await bluez.signal("/org/bluez/hci1", ADAPTER, Powered=Variant("b", False))
        await bluez.emit("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", "/org/bluez/hci1", [ADVERTISING_MANAGER])
        await notes.advertise(b"")
        assert bluez.log == [
            "GetManagedObjects",
            "RegisterApplication /oob",
            "RegisterAdvertisement /oob/advertisement1",
        ]


async def test_closing_while_bluez_is_away(address: str) -> None:
    async with stand_in(address) as bluez:
        notes = Notes(BlueZStack(retry=FOR_EVER))
        await notes.start()
        await bluez.write(PHONE, HELLO, mtu=MTU)
        bluez.bus.disconnect()
        await notes.until("disconnect", PHONE)
    await notes.close()


async def test_a_stop_that_is_cancelled_leaves_the_bus_all_the_same(bluez: StandIn) -> None:
    notes = Notes(BlueZStack(retry=FOR_EVER))
    await notes.start()
    await notes.advertise(b"")
    await bluez.write(PHONE, HELLO, mtu=MTU)
    bluez.held["Disconnect"] = asyncio.Event()
    closing = asyncio.create_task(notes.close())
    await bluez.until("UnregisterAdvertisement /oob/advertisement1")
    closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()
    await bluez.until("app gone")
    await notes.until("disconnect", PHONE)
    bluez.held["Disconnect"].set()


async def test_bluez_that_falls_silent_is_given_up_on(bluez: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluez_bus, "CALL_TIMEOUT", 0.01)
    bluez.silent.add("RegisterApplication")
    with pytest.raises(LinkTimeout, match="did not answer"):
        await BlueZStack().start(Notes(BlueZStack()))


# --- what a caller gets ---


async def test_the_listener_serves_a_client_from_end_to_end(bluez: StandIn) -> None:
    listener = bluez_listener("hci0", Timing(linger=0.1))
    await listener.start()
    await listener.advertise(b"")
    await bluez.write(PHONE, HELLO, mtu=MTU)
    link = await listener.accept()
    assert await link.receive(PATIENCE) == (MessageType.HANDSHAKE, b"hello")
    await bluez.notifying(True)
    await link.send(MessageType.HANDSHAKE, bytes(300))
    assert [len(await bluez.value()) for _ in range(2)] == [182, 300 + 4 + 1 - 182]
    await link.close()
    assert f"Disconnect {PHONE}" in bluez.log
    await listener.close()


async def test_a_conversation_outlives_the_bluez_that_it_was_sent_over(
    bluez: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_session: Session, _value: bytes) -> None:
        raise LinkError("the connection to D-Bus was lost", step="link")

    listener = bluez_listener("hci0", Timing(linger=0.1))
    await listener.start()
    await bluez.write(PHONE, HELLO, mtu=MTU)
    link = await listener.accept()
    await link.receive(PATIENCE)
    await bluez.notifying(True)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "notify", fail)
        sending = asyncio.create_task(link.send(MessageType.HANDSHAKE, b"reply"))
        await bluez.settle()
    assert not sending.done()
    id = identify(b"hello")
    await bluez.write(TABLET, resume(id), mtu=MTU)
    assert await bluez.value() == resume(id, True)
    assert (await bluez.value()).endswith(b"reply")
    await sending
    await link.close()
    await listener.close()


async def test_without_dbus_fast_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dbus_fast.aio", None)
    with pytest.raises(UsageError, match=r"pip install 'oob\[ble\]'"):
        bluez_listener()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UsageError, match="needs Linux"):
        bluez_listener()
