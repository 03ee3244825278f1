"""The page of a demonstration device: one HTML page and a WebSocket that echoes, over TLS, on loopback."""

import asyncio
import html
import logging
import socket
import ssl
from pathlib import Path
from typing import ClassVar, Final
from weakref import WeakSet

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from oob.errors import LinkError, StorageError
from oob.storage import write_atomic

ECHO_PATH: Final = "/echo"
MAX_MESSAGE: Final = 65536
CLOSE_WAIT: Final = 1.0
"""Seconds that a client has to say goodbye when the device stops."""
HANDSHAKE_WAIT: Final = 10.0
"""Seconds that a client has for its TLS handshake, and for its request."""
TLS_FILE: Final = "tls.pem"

# A stranger's malformed request is not this program's news; what matters is reported as progress.
_LOGGER: Final = logging.getLogger("oob.sim.page")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False


class DemoPage:
    """Serves HTTPS on `host`, loopback unless said otherwise; `port` 0 takes a free one.

    The port is taken at once, so that one in use is found before anybody pairs: LinkError. `directory` must exist.
    """

    def __init__(self, title: str, directory: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._title, self._directory = title, directory
        self._socket = _bound(host, port)
        port = self._socket.getsockname()[1]
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._port = port
        self._context: ssl.SSLContext | None = None
        self._server: Server | None = None

    async def publish(self, tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
        """Serve under this TLS key and chain; return the URL and "host:port".

        Who is connected stays so, under the former certificate. Raises StorageError, and the former page stays.
        """
        self._load(tls_pem)
        if self._server is None:
            self._server = await serve(
                _echo,
                sock=self._socket,
                ssl=self._context,
                process_request=self._answer,
                create_connection=_Connection,
                ssl_handshake_timeout=HANDSHAKE_WAIT,
                open_timeout=HANDSHAKE_WAIT,
                max_size=MAX_MESSAGE,
                close_timeout=CLOSE_WAIT,
                server_header=None,
                logger=_LOGGER,
            )
        return f"https://{names[0]}:{self._port}/", self._address

    def _load(self, tls_pem: bytes) -> None:
        path = self._directory / TLS_FILE
        write_atomic(path, tls_pem)
        try:
            # Into a context of its own first: half a change must not reach the one that serves.
            for context in (_server_context(), self._context or _server_context()):
                context.load_cert_chain(path)
        except ssl.SSLError as error:
            remedy = "The device gets a new one by itself"
            raise StorageError("the stored certificate or its key is damaged", step="page", remedy=remedy) from error
        self._context = context

    async def withdraw(self) -> None:
        """Stop serving until the next `publish`, within 2 seconds; the address stays taken."""
        host, port = self._socket.getsockname()[:2]
        await self.close()
        self._context = None
        self._socket = _bound(host, port)

    async def close(self) -> None:
        """Stop serving, within 2 seconds. May be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            if not await _is_closed(server):
                # Browsers keep connections that have not asked for anything yet: nobody to say goodbye to.
                for connection in [each for each in _Connection.made if each.server is server]:
                    connection.transport.abort()
                await _is_closed(server)
        self._socket.close()

    def _answer(self, _: ServerConnection, request: Request) -> Response | None:
        """Answer an ordinary request; None lets the WebSocket handshake go on."""
        if request.path == ECHO_PATH and request.headers.get("Upgrade", "").lower() == "websocket":
            return None
        if request.path != "/":
            return _response(404, "Not Found", "<p>There is no such page.</p>")
        return _response(200, "OK", _PAGE.format(title=html.escape(self._title)))


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        cause = getattr(error, "strerror", None) or str(error)
        remedy = "Choose another address or port"
        raise LinkError(f"cannot listen on {host} port {port}: {cause}", step="page", remedy=remedy) from error
    return bound


class _Connection(ServerConnection):
    """A connection that is known before it has asked for anything, which is when websockets loses sight of it."""

    made: ClassVar[WeakSet["_Connection"]] = WeakSet()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of it."""
        super().connection_made(transport)
        self.made.add(self)


async def _is_closed(server: Server) -> bool:
    """Wait for a server that was told to close; False if that takes longer than `CLOSE_WAIT`."""
    try:
        async with asyncio.timeout(CLOSE_WAIT):
            await server.wait_closed()
    except TimeoutError:
        return False
    return True


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _echo(connection: ServerConnection) -> None:
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        return


def _response(status: int, reason: str, text: str) -> Response:
    body = text.encode()
    headers = Headers(
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'",
            "Strict-Transport-Security": "max-age=86400",
            "Connection": "close",
        }
    )
    return Response(status, reason, headers, body)


_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem }}</style>
<h1>{title}</h1>
<p>This page came over HTTPS from a device on your own network. Its certificate was issued to the key that you paired
with, and to no other.</p>
</html>
"""
