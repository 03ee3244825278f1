"""A phone and a device on bumble's own interfaces, under a link model, in virtual time: for tests of the air."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from bumble.core import UUID
from bumble.device import Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address

from oob.sim.air import LinkModel
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.sim.virtual_time import run
from oob.transport.gatt_profile import RX_UUID, TX_UUID


def now() -> float:
    """Return the time of the running loop, in seconds."""
    return asyncio.get_running_loop().time()


class Raw:
    """A phone and a device on bumble's own interfaces."""

    radio: VirtualRadio
    device: SimulatedPeripheral
    phone: Device
    connection: Connection
    rx: CharacteristicProxy[bytes]
    tx: CharacteristicProxy[bytes]

    @classmethod
    async def of(cls, radio: VirtualRadio) -> "Raw":
        """Switch both on and connect them."""
        raw = cls()
        raw.radio, raw.device, raw.phone = radio, await radio.peripheral(), await radio.central()
        raw.connection = await radio.connect(raw.phone, Address(raw.device.address))
        peer = Peer(raw.connection)
        await peer.request_mtu(100)
        await peer.discover_services()
        await peer.discover_characteristics()
        (raw.rx,), (raw.tx,) = (peer.get_characteristics_by_uuid(uuid) for uuid in (UUID(RX_UUID), UUID(TX_UUID)))
        return raw

    @property
    def served(self) -> Connection:
        """The device's end."""
        (served,) = self.device._device.connections.values()
        return served

    def ends(self) -> dict[str, tuple[int, float]]:
        """Note how and when either end is lost."""
        noted: dict[str, tuple[int, float]] = {}
        for name, end in (("phone", self.connection), ("device", self.served)):

            def note(reason: int, name: str = name) -> None:
                noted[name] = reason, now()

            end.once(Connection.EVENT_DISCONNECTION, note)
        return noted

    async def notify(self, count: int) -> list[int]:
        """Send numbered notifications; return the numbers that arrive, in order."""
        seen: list[int] = []
        await self.tx.subscribe(lambda value: seen.append(int.from_bytes(value, "big")))
        for number in range(count):
            await self.device.stack.notify(self.served, number.to_bytes(2, "big"))
        await asyncio.sleep(1 + count / 100)  # four in an event of 30 ms
        return seen


def raw_run(model: LinkModel, scene: Callable[[Raw], Awaitable[Any]], seed: int = 1) -> Any:
    """Play a scene with a connected phone, in virtual time."""

    async def main() -> Any:
        async with asyncio.timeout(3600), VirtualRadio(model=model, random=Random(seed)) as radio:
            return await scene(await Raw.of(radio))

    return run(main())
