"""Whole pairings on a bad radio, in virtual time: what a host loses, twice or late, a lost connection, a jammer.

The radio is simulated: bumble under the genuine bleak API, with the link model of `oob.sim.air`.
"""

import asyncio
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from oob.binding.records import Proceed, Ready, decode_record
from oob.errors import LinkError
from oob.framing.gatt import MessageType
from oob.sim.air import LinkModel
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.sim.virtual_time import run
from oob.transport.ble_central import connect
from oob.transport.carrier import beside
from oob.transport.conversation import expect
from oob.transport.link import FramedLink
from tests.exchange import Run

HANDSHAKE, CHANNEL = MessageType.HANDSHAKE, MessageType.CHANNEL
NOW, LATER = 1_700_000_000, 1_700_000_600
READY = Ready("https://lamp.home.example/", bytes(32), "192.168.178.20:443", bytes(16))


async def be_device(link: FramedLink, pairing: Run) -> None:
    await link.send(HANDSHAKE, pairing.message_2(await expect(link, HANDSHAKE, 30)))
    pairing.responder.open(await expect(link, HANDSHAKE, 30))
    message_4, channel = pairing.responder.confirm(bytes(16), NOW, LATER)
    await link.send(HANDSHAKE, message_4)
    assert decode_record(channel.open(await expect(link, CHANNEL, 30))) == Proceed(bytes(473))
    await link.send(CHANNEL, channel.seal(READY.encode()))


async def be_client(link: FramedLink, pairing: Run) -> None:
    await link.send(HANDSHAKE, pairing.message_1())
    message_3 = pairing.initiator.receive_2(await expect(link, HANDSHAKE, 30))
    await link.send(HANDSHAKE, message_3)
    agreement = pairing.initiator.receive_4(await expect(link, HANDSHAKE, 30))
    await link.send(CHANNEL, agreement.channel.seal(Proceed(bytes(473)).encode()))
    assert decode_record(agreement.channel.open(await expect(link, CHANNEL, 30))) == READY


async def serve(peripheral: SimulatedPeripheral, pairing: Run) -> None:
    """Be the device of this pairing, for one conversation after the other."""
    while True:
        async with await peripheral.accept() as link:
            with suppress(LinkError):
                await be_device(link, pairing)


async def pair(radio: VirtualRadio, peripheral: SimulatedPeripheral) -> None:
    pairing = Run.of("passcode")
    device = beside(serve(peripheral, pairing))
    async with device, await connect(peripheral.address, backend=radio.client_backend) as link:
        await be_client(link, pairing)


ALL = {"loss": 0.05, "duplication": 0.05, "reordering": 0.05, "packet_loss": 0.05}


@pytest.mark.parametrize(
    ("mtu", "faults"),
    [(23, {"loss": 0.05}), (23, {"duplication": 0.05}), (23, {"reordering": 0.05}), (23, ALL), (247, ALL)],
    ids=["loss", "duplication", "reordering", "all", "all at MTU 247"],
)
def test_300_of_300_pairings_are_completed(mtu: int, faults: dict[str, Any]) -> None:
    async def main() -> None:
        async with VirtualRadio(model=LinkModel(**faults), random=Random(4)) as radio:
            peripheral = await radio.peripheral(mtu=mtu)
            for _ in range(300):
                await pair(radio, peripheral)

    run(main())


@pytest.mark.parametrize("mtu", [23, 185])
def test_a_connection_lost_after_any_att_operation_costs_nothing_but_time(mtu: int) -> None:
    """Once the conversation has begun, it is taken up again; before that, it begins on another connection."""

    async def operations() -> int:
        async with VirtualRadio(model=LinkModel()) as radio:
            await pair(radio, await radio.peripheral(mtu=mtu))
            return radio.att_pdus

    async def lose(after: int) -> None:
        async with VirtualRadio(model=LinkModel()) as radio:
            peripheral = await radio.peripheral(mtu=mtu)
            radio.cut_after(after)
            await pair(radio, peripheral)

    total = run(operations())
    assert total > (60 if mtu == 23 else 25)
    for after in range(1, total + 1):
        run(lose(after))


def test_a_jammer_of_some_seconds_is_outlasted() -> None:
    async def main(begin: float, seconds: float) -> None:
        async with VirtualRadio(model=LinkModel()) as radio:
            peripheral = await radio.peripheral(mtu=23)
            asyncio.get_running_loop().call_later(begin, radio.jam, seconds)
            await pair(radio, peripheral)

    for tenth in range(12):
        run(main(0.3 + tenth / 10, 3.0))
