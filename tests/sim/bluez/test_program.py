import asyncio

import pytest
from dbus_fast.aio import MessageBus

from oob.sim.bluez import SimulatedBluez
from oob.sim.bluez import program as program_module
from oob.sim.bluez.errors import BluezError
from oob.sim.bluez.program import Program
from tests.sim.bluez.bench import HCI0, until
from tests.sim.bluez.peripheral import CHARACTERISTIC, INFO, TX, peripheral

PROPERTIES = "org.freedesktop.DBus.Properties"


async def test_asking_and_telling(bluez: SimulatedBluez) -> None:
    bus = await MessageBus(bluez.address).connect()
    async with peripheral(bluez.address, adapter=None) as app:
        program = Program(bus, app.bus.unique_name or "")
        assert await program.ask(INFO, CHARACTERISTIC, "ReadValue", "a{sv}", [{}]) == b"about me"
        assert (await program.ask(INFO, PROPERTIES, "GetAll", "s", [CHARACTERISTIC]))["Service"] == "/service"
        for member in ("StartNotify", "StopNotify", "StartNotify"):
            program.tell(TX, CHARACTERISTIC, member)
        await until(lambda: app.calls == ["StartNotify", "StopNotify", "StartNotify"])
        with pytest.raises(BluezError) as caught:
            await program.ask("/nowhere", CHARACTERISTIC, "ReadValue", "a{sv}", [{}])
        assert caught.value.name == "org.freedesktop.DBus.Error.UnknownObject"
    bus.disconnect()
    await bus.wait_for_disconnect()
    program.tell(TX, CHARACTERISTIC, "StartNotify")


async def test_a_program_that_does_not_answer(bluez: SimulatedBluez, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "ANSWER_TIMEOUT", 0.05)
    bus, silent = await MessageBus(bluez.address).connect(), await MessageBus(bluez.address).connect()
    silent.add_message_handler(lambda _: True)
    with pytest.raises(BluezError) as caught:
        await Program(bus, silent.unique_name or "").ask(HCI0, CHARACTERISTIC, "ReadValue")
    assert caught.value.name == "org.freedesktop.DBus.Error.NoReply"
    for each in (bus, silent):
        each.disconnect()
        await each.wait_for_disconnect()
    await asyncio.sleep(0)
