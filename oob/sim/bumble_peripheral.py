"""A simulated device: the GATT peripheral of the library on a bumble stack."""

import asyncio
import os
from typing import Final

from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR, Address, HCI_LE_Set_Random_Address_Command

from oob.errors import UsageError
from oob.transport.carrier import connection_lost, finish
from oob.transport.gatt_profile import ATT_HEADER, COMPANY_ID, RX_UUID, SERVICE_UUID, TAG_LENGTH, TX_UUID
from oob.transport.peripheral import Clients

ADVERTISING_INTERVAL: Final = 20.0
"""Milliseconds between two simulated advertisements: the fastest that the Bluetooth Core allows."""
_FLAGS: Final = b"\x06"  # LE general discoverable, no BR/EDR


def advertising_payload(tag: bytes) -> bytes:
    """Return the ADV packet, 31 bytes with a tag and 21 without. Raises UsageError for a tag of another length."""
    if len(tag) not in (0, TAG_LENGTH):
        raise UsageError(f"an advertised tag has {TAG_LENGTH} bytes, not {len(tag)}")
    kind = AdvertisingData.Type
    parts: list[tuple[int, bytes]] = [
        (kind.FLAGS, _FLAGS),
        (kind.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, UUID(SERVICE_UUID).uuid_128_bytes),
    ]
    if tag:
        parts.append((kind.MANUFACTURER_SPECIFIC_DATA, COMPANY_ID.to_bytes(2, "little") + tag))
    return bytes(AdvertisingData(parts))


async def hang_up(
    device: Device, *connections: Connection, reason: int = HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR
) -> None:
    """End these connections of a simulated stack, all of them by default."""
    for connection in connections or list(device.connections.values()):
        if connection in device.connections.values():  # bumble waits for ever for the end of what has ended
            await connection.disconnect(reason)


class BumbleStack:
    """A Stack on a simulated bumble device. It goes on advertising while clients are connected.

    A new tag comes with a new address, once no client is connected.
    """

    carrier = "ble"

    def __init__(self, device: Device, *, mtu: int = 517) -> None:
        self._device = device
        self._payload: bytes | None = None
        self._rotate = False  # the address is due to change
        self._turn = asyncio.Lock()  # bumble's commands to its controller, one after the other
        self._clients: Clients | None = None
        self._advertiser: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._tx: Characteristic[bytes] = Characteristic(
            TX_UUID, Characteristic.Properties.NOTIFY, Characteristic.Permissions(0), b""
        )
        self._tx.on(Characteristic.EVENT_SUBSCRIPTION, self._on_subscription)
        rx: Characteristic[bytes] = Characteristic(
            RX_UUID,
            Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
            Characteristic.Permissions.WRITEABLE,
            CharacteristicValue(write=self._on_write),
        )
        device.gatt_server.max_mtu = mtu
        device.add_service(Service(SERVICE_UUID, [rx, self._tx]))
        device.on(Device.EVENT_CONNECTION, self._on_connection)

    async def start(self, clients: Clients) -> None:
        """Serve, and report to `clients`."""
        self._clients = clients
        self._advertiser = asyncio.create_task(self._advertise_again())

    async def stop(self) -> None:
        """Stop advertising and drop all simulated connections."""
        self._clients = None
        advertiser, self._advertiser = self._advertiser, None
        if advertiser is not None:
            advertiser.cancel()
            await asyncio.gather(advertiser, return_exceptions=True)
            await self.advertise(None)
        await hang_up(self._device)

    async def advertise(self, tag: bytes | None) -> None:
        """Advertise this tag, 6 bytes or none; None: be invisible."""
        payload = None if tag is None else advertising_payload(tag)
        self._rotate |= None not in (payload, self._payload) and payload != self._payload
        self._payload = payload
        await self._refresh()

    async def notify(self, peer: object, value: bytes) -> None:
        """Send one simulated notification."""
        connection = self._connection(peer)
        if connection is None:
            raise connection_lost()
        await self._device.notify_subscriber(connection, self._tx, value)

    async def disconnect(self, peer: object) -> None:
        """End one simulated connection once what was sent has left."""
        connection = self._connection(peer)
        if connection is not None:
            await finish(asyncio.create_task(self._disconnect(connection)))

    async def _disconnect(self, connection: Connection) -> None:
        await connection.drain()
        await hang_up(self._device, connection)

    def _connection(self, peer: object) -> Connection | None:
        return peer if isinstance(peer, Connection) and peer in self._device.connections.values() else None

    async def _refresh(self) -> None:
        # Bumble does not survive the cancellation of a task that waits for its controller.
        await finish(asyncio.create_task(self._advertise()))

    async def _advertise(self) -> None:
        async with self._turn:
            await self._device.stop_advertising()
            if self._rotate and not self._device.connections:
                self._rotate = False
                await self._change_address()
            if self._payload is not None:
                await self._device.start_advertising(
                    advertising_data=self._payload,
                    advertising_interval_min=ADVERTISING_INTERVAL,
                    advertising_interval_max=ADVERTISING_INTERVAL,
                )

    async def _change_address(self) -> None:
        """Take a new resolvable private address, for whose key nobody is told."""
        address = Address.generate_private_address(os.urandom(16))
        self._device.random_address = address
        await self._device.send_sync_command(HCI_LE_Set_Random_Address_Command(random_address=address))

    async def _advertise_again(self) -> None:
        """A connection ends the advertising: start it anew each time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._refresh()

    def _on_connection(self, connection: Connection) -> None:
        connection.once(Connection.EVENT_DISCONNECTION, lambda _reason: self._on_disconnection(connection))
        self._wake.set()
        if self._clients is not None:
            self._clients.on_connect(connection)

    def _on_disconnection(self, connection: Connection) -> None:
        self._wake.set()
        if self._clients is not None:
            self._clients.on_disconnect(connection)

    def _on_subscription(self, connection: Connection, notify: bool, _indicate: bool) -> None:
        if self._clients is not None:
            self._clients.on_subscribe(connection, notify)

    def _on_write(self, connection: Connection, value: bytes) -> None:
        if self._clients is not None:
            self._clients.on_write(connection, bytes(value), connection.att_mtu - ATT_HEADER)
