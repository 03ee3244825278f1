"""A carrier over a Unix socket: a stand-in for the radio between processes of one machine, for demos and tests.

Whoever may open the socket is "within reach".
"""

import asyncio
import errno
import os
import socket
from pathlib import Path
from typing import Final

from oob.errors import DeviceNotFound, LinkError, UsageError
from oob.transport.carrier import connection_lost, link_closed
from oob.transport.frame_stream import FrameStream
from oob.transport.link import FramedLink

CONNECT_WAIT: Final = 5.0


class _SocketCarrier(FrameStream):
    """One end of a connection."""

    name = "socket"

    async def reconnect(self) -> None:
        """Fail: on one machine a connection is lost when the other process ends."""
        raise connection_lost()


async def connect(path: Path) -> FramedLink:
    """Connect to a device on this machine. Raises DeviceNotFound within 5 s."""
    try:
        async with asyncio.timeout(CONNECT_WAIT):
            reader, writer = await asyncio.open_unix_connection(path)
    except (OSError, TimeoutError) as error:
        remedy = "Start it, or check the path of its socket"
        raise DeviceNotFound(f"no device listens at {path}", step="connect", remedy=remedy) from error
    return FramedLink(_SocketCarrier(reader, writer), initiator=True)


class SocketListener:
    """The device's side: a Listener on a Unix socket that only this user can open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._links: asyncio.Queue[FramedLink | None] = asyncio.Queue()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket that a killed device left behind is replaced. Raises LinkError, UsageError."""
        try:
            listener = _bound(self._path)
            self._server = await asyncio.start_unix_server(self._on_connection, sock=listener)
        except OSError as error:
            cause, remedy = error.strerror or str(error), "Choose another path for the socket"
            raise LinkError(f"cannot listen at {self._path}: {cause}", step="listen", remedy=remedy) from error

    async def advertise(self, tag: bytes | None) -> None:
        """Do nothing: the path is the address."""

    async def accept(self) -> FramedLink:
        """Wait for the next client. Raises LinkError once closed."""
        link = await self._links.get()
        if link is None:
            self._links.put_nowait(None)
            raise link_closed()
        return link

    async def close(self) -> None:
        """Stop listening, and drop who waits. May be called twice."""
        while not self._links.empty():
            link = self._links.get_nowait()
            if link is not None:
                await link.close()
        self._links.put_nowait(None)
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self._path.unlink(missing_ok=True)

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.put_nowait(FramedLink(_SocketCarrier(reader, writer), initiator=False))


def _bound(path: Path) -> socket.socket:
    """Return a socket at `path` that only this user can open. Raises OSError; UsageError for what is not ours."""
    if path.exists():
        if not path.is_socket():
            raise UsageError(f"{path} exists and is no socket", step="listen", remedy="Choose another path")
        if _is_alive(path):
            raise LinkError(
                f"another device listens at {path}", step="listen", remedy="Stop it, or choose another path"
            )
        path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        bound.bind(str(path))
    except BaseException:
        bound.close()
        raise
    finally:
        os.umask(mask)
    return bound


def _is_alive(path: Path) -> bool:
    """Whether a process listens there; nobody does where one was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) != errno.ECONNREFUSED
