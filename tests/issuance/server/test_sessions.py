import json
from hashlib import sha256
from pathlib import Path

import pytest

from oob.issuance import base64url
from oob.issuance.jws import sign_jws
from oob.issuance.server import Policy
from tests.issuance.world import BASE, POLICY, ZONE, World, new_key, new_world


async def test_a_session_gives_a_challenge_and_names(world: World) -> None:
    opened = await world.open_session(new_key(), "Küchenlampe 1")
    answer = opened.answer
    assert answer == {
        "session": opened.url,
        "status": "pending",
        "challenge": answer["challenge"],
        "issuer": f"{BASE}/directory",
        "root_hash": base64url.encode(world.issuer.authority.root_hash),
        "names": ["kuchenlampe-1.home.example"],
        "expires": "2027-01-15T08:10:00Z",
    }
    assert len(base64url.decode(answer["challenge"])) == 32
    again = await world.open_session(new_key(), "lamp")
    assert again.answer["challenge"] != answer["challenge"]
    assert opened.context.names == ("kuchenlampe-1.home.example",)


@pytest.mark.parametrize(
    ("wishes", "names"),
    [
        (["lamp", "Lamp"], ["lamp.home.example"]),
        (["lamp.home.example"], ["lamp.home.example"]),
        (["lamp.evil.example"], ["lamp-evil-example.home.example"]),
        (["192.168.7.9", "lamp"], ["192.168.7.9", "lamp.home.example"]),
    ],
)
async def test_the_issuer_assigns_the_names(world: World, wishes: list[str], names: list[str]) -> None:
    assert (await world.open_session(new_key(), *wishes)).answer["names"] == names


@pytest.mark.parametrize("wishes", [[], ["灯"]])
async def test_who_wishes_nothing_gets_something(world: World, wishes: list[str]) -> None:
    (name,) = (await world.open_session(new_key(), *wishes)).answer["names"]
    assert name.startswith("device-")
    assert name.endswith(f".{ZONE}")


@pytest.mark.parametrize("wish", ["issuer", "issuer.home.example", "127.0.0.1", "8.8.8.8", "::1"])
async def test_some_names_are_not_for_devices(world: World, wish: str) -> None:
    answer = await world.post("/sessions", {"origin": "", "names": [wish]}, new_key())
    assert (answer.status, answer.problem) == (403, "rejectedIdentifier")
    assert answer.json["subproblems"][0]["identifier"]["value"] in (wish, f"{wish}.{ZONE}")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"origin": None},
        {"origin": "", "names": "lamp"},
        {"origin": "", "names": [1]},
        {"origin": "", "names": ["a"] * 9},
        {"origin": "", "names": ["a" * 256]},
    ],
)
async def test_a_malformed_session_is_refused(world: World, payload: object) -> None:
    assert (await world.post("/sessions", payload, new_key())).problem == "malformed"


async def test_a_session_takes_proof_of_its_key(world: World) -> None:
    url, honest = f"{BASE}/sessions", new_key()
    body = sign_jws(new_key(), b'{"origin":""}', url=url, nonce=await world.fresh_nonce(), kid=None)
    members = json.loads(body)
    stolen = json.loads(sign_jws(honest, b'{"origin":""}', url=url, nonce=await world.fresh_nonce()))
    answer = await world.post_raw(url, json.dumps(members | {"protected": stolen["protected"]}).encode())
    assert answer.problem == "malformed"
    assert (await world.issuer.store.audit()).pending_sessions == 0


@pytest.mark.parametrize(
    ("origin", "header", "allowed"),
    [
        ("", None, True),
        ("https://app.example", None, True),
        ("https://app.example", "https://app.example", True),
        ("https://evil.example", None, False),
        ("https://evil.example", "https://evil.example", False),
        ("https://app.example", "https://evil.example", False),
        ("", "https://app.example", False),
        ("https://app.example", "null", False),
    ],
)
async def test_origins_are_checked(world: World, origin: str, header: str | None, allowed: bool) -> None:
    headers = {} if header is None else {"origin": header}
    answer = await world.post("/sessions", {"origin": origin}, new_key(), **headers)
    assert answer.status == (201 if allowed else 403)
    assert allowed or answer.problem == "originMismatch"


async def test_pages_may_read_the_answers(world: World) -> None:
    page = {"origin": "https://app.example"}
    answer = await world.post("/sessions", {"origin": page["origin"]}, new_key(), **page)
    assert answer.headers["access-control-allow-origin"] == page["origin"]
    assert "Replay-Nonce" in answer.headers["access-control-expose-headers"]
    stranger = await world.send("GET", "/directory", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers


async def test_too_many_sessions_are_refused(tmp_path: Path) -> None:
    async with new_world(tmp_path, Policy(ZONE, max_pending_sessions=1)) as world:
        await world.open_session(new_key())
        answer = await world.post("/sessions", {"origin": ""}, new_key())
        assert (answer.status, answer.problem) == (429, "rateLimited")
        assert answer.headers["retry-after"] == "60"


async def test_one_address_has_few_sessions(tmp_path: Path) -> None:
    async with new_world(tmp_path, Policy(ZONE, max_pending_per_address=2)) as world:
        first, second = await world.open_session(new_key(), "a"), await world.open_session(new_key(), "b")
        answer = await world.post("/sessions", {"origin": ""}, new_key())
        assert (answer.status, answer.problem) == (429, "rateLimited")
        assert answer.headers["retry-after"] == "60"
        # One that is over makes room for another: bound, withdrawn or expired.
        assert (await world.submit(first.url, first.binding(new_key()))).status == 201
        await world.open_session(new_key())
        await world.post(second.url, {"status": "withdrawn"}, second.key, kid=second.url)
        await world.open_session(new_key())
        world.clock.now += POLICY.session_lifetime
        await world.open_session(new_key())


TOKEN = "an-enrolment-token-123"


@pytest.mark.parametrize("token", [None, "", 7, "another", TOKEN + " ", "\ud800", [TOKEN]])
async def test_who_is_not_enrolled_gets_no_session(tmp_path: Path, token: object) -> None:
    policy = Policy(ZONE, token_hash=sha256(TOKEN.encode()).digest())
    async with new_world(tmp_path, policy) as world:
        payload = {"origin": "", "names": ["lamp"]}
        answer = await world.post("/sessions", payload if token is None else payload | {"token": token}, new_key())
        assert (answer.status, answer.problem) == (403, "notEnrolled")
        assert "Get it from whoever runs the issuer" in answer.json["detail"]
        assert TOKEN not in answer.content.decode()
        assert (await world.issuer.store.audit()).pending_sessions == 0
        assert (await world.post("/sessions", payload | {"token": TOKEN}, new_key())).status == 201


async def test_a_session_shows_itself_to_its_key(world: World) -> None:
    opened = await world.open_session(new_key(), "lamp")
    shown = await world.post(opened.url, None, opened.key, kid=opened.url)
    assert shown.json == {"status": "pending", "names": opened.answer["names"], "expires": opened.answer["expires"]}
    world.clock.now += POLICY.session_lifetime
    assert (await world.post(opened.url, None, opened.key, kid=opened.url)).json["status"] == "expired"


async def test_a_session_shows_itself_to_nobody_else(world: World) -> None:
    opened = await world.open_session(new_key(), "lamp")
    other = await world.open_session(new_key(), "desk")
    assert (await world.post(opened.url, None, other.key, kid=opened.url)).problem == "malformed"
    assert (await world.post(opened.url, None, other.key, kid=other.url)).problem == "malformed"
    assert (await world.post(opened.url, None, opened.key)).problem == "malformed"
    assert (await world.post(opened.url, {}, opened.key, kid=opened.url)).problem == "malformed"
    unknown = f"{BASE}/sessions/x"
    answer = await world.post(unknown, None, opened.key, kid=unknown)
    assert (answer.status, answer.problem) == (404, "unknownSession")


async def test_a_session_is_withdrawn_by_its_key_alone(world: World) -> None:
    opened, device = await world.open_session(new_key(), "lamp"), new_key()
    assert (await world.submit(opened.url, opened.binding(device))).status == 201
    account = (await world.post("/new-account", {}, device)).location
    withdrawn = {"status": "withdrawn"}
    for key in (new_key(), device):
        assert (await world.post(opened.url, withdrawn, key, kid=opened.url)).problem == "malformed"
    assert (await world.issuer.store.audit()).bindings == 1
    assert (await world.post(opened.url, {"status": "bound"}, opened.key, kid=opened.url)).problem == "malformed"
    answer = await world.post(opened.url, withdrawn, opened.key, kid=opened.url)
    assert (answer.status, answer.json["status"]) == (200, "withdrawn")
    order = {"identifiers": [{"type": "dns", "value": "lamp.home.example"}]}
    assert (await world.post("/new-order", order, device, kid=account)).problem == "unauthorized"
    assert (await world.submit(opened.url, opened.binding(device))).problem == "challengeUsed"
