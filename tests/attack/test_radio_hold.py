"""For how long one client that proves nothing can keep others from a device over Bluetooth LE, in virtual time."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from oob.device import Device
from oob.framing.gatt import MessageType, control, fragment, identify, resume
from oob.sim.virtual_time import run
from oob.transport.peripheral import Peripheral
from tests.e2e.stage import NoPage
from tests.exchange import Run
from tests.transport.test_peripheral import Notes, said

HANDSHAKE = MessageType.HANDSHAKE
PATIENCE = 9.9
"""Seconds that the hostile client lets pass each time: the device would wait for 10."""


class Holder:
    """A client that does everything as late as it can, and writes nothing that is wrong until the end."""

    def __init__(self, peripheral: Peripheral) -> None:
        self.message = Run.of("passcode").message_1()
        self._peripheral = peripheral
        self._name = 0
        self.held = 0.0

    async def hold(self, away: float) -> None:
        self._connect()
        frames = fragment(HANDSHAKE, identify(self.message)[0], self.message, 20)
        for frame in frames:
            self._write(frame)
            await self._wait(PATIENCE / len(frames))
        await self._wait(PATIENCE)  # without a subscription, the answer cannot leave
        self._peripheral.on_subscribe(self._name, True)
        for _ in range(8):
            await self._wait(PATIENCE)
            self._peripheral.on_disconnect(self._name)
            await asyncio.sleep(away)
            self._connect()
            self._peripheral.on_subscribe(self._name, True)
            self._write(resume(identify(self.message)))
        await self._wait(PATIENCE)
        self._write(b"\x00garbage")
        await self._wait(0.1)

    async def _wait(self, seconds: float) -> None:
        """Let time pass while connected."""
        await asyncio.sleep(seconds)
        self.held += seconds

    def _connect(self) -> None:
        self._name += 1
        self._peripheral.on_connect(self._name)

    def _write(self, frame: bytes) -> None:
        self._peripheral.on_write(self._name, frame, 20)


@pytest.mark.parametrize("away", [0.0, 29.9])
def test_one_client_keeps_others_out_for_two_minutes_at_most(tmp_path: Path, away: float) -> None:
    async def main() -> None:
        loop, stack = asyncio.get_running_loop(), Notes()
        peripheral = Peripheral(stack)
        await peripheral.start()
        device = Device("Lamp", tmp_path, NoPage(), clock=loop.time, random=Random(1).randbytes)
        serving = asyncio.create_task(device.serve(peripheral))
        holder = Holder(peripheral)
        await holder.hold(away)
        message = Run.of("passcode").message_1()
        peripheral.on_connect("honest")
        peripheral.on_subscribe("honest", True)
        for frame in fragment(HANDSHAKE, identify(message)[0], message, 20):
            peripheral.on_write("honest", frame, 20)
        await asyncio.sleep(1)
        busy = control(MessageType.BUSY, identify(fragment(HANDSHAKE, identify(message)[0], message, 20)[0]))
        assert busy not in said(stack, "honest")
        assert len(said(stack, "honest")) > 1
        assert 100 < holder.held < 120
        await peripheral.close()
        await serving

    run(main())


def test_who_takes_a_lost_conversation_away_gains_no_more_than_any_stranger(tmp_path: Path) -> None:
    """One guess of three, as by a handshake of its own; nobody becomes an owner, and the client is told."""

    async def main() -> None:
        loop, stack, steps = asyncio.get_running_loop(), Notes(), []
        peripheral = Peripheral(stack)
        await peripheral.start()
        report = lambda progress: steps.append(progress.step)  # noqa: E731
        device = Device("Lamp", tmp_path, NoPage(), clock=loop.time, random=Random(1).randbytes, report=report)
        serving = asyncio.create_task(device.serve(peripheral))
        message = Run.of("passcode").message_1()
        id = identify(message)
        for peer in ("honest", "thief"):
            peripheral.on_connect(peer)
            peripheral.on_subscribe(peer, True)
        for frame in fragment(HANDSHAKE, id[0], message, 20):
            peripheral.on_write("honest", frame, 20)
        await asyncio.sleep(1)
        peripheral.on_disconnect("honest")
        peripheral.on_write("thief", resume(id), 20)
        await asyncio.sleep(1)
        for frame in fragment(HANDSHAKE, id[0] + 2 & 0xFF, bytes(100), 20):
            peripheral.on_write("thief", frame, 20)
        peripheral.on_connect("honest again")
        peripheral.on_subscribe("honest again", True)
        peripheral.on_write("honest again", resume(id), 20)
        await asyncio.sleep(1)
        assert said(stack, "honest again") == [control(MessageType.BUSY, identify(resume(id)))]
        peripheral.on_disconnect("thief")
        await asyncio.sleep(40)
        peripheral.on_write("honest again", resume(id), 20)
        await asyncio.sleep(1)
        assert said(stack, "honest again")[1:] == [resume(id, False)]
        assert steps.count("guess counted") == 1
        assert device.store.state.pairings == ()
        device.offer.require_armed()
        await peripheral.close()
        await serving

    run(main())
