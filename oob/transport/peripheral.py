"""The device side of a radio, Bluetooth LE or NFC, independent of its stack.

An adapter (`Stack`) advertises, carries frames to and fro, and calls the four `on_` methods. One client is active at a
time: the first that writes. Others are told that the device is busy, whenever they begin a message.

A conversation outlives its connection: by RESUME its client takes it up on another one, whose address may be another.
Until then it keeps nobody out: the first who begins a handshake takes its place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Final, Protocol

from oob.errors import LinkError, PeerError
from oob.framing.gatt import (
    ID_LENGTH,
    MAX_FRAME,
    MIN_FRAME,
    START_OVERHEAD,
    MessageType,
    control,
    identify,
    is_start,
    resume,
)
from oob.transport.carrier import Inbox, connection_lost, link_closed
from oob.transport.link import FramedLink, Timing

MAX_CLIENTS: Final = 4
"""Connections that are kept at once by each carrier; one more, and the oldest that is not active must go."""


class Clients(Protocol):
    """Whom a stack tells of its clients, each of which it names by a `peer`."""

    def on_connect(self, peer: Hashable, carrier: str = "") -> None:
        """A client connected, by the `carrier` where there are several."""
        ...

    def on_subscribe(self, peer: Hashable, enabled: bool) -> None:
        """A client can be notified from now on, or not any more."""
        ...

    def on_write(self, peer: Hashable, value: bytes, longest: int) -> None:
        """A client wrote a frame. Both ways, the connection has frames of `longest` bytes at most, and 512."""
        ...

    def on_disconnect(self, peer: Hashable) -> None:
        """The connection to a client ended."""
        ...


class Stack(Protocol):
    """What a stack must do for a device; the words are those of Bluetooth LE, whose part a tap has on NFC.

    `peer` is whatever names a connection in that stack.
    """

    carrier: str
    """The kind of carrier: "ble", "nfc"."""

    async def start(self, clients: Clients) -> None:
        """Serve the service, and tell `clients` of those who come. Raises LinkError."""
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
        """Send one notification on TX to one client; others may get it, too. Raises LinkError, as where it is gone."""
        ...

    async def disconnect(self, peer: Hashable) -> None:
        """End the connection to one client, after what was sent to it."""
        ...


class _Connection:
    """One connected client. `told` says that an answer outside a conversation is on its way to it."""

    def __init__(self, peer: Hashable, carrier: str) -> None:
        self.peer, self.carrier = peer, carrier
        self.ready = asyncio.Event()  # subscribed, or gone
        self.is_up = True
        self.told = False

    def subscribe(self, enabled: bool) -> None:
        """Note whether notifications reach the client."""
        if enabled:
            self.ready.set()
        else:
            self.ready.clear()

    def lose(self) -> None:
        """Note that the client is gone, and wake whoever waits to send to it."""
        self.is_up = False
        self.ready.set()


class _Conversation:
    """What goes on with the active client, over one connection after the other: the carrier of its link."""

    def __init__(self, peripheral: "Peripheral", timing: Timing | None) -> None:
        self.name = peripheral.stack.carrier
        self.link = FramedLink(self, initiator=False, timing=timing)
        self._window = (timing or Timing()).resume
        self._peripheral = peripheral
        self._back = asyncio.Event()  # connected again, or over
        self._lost_at = 0.0
        self._inbox = self._arriving = Inbox()  # two of them while the link has not noticed yet that it was taken up
        self.connection: _Connection | None = None
        self.max_frame = MIN_FRAME

    def attach(self, connection: _Connection, max_frame: int) -> None:
        """Begin, or go on, over this connection, whose frames have at most `max_frame` bytes."""
        self.connection, self.max_frame = connection, max_frame
        if self._inbox.error is not None:
            self._arriving = Inbox()
        self._back.set()

    def take(self, frame: bytes, max_frame: int) -> None:
        """Take what the client wrote."""
        self.max_frame = max_frame
        self._arriving.put(frame)

    def suspend(self) -> None:
        """Note that the connection is lost; end where the client could not name what it would take up."""
        if self.link.id is None:
            return self.end(connection_lost())
        self._inbox.fail(connection_lost())
        self.connection = None
        self._back.clear()
        self._lost_at = asyncio.get_running_loop().time()

    def end(self, error: LinkError | PeerError) -> None:
        """End for good."""
        self._inbox.fail(error)
        self._arriving.fail(error)
        self._window = 0.0
        self.connection = None
        self._back.set()

    @property
    def may_resume(self) -> bool:
        """Whether it waits for its client, whose time is not up."""
        elapsed = asyncio.get_running_loop().time() - self._lost_at
        return self.connection is None and elapsed < self._window

    async def send(self, frame: bytes, last: bool) -> None:
        """Notify the client, once it has subscribed."""
        connection = self.connection
        if connection is not None:
            await connection.ready.wait()
        if self._inbox.error is not None:
            raise self._inbox.error.with_traceback(None)
        if connection is not None:
            await self._peripheral.notify(connection, frame)

    async def receive(self) -> bytes:
        """Return the next value that the client wrote."""
        return await self._inbox.get()

    async def reconnect(self) -> None:
        """Wait until the client takes the conversation up. Raises LinkLost when its time is up, or another came."""
        while self.connection is None:  # it may have been lost again before this gets its turn
            if not self._window:
                raise connection_lost()
            try:
                async with asyncio.timeout_at(self._lost_at + self._window):
                    await self._back.wait()
            except TimeoutError:
                raise connection_lost() from None
        self._inbox = self._arriving

    async def close(self) -> None:
        """Disconnect the client."""
        connection = self.connection
        self.end(link_closed())
        await self._peripheral.release(self, connection)


class Peripheral:
    """A Listener over any such stack: turns connections, writes and subscriptions into links."""

    def __init__(self, stack: Stack, *, timing: Timing | None = None) -> None:
        self.stack = stack
        self._timing = timing
        self._connections: dict[Hashable, _Connection] = {}
        self._active: _Conversation | None = None
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
        for connection in self._connections.values():
            connection.lose()
        self._connections.clear()
        self._end_active(link_closed())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.stack.stop()

    async def release(self, conversation: _Conversation, connection: _Connection | None) -> None:
        """Disconnect a client and make room for the next one. Called by the link of that client as it closes."""
        if self._active is conversation:
            self._active = self._pending = None
        if connection is not None and self._connections.pop(connection.peer, None) is not None:
            connection.lose()
            await self.stack.disconnect(connection.peer)

    async def notify(self, connection: _Connection, frame: bytes) -> None:
        """Send the active client a frame. Raises LinkLost; a connection over which that fails is given up."""
        try:
            await self.stack.notify(connection.peer, frame)
        except LinkError as error:
            if self._connections.get(connection.peer) is connection:
                self._spawn(partial(self.stack.disconnect, connection.peer))
                self.on_disconnect(connection.peer)
            raise connection_lost() from error

    def on_connect(self, peer: Hashable, carrier: str = "") -> None:
        """A client connected. Those of one carrier never need the place of one who came by another."""
        if self._closed:
            return
        rivals = [other for other in self._connections.values() if other.carrier == carrier]
        if len(rivals) == MAX_CLIENTS:
            active = self._active.connection if self._active is not None else None
            oldest = next(other for other in rivals if other is not active)
            self._drop(oldest, LinkError("another client needed the place", step="link"))
        self._connections[peer] = _Connection(peer, carrier)

    def on_subscribe(self, peer: Hashable, enabled: bool) -> None:
        """A client switched notifications on or off; what waits for it is sent now."""
        connection = self._connections.get(peer)
        if connection is not None:
            connection.subscribe(enabled)

    def on_write(self, peer: Hashable, value: bytes, longest: int) -> None:
        """A client wrote a frame over a connection that takes `longest` bytes of them. Never raises."""
        connection = self._connections.get(peer)
        if connection is None:
            return  # already dropped; its connection is about to end
        longest = min(longest, MAX_FRAME)
        if not 0 < len(value) <= longest:
            self._drop(connection, PeerError(f"a write of {len(value)} bytes", step="link"))
        elif is_start(value, MessageType.RESUME):
            self._resume(connection, value, max(MIN_FRAME, longest))
        elif is_start(value, MessageType.CLOSE):
            self._hang_up(connection)
        else:
            self._take(connection, value, max(MIN_FRAME, longest))

    def on_disconnect(self, peer: Hashable) -> None:
        """The connection to a client ended."""
        connection = self._connections.pop(peer, None)
        if connection is not None:
            connection.lose()
            if self._active is not None and self._active.connection is connection:
                self._active.suspend()
                if not self._active.may_resume:
                    self._active = self._pending = None

    def _take(self, connection: _Connection, value: bytes, max_frame: int) -> None:
        """Take a frame of a message: of the active client, of one who becomes it, or of one who has to wait."""
        begins = is_start(value, MessageType.HANDSHAKE)
        if self._active is None or (self._active.connection is None and begins):
            self._end_active(connection_lost())
            self._active = _Conversation(self, self._timing)
            self._active.attach(connection, max_frame)
            self._pending = self._active.link
            self._wake.set()
        if self._active.connection is connection:
            self._active.take(value, max_frame)
        elif begins or is_start(value, MessageType.CHANNEL):
            self._tell(connection, control(MessageType.BUSY, identify(value)))

    def _resume(self, connection: _Connection, request: bytes, max_frame: int) -> None:
        """Let a client take its conversation up, or tell it why not."""
        id = request[START_OVERHEAD:]
        active = self._active
        if len(id) != ID_LENGTH or request != resume(id):
            self._drop(connection, PeerError("a malformed RESUME", step="link"))
        elif active is not None and active.link.id in (id, None) and active.connection not in (None, connection):
            # Perhaps the very same client, whose former connection is lost and not yet given up here.
            self._tell(connection, control(MessageType.BUSY, identify(request)))
        elif active is None or active.link.id != id:
            self._tell(connection, resume(id, False))
        else:
            goes_on = active.connection is connection or active.may_resume
            self._tell(connection, resume(id, goes_on))  # before what the link has to send, which waits for the same
            if goes_on and active.connection is None:
                active.attach(connection, max_frame)

    def _hang_up(self, connection: _Connection) -> None:
        """The client has all that it wanted."""
        if self._active is not None and self._active.connection is connection:
            self._end_active(LinkError("the client hung up", step="link"))

    def _tell(self, connection: _Connection, frame: bytes) -> None:
        """Send a client a frame outside a conversation; one that is not done with the last gets no other."""
        if not connection.told:
            connection.told = True
            self._spawn(partial(self._notify, connection, frame))

    async def _notify(self, connection: _Connection, frame: bytes) -> None:
        await connection.ready.wait()
        try:
            if connection.is_up:
                await self.stack.notify(connection.peer, frame)
        finally:
            connection.told = False

    def _drop(self, connection: _Connection, error: LinkError | PeerError) -> None:
        del self._connections[connection.peer]
        connection.lose()
        if self._active is not None and self._active.connection is connection:
            self._end_active(error)
        self._spawn(partial(self.stack.disconnect, connection.peer))

    def _end_active(self, error: LinkError | PeerError) -> None:
        """Make room for the next client."""
        active, self._active, self._pending = self._active, None, None
        if active is not None:
            active.end(error)

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
