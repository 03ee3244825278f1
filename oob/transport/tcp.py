"""Frames over TCP on the local network: where a tag or a label has told the client what it needs to know.

Whoever is in the network can connect, so being connected shows nothing; what was carried by hand does.
"""

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Final

from oob.errors import DeviceNotFound, LinkError, OobError
from oob.framing.gatt import MAX_FRAME, MessageType, control
from oob.transport.carrier import connection_lost
from oob.transport.frame_stream import FrameStream
from oob.transport.link import FramedLink, Timing
from oob.transport.peripheral import Clients, Peripheral

CONNECT_WAIT: Final = 5.0
"""Seconds for one connection to be made."""
IDLE: Final = 60.0
"""Seconds after which a client that sends nothing is dropped."""
_LOCAL: Final = tuple(
    map(
        ip_network,
        # RFC 1122, 1918, 3927; RFC 4291, 4193
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1",
            "fe80::/10",
            "fc00::/7",
        ),
    )
)
"""Written out, because what Python takes for private has changed from release to release."""


def local_address(hint: str) -> tuple[str, int] | None:
    """Return host and port of a hint "192.168.1.7:4433" or "[fe80::1]:4433"; None for any other.

    None also for an address that is not on a local network: whoever wrote a tag must not send clients anywhere.
    """
    host, _, port = hint.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        return None
    with suppress(ValueError):
        address = ip_address(host.removeprefix("[").removesuffix("]"))
        if any(address in network for network in _LOCAL if network.version == address.version):
            return str(address), int(port)
    return None


async def connect(host: str, port: int, *, timing: Timing | None = None) -> FramedLink:
    """Connect to a device on the local network. Raises DeviceNotFound within 5 s."""
    carrier = _TcpCarrier(host, port)
    await carrier.reconnect()
    return FramedLink(carrier, initiator=True, timing=timing)


def tcp_listener(host: str, port: int, *, timing: Timing | None = None) -> Peripheral:
    """Return a Listener at this address; port 0 takes any that is free."""
    return Peripheral(TcpStack(host, port), timing=timing)


class _TcpCarrier:
    """The client's end."""

    name = "tcp"
    max_frame = MAX_FRAME

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._stream: FrameStream | None = None

    async def reconnect(self) -> None:
        """Connect anew."""
        await self._drop()
        try:
            async with asyncio.timeout(CONNECT_WAIT):
                self._stream = FrameStream(*await asyncio.open_connection(self._host, self._port))
        except (OSError, UnicodeError) as error:  # the latter for what is no host name at all
            remedy = "Check that it is on, and in the same network"
            cause = f"no device answers at {self._host} port {self._port}"
            raise DeviceNotFound(cause, step="connect", remedy=remedy) from error

    async def send(self, frame: bytes, last: bool) -> None:
        """Write one frame, and wait for room at the end of a burst."""
        if self._stream is None:
            raise connection_lost()
        await self._stream.send(frame, last)

    async def receive(self) -> bytes:
        """Return the next frame."""
        if self._stream is None:
            raise connection_lost()
        return await self._stream.receive()

    async def close(self) -> None:
        """Say that no more will come, and end the connection."""
        with suppress(LinkError):
            await self.send(control(MessageType.CLOSE), True)
        await self._drop()

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()


class TcpStack:
    """A Stack at one address: each connection is a client that can be notified at once.

    How many there may be, `Peripheral` says.
    """

    carrier = "tcp"

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._clients: Clients | None = None
        self._streams: dict[Hashable, FrameStream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect, once it is started."""
        if self._server is None:
            return self._host, self._port
        host, port, *_ = self._server.sockets[0].getsockname()
        return str(host), int(port)

    async def start(self, clients: Clients) -> None:
        """Listen. Raises LinkError."""
        self._clients = clients
        try:
            self._server = await asyncio.start_server(self._on_connection, self._host, self._port)
        except (OSError, UnicodeError) as error:  # the latter for what is no host name at all
            cause = f"cannot listen at {self._host} port {self._port}: {getattr(error, 'strerror', None) or error}"
            raise LinkError(cause, step="listen", remedy="Choose another address, or stop who has this one") from error

    async def advertise(self, tag: bytes | None) -> None:
        """Do nothing: a tag or a label tells the address."""

    async def stop(self) -> None:
        """Stop listening, and drop all clients."""
        self._clients = None
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in list(self._streams):  # of a task that was cancelled before its first step
            await self.disconnect(peer)

    async def notify(self, peer: Hashable, value: bytes) -> None:
        """Send a client one frame. LinkLost if it is gone."""
        stream = self._streams.get(peer)
        if stream is None:
            raise connection_lost()
        await stream.send(value, last=True)

    async def disconnect(self, peer: Hashable) -> None:
        """End the connection to one client."""
        stream = self._streams.pop(peer, None)
        if stream is not None:
            await stream.close()

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._clients is None:
            return writer.close()
        peer = object()
        stream = self._streams[peer] = FrameStream(reader, writer)
        task = asyncio.get_running_loop().create_task(self._serve(self._clients, peer, stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, clients: Clients, peer: Hashable, stream: FrameStream) -> None:
        """Pass on what one client sends, until it ends or is silent for too long."""
        clients.on_connect(peer)
        clients.on_subscribe(peer, True)
        try:
            while peer in self._streams:
                async with asyncio.timeout(IDLE):
                    frame = await stream.receive()
                clients.on_write(peer, frame, MAX_FRAME)
                await asyncio.sleep(0)  # thousands that came at once leave the others, such as a tap, their turns
        except (OobError, TimeoutError):
            return
        finally:
            self._streams.pop(peer, None)
            clients.on_disconnect(peer)
            await stream.close()
