"""The edge to D-Bus: what goes wrong there has a name, a cause and a remedy."""

import asyncio
import socket
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from oob.errors import LinkError, LinkTimeout
from oob.transport import bluez_bus
from oob.transport.bluez_bus import OBJECT_MANAGER, Bus, Incoming, Refusal, Reply, error_named
from oob.transport.bluez_peripheral import bluez_listener
from tests.transport.bluez_stand_in import HCI0, PATIENCE, adapter, stand_in
from tests.transport.dbus_daemon import ALLOW, NO_CALLS, activatable, dbus_daemon

_ERROR = "org.freedesktop.DBus.Error."


@pytest.mark.parametrize(
    ("name", "cause", "remedy"),
    [
        (_ERROR + "ServiceUnknown", "does not run", "systemctl start bluetooth"),
        (_ERROR + "NameHasNoOwner", "does not run", "systemctl start bluetooth"),
        (_ERROR + "Spawn.ExecFailed", "does not run", "systemctl start bluetooth"),
        ("org.freedesktop.systemd1.NoSuchUnit", "does not run", "oob doctor"),
        (_ERROR + "AccessDenied", "this user may not use Bluetooth", "usermod -aG bluetooth"),
        (_ERROR + "UnknownObject", "has gone, or BlueZ is too old", "BlueZ 5.48"),
        ("org.bluez.Error.NotReady", "switched off", "bluetoothctl power on"),
        ("org.bluez.Error.NotPermitted", "all places", "bluetoothctl advertise off"),
        ("org.bluez.Error.Failed", "org.bluez.Error.Failed: words", "journalctl -u bluetooth"),
    ],
)
def test_an_error_of_d_bus_says_what_mends_it(name: str, cause: str, remedy: str) -> None:
    error = error_named(name, "words", "listen")
    assert type(error) is LinkError
    assert error.exit_code == 3
    assert cause in error.cause
    assert remedy in error.remedy
    assert error.step == "listen"


@pytest.mark.parametrize("name", ["NoReply", "TimedOut", "Timeout"])
def test_silence_is_a_timeout(name: str) -> None:
    assert type(error_named(_ERROR + name, "", "listen")) is LinkTimeout


async def start_fails(words: str, remedy: str, adapter: str | None = None) -> None:
    listener = bluez_listener(adapter)
    with pytest.raises(LinkError, match=words) as caught:
        await listener.start()
    assert remedy in caught.value.remedy
    await listener.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("address", ["unix:path={}/none", "unix:path={}/file", "nonsense", "tcp:host=x", "what:ever=1"])
async def test_without_a_bus(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address.format(tmp_path))
    await start_fails("listen: the D-Bus system bus cannot be reached", "/run/dbus/system_bus_socket")


async def test_a_bus_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen()
        monkeypatch.setattr(bluez_bus, "CALL_TIMEOUT", 0.01)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/mute")
        await start_fails(r"cannot be reached \(no answer\)", "/run/dbus/system_bus_socket")


async def test_without_bluez(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        await start_fails("the Bluetooth service does not run", "systemctl start bluetooth")


async def test_bluez_is_started_where_d_bus_can_do_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = activatable(tmp_path)
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        await start_fails("the Bluetooth service does not run", "systemctl start bluetooth")
    assert started.exists()


async def test_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dbus_daemon(tmp_path, NO_CALLS) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with stand_in(address):
            await start_fails("this user may not use Bluetooth", "usermod -aG bluetooth")


async def test_without_the_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dbus_daemon(tmp_path, ALLOW) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with stand_in(address, objects={HCI0: adapter()}):
            await start_fails("no Bluetooth adapter hci3", "hci0", "hci3")


async def test_who_is_no_bluez(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(message: Message) -> Message | bool:
        return message.member == "GetManagedObjects" and Message.new_method_return(message, "s", ["none"])

    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        impostor = await MessageBus(address).connect()
        impostor.add_message_handler(answer)
        await impostor.request_name("org.bluez")
        await start_fails("answers GetManagedObjects as no other does", "systemctl restart bluetooth")
        impostor.disconnect()
        await impostor.wait_for_disconnect()


async def test_the_end_of_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = asyncio.Event()
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        bus = await Bus.open(on_lost=lost.set)
    async with asyncio.timeout(PATIENCE):
        await lost.wait()
    with pytest.raises(LinkError, match="the connection to D-Bus was lost"):
        await bus.call("/", OBJECT_MANAGER, "GetManagedObjects")
    with pytest.raises(LinkError, match="the connection to D-Bus was lost"):
        await bus.emit("/", "com.example.Any", "Thing", "s", "x")
    await bus.close()


async def test_a_call_that_the_end_of_the_connection_cuts_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with stand_in(address) as bluez:
            bluez.silent.add("GetManagedObjects")
            bus = await Bus.open()
            call = asyncio.create_task(bus.call("/", OBJECT_MANAGER, "GetManagedObjects"))
            await bus.call("/org/freedesktop/DBus", bluez_bus.DAEMON, "GetId", destination=bluez_bus.DAEMON)
            await bus.close()
            with pytest.raises(LinkError, match="the connection to D-Bus was lost"):
                await call


async def test_method_calls_are_answered_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(call: Incoming) -> Reply | None:
        if call.member == "Echo":
            return call.signature, call.body
        if call.member == "No":
            raise Refusal("com.example.Error.No", "never")
        if call.member == "Defect":
            raise ZeroDivisionError
        return None

    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        bus = await Bus.open(answer)
        peer = await MessageBus(bus_address=address).connect()
        name = ":1.0"  # the first on the bus

        async def ask(member: str, *body: str) -> Message:
            message = Message(
                destination=name,
                path="/",
                interface="com.example.Any",
                member=member,
                signature="s" * len(body),
                body=list(body),
            )
            return await peer.call(message)

        assert (await ask("Echo", "hello")).body == ["hello"]
        assert (await ask("No")).error_name == "com.example.Error.No"
        assert (await ask("Other")).error_name == _ERROR + "UnknownMethod"
        assert (await ask("Defect")).message_type is MessageType.ERROR
        peer.disconnect()
        await peer.wait_for_disconnect()
        await bus.close()
