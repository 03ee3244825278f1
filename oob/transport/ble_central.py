"""The client side of Bluetooth LE, on genuine bleak."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oob.errors import DeviceNotFound, LinkError
from oob.framing.gatt import MAX_FRAME, MIN_FRAME, MessageType, control
from oob.progress import Progress, Report, silent
from oob.transport.ble_scanner import Found
from oob.transport.bleak_edge import hear_out, load_bleak, on_adapter, prepare_bluez, renamed
from oob.transport.carrier import Inbox, connection_lost, link_closed
from oob.transport.gatt_profile import RX_UUID, SERVICE_UUID, TX_UUID
from oob.transport.link import FramedLink, Timing
from oob.transport.retry import persist

if TYPE_CHECKING:
    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice

GOODBYE_TIMEOUT: Final = 1.0
"""Seconds that the device gets to hear that no more will come."""
DISCONNECT_TIMEOUT: Final = 5.0
"""Seconds that the operating system gets to end a connection."""
TRY_TIMEOUT: Final = 10.0
"""Seconds of one try to connect where the device can be looked for again: its address may have changed."""
LOSS_GRACE: Final = 0.2
"""Seconds in which the stack tells that a connection has ended after what was written to it failed by that."""
RECONNECT_TIMEOUT: Final = 20.0
"""Seconds in which a lost device is reached anew, or is given up."""

Locate = Callable[[float], Awaitable[Found]]
"""Finds the device again within so many seconds. Raises DeviceNotFound, LinkError."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How the device is reached, each time."""

    backend: "type[BaseBleakClient] | None"
    adapter: str | None
    locate: Locate | None
    report: Report

    def client(self, device: "BLEDevice | str", inbox: Inbox, timeout: float) -> "BleakClient":
        with renamed("connect"):
            client: BleakClient = load_bleak().BleakClient(
                device,
                lambda _: inbox.fail(connection_lost()),
                services=[SERVICE_UUID],
                timeout=timeout,
                backend=self.backend,
                **on_adapter(self.adapter),
            )
        return client

    async def dial(self, client: "BleakClient") -> None:
        """Connect, once what bleak has to know of the system is known."""
        if self.backend is None:
            await prepare_bluez()
        await hear_out(client.connect(), 0)


class _CentralCarrier:
    """Frames over the RX and TX characteristics of one device."""

    name = "ble"

    def __init__(self, device: "BLEDevice | str", way: _Way) -> None:
        self._device = device
        self._way = way
        self._inbox = Inbox()
        self._client: BleakClient | None = None
        self._rx: BleakGATTCharacteristic | None = None
        self._subscription: asyncio.Task[None] | None = None
        self._wrote = False  # the device knows of this client
        self._closed = False

    @property
    def max_frame(self) -> int:
        """What fits one write command now: the ATT MTU less 3, at most 512 bytes."""
        size = self._rx.max_write_without_response_size if self._rx is not None else MIN_FRAME
        return max(MIN_FRAME, min(size, MAX_FRAME))

    async def open(self, timeout: float) -> None:
        """Connect, find the characteristics, and start to subscribe. Raises LinkError, DeviceNotFound."""
        await self._dial(asyncio.get_running_loop().time() + timeout)

    async def reconnect(self) -> None:
        """Reach the same device anew after its connection was lost, as `open` does, within 20 seconds.

        What was not yet received is gone. Raises LinkError, DeviceNotFound; then it may be called again.
        """
        if self._closed:
            raise link_closed()
        deadline = asyncio.get_running_loop().time() + RECONNECT_TIMEOUT
        self._way.report(Progress("client", "reconnecting", "the connection was lost"))
        self._inbox.fail(connection_lost())
        await self._hang_up()
        if self._way.locate is not None:
            await self._find_again(deadline)
        await self._dial(deadline)

    async def send(self, frame: bytes, last: bool) -> None:
        """Write one frame: a command, and for the last one a request, whose response says that all have arrived.

        While the client still subscribes, a request would wait for that, one more round trip. The answer does as well.
        """
        if self._inbox.error is not None:
            raise self._inbox.error.with_traceback(None)
        if self._client is None or self._rx is None:
            raise link_closed()
        self._wrote = True
        try:
            with renamed("link"):
                await self._client.write_gatt_char(self._rx, frame, response=last and self._is_subscribed)
        except LinkError as error:
            # The stack words the end of a connection in many ways; here it has one name.
            if isinstance(error, DeviceNotFound) or await self._is_lost():
                raise connection_lost() from error
            raise

    async def receive(self) -> bytes:
        """Return the next notification."""
        return await self._inbox.get()

    async def close(self) -> None:
        """Disconnect, also when cancelled meanwhile."""
        self._closed = True
        self._inbox.fail(link_closed())
        await self._hang_up()

    @property
    def _is_subscribed(self) -> bool:
        return self._subscription is not None and self._subscription.done()

    async def _dial(self, deadline: float) -> None:
        find_again = None if self._way.locate is None else lambda: self._find_again(deadline)
        await persist(
            lambda: self._connect(deadline), deadline=deadline, report=self._way.report, find_again=find_again
        )

    async def _find_again(self, deadline: float) -> None:
        assert self._way.locate is not None  # noqa: S101  asked by both callers
        found = await self._way.locate(max(0.0, deadline - asyncio.get_running_loop().time()))
        self._device = found.handle

    async def _connect(self, deadline: float) -> None:
        """Try once, with a client and an inbox of its own, and leave nothing connected if it fails."""
        inbox = Inbox()
        wait = deadline - asyncio.get_running_loop().time()
        if self._way.locate is not None:
            wait = min(wait, TRY_TIMEOUT)
        self._client = client = self._way.client(self._device, inbox, wait)
        try:
            with renamed("connect"):
                async with asyncio.timeout(wait):
                    await self._way.dial(client)
            self._enter(client, inbox)
        except BaseException:
            self._client = client  # which a close meanwhile may have taken for unconnected
            await self._hang_up()
            raise

    def _enter(self, client: "BleakClient", inbox: Inbox) -> None:
        """Take over a connection that stands."""
        if self._closed:
            raise link_closed()
        services = client.services
        self._rx, tx = services.get_characteristic(RX_UUID), services.get_characteristic(TX_UUID)
        if self._rx is None or tx is None:
            raise LinkError(
                "the device does not offer the pairing service", step="connect", remedy="Choose another device"
            )
        self._inbox = inbox
        # Message 1 goes out while the subscription is still on its way: the device holds its reply until then.
        self._subscription = asyncio.create_task(_subscribe(client, tx, inbox))

    async def _is_lost(self) -> bool:
        """Whether the connection has ended; BlueZ answers what was under way first, and tells of the end after that."""
        deadline = asyncio.get_running_loop().time() + LOSS_GRACE
        while self._client is not None and self._client.is_connected:
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(LOSS_GRACE / 10)
        return True

    async def _hang_up(self) -> None:
        """Let go of the client, if there is one."""
        client, subscription, rx = self._client, self._subscription, self._rx
        self._client = self._subscription = self._rx = None
        if client is not None:
            await hear_out(_end(client, subscription, rx if self._wrote else None), DISCONNECT_TIMEOUT)


async def _subscribe(client: "BleakClient", tx: "BleakGATTCharacteristic", inbox: Inbox) -> None:
    try:
        with renamed("subscribe"):
            await client.start_notify(tx, lambda _, value: inbox.put(bytes(value)))
    except LinkError as error:
        inbox.fail(error)


async def _end(
    client: "BleakClient", subscription: asyncio.Task[None] | None, rx: "BleakGATTCharacteristic | None"
) -> None:
    if subscription is not None:
        subscription.cancel()
        with suppress(asyncio.CancelledError):
            await subscription
    if rx is not None and client.is_connected:
        await _say_goodbye(client, rx)
    # A connection that cannot be ended in order is already gone, or ends when the process does.
    with suppress(LinkError), renamed("disconnect"):
        async with asyncio.timeout(DISCONNECT_TIMEOUT):
            await client.disconnect()


async def _say_goodbye(client: "BleakClient", rx: "BleakGATTCharacteristic") -> None:
    """Spare the device the wait for a client that comes back."""
    with suppress(LinkError), renamed("disconnect"):
        async with asyncio.timeout(GOODBYE_TIMEOUT):
            await client.write_gatt_char(rx, control(MessageType.CLOSE), response=True)


async def connect(
    device: "BLEDevice | str",
    *,
    backend: "type[BaseBleakClient] | None" = None,
    adapter: str | None = None,
    timeout: float = 15.0,
    timing: Timing | None = None,
    locate: Locate | None = None,
    report: Report = silent,
) -> FramedLink:
    """Connect to a device (the `handle` of a `Found`, or an address) within `timeout` seconds; return the link.

    Failures that pass are tried again, and reported; `locate` finds the device anew where it may have a new address.
    For an address bleak looks around by itself, which under BlueZ goes on for a while when it is cancelled.
    Raises DeviceNotFound, LinkError, UsageError (bleak is not installed). Nothing stays connected after an error.
    """
    report(Progress("client", "connecting", device if isinstance(device, str) else device.address))
    carrier = _CentralCarrier(device, _Way(backend, adapter, locate, report))
    await carrier.open(timeout)
    return FramedLink(carrier, initiator=True, timing=timing)
