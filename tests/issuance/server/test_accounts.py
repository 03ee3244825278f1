import asyncio

import pytest

from oob.crypto import SigningKey
from oob.issuance.jws import sign_jws
from tests.issuance.world import BASE, Answer, World, new_key


async def test_a_bound_key_has_an_account(world: World) -> None:
    key = new_key()
    await world.bind(key)
    answer = await world.post("/new-account", {"contact": ["mailto:a@b.example"], "termsOfServiceAgreed": True}, key)
    assert answer.status == 201
    assert answer.json == {
        "status": "valid",
        "contact": ["mailto:a@b.example"],
        "orders": f"{answer.location}/orders",
    }
    again = await world.post("/new-account", {}, key)
    assert (again.status, again.location, again.json) == (200, answer.location, answer.json)
    looked_up = await world.post("/new-account", {"onlyReturnExisting": True}, key)
    assert (looked_up.status, looked_up.location) == (200, answer.location)


async def test_another_key_has_none_and_learns_why(world: World) -> None:
    answer = await world.post("/new-account", {}, new_key())
    assert (answer.status, answer.problem) == (403, "unauthorized")
    assert "no device with this identity key is bound" in answer.json["detail"]
    assert (await world.issuer.store.audit()).accounts == 0


async def test_a_session_key_is_not_a_bound_key(world: World) -> None:
    opened = await world.open_session(new_key())
    await world.submit(opened.url, opened.binding(new_key()))
    assert (await world.post("/new-account", {}, opened.key)).problem == "unauthorized"


async def test_looking_up_makes_nothing(world: World) -> None:
    key = new_key()
    await world.bind(key)
    assert (await world.post("/new-account", {"onlyReturnExisting": True}, key)).problem == "accountDoesNotExist"
    assert (await world.issuer.store.audit()).accounts == 0


async def test_concurrent_requests_make_one_account(world: World) -> None:
    key = new_key()
    await world.bind(key)
    world.nonce = ""
    answers = await asyncio.gather(*[_with_own_nonce(world, key) for _ in range(6)])
    assert sorted(answer.status for answer in answers) == [200] * 5 + [201]
    assert len({answer.location for answer in answers}) == 1


async def _with_own_nonce(world: World, key: SigningKey) -> Answer:
    nonce, url = world.issuer.nonces.give(), f"{BASE}/new-account"
    return await world.post_raw(url, sign_jws(key, b"{}", url=url, nonce=nonce))


async def test_contacts_change(world: World) -> None:
    device = await world.bound_device()
    answer = await device.post(device.account, {"contact": ["mailto:a@b.example"]})
    assert (answer.status, answer.json["contact"]) == (200, ["mailto:a@b.example"])
    assert (await device.post(device.account, {})).json["contact"] == ["mailto:a@b.example"]
    assert (await device.post(device.account, {"contact": []})).json["contact"] == []


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({"contact": "mailto:a@b"}, "malformed"),
        ({"contact": ["mailto:a@b"] * 5}, "malformed"),
        ({"contact": [1]}, "unsupportedContact"),
        ({"contact": ["tel:1"]}, "unsupportedContact"),
        ({"contact": ["mailto:a@b,c@d"]}, "invalidContact"),
        ({"contact": ["mailto:a@b?subject=x"]}, "invalidContact"),
        ({"contact": ["mailto:ab"]}, "invalidContact"),
        ({"contact": ["mailto:a@" + "b" * 300]}, "invalidContact"),
        ({"status": "valid"}, "malformed"),
    ],
)
async def test_bad_changes_are_refused(world: World, payload: dict[str, object], problem: str) -> None:
    device = await world.bound_device()
    answer = await device.post(device.account, payload)
    assert answer.problem == problem
    assert (await device.post(device.account)).json["status"] == "valid"


async def test_a_deactivated_account_is_over(world: World) -> None:
    device = await world.bound_device()
    assert (await device.post(device.account, {"status": "deactivated"})).json["status"] == "deactivated"
    for url in (device.account, "/new-order"):
        answer = await device.post(url, None)
        assert (answer.status, answer.problem) == (403, "unauthorized")
    assert (await world.post("/new-account", {}, device.key)).problem == "unauthorized"


async def test_an_account_is_its_own(world: World) -> None:
    device, other = await world.bound_device("lamp"), await world.bound_device("desk")
    for url in (device.account, f"{device.account}/orders"):
        assert (await other.post(url)).problem == "unauthorized"


async def test_orders_are_listed_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oob.issuance.server.accounts.PAGE", 2)
    device = await world.bound_device()
    made = [(await device.order()).location for _ in range(3)]
    first = await device.post(f"{device.account}/orders")
    following = [link for link in first.headers.get_list("link") if 'rel="next"' in link]
    second = await device.post(following[0].partition(">")[0].lstrip("<"))
    assert first.json["orders"] + second.json["orders"] == made
    assert not any('rel="next"' in link for link in second.headers.get_list("link"))


@pytest.mark.parametrize("cursor", ["-1", "x", "1" * 16, "²"])
async def test_a_cursor_is_ours(world: World, cursor: str) -> None:
    device = await world.bound_device()
    answer = await device.post(f"{device.account}/orders?cursor={cursor}")
    assert answer.status in (400, 403)
