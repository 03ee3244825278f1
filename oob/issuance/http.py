"""HTTPS for devices: the standard library's client in a worker thread, bounded in time and size.

One root is trusted and nothing else; the host name is always verified; redirects are not followed. Connections are kept
open between requests, since one issuance takes several.
"""

import asyncio
import contextlib
import http.client
import io
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from oob.errors import IssuanceError, StorageError, UsageError

MAX_BODY = 262144
TIMEOUT = 15.0
_T = TypeVar("_T")
_DOWN = "Check that the issuer runs and that this address is right, then try again"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; names of headers are in lower case, of a repeated header the last value counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body as JSON, None if it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class HttpClient:
    """A client for the issuer that one root certificate (DER) vouches for. `timeout` in seconds bounds each request."""

    def __init__(self, root_der: bytes, *, timeout: float = TIMEOUT) -> None:
        self._context = tls_context(root_der)
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._open: tuple[str, _Connection] | None = None

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, content_type: str = "", origin: str = ""
    ) -> Response:
        """Send a request and return the answer, whatever its status.

        IssuanceError, within the timeout, if the URL is none (an issuer may have named it), or the issuer cannot be
        reached, is not the one that the root vouches for, or answers with something that is not HTTP or too long.
        """
        try:
            parts = _split(url)
        except UsageError as error:
            raise IssuanceError(error.cause, step="issuance") from error
        headers = {"User-Agent": "oob", "Accept": "application/json, application/problem+json, */*"}
        headers |= {"Content-Type": content_type} if content_type else {}
        headers |= {"Origin": origin} if origin else {}
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            async with asyncio.timeout(self._timeout), self._lock:
                connection = self._connection(parts.netloc)
                connection.deadline = time.monotonic() + self._timeout
                try:
                    answer, keep = await _in_thread(lambda: connection.exchange(method, target, body, headers))
                except BaseException:
                    connection.deadline = 0.0  # the thread, if it still runs, gives up at its next step
                    raise
                if keep:
                    self._open = (parts.netloc, connection)
                return answer
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a host name that cannot be one
            raise _failure(url, error) from error

    def close(self) -> None:
        """Close the connection that is kept open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _connection(self, netloc: str) -> "_Connection":
        """Take the open connection, if it leads there and still stands, or make another."""
        known, self._open = self._open, None
        if known is not None:
            if known[0] == netloc and known[1].is_idle():
                return known[1]
            known[1].close()
        return _Connection(netloc, context=self._context)


async def _in_thread(work: Callable[[], _T]) -> _T:
    """Run blocking work in a daemon thread.

    Not in the executor of the loop, for which the end of a program waits: work that was given up, or hangs in a
    resolver that has no timeout, must not delay a Ctrl-C.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(action: Callable[[Any], None], value: object) -> None:
        if not done.done():
            action(value)

    def run() -> None:
        outcome: tuple[Callable[[Any], None], object]
        try:
            outcome = (done.set_result, work())
        except BaseException as error:
            outcome = (done.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="oob-http", daemon=True).start()
    return await done


class _Connection(http.client.HTTPSConnection):
    """A connection whose operations, taken together, end at `deadline` (time.monotonic)."""

    deadline = 0.0

    def exchange(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> tuple[Response, bool]:
        """Send a request and return the answer, and whether the connection serves another one; otherwise close it."""
        keep = False
        try:
            self.request(method, target, body, headers)
            answer = self.getresponse()
            content = answer.read(MAX_BODY + 1)
            if len(content) > MAX_BODY:
                raise http.client.HTTPException(f"the answer is longer than {MAX_BODY} bytes")
            if answer.length:  # read() with a limit does not say so itself
                raise http.client.IncompleteRead(content, answer.length)
            keep = not answer.will_close
        finally:
            if not keep:
                self.close()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content), keep

    def connect(self) -> None:
        """Connect and shake hands within the deadline."""
        self.timeout = _left(self.deadline)
        super().connect()
        self.sock = _BoundedSocket(self.sock, self)

    def is_idle(self) -> bool:
        """Whether the connection can serve another request: nothing to read means that it was not closed."""
        sock = self.sock
        return sock is not None and not select.select([sock], [], [], 0)[0]


class _BoundedSocket:
    """What http.client needs of a socket, each operation under the connection's deadline."""

    def __init__(self, sock: socket.socket, connection: _Connection) -> None:
        self._sock, self._connection = sock, connection

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._connection.deadline))
        self._sock.sendall(data)

    def recv_into(self, buffer: memoryview) -> int:
        self._sock.settimeout(_left(self._connection.deadline))
        return self._sock.recv_into(buffer)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        # A peer that does not close its half properly is no reason to wait or to fail.
        with contextlib.suppress(OSError):
            self._sock.close()


class _Reader(io.RawIOBase):
    """The reading half of a bounded socket as a file; closing it leaves the socket open for the next request."""

    def __init__(self, sock: _BoundedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  typeshed's buffer protocol
        return self._sock.recv_into(memoryview(buffer))


def tls_context(root_der: bytes) -> ssl.SSLContext:
    """Return a client context that trusts this root and nothing else; StorageError if it is no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name by default
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cadata=root_der)
    except (ssl.SSLError, ValueError) as error:
        raise StorageError("the root certificate of the issuer is damaged", step="issuance") from error
    return context


def require_url(url: str) -> None:
    """Raise UsageError unless this is an https URL."""
    _split(url)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # as the resolver takes it: no empty or overlong label
        valid = parts.scheme == "https" and host and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        valid = False
    if not valid or not url.isascii() or not url.isprintable() or " " in url:
        remedy = "For example https://box.home.example:8443/directory"
        raise UsageError(f"{url[:200]!r} is not an https URL", step="issuance", remedy=remedy)
    return parts


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _failure(url: str, error: Exception) -> IssuanceError:
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = f"{url} is not vouched for by the root certificate: {error.verify_message}"
        return IssuanceError(cause, step="issuance", remedy="Check the address, and that the root is of this issuer")
    if isinstance(error, TimeoutError):
        return IssuanceError(f"{url} did not answer in time", step="issuance", remedy=_DOWN)
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        detail = str(error) or type(error).__name__
        return IssuanceError(f"{url} did not answer in HTTP: {detail[:200]}", step="issuance", remedy=_DOWN)
    cause = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        cause = "its host name or path is malformed"
    return IssuanceError(f"{url} cannot be reached: {cause}", step="issuance", remedy=_DOWN)
