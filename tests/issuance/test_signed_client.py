import json
from collections.abc import Iterator

import pytest

from oob.errors import IssuanceError
from oob.issuance.http import HttpClient, Response
from oob.issuance.jws import Jws
from oob.issuance.signed_client import SignedClient
from tests.issuance.world import new_key

BASE = "https://issuer.example"
DIRECTORY = Response(200, {}, json.dumps({"newNonce": f"{BASE}/nonce", "newOrder": f"{BASE}/order"}).encode())
BAD_NONCE = b'{"type": "urn:ietf:params:acme:error:badNonce", "detail": "used"}'


def nonced(nonce: str, status: int = 200, body: bytes = b"{}") -> Response:
    return Response(status, {"replay-nonce": nonce}, body)


class Script(HttpClient):
    """Answers by a script and keeps what was asked."""

    def __init__(self, *answers: Response) -> None:
        self._answers: Iterator[Response] = iter(answers)
        self.bodies: list[bytes] = []

    async def request(self, method: str, url: str, *, body: bytes | None = None, **_: str) -> Response:
        if body is not None:
            self.bodies.append(body)
        return next(self._answers)

    @property
    def nonces(self) -> list[str]:
        return [Jws.decode(body).nonce for body in self.bodies]


async def post(script: Script, times: int = 1) -> Response:
    client = SignedClient(script, f"{BASE}/directory")
    for _ in range(times):
        answer = await client.post(f"{BASE}/order", {}, new_key(), step="newOrder")
    return answer


async def test_each_answer_brings_the_next_nonce() -> None:
    script = Script(DIRECTORY, nonced("b25l"), nonced("dHdv"), nonced("c2l4"))
    await post(script, 2)
    assert script.nonces == ["b25l", "dHdv"]


async def test_a_bad_nonce_is_replaced() -> None:
    script = Script(DIRECTORY, nonced("b25l"), nonced("dHdv", 400, BAD_NONCE), nonced("c2l4"))
    assert (await post(script)).status == 200
    assert script.nonces == ["b25l", "dHdv"]


async def test_but_not_for_ever() -> None:
    script = Script(DIRECTORY, nonced("b25l"), *[nonced("dHdv", 400, BAD_NONCE)] * 9)
    with pytest.raises(IssuanceError, match="newOrder: used") as caught:
        await post(script)
    assert caught.value.problem.endswith("badNonce")
    assert len(script.bodies) == 3


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([Response(500, {}, b"")], "HTTP status 500"),
        ([Response(302, {"location": "https://evil.example"}, b"")], "HTTP status 302"),
        ([Response(200, {}, b"[]")], "not a JSON object"),
        ([Response(200, {}, b"\xff")], "not a JSON object"),
        ([Response(200, {}, b"{}")], "lacks newNonce"),
        ([DIRECTORY, Response(200, {}, b"")], "gives no nonce"),
        ([DIRECTORY, nonced("b25l"), nonced("dHdv", 403, b'{"detail": "not\\u001b yours"}')], r"not\? yours"),
    ],
)
async def test_what_the_issuer_does_wrong_is_named(answers: list[Response], reason: str) -> None:
    with pytest.raises(IssuanceError, match=f"newOrder: .*{reason}"):
        await post(Script(*answers))
