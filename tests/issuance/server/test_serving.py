import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest

from oob.errors import LinkError, UsageError
from oob.issuance import tls_context
from oob.issuance.http import HttpClient
from oob.issuance.server import Policy, serve
from oob.issuance.server.serving import _certify, _names_of, _renew
from oob.issuance.store import Store
from tests.issuance.served import served
from tests.issuance.world import ZONE, new_authority


async def test_the_root_alone_verifies_the_issuer(tmp_path: Path) -> None:
    async with served(tmp_path) as issuer:
        client = HttpClient(issuer.root, timeout=5)
        answer = await client.request("GET", issuer.issuer.directory_url)
        assert (answer.status, answer.headers["link"]) == (200, f'<{issuer.issuer.directory_url}>;rel="index"')
        assert "server" not in answer.headers
        client.close()


async def test_it_ends_gracefully_and_starts_again_on_its_port(tmp_path: Path) -> None:
    async with served(tmp_path) as issuer:
        port = int(issuer.issuer.base_url.rpartition(":")[2])
        client = HttpClient(issuer.root, timeout=5)
        await client.request("GET", issuer.issuer.directory_url)
    async with served(tmp_path, port=port) as issuer:
        assert (await client.request("GET", issuer.issuer.directory_url)).status == 200
        client.close()


async def test_an_error_in_the_body_ends_it_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        await _fail_inside(tmp_path)
    assert len(asyncio.all_tasks()) == 1


async def _fail_inside(directory: Path) -> None:
    async with served(directory):
        raise KeyError("stop")


async def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LinkError, match="cannot listen on 127.0.0.1 port"):
            async with served(tmp_path, port=taken.getsockname()[1]):
                pass
    with pytest.raises(LinkError, match="cannot listen"):
        async with served(tmp_path, port=70000):
            pass


async def test_names_beyond_the_authority_are_refused(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "issuer.sqlite")
    with pytest.raises(UsageError, match=r"may not certify evil\.example"):
        async with serve(new_authority(tmp_path, time.time()), store, Policy(ZONE), names=["evil.example"]):
            pass
    await store.close()


async def test_its_url_has_the_first_name(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "issuer.sqlite")
    names = ["issuer.home.example", "127.0.0.1"]
    async with serve(new_authority(tmp_path, time.time()), store, Policy(ZONE), names=names) as issuer:
        assert issuer.base_url.startswith("https://issuer.home.example:")
    await store.close()


async def test_none_of_its_names_is_for_devices(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "issuer.sqlite")
    names, policy = ["box.home.example", "nas.home.example", "127.0.0.2"], Policy(ZONE, ip_networks=("127.0.0.0/8",))
    async with serve(new_authority(tmp_path, time.time()), store, policy, names=names, host="127.0.0.3") as issuer:
        assert issuer.reserved == {*names, "127.0.0.3"}
    await store.close()


def test_a_host_without_a_name_is_none() -> None:
    assert _names_of("fe80::1%eth0") == ()


async def test_the_certificate_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = new_authority(tmp_path, time.time()), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _certify(context, authority, ["127.0.0.1"], time.time())
    before = presented(context, authority.root_der)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        await _renew(context, authority, ["127.0.0.1"], time.time)
    assert presented(context, authority.root_der) != before
    assert pauses == [30 * 86400, 30 * 86400]


async def test_a_renewal_that_fails_is_tried_daily(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", pause)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(asyncio.CancelledError):
        await _renew(context, new_authority(tmp_path, time.time()), ["evil.example"], time.time)
    assert pauses == [30 * 86400, 86400]
    assert "was not renewed" in caplog.text


def presented(context: ssl.SSLContext, root_der: bytes) -> bytes | None:
    """Return the leaf that a server presents, in a handshake in memory."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls_context(root_der).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    server = context.wrap_bio(outgoing, incoming, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.getpeercert(binary_form=True)
