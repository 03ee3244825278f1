"""The client's side of a session: open it with a session key, submit the binding, look how it stands."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from oob.binding import Binding, SessionContext
from oob.errors import IssuanceError, OobError, PeerError
from oob.issuance import base64url
from oob.issuance.http import TIMEOUT, HttpClient, require_url
from oob.issuance.jws import JwsSigner
from oob.issuance.signed_client import SignedClient, accepted, object_in, text_in, texts_in

OPEN, SUBMIT, STATUS, FORGET = "session", "binding", "session status", "forget"


@dataclass(frozen=True, slots=True)
class IssuerSession:
    """An open session: `url` names it, `expires` is the issuer's word in RFC 3339."""

    url: str
    context: SessionContext
    expires: str
    key: JwsSigner = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the device will have."""
        return self.context.names


@dataclass(frozen=True, slots=True)
class Bound:
    """What the issuer made of a binding: the device with this key thumbprint (32 bytes) may have these names."""

    names: tuple[str, ...]
    device: bytes
    model: str
    strength: str


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """How a session stands: pending, bound, refused, withdrawn or expired; `device` is None unless it is bound."""

    status: str
    names: tuple[str, ...]
    device: bytes | None


class IssuerClient:
    """Talks to the issuer at `directory_url` that the root certificate (DER) vouches for.

    `token` is the enrolment token of the issuer, empty for one that asks for none. UsageError for a URL that is none.
    Every method raises IssuanceError, within `timeout` seconds a request, if the issuer refuses or cannot be used.
    """

    def __init__(self, directory_url: str, root_der: bytes, *, token: str = "", timeout: float = TIMEOUT) -> None:
        require_url(directory_url)
        self._client = SignedClient(HttpClient(root_der, timeout=timeout), directory_url)
        self._token = token
        self._root_hash = hashlib.sha256(root_der).digest()

    def close(self) -> None:
        """Close the connection to the issuer."""
        self._client.http.close()

    async def open_session(
        self, session_key: JwsSigner, *, origin: str = "", names: Sequence[str] = ()
    ) -> IssuerSession:
        """Open a session for a fresh key; `names` are wishes, such as "kitchen lamp". `origin` is empty for an app."""
        url = await self._client.endpoint("newSession", OPEN)
        wish = {"origin": origin, "names": list(names)} | ({"token": self._token} if self._token else {})
        answer = object_in(await self._client.post(url, wish, session_key, step=OPEN, origin=origin), OPEN)
        # The device is told of the issuer that this client really spoke to, not of the one that answer names.
        if text_in(answer, "issuer", OPEN) != self._client.directory_url:
            raise IssuanceError("the issuer calls itself by another URL", step=OPEN, remedy=_SAME_URL)
        if _bytes(answer, "root_hash", OPEN) != self._root_hash:
            raise IssuanceError("the issuer names another root certificate than the one it was reached with", step=OPEN)
        challenge, assigned = _bytes(answer, "challenge", OPEN), texts_in(answer, "names", OPEN)
        try:
            context = SessionContext(self._client.directory_url, self._root_hash, origin, challenge, assigned)
        except PeerError as error:
            raise IssuanceError(error.cause, step=OPEN) from error
        return IssuerSession(text_in(answer, "session", OPEN), context, text_in(answer, "expires", OPEN), session_key)

    async def submit(self, session: IssuerSession, binding: Binding) -> Bound:
        """Submit both halves. An answer that got lost on the way is found by `session_status`."""
        url = await self._client.endpoint("newBinding", SUBMIT)
        body = json.dumps({"session": session.url, **binding.to_json()}).encode()
        answer = await self._client.http.request(
            "POST", url, body=body, content_type="application/json", origin=session.context.origin
        )
        fields = object_in(accepted(answer, SUBMIT), SUBMIT)
        names, device = texts_in(fields, "names", SUBMIT), _bytes(fields, "device", SUBMIT)
        if device != binding.device_key.thumbprint():
            raise IssuanceError("the issuer authorised another device", step=SUBMIT)
        return Bound(names, device, text_in(fields, "model", SUBMIT), text_in(fields, "strength", SUBMIT))

    async def session_status(self, session: IssuerSession) -> SessionStatus:
        """Ask how the session stands."""
        answer = await self._client.post(session.url, None, session.key, step=STATUS, kid=session.url)
        fields = object_in(answer, STATUS)
        device = _bytes(fields, "device", STATUS) if "device" in fields else None
        return SessionStatus(text_in(fields, "status", STATUS), texts_in(fields, "names", STATUS), device)

    async def forget(self, session: IssuerSession) -> None:
        """End the session and the binding that it led to: the issuer authorises the device's key no more."""
        await self.withdraw(session.url, session.key)

    async def withdraw(self, url: str, session_key: JwsSigner) -> None:
        """Do as `forget`, for the session at `url`, once opened with this key."""
        await self._client.post(url, {"status": "withdrawn"}, session_key, step=FORGET, kid=url)


def _bytes(fields: Any, name: str, step: str) -> bytes:  # noqa: ANN401
    try:
        return base64url.decode(text_in(fields, name, step))
    except OobError as error:
        raise IssuanceError(f"the issuer's answer lacks {name}", step=step) from error


_SAME_URL = "Use the URL under which the issuer was set up"
