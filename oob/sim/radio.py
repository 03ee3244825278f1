"""A simulated radio: any number of Bluetooth LE devices and phones in one process, on bumble's software controllers.

It has no latency, delivers no scan responses, and lets nobody write over air: everything here is simulated. What can go
wrong on the air can be made to go wrong, by the methods of `SimulatedPeripheral`.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from bumble import ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.device import Advertisement, Connection, Device
from bumble.hci import HCI_CONNECTION_TIMEOUT_ERROR, Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from oob.sim.bleak_backend import SimulatedClient, SimulatedScanner
from oob.sim.bumble_peripheral import BumbleStack, hang_up
from oob.sim.controller import SimulatedController
from oob.transport.ble_peripheral import GattPeripheral
from oob.transport.link import Timing, finish

# Bumble logs every packet that it finds odd, also those of a lost connection. To see that, add a handler to "bumble".
logging.getLogger("bumble").addHandler(logging.NullHandler())
logging.getLogger("bumble").propagate = False


class _Air(LocalLink):
    """The simulated medium; controllers in `absent` neither hear nor are heard."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.absent: set[Controller] = set()

    def _reaches(self, address: Address) -> bool:
        receiver = self.find_le_controller(address)
        return receiver is not None and receiver not in self.absent

    def send_acl_data(
        self, sender_controller: Controller, destination_address: Address, transport: PhysicalTransport, data: bytes
    ) -> None:
        """Carry data, unless an end is out of range."""
        if sender_controller not in self.absent and self._reaches(destination_address):
            super().send_acl_data(sender_controller, destination_address, transport, data)

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """Carry an advertisement or a connection request to everyone in range."""
        if sender_controller not in self.absent:
            loop = asyncio.get_running_loop()
            for controller in self.controllers - self.absent - {sender_controller}:
                loop.call_soon(controller.on_ll_advertising_pdu, packet)

    def send_ll_control_pdu(self, sender_address: Address, receiver_address: Address, packet: ll.ControlPdu) -> None:
        """Carry a link layer control packet, unless an end is out of range."""
        if self._reaches(sender_address) and self._reaches(receiver_address):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)


class SimulatedPeripheral(GattPeripheral):
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
        await hang_up(self._device, reason=HCI_CONNECTION_TIMEOUT_ERROR)

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

    def on_write(self, peer: object, value: bytes, mtu: int) -> None:
        """Take a write, or lose the connection instead where `drop_after` says so."""
        if self._drop_after is not None:
            self._drop_after -= 1
            if self._drop_after < 0:
                self._drop_after = None
                self._spawn(self.drop)
                return
        super().on_write(peer, value, mtu)


class VirtualRadio:
    """A simulated radio as a context manager; leaving it switches everything off.

    `scanner_backend` and `client_backend` are given to bleak as `backend=`. `supervision_timeout`, in seconds, is the
    time after which a silent connection counts as lost.
    """

    def __init__(self, *, supervision_timeout: float = 0.1) -> None:
        self.scanner_backend: type[SimulatedScanner] = type("Scanner", (SimulatedScanner,), {"radio": self})
        self.client_backend: type[SimulatedClient] = type("Client", (SimulatedClient,), {"radio": self})
        self._air = _Air()
        self._supervision_timeout = supervision_timeout
        self._devices: dict[Device, Controller] = {}
        self._connecting: dict[Device, asyncio.Task[Connection]] = {}
        self._peripherals: list[SimulatedPeripheral] = []
        self._numbers = itertools.count(1)
        self._timers: set[asyncio.TimerHandle] = set()

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
        for timer in self._timers:
            timer.cancel()

    async def peripheral(
        self, address: str | None = None, *, tag: bytes = b"", mtu: int = 517, timing: Timing | None = None
    ) -> SimulatedPeripheral:
        """Switch a simulated device on, advertising `tag` until it is told otherwise.

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
        controller = self._devices[device]
        if reachable:
            self._air.absent.discard(controller)
            return
        self._air.absent.add(controller)
        address = controller.random_address
        for other in self._air.controllers:
            for connection in other.le_connections.values():
                if other is controller or connection.peer_address == address:
                    self._lose_later(other, connection.peer_address)

    def _lose_later(self, controller: Controller, peer: Address) -> None:
        """Report a connection as lost after the supervision timeout, as each controller does by itself."""

        def lose() -> None:
            self._timers.discard(timer)
            connection = controller.le_connections.get(peer)
            if connection is not None:
                controller.on_le_disconnected(connection, HCI_CONNECTION_TIMEOUT_ERROR)

        timer = asyncio.get_running_loop().call_later(self._supervision_timeout, lose)
        self._timers.add(timer)

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
        self._air.absent.discard(controller)

    async def _power_on(self, address: str) -> Device:
        controller = SimulatedController(address, link=self._air)
        device = Device(address=Address(address), host=Host(controller, AsyncPipeSink(controller)))
        await device.power_on()
        self._devices[device] = controller
        return device

    def _address(self, prefix: str) -> str:
        number = next(self._numbers)
        return f"{prefix}:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}"
