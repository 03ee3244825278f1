"""The device side of Bluetooth LE, independent of the Bluetooth stack.

An adapter (`GattStack`) advertises, serves the two characteristics and calls the four `on_` methods. One client is
active at a time: the first that writes. Others are told that the device is busy, whenever they write.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Final, Protocol

from oob.errors import LinkError, PeerError
from oob.framing.gatt import MAX_FRAME, MIN_FRAME, MessageType, fragment
from oob.transport.gatt_profile import ATT_HEADER
from oob.transport.link import FramedLink, Inbox, Timing, connection_lost, link_closed

MAX_CLIENTS: Final = 4
"""Connections that are kept at once; one more, and the oldest that is not active must go."""

_BUSY_FRAME: Final = fragment(MessageType.BUSY, 0, b"", MIN_FRAME)[0]
_START: Final = 0x80


class GattStack(Protocol):
    """What a Bluetooth stack must do for a device. `peer` is whatever names a connection in that stack."""

    async def start(self, peripheral: "GattPeripheral") -> None:
        """Serve the service, and call the `on_` methods of `peripheral`. Raises LinkError."""
        ...

    async def advertise(self, tag: bytes | None) -> None:
        """Advertise the service with this tag, 6 bytes, or b"" for none, in place of what was; None: do not advertise.

        A new tag comes with a new address, where the stack lets that be chosen. Raises LinkError.
        """
        ...

    async def stop(self) -> None:
        """Undo `start`, and drop all connections."""
        ...

    async def notify(self, peer: Hashable, value: bytes) -> None:
        """Send one notification on TX to one client. Raises LinkError."""
        ...

    async def disconnect(self, peer: Hashable) -> None:
        """End the connection to one client, after what was sent to it."""
        ...


class _Client:
    """One connected client, which is also the carrier of its link."""

    name = "ble"

    def __init__(self, peripheral: "GattPeripheral", peer: Hashable) -> None:
        self.inbox = Inbox()
        self.max_frame = MIN_FRAME
        self._peripheral = peripheral
        self._peer = peer
        self._ready = asyncio.Event()  # subscribed, or gone
        self.told = False  # a BUSY is on its way

    async def tell_busy(self) -> None:
        """Tell the client that another one is served."""
        await self.send(_BUSY_FRAME, True)
        self.told = False

    def subscribe(self, enabled: bool) -> None:
        """Note whether notifications reach the client."""
        if enabled or self.inbox.error is not None:
            self._ready.set()
        else:
            self._ready.clear()

    def lose(self, error: LinkError | PeerError) -> None:
        """Note that the client is gone, and wake whoever waits to send to it."""
        self.inbox.fail(error)
        self._ready.set()

    async def send(self, frame: bytes, last: bool) -> None:
        """Notify the client, once it has subscribed."""
        await self._ready.wait()
        if self.inbox.error is not None:
            raise self.inbox.error.with_traceback(None)
        await self._peripheral.stack.notify(self._peer, frame)

    async def receive(self) -> bytes:
        """Return the next value that the client wrote."""
        return await self.inbox.get()

    async def close(self) -> None:
        """Disconnect the client."""
        self.lose(link_closed())
        await self._peripheral.release(self._peer)


class GattPeripheral:
    """A Listener over any Bluetooth stack: turns connections, writes and subscriptions into links."""

    def __init__(self, stack: GattStack, *, timing: Timing | None = None) -> None:
        self.stack = stack
        self._timing = timing
        self._clients: dict[Hashable, _Client] = {}
        self._active: Hashable | None = None
        self._pending: FramedLink | None = None  # the link of the active client, until it is accepted
        self._wake = asyncio.Event()
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Serve clients; `advertise` lets them find the device. Raises LinkError."""
        self._closed = False
        await self.stack.start(self)

    async def advertise(self, tag: bytes | None) -> None:
        """Advertise with this tag, 6 bytes, or b"" for none; None: be invisible. Raises LinkError."""
        await self.stack.advertise(tag)

    async def accept(self) -> FramedLink:
        """Wait for the next client that writes. Raises LinkError once closed."""
        while not self._closed:
            link, self._pending = self._pending, None
            if link is not None:
                return link
            self._wake.clear()
            await self._wake.wait()
        raise link_closed()

    async def close(self) -> None:
        """Become invisible and drop every client. May be called twice."""
        self._closed = True
        self._wake.set()
        for client in self._clients.values():
            client.lose(link_closed())
        self._clients.clear()
        self._forget_active()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.stack.stop()

    async def release(self, peer: Hashable) -> None:
        """Disconnect `peer` and make room for the next client. Called by the link of that client as it closes."""
        if self._clients.pop(peer, None) is not None:
            self._vacate(peer)
            await self.stack.disconnect(peer)

    def on_connect(self, peer: Hashable) -> None:
        """A client connected."""
        if len(self._clients) == MAX_CLIENTS:
            oldest = next(other for other in self._clients if other != self._active)
            self._drop(oldest, LinkError("another client needed the place", step="link"))
        self._clients[peer] = _Client(self, peer)

    def on_subscribe(self, peer: Hashable, enabled: bool) -> None:
        """A client switched notifications on or off; what waits for it is sent now."""
        client = self._clients.get(peer)
        if client is not None:
            client.subscribe(enabled)

    def on_write(self, peer: Hashable, value: bytes, mtu: int) -> None:
        """A client wrote `value` to RX over a connection whose ATT MTU is `mtu` bytes. Never raises."""
        client = self._clients.get(peer)
        if client is None or client.inbox.error is not None:
            return  # already dropped; its connection is about to end
        if not 0 < len(value) <= min(mtu - ATT_HEADER, MAX_FRAME):
            self._drop(peer, PeerError(f"a write of {len(value)} bytes", step="link"))
            return
        if self._active is None:
            self._active = peer
            self._pending = FramedLink(client, initiator=False, timing=self._timing)
            self._wake.set()
        if self._active == peer:
            client.max_frame = max(MIN_FRAME, min(mtu - ATT_HEADER, MAX_FRAME))
            client.inbox.put(value)
        elif value[0] & _START and not client.told:
            client.told = True
            self._spawn(client.tell_busy)

    def on_disconnect(self, peer: Hashable) -> None:
        """The connection to a client ended."""
        client = self._clients.pop(peer, None)
        if client is not None:
            self._vacate(peer)
            client.lose(connection_lost())

    def _drop(self, peer: Hashable, error: LinkError | PeerError) -> None:
        client = self._clients.pop(peer)
        self._vacate(peer)
        client.lose(error)
        self._spawn(partial(self.stack.disconnect, peer))

    def _vacate(self, peer: Hashable) -> None:
        """Make room for the next client if `peer` is the active one."""
        if self._active == peer:
            self._forget_active()

    def _forget_active(self) -> None:
        self._active = self._pending = None

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run what a callback cannot wait for; at most a few for each client, all ended by `close`."""
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _guard(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (LinkError, PeerError):
            return  # the client for whom it was is gone
