"""The same keys, randomness and time: the same messages, byte for byte, over memory, Bluetooth LE and NFC."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oob.framing.gatt import MessageType
from oob.pairing import Model
from oob.sim.field import Field
from oob.sim.radio import VirtualRadio
from oob.sim.virtual_time import run
from oob.transport.ble_central import connect as connect_ble
from oob.transport.link import Link, Listener
from oob.transport.memory import MemoryListener
from oob.transport.tnep_poller import connect, tap
from oob.transport.tnep_stack import nfc_listener
from tests.e2e.tapping import NOW, tapping
from tests.pair import Random

HANDSHAKE, CHANNEL = MessageType.HANDSHAKE, MessageType.CHANNEL
Reach = Callable[[], Awaitable[Link]]
Said = list[tuple[str, MessageType, bytes]]


class Recorded:
    """A Link that writes down what goes through it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.said: Said = []
        self.carrier, self.bytes_sent, self.bytes_received = link.carrier, 0, 0

    async def send(self, type: MessageType, message: bytes) -> None:
        self.said.append(("client", type, message))
        await self._link.send(type, message)

    async def receive(self, timeout: float) -> tuple[MessageType, bytes]:
        type, message = await self._link.receive(timeout)
        self.said.append(("device", type, message))
        return type, message

    async def close(self) -> None:
        await self._link.close()


@asynccontextmanager
async def carrier(name: str) -> AsyncIterator[tuple[Listener, Reach]]:
    """Yield a started listener, and the way to it."""
    if name == "memory":
        memory = MemoryListener()
        await memory.start()
        yield memory, memory.connect
    elif name == "ble":
        async with VirtualRadio() as radio:
            peripheral = await radio.peripheral(tag=None)
            yield peripheral, lambda: connect_ble(peripheral.address, backend=radio.client_backend)
    else:
        field = Field()
        listener = nfc_listener(field)
        await listener.start()

        async def reach() -> Link:
            return await connect(await tap(field, 5))

        yield listener, reach


def transcript(name: str, model: Model, seed: str) -> Said:
    async def main() -> Said:
        with tempfile.TemporaryDirectory() as directory:
            async with (
                carrier(name) as (listener, reach),
                tapping(
                    Path(directory),
                    model=model,
                    listener=listener,
                    random=lambda who: Random(who + seed),
                    clock=lambda: NOW,
                ) as both,
            ):
                carried = both.device.offer.out_of_band()
                await asyncio.sleep(2)  # until it is visible, with a secret that was made for this
                recorded = Recorded(await reach())
                assert recorded.carrier == name
                pairing = await both.client.pair(recorded, carried)
                await recorded.close()
                assert pairing.status == "ready"
                return recorded.said

    return run(main())


@pytest.mark.parametrize("model", [Model.PASSCODE, Model.SECRET], ids=lambda model: model.name.lower())
def test_the_same_messages_over_memory_bluetooth_and_nfc(model: Model) -> None:
    said = transcript("memory", model, "1")
    assert [(who, type) for who, type, _ in said] == [("client", HANDSHAKE), ("device", HANDSHAKE)] * 2 + [
        ("client", CHANNEL),
        ("device", CHANNEL),
    ]
    assert transcript("ble", model, "1") == said
    assert transcript("nfc", model, "1") == said


def test_other_randomness_other_messages() -> None:
    """What is compared is not constant: no message but for its length says the same twice."""
    one, other = (transcript("nfc", Model.PASSCODE, seed) for seed in "12")
    assert all(a[2] != b[2] for a, b in zip(one, other, strict=True))
    assert [len(a[2]) for a in one] == [len(b[2]) for b in other]
