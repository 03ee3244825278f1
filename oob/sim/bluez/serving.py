"""The bumble stack by which a simulated adapter advertises, and serves those who connect."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from bumble.att import ATT_INVALID_HANDLE_ERROR, ATT_Error, Attribute, AttributeValue
from bumble.core import UUID
from bumble.device import (
    AdvertisingEventProperties,
    AdvertisingParameters,
    AdvertisingSet,
    AdvertisingType,
    Connection,
    Device,
)
from bumble.gatt import Characteristic, Service
from bumble.hci import Address

from oob.sim.bluez.link import PREFERRED_MTU, Radio
from oob.sim.bumble_peripheral import ADVERTISING_INTERVAL, hang_up
from oob.transport.carrier import finish

_GONE: Final = UUID("6f6f6200-0000-0000-0000-000000000000")  # the type of an attribute that is no longer there


@dataclass(frozen=True, slots=True)
class Advertised:
    """One advertisement: its bytes, at most 31, and whether one may connect to it."""

    payload: bytes
    connectable: bool


class Serving:
    """Services and advertisements of one adapter, kept over a time without power.

    `on_connect` and `on_disconnect` are called with each connection that somebody opens.
    """

    def __init__(
        self,
        radio: Radio,
        address: str,
        on_connect: Callable[[Connection], None],
        on_disconnect: Callable[[Connection], None],
    ) -> None:
        self._radio = radio
        self._address = address
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._services: list[Service] = []
        self._wanted: dict[object, Advertised] = {}
        self._sets: dict[object, tuple[Advertised, AdvertisingSet]] = {}
        self._turn = asyncio.Lock()  # bumble's commands to its controller, one after the other
        self._wake = asyncio.Event()
        self._advertiser: asyncio.Task[None] | None = None
        self._stack: Device | None = None

    @property
    def connections(self) -> list[Connection]:
        """The connections that others have opened."""
        return [] if self._stack is None else list(self._stack.connections.values())

    async def start(self) -> None:
        """Switch the stack on, with the services and advertisements there are."""
        stack = self._stack = await self._radio.stack(self._address)
        stack.gatt_server.max_mtu = PREFERRED_MTU
        stack.on(Device.EVENT_CONNECTION, self._on_connection)
        for service in self._services:
            stack.add_service(service)
        self._advertiser = asyncio.create_task(self._advertise_again())
        await self._refresh()

    async def stop(self) -> None:
        """Switch the stack off: all connections end."""
        advertiser, self._advertiser = self._advertiser, None
        if advertiser is not None:
            advertiser.cancel()
            await asyncio.gather(advertiser, return_exceptions=True)
        async with self._turn:
            stack, self._stack = self._stack, None
            self._sets.clear()
        if stack is not None:
            await self._radio.retire(stack)

    def add(self, service: Service) -> None:
        """Serve this, too."""
        self._services.append(service)
        if self._stack is not None:
            self._stack.add_service(service)

    def remove(self, service: Service) -> None:
        """Serve this no longer. Its handles stay unused, as in BlueZ: those of others do not change."""
        self._services.remove(service)
        if self._stack is None:
            return
        server = self._stack.gatt_server
        server.services.remove(service)
        for index in range(service.handle - 1, service.end_group_handle):
            gone: Attribute[bytes] = Attribute(_GONE, Attribute.Permissions(0), AttributeValue(_refuse, _refuse))
            gone.handle = gone.end_group_handle = index + 1
            server.attributes[index] = gone
        server.attributes_by_handle.clear()

    async def advertise(self, key: object, wanted: Advertised | None) -> None:
        """Advertise this under a key of the caller's choice; None: no longer."""
        if wanted is None:
            self._wanted.pop(key, None)
        else:
            self._wanted[key] = wanted
        await self._refresh()

    async def notify(self, connection: Connection, characteristic: Characteristic[bytes], value: bytes) -> None:
        """Send a notification or indication, cut to what the MTU allows, without asking bumble who has subscribed."""
        if self._stack is None or connection not in self.connections:
            return
        if characteristic.properties & Characteristic.Properties.NOTIFY:
            await self._stack.notify_subscriber(connection, characteristic, value, force=True)
        else:
            await self._stack.indicate_subscriber(connection, characteristic, value, force=True)

    async def hang_up(self, address: Address) -> None:
        """End the connection that the device at `address` opened, if there is one, once what was sent has left.

        BlueZ waits for 2 s to that end, whether or not there is something (`DISCONNECT_TIMER` in src/device.c).
        """
        for connection in self.connections:
            if connection.peer_address == address:
                await finish(asyncio.create_task(self._hang_up(connection)))

    async def _hang_up(self, connection: Connection) -> None:
        await connection.drain()
        if self._stack is not None:
            await hang_up(self._stack, connection)

    async def _refresh(self) -> None:
        # Bumble does not survive the cancellation of a task that waits for its controller.
        await finish(asyncio.create_task(self._advertise_as_wanted()))

    async def _advertise_as_wanted(self) -> None:
        async with self._turn:
            if self._stack is not None:
                await self._take_down()
                await self._put_up(self._stack)

    async def _take_down(self) -> None:
        for key, (advertised, running) in list(self._sets.items()):
            if self._wanted.get(key) != advertised:
                del self._sets[key]
                if running.enabled:
                    await running.stop()
                await running.remove()

    async def _put_up(self, stack: Device) -> None:
        for key, wanted in list(self._wanted.items()):
            if key not in self._sets:
                self._sets[key] = wanted, await _advertise(stack, wanted)
            elif not self._sets[key][1].enabled:
                await self._sets[key][1].start()

    async def _advertise_again(self) -> None:
        """A connection ends an advertisement: start it anew each time, as BlueZ does."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._refresh()

    def _on_connection(self, connection: Connection) -> None:
        connection.once(Connection.EVENT_DISCONNECTION, lambda _reason: self._on_disconnect(connection))
        self._wake.set()
        self._on_connect(connection)


def _refuse(*_: object) -> NoReturn:
    raise ATT_Error(ATT_INVALID_HANDLE_ERROR)


async def _advertise(stack: Device, wanted: Advertised) -> AdvertisingSet:
    kind = AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE if wanted.connectable else AdvertisingType.UNDIRECTED
    parameters = AdvertisingParameters(
        advertising_event_properties=AdvertisingEventProperties.from_advertising_type(kind),
        primary_advertising_interval_min=ADVERTISING_INTERVAL,
        primary_advertising_interval_max=ADVERTISING_INTERVAL,
    )
    return await stack.create_advertising_set(
        advertising_parameters=parameters, advertising_data=wanted.payload, auto_start=True
    )
