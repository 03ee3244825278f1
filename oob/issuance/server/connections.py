"""Bounds on connections: how many there are, and how long one may keep us waiting for a request."""

import asyncio
import socket
import sys
import weakref
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 512
HEAD_TIMEOUT = 10.0
"""Seconds for which the head of a request may be on its way, the first one from the handshake on."""


class Listener(socket.socket):
    """A listening socket that closes connections beyond `limit` at once.

    Were they to take the last file descriptor, asyncio would fail to accept the next one over and over, and write a
    traceback each time.
    """

    def __init__(self, family: int, limit: int | None = None) -> None:
        # asyncio switches Nagle's delay off only where the protocol is named; it would cost 40 ms an answer.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._limit = min(MAX_CONNECTIONS, _descriptors() // 2) if limit is None else limit
        self._taken: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection; ConnectionAbortedError, which asyncio passes over, where there are too many."""
        connection, address = super().accept()
        if sum(each.fileno() >= 0 for each in self._taken) >= self._limit:
            connection.close()
            raise ConnectionAbortedError("too many connections")
        self._taken.add(connection)
        return connection, address


class HurriedProtocol(H11Protocol):
    """HTTP/1.1 that ends a connection on which no head of a request is complete in time."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Go on waiting, unless this has completed the head of a request."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._timer is None:
            # abort: a TLS peer would be waited for once more for its farewell
            self._timer = self.loop.call_later(HEAD_TIMEOUT, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _descriptors() -> int:
    """Return how many file descriptors this process may have."""
    if sys.platform == "win32":
        return 2 * MAX_CONNECTIONS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else soft
