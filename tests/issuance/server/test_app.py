import logging

import pytest

from oob.errors import StorageError
from tests.issuance.world import World, new_key


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/new-order", 405), ("PUT", "/directory", 405), ("POST", "/authz/x", 404)],
)
async def test_what_is_not_there_is_a_problem(world: World, method: str, path: str, status: int) -> None:
    answer = await world.send(method, path)
    assert (answer.status, answer.problem) == (status, "malformed")


async def test_a_store_that_fails_is_a_problem_that_passes(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.issuer.store.sessions), "add", full)
        answer = await world.post("/sessions", {"origin": ""}, new_key())
    assert (answer.status, answer.problem) == (503, "serverInternal")
    assert answer.headers["retry-after"] == "30"
    assert "disk" not in answer.json["detail"]
    assert "the disk is full" in caplog.text
    await world.open_session(new_key())


async def test_a_fault_is_logged_and_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("internals")

    monkeypatch.setattr(type(world.issuer.store.sessions), "get", broken)
    with caplog.at_level(logging.ERROR):
        key = new_key()
        opened = await world.open_session(key)
        answer = await world.post(opened.url, None, key, kid=opened.url)
    assert (answer.status, answer.problem) == (500, "serverInternal")
    assert "internals" not in answer.json["detail"]
    assert "RuntimeError: internals" in caplog.text
