"""Whole pairings through D-Bus: genuine bleak on its BlueZ backend, the peripheral for BlueZ, and an issuer.

Only org.bluez and the radio beneath are simulated (`oob.sim.bluez`): the device is on hci0, the client on hci1.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from oob.binding import Proceed, Ready, decode_record
from oob.client import reach
from oob.errors import LinkBusy, LinkError, OobError
from oob.framing.gatt import MessageType
from oob.issuance import Authority
from oob.sim.bluez import SimulatedBluez, simulated_bluez
from oob.sim.radio import VirtualRadio
from oob.transport.bluez_peripheral import bluez_listener
from oob.transport.conversation import expect
from oob.transport.link import Link, Timing
from tests.e2e.family import ROOT
from tests.e2e.stage import Stage, stage
from tests.exchange import PASSCODE

RUN_TIMEOUT = 40.0


@dataclass
class OnBluez:
    """A stage on two simulated adapters."""

    stage: Stage
    radio: VirtualRadio
    bluez: SimulatedBluez


@asynccontextmanager
async def on_bluez(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, timing: Timing | None = None
) -> AsyncIterator[OnBluez]:
    async with VirtualRadio() as radio, simulated_bluez(radio, adapters=3) as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)

        async def connect() -> Link:
            return await reach(timeout=10.0, settle=0.05, adapter="hci1", timing=timing)

        listener = bluez_listener("hci0", timing=timing)
        await listener.start()
        try:
            async with stage(directory, listener=listener, connect=connect) as on, asyncio.timeout(RUN_TIMEOUT):
                yield OnBluez(on, radio, bluez)
        finally:
            await listener.close()


async def check(on: Stage) -> None:
    """Pair by a fresh code, bind, and get the certificate."""
    on.device.offer.press()
    pairing = await on.pair()
    assert (pairing.device, pairing.status) == (on.key, "ready")


async def test_three_pairings_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_bluez(tmp_path, monkeypatch) as air:
        for _ in range(3):
            await check(air.stage)


async def test_an_owner_comes_again_by_the_tag_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_bluez(tmp_path, monkeypatch) as air:
        on = air.stage
        pairing = await on.pair()
        link = await reach(tag_key=pairing.tag_key, timeout=10.0, adapter="hci1")
        async with await on.client.resume(link, pairing) as device:
            assert (await device.status()).url == pairing.url
        await link.close()


async def test_the_second_of_two_clients_waits_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BlueZ tells both what is for either: the first must not mind, and the second hears that the device is busy."""
    async with on_bluez(tmp_path, monkeypatch) as air:
        on = air.stage
        first, session, agreement = await on.agree()
        second = await reach(timeout=10.0, settle=0.05, adapter="hci2")
        try:
            with pytest.raises(LinkBusy):
                await on.client.pair(second, on.device.offer.out_of_band())
        finally:
            await second.close()
        await on.client.issuer.submit(session, agreement.binding)
        await first.send(MessageType.CHANNEL, agreement.channel.seal(Proceed(on.root).encode()))
        assert isinstance(decode_record(agreement.channel.open(await expect(first, MessageType.CHANNEL, 10))), Ready)
        await first.close()
        await check(on)


async def test_bluetoothd_is_restarted_before_during_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_bluez(tmp_path, monkeypatch, timing=Timing(resume=3.0)) as air:
        on = air.stage
        await air.bluez.restart()
        await check(on)
        on.device.offer.press()
        restarting: list[asyncio.Task[None]] = []

        def restart(who: str, step: str) -> None:
            if (who, step) == ("device", "message_2") and not restarting:
                restarting.append(asyncio.create_task(air.bluez.restart()))

        on.on_step = restart
        try:
            await on.pair()
        except OobError as error:
            assert isinstance(error, LinkError), error
        await restarting[0]
        await check(on)


async def test_the_adapter_is_pulled_out_and_put_in_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_bluez(tmp_path, monkeypatch) as air:
        await air.bluez.unplug(0)
        await air.bluez.plug(0)
        await check(air.stage)


async def test_a_disconnect_after_each_att_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first frame, a connection is made anew; from then on, it is taken up by RESUME."""
    async with on_bluez(tmp_path, monkeypatch) as air:
        on = air.stage
        before = air.radio.att_pdus
        await check(on)
        operations = air.radio.att_pdus - before
        assert operations > 20
        for after in range(1, operations + 1):
            air.radio.cut_after(after)
            await check(on)


async def test_a_visit_that_is_cancelled_at_any_moment_leaves_the_adapter_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else BlueZ goes on scanning or stays connected, and the next try is told that it is in progress."""
    async with on_bluez(tmp_path, monkeypatch) as air:
        trouble: list[str] = []

        async def visit() -> None:
            link = await reach(timeout=10.0, settle=0.0, adapter="hci1", report=lambda each: trouble.append(each.step))
            await link.send(MessageType.HANDSHAKE, b"no message_1")
            await link.close()

        reached: set[str] = set()
        for milliseconds in range(80):  # a whole visit takes about 60; what it is doing just then does not matter
            trouble.clear()
            visiting = asyncio.create_task(visit())
            await asyncio.sleep(milliseconds / 1000)
            visiting.cancel()
            await asyncio.wait({visiting})
            reached |= set(trouble[-1:]) if visiting.cancelled() else {"done"}
        assert {"scanning", "connecting"} <= reached
        trouble.clear()
        await visit()
        assert "retrying" not in trouble
        await check(air.stage)


@pytest.mark.parametrize(
    "command",
    [
        ("discover",),
        ("pair", "--issuer", "https://127.0.0.1:1/directory", "--root", "ca/root.pem"),
        ("device", "run", "--ble"),
        ("doctor",),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (lambda bluez: bluez.deny(), b"usermod -aG bluetooth"),
        (lambda bluez: bluez.unplug(0), b"adapter"),
        (lambda bluez: bluez.kill(), b"systemctl"),
    ],
    ids=["no permission", "no adapter", "no bluetoothd"],
)
async def test_who_cannot_use_bluetooth_is_told_how_to_mend_it(
    tmp_path: Path, command: tuple[str, ...], trouble: Callable[[SimulatedBluez], Awaitable[None]], words: bytes
) -> None:
    async with VirtualRadio() as radio, simulated_bluez(radio) as bluez:
        await trouble(bluez)
        Authority.create(tmp_path / "ca", dns_zones=["home.example"], ip_networks=[], now=1.7e9)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "DBUS_SYSTEM_BUS_ADDRESS": bluez.address,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "oob.cli", *command, "--json"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=tmp_path,
        )
        out, err = await asyncio.wait_for(process.communicate(PASSCODE.digits.encode()), RUN_TIMEOUT)
    assert process.returncode == 3
    assert b"Traceback" not in err
    assert words in out
