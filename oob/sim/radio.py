"""A simulated radio: any number of Bluetooth LE devices and phones in one process, on bumble's software controllers.

It has no latency unless a `LinkModel` gives it one, delivers no scan responses, and lets nobody write over air:
everything here is simulated. What can go wrong on the air can be made to go wrong, by that model and by the methods of
`VirtualRadio` and `SimulatedPeripheral`.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from random import Random
from types import TracebackType
from typing import Any, Self

from bumble.controller import Controller
from bumble.device import Advertisement, Connection, Device
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from oob.sim.air import IMMEDIATE, Air, LinkModel
from oob.sim.bleak_backend import SimulatedClient, SimulatedScanner
from oob.sim.bumble_peripheral import BumbleStack, hang_up
from oob.sim.controller import SimulatedController
from oob.transport.carrier import finish
from oob.transport.link import Timing
from oob.transport.peripheral import Peripheral

# Bumble logs every packet that it finds odd, also those of a lost connection. To see that, add a handler to "bumble".
logging.getLogger("bumble").addHandler(logging.NullHandler())
logging.getLogger("bumble").propagate = False


class SimulatedPeripheral(Peripheral):
    """A simulated device: a listener with an `address`, and everything that can happen to it."""

    def __init__(self, radio: "VirtualRadio", device: Device, stack: BumbleStack, timing: Timing | None) -> None:
        super().__init__(stack, timing=timing)
        self._radio = radio
        self._device = device
        self._drop_after: int | None = None

    @property
    def address(self) -> str:
        """The address of now, which changes with the tag."""
        return self._device.random_address.to_string(with_type_qualifier=False)

    async def drop(self) -> None:
        """Lose all connections at once; both ends notice."""
        await self._radio.drop(self._device)

    def drop_after(self, writes: int) -> None:
        """Lose all connections once `writes` more frames were written to the device."""
        self._drop_after = writes

    async def leave(self) -> None:
        """Go out of range; both ends notice after the supervision timeout, while nothing gets through."""
        await self._radio.set_range(self._device, False)

    async def come_back(self) -> None:
        """Come into range again."""
        await self._radio.set_range(self._device, True)

    async def switch_off(self) -> None:
        """Lose power: the device is gone for good, and its clients notice after the supervision timeout."""
        await self._radio.set_range(self._device, False)
        await self.close()
        await self._radio.retire(self._device)

    def on_write(self, peer: object, value: bytes, longest: int) -> None:
        """Take a write, or lose the connection instead where `drop_after` says so."""
        if self._drop_after is not None:
            self._drop_after -= 1
            if self._drop_after < 0:
                self._drop_after = None
                self._spawn(self.drop)
                return
        super().on_write(peer, value, longest)


class VirtualRadio:
    """A simulated radio as a context manager; leaving it switches everything off.

    `scanner_backend` and `client_backend` are given to bleak as `backend=`. `model` says what a link does to data;
    whatever in it is left to chance comes from `random`.
    """

    def __init__(self, *, model: LinkModel = IMMEDIATE, random: Random | None = None) -> None:
        self.scanner_backend: type[SimulatedScanner] = type("Scanner", (SimulatedScanner,), {"radio": self})
        self.client_backend: type[SimulatedClient] = type("Client", (SimulatedClient,), {"radio": self})
        self._air = Air(model, random)
        self._devices: dict[Device, Controller] = {}
        self._connecting: dict[Device, asyncio.Task[Connection]] = {}
        self._peripherals: list[SimulatedPeripheral] = []
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        """Return the radio."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Switch everything off."""
        for peripheral in self._peripherals:
            await peripheral.close()
        for device in list(self._devices):
            await self.retire(device)
        self._air.close()

    async def peripheral(
        self, address: str | None = None, *, tag: bytes | None = b"", mtu: int = 517, timing: Timing | None = None
    ) -> SimulatedPeripheral:
        """Switch a simulated device on, advertising `tag`, or nothing for None, until it is told otherwise.

        `mtu` is the largest ATT MTU that it agrees to, in bytes.
        """
        address = address or self._address("C0")
        device = await self._power_on(address)
        peripheral = SimulatedPeripheral(self, device, BumbleStack(device, mtu=mtu), timing)
        self._peripherals.append(peripheral)
        await peripheral.start()
        await peripheral.advertise(tag)
        return peripheral

    async def central(self, on_advertisement: Callable[[Advertisement], None] | None = None) -> Device:
        """Switch on a simulated phone, which scans if it is told what for. Used by the bleak backends."""
        return await self._started(self._start_central(on_advertisement))

    def fresh_address(self) -> str:
        """Return an address, random and static, that nobody on this radio has."""
        return self._address("E0")

    async def stack(self, address: str) -> Device:
        """Switch on a simulated stack with this address, and nothing on it. Used by the simulated BlueZ."""
        return await self._started(self._power_on(address))

    async def connect(self, central: Device, address: Address) -> Connection:
        """Connect a simulated phone to the device at `address`, however long that takes. Used by the bleak backends.

        When this is cancelled, the phone goes on trying until it is retired.
        """
        task = self._connecting[central] = asyncio.create_task(self._connect(central, address))
        return await asyncio.shield(task)

    async def retire(self, device: Device) -> None:
        """Switch a simulated stack off: it ends its connections and is gone."""
        await finish(asyncio.create_task(self._retire(device)))

    async def set_range(self, device: Device, reachable: bool) -> None:
        """Take a simulated stack out of range, or back in."""
        self._air.set_range(self._devices[device], reachable)

    async def drop(self, device: Device) -> None:
        """Lose the connections of a simulated stack at once; returns when it has noticed."""
        self._air.lose(self._devices[device])
        while device.connections:
            await asyncio.sleep(0)

    @property
    def att_pdus(self) -> int:
        """The ATT PDUs that the air has carried so far, in both directions."""
        return self._air.att_pdus

    def cut_after(self, pdus: int) -> None:
        """Lose all connections once `pdus` more ATT PDUs were carried, of any kind and in either direction."""
        self._air.cut_after(pdus)

    def jam(self, seconds: float) -> None:
        """Let nothing get through for a while; from the supervision timeout on, that costs the connections."""
        self._air.jam(seconds)

    async def _started(self, start: Coroutine[Any, Any, Device]) -> Device:
        starting = asyncio.create_task(start)
        try:
            return await finish(starting)
        except asyncio.CancelledError:
            await self.retire(starting.result())
            raise

    async def _start_central(self, on_advertisement: Callable[[Advertisement], None] | None) -> Device:
        device = await self._power_on(self._address("D0"))
        if on_advertisement is not None:
            device.on(Device.EVENT_ADVERTISEMENT, on_advertisement)
            await device.start_scanning(active=False)
        return device

    async def _connect(self, central: Device, address: Address) -> Connection:
        while True:
            connection = await central.connect_le(address, timeout=None)
            device = self._air.find_le_controller(address)
            if device is not None and self._devices[central].random_address in device.le_connections:
                return connection
            # Another phone was quicker at this advertisement: the connection was never established (error 0x3E).
            await connection.disconnect()

    async def _retire(self, device: Device) -> None:
        controller = self._devices.pop(device, None)
        if controller is None:
            return
        connecting = self._connecting.pop(device, None)
        if connecting is not None and not connecting.done():
            # Bumble does not survive the cancellation of a task that waits for its controller, nor a connection that
            # nobody awaits; and its controller ignores the command to give up. So: let it finish, then make it give up.
            async with device.host.command_semaphore:
                controller.pending_le_connection = None
                await asyncio.sleep(0)
                connecting.cancel()
                await asyncio.wait({connecting})
        await hang_up(device)
        await device.power_off()
        self._air.remove_controller(controller)

    async def _power_on(self, address: str) -> Device:
        controller = SimulatedController(address, link=self._air)
        device = Device(address=Address(address), host=Host(controller, AsyncPipeSink(controller)))
        await device.power_on()
        self._devices[device] = controller
        return device

    def _address(self, prefix: str) -> str:
        number = next(self._numbers)
        return f"{prefix}:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}"
