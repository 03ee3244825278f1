import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from oob.client import Pairing
from oob.client.page import visit
from oob.errors import LinkError, StorageError
from oob.issuance import Authority
from oob.sim.demo import echo
from oob.sim.page import MAX_MESSAGE, TLS_FILE, DemoPage
from tests.client.test_page import NAME, authority, certify
from tests.client.test_store import READY


@pytest.fixture
def made(tmp_path: Path) -> Authority:
    return authority(tmp_path / "a")


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[DemoPage]:
    page = DemoPage("<Lamp>", tmp_path)
    yield page
    await page.close()


def paired(page: DemoPage, url: str, leaf_hash: bytes) -> Pairing:
    return replace(READY, url=url, address=page._address, leaf_hash=leaf_hash)


async def test_a_certificate_is_replaced_without_a_pause(page: DemoPage, made: Authority, tmp_path: Path) -> None:
    first, second = certify(made), certify(made)
    url, address = await page.publish(first[0], (NAME,))
    assert url == f"https://{NAME}:{address.rpartition(':')[2]}/"
    context = ssl.create_default_context(cadata=made.root_der)
    reader, writer = await asyncio.open_connection(*address.split(":"), ssl=context, server_hostname=NAME)
    assert await page.publish(second[0], (NAME,)) == (url, address)
    visited = await visit(paired(page, url, second[1]), made.root_der)
    assert (visited.status, b"&lt;Lamp&gt;" in visited.body) == (200, True)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    assert (tmp_path / TLS_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
async def test_a_damaged_certificate_changes_nothing(page: DemoPage, made: Authority, damage: bytes) -> None:
    pem, leaf_hash = certify(made)
    with pytest.raises(StorageError, match="damaged"):
        await page.publish(damage, (NAME,))
    url, _ = await page.publish(pem, (NAME,))
    with pytest.raises(StorageError, match="damaged"):
        await page.publish(damage, (NAME,))
    assert (await visit(paired(page, url, leaf_hash), made.root_der)).status == 200


async def test_a_key_of_another_certificate_changes_nothing(page: DemoPage, made: Authority) -> None:
    (first, leaf_hash), (second, _) = certify(made), certify(made)
    mixed = first[: first.index(b"-----BEGIN CERT")] + second[second.index(b"-----BEGIN CERT") :]
    url, _ = await page.publish(first, (NAME,))
    with pytest.raises(StorageError):
        await page.publish(mixed, (NAME,))
    assert (await visit(paired(page, url, leaf_hash), made.root_der)).status == 200


GARBAGE = [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", bytes(5000)]
REQUESTS = [
    b"",
    b"\x00" * 99,
    b"POST / HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 9000,
    b"GET /echo HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
]


async def test_survives_garbage(page: DemoPage, made: Authority) -> None:
    pem, leaf_hash = certify(made)
    url, address = await page.publish(pem, (NAME,))
    context = ssl.create_default_context(cadata=made.root_der)
    for secure, said in [(False, each) for each in GARBAGE] + [(True, each) for each in REQUESTS]:
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(
            host, port, ssl=context if secure else None, server_hostname=NAME if secure else None
        )
        writer.write(said)
        if not secure:
            await writer.drain()
        writer.transport.abort()
    pairing = paired(page, url, leaf_hash)
    assert (await visit(pairing, made.root_der)).status == 200
    assert await echo(pairing, made.root_der, "x" * MAX_MESSAGE) == "x" * MAX_MESSAGE
    with pytest.raises(LinkError):
        await echo(pairing, made.root_der, "x" * (MAX_MESSAGE + 1))
    assert await echo(pairing, made.root_der, "still here") == "still here"


async def test_what_there_is(page: DemoPage, made: Authority) -> None:
    pem, leaf_hash = certify(made)
    pairing = paired(page, (await page.publish(pem, (NAME,)))[0], leaf_hash)
    assert (await visit(pairing, made.root_der, "/echo")).status == 404
    assert (await visit(pairing, made.root_der, "/../etc/passwd")).status == 404


async def test_a_port_in_use(page: DemoPage, made: Authority, tmp_path: Path) -> None:
    await page.publish(certify(made)[0], (NAME,))
    with pytest.raises(LinkError, match="cannot listen on 127.0.0.1 port .*: Address already in use"):
        DemoPage("Lamp", tmp_path, port=page._port)
    with pytest.raises(LinkError):
        DemoPage("Lamp", tmp_path, host="192.0.2.1")


async def test_a_client_that_stays_does_not_hold_it_up(tmp_path: Path, made: Authority) -> None:
    page = DemoPage("Lamp", tmp_path)
    _, address = await page.publish(certify(made)[0], (NAME,))
    context = ssl.create_default_context(cadata=made.root_der)
    _, writer = await asyncio.open_connection(*address.split(":"), ssl=context, server_hostname=NAME)
    _, plain = await asyncio.open_connection(*address.split(":"))
    await asyncio.wait_for(page.close(), 5)
    await page.close()
    for each in (writer, plain):
        each.transport.abort()
