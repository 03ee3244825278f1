import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from oob.client import Pairing, page
from oob.client.page import place, visit
from oob.crypto import Hash
from oob.errors import AuthenticationError, LinkError, LinkTimeout, OobError, PeerError, UsageError
from oob.issuance import Authority, TlsKey
from oob.issuance.tls_key import SigningRequest
from oob.sim import demo
from oob.sim.demo import echo
from oob.sim.page import DemoPage
from tests.client.test_store import READY

NAME = "lamp.home.example"
NOW = 1.8e9


def authority(directory: Path) -> Authority:
    return Authority.create(directory, dns_zones=["home.example"], now=_now() - 86400)


def _now() -> float:
    import time

    return time.time()


def certify(authority: Authority, *, name: str = NAME, age: float = 0) -> tuple[bytes, bytes]:
    """Return key and chain in PEM, and the hash of the leaf, which is `age` seconds old and lives for a day."""
    key = TlsKey.generate()
    request = SigningRequest.decode(key.csr([name]))
    leaf = authority.issue(request.public_key, [name], now=_now() - age, lifetime=86400)
    return key.to_pem() + leaf.pem.encode(), Hash.SHA256.digest(leaf.der)


@asynccontextmanager
async def served(directory: Path, pem: bytes, leaf_hash: bytes) -> AsyncIterator[Pairing]:
    directory.mkdir(exist_ok=True)
    lamp = DemoPage("Lamp", directory)
    url, address = await lamp.publish(pem, (NAME,))
    try:
        yield replace(READY, names=(NAME,), url=url, address=address, leaf_hash=leaf_hash)
    finally:
        await lamp.close()


@asynccontextmanager
async def answering(
    directory: Path, authority: Authority, answer: bytes, *, hang: bool = False
) -> AsyncIterator[Pairing]:
    """Serve these bytes to whoever shakes hands, and then hang up, or not."""
    pem, leaf_hash = certify(authority)
    (directory / "odd.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "odd.pem")
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(1)
        writer.write(answer)
        if not hang:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        url = f"https://{NAME}:{port}/"
        yield replace(READY, names=(NAME,), url=url, address=f"127.0.0.1:{port}", leaf_hash=leaf_hash)
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def both_refuse(pairing: Pairing, root: bytes, kind: type[OobError], cause: str) -> None:
    with pytest.raises(kind, match=cause):
        await visit(pairing, root)
    with pytest.raises(kind, match=cause):
        await echo(pairing, root, "hello")


async def test_the_paired_device_answers(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    async with served(tmp_path / "d", *certify(made)) as pairing:
        page = await visit(pairing, made.root_der)
        assert page.status == 200
        assert b"<title>Lamp</title>" in page.body
        assert (await visit(pairing, made.root_der, "/nothing here?a=b")).status == 404
        assert await echo(pairing, made.root_der, "héllo") == "héllo"


async def test_another_leaf_of_the_same_root_is_refused(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    _, ours = certify(made)
    theirs, _ = certify(made)
    async with served(tmp_path / "d", theirs, ours) as pairing:
        await both_refuse(pairing, made.root_der, AuthenticationError, "another certificate than the paired device's")


async def test_another_root_is_refused(tmp_path: Path) -> None:
    made, other = authority(tmp_path / "a"), authority(tmp_path / "b")
    async with served(tmp_path / "d", *certify(other)) as pairing:
        await both_refuse(pairing, made.root_der, AuthenticationError, "not accepted")


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    async with served(tmp_path / "d", *certify(made, age=86401)) as pairing:
        await both_refuse(pairing, made.root_der, AuthenticationError, "expired")


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    async with served(tmp_path / "d", *certify(made, name="router.home.example")) as pairing:
        await both_refuse(pairing, made.root_der, AuthenticationError, "not accepted")


async def test_the_hash_is_of_the_leaf_in_der(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    pem, leaf_hash = certify(made)
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index(b"-----BEGIN CERT") :].decode())
    assert hashlib.sha256(der).digest() == leaf_hash


async def test_nobody_answers(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    async with served(tmp_path / "d", *certify(made)) as pairing:
        pass
    await both_refuse(pairing, made.root_der, LinkError, "cannot be")


ODD = [
    b"",
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    b"HTTP/1.1 xxx\r\n\r\n",
    b"\x00" * 99,
]


@pytest.mark.parametrize("answer", ODD)
async def test_an_answer_that_is_none(tmp_path: Path, answer: bytes) -> None:
    made = authority(tmp_path / "a")
    async with answering(tmp_path, made, answer) as pairing:
        await both_refuse(pairing, made.root_der, LinkError, "cannot be")


async def test_an_answer_that_is_too_long(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    async with answering(tmp_path, made, b"HTTP/1.1 200 OK\r\n\r\n" + bytes(page.MAX_RESPONSE)) as pairing:
        with pytest.raises(LinkError, match="too long"):
            await visit(pairing, made.root_der)


async def test_no_answer_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE_WAIT", 0.1)
    monkeypatch.setattr(demo, "ECHO_WAIT", 0.1)
    made = authority(tmp_path / "a")
    async with answering(tmp_path, made, b"", hang=True) as pairing:
        await both_refuse(pairing, made.root_der, LinkTimeout, "within 0.1 s")


async def test_who_does_not_end_tls_properly_has_answered(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    async with answering(tmp_path, made, b"HTTP/1.1 200 OK\r\n\r\nhello") as pairing:
        assert (await visit(pairing, made.root_der)).body == b"hello"


@pytest.mark.parametrize("status", ["agreed", "bound"])
def test_there_is_no_place_before_it_is_ready(status: str) -> None:
    with pytest.raises(UsageError, match="no certificate yet"):
        place(replace(READY, status=status))


@pytest.mark.parametrize(
    ("url", "address", "expected"),
    [
        ("https://lamp.home.example/", "", (NAME, NAME, 443)),
        ("https://lamp.home.example:8443/", "", (NAME, NAME, 8443)),
        ("https://lamp.home.example:8443/", "127.0.0.1:9", (NAME, "127.0.0.1", 9)),
        ("https://lamp.home.example/", "[::1]:9", (NAME, "::1", 9)),
        ("https://127.0.0.1:8/", "", ("127.0.0.1", "127.0.0.1", 8)),
    ],
)
def test_where_it_is(url: str, address: str, expected: tuple[str, str, int]) -> None:
    assert place(replace(READY, url=url, address=address)) == expected


@pytest.mark.parametrize("address", ["x:y", "127.0.0.1:99999", "[::1:9", "[nonsense]:1"])
def test_an_address_that_the_device_made_up(address: str) -> None:
    with pytest.raises(PeerError, match="address that is none"):
        place(replace(READY, address=address))


async def test_a_name_that_no_resolver_takes(tmp_path: Path) -> None:
    made = authority(tmp_path / "a")
    pairing = replace(READY, url=f"https://{'a' * 64}.example/", address="")
    with pytest.raises(LinkError):
        await visit(pairing, made.root_der)
