import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oob.errors import IssuanceError, StorageError, UsageError
from oob.issuance import Authority, IssuerClient
from oob.issuance.http import MAX_BODY, HttpClient
from oob.issuance.server.serving import _certify
from tests.issuance.world import ZONE

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    directory = tmp_path_factory.mktemp("authority")
    return Authority.create(directory, dns_zones=[ZONE], ip_networks=["127.0.0.0/8"], now=time.time())


@asynccontextmanager
async def peer(authority: Authority, talk: Peer, name: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve TLS by hand, as badly as a test likes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _certify(context, authority, [name], time.time())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def answering(*answers: bytes) -> Peer:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        await reader.read()

    return talk


async def test_an_answer_comes_back(authority: Authority) -> None:
    async with peer(authority, answering(OK, b"HTTP/1.1 404 No\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n")) as url:
        client = HttpClient(authority.root_der, timeout=5)
        first, second = await client.request("GET", url), await client.request("GET", url)
        assert (first.status, first.body) == (200, b"ok")
        assert (second.status, second.headers["x-a"], second.json()) == (404, "1", None)
        client.close()


async def test_a_connection_that_was_closed_is_made_anew(authority: Authority) -> None:
    connections = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()

    async with peer(authority, once) as url:
        client = HttpClient(authority.root_der, timeout=5)
        for _ in range(3):
            await client.request("GET", url)
            assert client._open is not None
            while client._open[1].is_idle():
                await asyncio.sleep(0)
        assert connections == 3
        client.close()


async def test_another_root_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    other = Authority.create(tmp_path, dns_zones=[ZONE], ip_networks=["127.0.0.0/8"], now=time.time())
    async with peer(authority, answering(OK)) as url:
        with pytest.raises(IssuanceError, match="is not vouched for by the root certificate"):
            await HttpClient(other.root_der, timeout=5).request("GET", url)


async def test_another_name_is_not_accepted(authority: Authority) -> None:
    async with peer(authority, answering(OK), name=f"lamp.{ZONE}") as url:
        with pytest.raises(IssuanceError, match="is not vouched for by the root certificate"):
            await HttpClient(authority.root_der, timeout=5).request("GET", url)


async def test_an_issuer_that_is_down_is_named_with_a_remedy(authority: Authority) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/directory"
        with pytest.raises(IssuanceError, match=r"cannot be reached: .*\. Check that the issuer runs") as caught:
            await HttpClient(authority.root_der, timeout=5).request("GET", url)
    assert url in str(caught.value)


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("talk", [silent, dripping])
async def test_a_deadline_bounds_the_whole_request(authority: Authority, talk: Peer) -> None:
    async with peer(authority, talk) as url:
        with pytest.raises(IssuanceError, match="did not answer in time"):
            await HttpClient(authority.root_der, timeout=0.2).request("GET", url)
        for thread in threading.enumerate():
            if thread.name == "oob-http":
                await asyncio.to_thread(thread.join, 5)
                assert not thread.is_alive()


async def test_a_request_that_is_given_up_leaves_at_once(authority: Authority) -> None:
    arrived = asyncio.Event()

    async def notice(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    async with peer(authority, notice) as url:
        client = HttpClient(authority.root_der, timeout=1)
        task = asyncio.create_task(client.request("GET", url))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client._open is None
    for thread in threading.enumerate():
        if thread.name == "oob-http":
            assert thread.daemon
            await asyncio.to_thread(thread.join)


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1) + bytes(MAX_BODY + 1),
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_a_proper_answer_is_refused(authority: Authority, answer: bytes) -> None:
    async with peer(authority, answering(answer)) as url:
        with pytest.raises(IssuanceError, match="did not answer in HTTP"):
            await HttpClient(authority.root_der, timeout=5).request("GET", url)


async def test_a_connection_lost_half_way_is_an_error_and_the_next_try_works(authority: Authority) -> None:
    first = True

    async def flaky(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK[:-1] if first else OK)
        first = False
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with peer(authority, flaky) as url:
        client = HttpClient(authority.root_der, timeout=5)
        with pytest.raises(IssuanceError):
            await client.request("GET", url)
        assert (await client.request("GET", url)).body == b"ok"
        client.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "https:///x",
        "a",
        "https://a@b.example/",
        "https://a.example/ x",
        "https://a:0/",
        "https://[::1/",
        "https://a.example:x/",
        "https://a.example/\r\nX: y",
        "https://a..b/",
        f"https://{'a' * 64}.example/",
    ],
)
async def test_only_https_urls_are_fetched(authority: Authority, url: str) -> None:
    with pytest.raises(IssuanceError, match="is not an https URL"):  # an issuer may have named it
        await HttpClient(authority.root_der).request("GET", url)
    with pytest.raises(UsageError, match="is not an https URL"):  # a person did
        IssuerClient(url, authority.root_der)


@pytest.mark.parametrize("url", ["https://.a/", "https://[::1%x]/", "https://a%00b/", "https://[v1.x]/"])
async def test_a_host_that_cannot_be_one_is_an_error(authority: Authority, url: str) -> None:
    with pytest.raises(IssuanceError):
        await HttpClient(authority.root_der, timeout=5).request("GET", url)


async def test_an_error_of_the_resolver_s_codec_is_an_error(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise UnicodeError("label empty or too long")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(IssuanceError, match="host name or path is malformed"):
        await HttpClient(authority.root_der, timeout=5).request("GET", "https://a.example/")


def test_a_damaged_root_is_a_storage_error() -> None:
    for root in (b"", b"root", b"0\x00"):
        with pytest.raises(StorageError, match="root certificate"):
            HttpClient(root)
