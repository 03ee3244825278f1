import asyncio
import os
from dataclasses import replace

import pytest

from oob.binding import Binding
from oob.cose import CoseKey
from oob.issuance import base64url
from oob.pairing.models import Model, Proof, proof_of
from tests.issuance.world import BASE, POLICY, Opened, World, new_key

PINNED = proof_of(Model.PINNED, dynamic=False)
BOASTS = [
    proof_of(Model.BUTTON, dynamic=True),
    Proof(Model.BUTTON, "i swear", 0, True, True, False),
    Proof(Model.COMPARE, "compare", 19, True, True, False),
    Proof(Model.PINNED, "secret-static", 128, False, True, False),
    Proof(Model.PASSCODE, "passcode", 128, True, True, False),
    Proof(Model.PASSCODE, "passcode", 23, True, True, True),
    Proof(Model.PASSCODE, "secret-static", 128, False, True, False),
    Proof(Model.SECRET, "secret-static", 0, False, True, False),
    Proof(Model.SECRET, "secret", 128, False, True, False),
    Proof(Model.SECRET, "secret-dynamic", 128, False, True, False),
    Proof(Model.SECRET, "secret-dynamic", 128, True, False, False),
]
"""What a device may say of itself, and no model proves."""


async def status(world: World, opened: Opened) -> str:
    return str((await world.post(opened.url, None, opened.key, kid=opened.url)).json["status"])


@pytest.fixture
async def opened(world: World) -> Opened:
    return await world.open_session(new_key(), "lamp")


async def test_both_halves_bind(world: World, opened: Opened) -> None:
    device = new_key()
    answer = await world.submit(opened.url, opened.binding(device))
    thumbprint = base64url.encode(CoseKey.of(device).thumbprint())
    assert answer.status == 201
    assert answer.location == opened.url
    assert answer.json == {
        "status": "bound",
        "names": ["lamp.home.example"],
        "device": thumbprint,
        "model": "passcode",
        "strength": "passcode",
    }
    shown = await world.post(opened.url, None, opened.key, kid=opened.url)
    assert (shown.json["status"], shown.json["device"]) == ("bound", thumbprint)
    assert (await world.issuer.store.audit()).bindings == 1


@pytest.mark.parametrize(
    "proof",
    [
        proof_of(Model.PASSCODE, dynamic=True),
        proof_of(Model.PASSCODE, dynamic=False),
        proof_of(Model.SECRET, dynamic=False),
        proof_of(Model.SECRET, dynamic=True),
        proof_of(Model.COMPARE, dynamic=True),
        proof_of(Model.RESUMED, dynamic=False),
    ],
)
async def test_what_mutual_models_prove_binds(world: World, opened: Opened, proof: Proof) -> None:
    assert (await world.submit(opened.url, opened.binding(new_key(), proof=proof))).status == 201


async def refused(world: World, opened: Opened, answer_problem: str, expected: str, *, burnt: bool) -> None:
    """Nothing is authorised; the honest session goes on, or is over."""
    assert answer_problem == expected
    assert (await world.issuer.store.audit()).bindings == 0
    assert await status(world, opened) == ("refused" if burnt else "pending")
    honest = await world.submit(opened.url, opened.binding(new_key()))
    assert honest.status == (409 if burnt else 201)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"issuer": "https://other.example/directory"}, "audienceMismatch"),
        ({"challenge": bytes(32)}, "challengeMismatch"),
        ({"origin": "https://app.example"}, "originMismatch"),
        ({"proof": PINNED}, "notMutual"),
        *[({"proof": proof}, "notMutual") for proof in BOASTS],
        ({"root_hash": bytes(32)}, "audienceMismatch"),
        ({"root_hash": None}, "audienceMismatch"),
        ({"names": ("lamp.home.example", "desk.home.example")}, "namesMismatch"),
        ({"names": ("evil.example",)}, "namesMismatch"),
        ({"names": ()}, "namesMismatch"),
    ],
)
async def test_what_the_session_key_signed_and_is_wrong_ends_the_session(
    world: World, opened: Opened, changes: dict[str, object], problem: str
) -> None:
    answer = await world.submit(opened.url, opened.binding(new_key(), **changes))  # type: ignore[arg-type]
    assert answer.status == 403
    await refused(world, opened, answer.problem, problem, burnt=True)


async def test_a_wrong_device_half_that_the_session_key_signed_ends_the_session(world: World, opened: Opened) -> None:
    binding = replace(opened.binding(new_key()), device_key=CoseKey.of(new_key()))
    answer = await world.submit(opened.url, binding)
    await refused(world, opened, answer.problem, "deviceHalf", burnt=True)


async def test_another_context_ends_the_session(world: World, opened: Opened) -> None:
    context = replace(opened.context, challenge=bytes(32)).encode()
    answer = await world.submit(opened.url, replace(opened.binding(new_key()), context=context))
    await refused(world, opened, answer.problem, "deviceHalf", burnt=True)


async def test_one_key_cannot_be_both_ends(world: World, opened: Opened) -> None:
    answer = await world.submit(opened.url, opened.binding(opened.key))
    await refused(world, opened, answer.problem, "deviceHalf", burnt=True)


async def test_a_challenge_that_was_overheard_does_not_hijack_the_session(world: World, opened: Opened) -> None:
    answer = await world.submit(opened.url, opened.binding(new_key(), key=new_key()))
    await refused(world, opened, answer.problem, "sessionKeyMismatch", burnt=False)


async def test_nor_does_a_statement_without_the_countersignature(world: World, opened: Opened) -> None:
    foreign = opened.binding(new_key(), key=new_key()).countersignature
    answer = await world.submit(opened.url, replace(opened.binding(new_key()), countersignature=foreign))
    await refused(world, opened, answer.problem, "clientHalf", burnt=False)


@pytest.mark.parametrize(("part", "problem"), [("statement", "deviceHalf"), ("countersignature", "clientHalf")])
@pytest.mark.parametrize("value", [None, ""])
async def test_a_missing_half_is_named(
    world: World, opened: Opened, part: str, problem: str, value: str | None
) -> None:
    body = {"session": opened.url, **opened.binding(new_key()).to_json(), part: value}
    answer = await world.submit_json(body)
    await refused(world, opened, answer.problem, problem, burnt=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"session": None},
        {"session": 1},
        {"device_key": None},
        {"context": 7},
        {"statement": "AA"},
        {"statement": "g0Gg9kA"},
        {"device_key": "AA"},
        {"device_key": "oA"},
        {"countersignature": "A" * 9000},
    ],
)
async def test_a_malformed_binding_costs_nothing(world: World, opened: Opened, changes: dict[str, object]) -> None:
    body = {"session": opened.url, **opened.binding(new_key()).to_json(), **changes}
    answer = await world.submit_json({name: value for name, value in body.items() if value is not None})
    await refused(world, opened, answer.problem, "malformed", burnt=False)


async def test_any_bit_flipped_is_refused(world: World) -> None:
    for part in ("statement", "countersignature", "context"):
        opened = await world.open_session(new_key(), "lamp")
        binding = opened.binding(new_key())
        body = binding.to_json()
        value = bytearray(base64url.decode(body[part]))
        value[len(value) // 2] ^= 1
        answer = await world.submit_json({"session": opened.url, **body, part: base64url.encode(bytes(value))})
        assert answer.status in (400, 403)
    assert (await world.issuer.store.audit()).bindings == 0


@pytest.mark.parametrize("surrogates", [1, 22])
async def test_a_session_that_cannot_be_one_is_unknown(world: World, opened: Opened, surrogates: int) -> None:
    answer = await world.submit(f"{BASE}/sessions/" + "\ud800" * surrogates, opened.binding(new_key()))
    assert (answer.status, answer.problem) == (404, "unknownSession")


@pytest.mark.parametrize("url", [f"{BASE}/sessions/x", "https://other.example/sessions/x", "x"])
async def test_an_unknown_session_is_refused(world: World, opened: Opened, url: str) -> None:
    answer = await world.submit(url, opened.binding(new_key()))
    assert answer.status == 404
    await refused(world, opened, answer.problem, "unknownSession", burnt=False)


async def test_an_expired_session_is_refused(world: World, opened: Opened) -> None:
    binding = opened.binding(new_key())
    world.clock.now += POLICY.session_lifetime
    answer = await world.submit(opened.url, binding)
    assert (answer.status, answer.problem) == (403, "sessionExpired")
    assert (await world.issuer.store.audit()).bindings == 0


async def test_a_replayed_binding_is_refused(world: World, opened: Opened) -> None:
    binding = opened.binding(new_key())
    assert (await world.submit(opened.url, binding)).status == 201
    for again in (binding, opened.binding(new_key())):
        answer = await world.submit(opened.url, again)
        assert (answer.status, answer.problem) == (409, "challengeUsed")
    assert (await world.issuer.store.audit()).bindings == 1


async def test_a_binding_for_one_session_does_not_end_another(world: World, opened: Opened) -> None:
    other = await world.open_session(opened.key, "lamp")
    answer = await world.submit(other.url, opened.binding(new_key()))
    assert answer.problem == "challengeMismatch"
    assert (await world.submit(opened.url, opened.binding(new_key()))).status == 201


async def test_one_of_many_submissions_wins(world: World, opened: Opened) -> None:
    bindings: list[Binding] = [opened.binding(new_key()) for _ in range(8)]
    answers = await asyncio.gather(*[world.submit(opened.url, binding) for binding in bindings])
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    assert (await world.issuer.store.audit()).bindings == 1


async def test_a_name_of_another_device_is_refused(world: World) -> None:
    assert (await world.bind(new_key(), "lamp")).status == 201
    opened = await world.open_session(new_key(), "lamp")
    answer = await world.submit(opened.url, opened.binding(new_key()))
    assert (answer.status, answer.problem) == (409, "nameTaken")
    assert answer.json["subproblems"][0]["identifier"] == {"type": "dns", "value": "lamp.home.example"}
    assert await status(world, opened) == "refused"


async def test_a_device_is_bound_again_to_its_name(world: World) -> None:
    device = new_key()
    assert (await world.bind(device, "lamp")).status == 201
    assert (await world.bind(device, "lamp")).status == 201
    assert (await world.issuer.store.audit()).bindings == 1


async def test_the_browser_names_the_origin_again(world: World) -> None:
    page = "https://app.example"
    opened = await world.open_session(new_key(), "lamp", origin=page)
    opened.answer["origin"] = page
    binding = opened.binding(new_key())
    for header in ("https://evil.example", "null"):
        assert (await world.submit(opened.url, binding, origin=header)).problem == "originMismatch"
    assert await status(world, opened) == "pending"
    assert (await world.submit(opened.url, binding, origin=page)).status == 201


async def test_a_binding_is_json(world: World, opened: Opened) -> None:
    answer = await world.send("POST", "/bindings", content=b"{}", headers={"content-type": "text/plain"})
    assert answer.status == 415
    for content in (os.urandom(40), b"[]", b"", b"[" * 20000):
        headers = {"content-type": "application/json"}
        assert (await world.send("POST", "/bindings", content=content, headers=headers)).problem == "malformed"
    assert await status(world, opened) == "pending"
