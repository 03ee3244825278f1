"""The device's ACME client (RFC 8555): the identity key is the account key, the TLS key is another."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oob.errors import IssuanceError, UsageError
from oob.issuance import base64url
from oob.issuance.certificate import Certificate, check_chain
from oob.issuance.http import TIMEOUT, HttpClient, Response
from oob.issuance.jws import JwsSigner, public_key
from oob.issuance.names import canonical, name_type
from oob.issuance.signed_client import SignedClient, object_in, text_in
from oob.issuance.tls_key import TlsKey

DEADLINE = 60.0
_MAX_PAUSE = 5.0


class AcmeClient:
    """Gets certificates from the issuer at `directory_url` that the root certificate (DER) vouches for.

    `identity` is the bound key of the device. Requests have `timeout` seconds each, an issuance `deadline` seconds.
    """

    def __init__(
        self,
        directory_url: str,
        root_der: bytes,
        identity: JwsSigner,
        *,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = SignedClient(HttpClient(root_der, timeout=timeout), directory_url)
        self._root_der, self._identity = root_der, identity
        self._deadline, self._clock = deadline, clock
        self._account: str | None = None

    def close(self) -> None:
        """Close the connection to the issuer."""
        self._client.http.close()

    async def obtain(self, names: Sequence[str], tls_key: TlsKey) -> Certificate:
        """Get a certificate for `names` and `tls_key`, verified.

        IssuanceError if the issuer refuses, cannot be used or is too slow; UsageError for a malformed name, or a TLS
        key that is the identity key. Nothing is kept between calls but the URL of the account: after a crash or an
        error, call again; it makes a new order, and one left behind expires.
        """
        wanted = list(dict.fromkeys(map(canonical, names)))
        if tls_key.public == public_key(self._identity):
            raise UsageError("the TLS key must not be the identity key", step="issuance")
        try:
            async with asyncio.timeout(self._deadline):
                return await self._obtain(wanted, tls_key)
        except IssuanceError:
            self._account = None  # an issuer that was set up anew does not know it any more
            raise
        except TimeoutError as error:
            cause = f"{self._client.directory_url} issued no certificate within {self._deadline:g} seconds"
            raise IssuanceError(cause, step="issuance", remedy="Try again later") from error

    async def deactivate(self) -> None:
        """End the account of the identity key (section 7.3.6). IssuanceError if there is none, or as in `obtain`."""
        url = await self._client.endpoint("newAccount", "newAccount")
        answer = await self._client.post(url, {"onlyReturnExisting": True}, self._identity, step="newAccount")
        self._account = _location(answer, "newAccount")
        await self._post(self._account, {"status": "deactivated"}, "account")
        self._account = None

    async def _obtain(self, names: Sequence[str], tls_key: TlsKey) -> Certificate:
        await self._ensure_account()
        identifiers = [{"type": name_type(name), "value": name} for name in names]
        url = await self._client.endpoint("newOrder", "newOrder")
        made = await self._post(url, {"identifiers": identifiers}, "newOrder")
        order = object_in(made, "newOrder")
        location = _location(made, "newOrder")
        if order.get("status") != "ready":
            cause = "the order is not ready: the issuer wants more than the binding of this device"
            raise IssuanceError(cause, step="newOrder", remedy="Pair the device with this issuer again")
        csr = {"csr": base64url.encode(tls_key.csr(names))}
        order = object_in(await self._post(text_in(order, "finalize", "newOrder"), csr, "finalize"), "finalize")
        order = await self._poll(order, location)
        chain = await self._post(text_in(order, "certificate", "finalize"), None, "certificate")
        return check_chain(
            chain.body,
            root_der=self._root_der,
            key=tls_key.public,
            names=names,
            now=self._clock(),
            account=public_key(self._identity).thumbprint(),
        )

    async def _ensure_account(self) -> None:
        if self._account is None:
            url = await self._client.endpoint("newAccount", "newAccount")
            payload = {"termsOfServiceAgreed": True}
            answer = await self._client.post(url, payload, self._identity, step="newAccount")
            self._account = _location(answer, "newAccount")

    async def _poll(self, order: Mapping[str, Any], url: str) -> Mapping[str, Any]:
        """Wait until the certificate is there (section 7.4); the caller's deadline ends this."""
        pause = 0.25
        while order.get("status") == "processing":
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE)
            order = object_in(await self._post(url, None, "order"), "order")
        if order.get("status") != "valid":
            raise IssuanceError(f"the order became {str(order.get('status'))[:40]}", step="finalize")
        return order

    async def _post(self, url: str, payload: object, step: str) -> Response:
        return await self._client.post(url, payload, self._identity, step=step, kid=self._account)


def _location(answer: Response, step: str) -> str:
    location = answer.headers.get("location")
    if not location:
        raise IssuanceError("the issuer's answer lacks its Location", step=step)
    return location
