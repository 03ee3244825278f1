"""What all endpoints share: reading signed requests (RFC 8555, section 6) and composing answers."""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from oob.issuance.jws import MAX_LENGTH, Jws
from oob.issuance.problems import Kind, Problem
from oob.issuance.server.issuer import Issuer
from oob.issuance.store import Account

JOSE = "application/jose+json"
BODY_TIMEOUT = 10.0
"""Seconds for which a body may be on its way."""
_ID = re.compile(r"[A-Za-z0-9_-]{22}")


async def read_body(request: Request, media_type: str) -> bytes:
    """Return the body; Problem for another media type, more than 64 KiB in all or 10 s on the way, or a
    client that went away.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"the body of this request is of type {media_type}")
    body = bytearray()
    closing = {"Connection": "close"}
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_LENGTH:
                    raise Problem(Kind.TOO_LARGE, f"a body has at most {MAX_LENGTH} bytes", headers=closing)
    except TimeoutError as error:
        raise Problem(Kind.TOO_SLOW, f"the body took longer than {BODY_TIMEOUT:g} seconds", headers=closing) from error
    except ClientDisconnect as error:
        raise Problem(Kind.MALFORMED, "the request ended early") from error
    return bytes(body)


async def read_jws(issuer: Issuer, request: Request) -> Jws:
    """Return the signed request, not yet verified, if it is for this very URL."""
    jws = Jws.decode(await read_body(request, JOSE))
    # Not request.url, into which a Host header finds its way.
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    if jws.url != issuer.url(path) + (f"?{query}" if query else ""):
        raise Problem(Kind.UNAUTHORIZED, "the request was signed for another URL")
    return jws


async def signed_by_new_key(issuer: Issuer, request: Request) -> Jws:
    """Return a request that is signed by the key in its `jwk`."""
    jws = await read_jws(issuer, request)
    if jws.jwk is None:
        raise Problem(Kind.MALFORMED, "this request carries its key in jwk")
    jws.verify(jws.jwk)
    issuer.nonces.take(jws.nonce)
    return jws


async def signed_by_account(issuer: Issuer, request: Request) -> tuple[Jws, Account]:
    """Return a request that is signed by the valid account in its `kid`."""
    jws = await read_jws(issuer, request)
    prefix = issuer.url("/account/")
    if jws.kid is None or not jws.kid.startswith(prefix):
        raise Problem(Kind.MALFORMED, "this request names its account by kid")
    account = await issuer.store.accounts.get(known_id(jws.kid.removeprefix(prefix)))
    if account is None:
        raise Problem(Kind.ACCOUNT_DOES_NOT_EXIST, "there is no such account")
    jws.verify(account.key)
    # Only now: a nonce is spent by who holds a key, not by who saw it pass.
    issuer.nonces.take(jws.nonce)
    if account.status != "valid":
        raise Problem(Kind.UNAUTHORIZED, "the account is deactivated")
    return jws, account


async def get_by_account(issuer: Issuer, request: Request) -> Account:
    """Return the account that signed a POST-as-GET (section 6.3)."""
    jws, account = await signed_by_account(issuer, request)
    require_empty(jws)
    return account


def known_id(text: str) -> str:
    """Return an id as it stands in a URL, or "", which no object has, for what cannot be one."""
    return text if _ID.fullmatch(text) else ""


def require_empty(jws: Jws) -> None:
    """Raise Problem (malformed) unless the request is a POST-as-GET."""
    if jws.payload:
        raise Problem(Kind.MALFORMED, "this resource is read with a POST-as-GET: the payload is empty")


def reply(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(json.dumps(content), status, headers, media_type="application/json")


def problem_reply(problem: Problem) -> Response:
    """Return the answer to a request that was refused."""
    body = json.dumps(problem.document())
    return Response(body, problem.kind.status, problem.headers, media_type="application/problem+json")


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 in the form of RFC 3339."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
