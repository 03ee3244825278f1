import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oob.issuance import tls_context
from oob.issuance.http import HttpClient
from oob.issuance.server import connections
from oob.issuance.server.connections import Listener
from tests.issuance.served import Served, served


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as issuer:
        yield issuer


async def connected(issuer: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(issuer.issuer.base_url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, ssl=tls_context(issuer.root))


@pytest.mark.parametrize("head", [b"", b"GET /directory HTTP/1.1\r\nHost: a\r\n"])
async def test_who_does_not_ask_in_time_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, issuer: Served, head: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.05)
    reader, writer = await connected(issuer)
    writer.write(head)
    assert await ended(reader)
    writer.transport.abort()


async def test_a_second_request_has_its_time_too(monkeypatch: pytest.MonkeyPatch, issuer: Served) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.05)
    reader, writer = await connected(issuer)
    writer.write(b"GET /new-nonce HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b" 204 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"G")
    assert await ended(reader)
    writer.transport.abort()


async def test_whoever_asks_in_time_is_answered(issuer: Served) -> None:
    client = HttpClient(issuer.root, timeout=5)
    for _ in range(2):
        assert (await client.request("GET", issuer.issuer.directory_url)).status == 200
    client.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait for the end; a connection that is aborted may end in any way."""
    async with asyncio.timeout(5):
        try:
            return await reader.read() == b""
        except OSError:
            return True


def test_connections_beyond_the_limit_are_closed() -> None:
    with Listener(socket.AF_INET, limit=1) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as first:
            taken, _ = listener.accept()
            with socket.create_connection(listener.getsockname()) as second:
                with pytest.raises(ConnectionAbortedError):
                    listener.accept()
                assert second.recv(1) == b""
            taken.close()
            with socket.create_connection(listener.getsockname()):
                listener.accept()[0].close()
            assert first.recv(1) == b""


def test_descriptors_are_left_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 4096))
    with Listener(socket.AF_INET) as listener:
        assert listener._limit == 32
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    with Listener(socket.AF_INET) as listener:
        assert listener._limit == connections.MAX_CONNECTIONS
