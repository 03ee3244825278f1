import asyncio
import json
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from oob.issuance.jws import sign_jws
from oob.issuance.problems import Problem
from oob.issuance.server.exchange import read_body
from tests.issuance.world import BASE, ZONE, World, new_key

SIGNED = ["/new-account", "/new-order", "/sessions", "/sessions/x", "/account/x", "/account/x/orders", "/order/x"]
SIGNED += ["/order/x/finalize", "/authz/x/0", "/cert/x"]


@pytest.mark.parametrize("path", SIGNED)
async def test_a_signed_request_says_its_type(world: World, path: str) -> None:
    answer = await world.send("POST", path, content=b"{}", headers={"content-type": "application/json"})
    assert (answer.status, answer.problem) == (415, "malformed")


@pytest.mark.parametrize("path", SIGNED)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"protected":1,"payload":2,"signature":3}'])
async def test_a_malformed_request_is_never_a_fault_of_the_server(world: World, path: str, body: bytes) -> None:
    answer = await world.post_raw(path, body)
    assert (answer.status, answer.problem) == (400, "malformed")


@pytest.mark.parametrize("path", [*SIGNED, "/bindings"])
async def test_a_body_is_bounded(world: World, path: str) -> None:
    content_type = "application/json" if path == "/bindings" else "application/jose+json"
    answer = await world.send("POST", path, content=b" " * 65537, headers={"content-type": content_type})
    assert (answer.status, answer.problem) == (413, "malformed")


@pytest.mark.parametrize("url", [f"{BASE}/new-account", f"{BASE}/new-order?x", "https://other.example/new-order"])
async def test_a_request_is_for_its_url(world: World, url: str) -> None:
    device = await world.bound_device()
    body = sign_jws(device.key, b"{}", url=url, nonce=await world.fresh_nonce(), kid=device.account)
    answer = await world.post_raw("/new-order", body)
    assert (answer.status, answer.problem) == (403, "unauthorized")


async def test_a_request_counts_once(world: World) -> None:
    device = await world.bound_device()
    nonce = await world.fresh_nonce()
    body = sign_jws(device.key, b"", url=device.account, nonce=nonce, kid=device.account)
    assert (await world.post_raw(device.account, body)).status == 200
    replayed = await world.post_raw(device.account, body)
    assert (replayed.status, replayed.problem) == (400, "badNonce")


async def test_who_holds_no_key_spends_no_nonce(world: World) -> None:
    device, stranger = await world.bound_device(), new_key()
    nonce = await world.fresh_nonce()
    forged = sign_jws(stranger, b"", url=device.account, nonce=nonce, kid=device.account)
    assert (await world.post_raw(device.account, forged)).problem == "malformed"
    honest = sign_jws(device.key, b"", url=device.account, nonce=nonce, kid=device.account)
    assert (await world.post_raw(device.account, honest)).status == 200


async def test_a_kid_is_an_account_of_ours(world: World) -> None:
    device = await world.bound_device()
    for kid, problem in [
        (f"{BASE}/account/x", "accountDoesNotExist"),
        ("https://other.example/account/1", "malformed"),
    ]:
        assert (await world.post("/new-order", {}, device.key, kid=kid)).problem == problem
    assert (await world.post("/new-order", {}, device.key)).problem == "malformed"
    assert (await world.post("/new-account", {}, device.key, kid=device.account)).problem == "malformed"


@pytest.mark.parametrize("id", ["\ud800", "\ud800" * 22, "x" * 21, "x" * 23, "", "x" * 21 + "\n"])
async def test_an_account_that_cannot_be_one_is_unknown(world: World, id: str) -> None:
    url, nonce = f"{BASE}/new-order", await world.fresh_nonce()
    answer = await world.post_raw(url, sign_jws(new_key(), b"{}", url=url, nonce=nonce, kid=f"{BASE}/account/{id}"))
    assert (answer.status, answer.problem) == (400, "accountDoesNotExist")


@pytest.mark.parametrize("index", ["1" * 5000, "00", "-1", "1", "x", "%F0%9F", "\u0661"])
async def test_an_authorization_that_cannot_be_one_is_unknown(world: World, index: str) -> None:
    device = await world.bound_device()
    location = (await device.order()).json["authorizations"][0]
    path = f"{location.rpartition('/')[0]}/{index}"
    body = sign_jws(device.key, b"", url=path, nonce=await world.fresh_nonce(), kid=device.account)
    assert (await world.post_raw(path, body)).problem in ("malformed", "unauthorized")


@pytest.mark.parametrize("host", ["[", "h/x/y?", "other.example"])
async def test_the_host_header_does_not_move_the_url(world: World, host: str) -> None:
    url, nonce = f"{BASE}/sessions", await world.fresh_nonce()
    body = sign_jws(new_key(), b'{"origin":""}', url=url, nonce=nonce)
    assert (await world.post_raw(url, body, host=host)).status == 201
    body = sign_jws(new_key(), b'{"origin":""}', url=f"{BASE}/x/y", nonce=await world.fresh_nonce())
    assert (await world.post_raw(url, body, host=host)).problem == "unauthorized"


async def test_a_body_that_dawdles_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oob.issuance.server.exchange.BODY_TIMEOUT", 0.01)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]})
    monkeypatch.setattr(request, "stream", never)
    with pytest.raises(Problem, match="took longer") as caught:
        await read_body(request, "application/json")
    assert (caught.value.kind.status, caught.value.headers) == (408, {"Connection": "close"})


async def test_reading_takes_an_empty_payload(world: World) -> None:
    device = await world.bound_device()
    order = await device.order()
    for url in (order.location, order.json["authorizations"][0], f"{device.account}/orders"):
        assert (await device.post(url, {})).problem == "malformed"
        assert (await device.post(url)).status == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
members = ["identifiers", "csr", "contact", "status", "origin", "names", "onlyReturnExisting", "notBefore"]
payloads = json_values | st.dictionaries(st.sampled_from(members), json_values)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads, st.sampled_from(["/new-order", "finalize", "account", "/sessions", "/new-account", "/bindings"]))
async def test_no_payload_makes_the_server_fail(world: World, payload: object, where: str) -> None:
    label = os.urandom(4).hex()
    device = await world.bound_device(label)
    if where == "/bindings":
        content, headers = json.dumps(payload).encode(), {"content-type": "application/json"}
        answer = await world.send("POST", where, content=content, headers=headers)
    elif where in ("/sessions", "/new-account"):
        answer = await world.post(where, payload, device.key if where == "/new-account" else new_key())
    else:
        urls = {"finalize": (await device.order(f"{label}.{ZONE}")).json["finalize"], "account": device.account}
        answer = await device.post(urls.get(where, where), payload)
    assert answer.status < 500
