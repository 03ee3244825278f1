"""Serving over TLS, with a certificate that the authority itself issues: the root verifies issuer and devices alike."""

import asyncio
import contextlib
import logging
import secrets
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec

from oob import storage
from oob.errors import LinkError, OobError, UsageError
from oob.issuance.authority import DAY, MAX_LEAF_LIFETIME, Authority
from oob.issuance.names import as_ip, canonical
from oob.issuance.server.app import create_app
from oob.issuance.server.connections import MAX_CONNECTIONS, HurriedProtocol, Listener
from oob.issuance.server.issuer import Issuer
from oob.issuance.server.policy import Policy
from oob.issuance.store import Store
from oob.issuance.tls_key import to_pkcs8

RENEWAL = 30 * DAY
"""Seconds after which the server takes a new certificate; one that failed is tried again daily."""
KEEP_ALIVE = 30
GRACE = 1
_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve(
    authority: Authority,
    store: Store,
    policy: Policy,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    names: Sequence[str] = (),
    clock: Callable[[], float] = time.time,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> AsyncIterator[Issuer]:
    """Serve an issuer on the address `host`; port 0 lets the system choose. Leaving the context ends it gracefully.

    `names` are those in the server's certificate, the first one in its URL; the default is `host`. No device gets
    one of them. Raises LinkError if the port cannot be had, UsageError if the authority may not certify a name.
    """
    known = tuple(map(canonical, names or (host,)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _certify(context, authority, known, clock())
    with _listening(host, port) as listener:
        url = _url(known[0], listener.getsockname()[1])
        issuer = Issuer(authority, store, url, policy, clock, random, (*known, *_names_of(host)))
        async with _running(_Server(_config(issuer, context)), listener):
            renewal = asyncio.create_task(_renew(context, authority, known, clock))
            try:
                yield issuer
            finally:
                renewal.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await renewal


class _Server(uvicorn.Server):
    """uvicorn, for a program that has other things to do: signals stay with it, and `ready` says that it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self.ready.set()


@asynccontextmanager
async def _running(server: _Server, listener: socket.socket) -> AsyncIterator[None]:
    task = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            raise LinkError("the server ended as it started", step="serve")
        yield
    finally:
        ready.cancel()
        server.should_exit = True
        await task


def _config(issuer: Issuer, context: ssl.SSLContext) -> uvicorn.Config:
    config = uvicorn.Config(
        create_app(issuer),
        http=HurriedProtocol,
        limit_concurrency=MAX_CONNECTIONS,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    config.load()
    # Older releases of uvicorn take file names only; this works with all.
    config.ssl = context
    return config


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    listener = Listener(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        cause = getattr(error, "strerror", None) or str(error)
        remedy = "Choose another address or port"
        raise LinkError(f"cannot listen on {host} port {port}: {cause}", step="serve", remedy=remedy) from error
    with listener:
        yield listener


def _certify(context: ssl.SSLContext, authority: Authority, names: Sequence[str], now: float) -> None:
    """Load a fresh key and certificate; connections that are open keep the former one."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = authority.issue(key.public_key(), names, now=now, lifetime=MAX_LEAF_LIFETIME)
    # The ssl module reads from files alone; these are private, and gone at once.
    with tempfile.TemporaryDirectory(prefix="oob-") as directory:
        path = Path(directory) / "server.pem"
        storage.write_atomic(path, to_pkcs8(key) + leaf.pem.encode())
        context.load_cert_chain(path)


async def _renew(
    context: ssl.SSLContext, authority: Authority, names: Sequence[str], clock: Callable[[], float]
) -> None:
    delay = RENEWAL
    while True:
        await asyncio.sleep(delay)
        try:
            _certify(context, authority, names, clock())
            delay = RENEWAL
        except (OobError, OSError) as error:
            _log.error("the server's certificate was not renewed: %s", error)
            delay = DAY


def _names_of(host: str) -> tuple[str, ...]:
    try:
        return (canonical(host),)
    except UsageError:  # one with a zone index, say, that no certificate can name
        return ()


def _url(name: str, port: int) -> str:
    address = as_ip(name)
    host = f"[{name}]" if address is not None and address.version == 6 else name
    return f"https://{host}" if port == 443 else f"https://{host}:{port}"
