"""The client side of Bluetooth LE, on genuine bleak."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from oob.errors import DeviceNotFound, LinkError
from oob.framing.gatt import MAX_FRAME, MIN_FRAME, MessageType, control
from oob.transport.bleak_edge import load_bleak, renamed
from oob.transport.carrier import Inbox, connection_lost, finish, link_closed
from oob.transport.gatt_profile import RX_UUID, SERVICE_UUID, TX_UUID
from oob.transport.link import FramedLink, Timing

if TYPE_CHECKING:
    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice

GOODBYE_TIMEOUT: Final = 1.0
"""Seconds that the device gets to hear that no more will come."""
DISCONNECT_TIMEOUT: Final = 5.0
"""Seconds that the operating system gets to end a connection."""


class _CentralCarrier:
    """Frames over the RX and TX characteristics of one connected device."""

    name = "ble"

    def __init__(self, client: "BleakClient", inbox: Inbox) -> None:
        self._client = client
        self._inbox = inbox
        self._rx: BleakGATTCharacteristic | None = None
        self._subscription: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._wrote = False  # the device knows of this client

    @property
    def max_frame(self) -> int:
        """What fits one write command now: the ATT MTU less 3, at most 512 bytes."""
        size = self._rx.max_write_without_response_size if self._rx is not None else MIN_FRAME
        return max(MIN_FRAME, min(size, MAX_FRAME))

    async def open(self) -> None:
        """Connect, find the characteristics, and start to subscribe. Raises LinkError, DeviceNotFound."""
        with renamed("connect"):
            await self._client.connect()
        services = self._client.services
        self._rx, tx = services.get_characteristic(RX_UUID), services.get_characteristic(TX_UUID)
        if self._rx is None or tx is None:
            raise LinkError(
                "the device does not offer the pairing service", step="connect", remedy="Choose another device"
            )
        # Message 1 goes out while the subscription is still on its way: the device holds its reply until then.
        self._subscription = asyncio.create_task(self._subscribe(tx))

    async def send(self, frame: bytes, last: bool) -> None:
        """Write one frame: a command, and for the last one a request, whose response says that all have arrived."""
        if self._inbox.error is not None:
            raise self._inbox.error.with_traceback(None)
        if self._rx is None:
            raise link_closed()
        try:
            self._wrote = True
            with renamed("link"):
                await self._client.write_gatt_char(self._rx, frame, response=last)
        except LinkError as error:
            # The stack words the end of a connection in many ways; here it has one name.
            if self._client.is_connected:
                raise
            raise connection_lost() from error

    async def receive(self) -> bytes:
        """Return the next notification."""
        return await self._inbox.get()

    async def reconnect(self) -> None:
        """Fail."""
        raise connection_lost()

    async def close(self) -> None:
        """Disconnect, also when cancelled meanwhile."""
        self._inbox.fail(link_closed())
        self._closing = self._closing or asyncio.create_task(self._shut())
        await finish(self._closing)

    async def _subscribe(self, tx: "BleakGATTCharacteristic") -> None:
        try:
            with renamed("subscribe"):
                await self._client.start_notify(tx, lambda _, value: self._inbox.put(bytes(value)))
        except LinkError as error:
            self._inbox.fail(error)

    async def _shut(self) -> None:
        if self._subscription is not None:
            self._subscription.cancel()
            with suppress(asyncio.CancelledError):
                await self._subscription
        if self._wrote and self._rx is not None and self._client.is_connected:
            await self._say_goodbye(self._rx)
        # A connection that cannot be ended in order is already gone, or ends when the process does.
        with suppress(LinkError), renamed("disconnect"):
            async with asyncio.timeout(DISCONNECT_TIMEOUT):
                await self._client.disconnect()

    async def _say_goodbye(self, rx: "BleakGATTCharacteristic") -> None:
        """Spare the device the wait for a client that comes back."""
        with suppress(LinkError), renamed("disconnect"):
            async with asyncio.timeout(GOODBYE_TIMEOUT):
                await self._client.write_gatt_char(rx, control(MessageType.CLOSE), response=True)


async def connect(
    device: "BLEDevice | str",
    *,
    backend: "type[BaseBleakClient] | None" = None,
    timeout: float = 15.0,
    timing: Timing | None = None,
) -> FramedLink:
    """Connect to a device (the `handle` of a `Found`, or an address) within `timeout` seconds; return the link.

    Raises DeviceNotFound, LinkError, UsageError (bleak is not installed). Nothing stays connected after an error.
    """
    bleak = load_bleak()
    inbox = Inbox()
    with renamed("connect"):
        client = bleak.BleakClient(
            device,
            lambda _: inbox.fail(connection_lost()),
            services=[SERVICE_UUID],
            timeout=timeout,
            backend=backend,
        )
    carrier = _CentralCarrier(client, inbox)
    try:
        async with asyncio.timeout(timeout):
            await carrier.open()
    except TimeoutError:
        await carrier.close()
        raise DeviceNotFound(
            f"the device did not answer within {timeout:g} s",
            step="connect",
            remedy="Check that it is on and near, and try again",
        ) from None
    except BaseException:
        await carrier.close()
        raise
    return FramedLink(carrier, initiator=True, timing=timing)
