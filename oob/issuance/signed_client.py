"""What the clients of an issuer share: its directory, nonces, and signed requests (RFC 8555, section 6)."""

import json
from collections.abc import Mapping
from typing import Any

from oob.errors import IssuanceError
from oob.issuance.http import HttpClient, Response
from oob.issuance.jws import JwsSigner, sign_jws
from oob.issuance.problems import ACME, Received

NONCE_TRIES = 3
_BAD_NONCE = ACME + "badNonce"


class SignedClient:
    """Speaks with the issuer whose directory is at `directory_url`; all errors are IssuanceErrors that name a step."""

    def __init__(self, http: HttpClient, directory_url: str) -> None:
        self.http = http
        self.directory_url = directory_url
        self._directory: Mapping[str, Any] | None = None
        self._nonces: list[str] = []

    async def endpoint(self, name: str, step: str) -> str:
        """Return a URL from the directory, which is fetched once."""
        if self._directory is None:
            answer = accepted(await self.http.request("GET", self.directory_url), step)
            self._directory = object_in(answer, step)
        return text_in(self._directory, name, step)

    async def post(
        self, url: str, payload: object, signer: JwsSigner, *, step: str, kid: str | None = None, origin: str = ""
    ) -> Response:
        """Send a signed request (`payload` None: POST-as-GET) and return the answer; IssuanceError if it is refused.

        A nonce that the issuer does not take, after its restart for instance, is replaced and the request repeated.
        """
        body = b"" if payload is None else json.dumps(payload).encode()
        for last in (False,) * (NONCE_TRIES - 1) + (True,):
            nonce = await self._nonce(step)
            signed = sign_jws(signer, body, url=url, nonce=nonce, kid=kid)
            answer = await self.http.request(
                "POST", url, body=signed, content_type="application/jose+json", origin=origin
            )
            self._keep_nonce(answer)
            if last or answer.status < 400 or Received.of(answer.json(), answer.status).urn != _BAD_NONCE:
                break
        return accepted(answer, step)

    async def _nonce(self, step: str) -> str:
        if not self._nonces:
            url = await self.endpoint("newNonce", step)
            self._keep_nonce(accepted(await self.http.request("HEAD", url), step))
        if not self._nonces:
            raise IssuanceError("the issuer gives no nonce", step=step)
        return self._nonces.pop()

    def _keep_nonce(self, answer: Response) -> None:
        nonce = answer.headers.get("replay-nonce")
        if nonce:
            self._nonces = [nonce]


def accepted(answer: Response, step: str) -> Response:
    """Return the answer if it is a success; IssuanceError with the issuer's reason otherwise."""
    if answer.status >= 400:
        raise Received.of(answer.json(), answer.status).error(step)
    if not 200 <= answer.status < 300:
        raise IssuanceError(f"the issuer answered with HTTP status {answer.status}", step=step)
    return answer


def object_in(answer: Response, step: str) -> Mapping[str, Any]:
    """Return the JSON object in an answer; IssuanceError if there is none."""
    value = answer.json()
    if not isinstance(value, dict):
        raise IssuanceError("the issuer's answer is not a JSON object", step=step)
    return value


def text_in(fields: Mapping[str, Any], name: str, step: str) -> str:
    """Return a member that is text; IssuanceError if it is missing."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise IssuanceError(f"the issuer's answer lacks {name}", step=step)
    return value


def texts_in(fields: Mapping[str, Any], name: str, step: str) -> tuple[str, ...]:
    """Return a member that is a list of texts; IssuanceError if it is missing."""
    value = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise IssuanceError(f"the issuer's answer lacks {name}", step=step)
    return tuple(value)
