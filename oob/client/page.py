"""Opening the page of a paired device: TLS that trusts the issuer's root alone, and one certificate under it."""

import asyncio
import ssl
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from socket import socket
from typing import Final, cast
from urllib.parse import quote, urlsplit

from oob.client.store import Pairing
from oob.crypto import Hash, equal
from oob.errors import AuthenticationError, LinkError, LinkTimeout, PeerError, UsageError
from oob.issuance import tls_context

PAGE_WAIT: Final = 10.0
MAX_RESPONSE: Final = 1 << 20
_TARGET: Final = "/?&=%~:@!$'()*+,;"  # what a request target may hold as it is (RFC 3986)


@dataclass(frozen=True, slots=True)
class Visit:
    """A page that was fetched from the device that was paired: its peer key is verified."""

    status: int
    body: bytes


def check_peer(connection: ssl.SSLObject | ssl.SSLSocket, pairing: Pairing) -> None:
    """Check that the TLS peer is the one that was bound: AuthenticationError if it shows another certificate.

    The hash came through the protected channel, so this holds even against another certificate of the same issuer.
    """
    leaf = connection.getpeercert(binary_form=True) or b""
    if not equal(Hash.SHA256.digest(leaf), pairing.leaf_hash):
        raise AuthenticationError(
            "the page is served under another certificate than the paired device's",
            step="page",
            remedy="The device may have renewed it: pair again, or check who answers at its address",
        )


async def visit(pairing: Pairing, root_der: bytes, path: str = "/") -> Visit:
    """Fetch a page from the paired device. Raises AuthenticationError, LinkError, LinkTimeout within 10 s."""
    name, host, port = place(pairing)
    try:
        async with asyncio.timeout(PAGE_WAIT):
            raw = await _exchange(pairing, tls_context(root_der), host, port, name, path)
        response = HTTPResponse(cast(socket, _Replay(raw)))
        response.begin()
        return Visit(response.status, response.read())
    except TimeoutError as error:
        raise LinkTimeout(f"the page did not come within {PAGE_WAIT:g} s", step="page") from error
    except ssl.SSLCertVerificationError as error:
        raise AuthenticationError(
            f"the page's certificate is not accepted: {error.verify_message}", step="page"
        ) from error
    except (OSError, HTTPException, UnicodeError) as error:  # UnicodeError: a host that no resolver takes
        remedy = "Check that the device is on, and in the same network"
        raise LinkError(f"the page at {pairing.url} cannot be fetched", step="page", remedy=remedy) from error


def place(pairing: Pairing) -> tuple[str, str, int]:
    """Return the name to verify, and host and port to connect to.

    UsageError if the pairing is not ready; PeerError for an address that the device made up.
    """
    if pairing.status != "ready":
        raise UsageError("the device has no certificate yet", step="page", remedy="Pair with it first")
    try:
        url, address = urlsplit(pairing.url), urlsplit(f"//{pairing.address}")
        name, port = url.hostname or "", address.port or url.port or 443
        return name, address.hostname or name, port
    except ValueError as error:
        raise PeerError("the device names an address that is none", step="page") from error


async def _exchange(pairing: Pairing, context: ssl.SSLContext, host: str, port: int, name: str, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    try:
        check_peer(writer.get_extra_info("ssl_object"), pairing)
        authority = urlsplit(pairing.url).netloc
        writer.write(
            f"GET {quote(path, safe=_TARGET)} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n".encode(
                "ascii"
            )
        )
        return await _read_all(reader)
    finally:
        # Not `close`, which would wait for the device to end TLS properly; it has answered all the same.
        writer.transport.abort()


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    """Read to the end, at most 1 MiB."""
    received = bytearray()
    while chunk := await reader.read(65536):
        received += chunk
        if len(received) > MAX_RESPONSE:
            raise LinkError("the page is too long", step="page")
    return bytes(received)


class _Replay:
    """What `HTTPResponse` wants of a socket, over bytes that were received."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, *_: object) -> BytesIO:
        """Return the bytes as a file."""
        return BytesIO(self._received)
