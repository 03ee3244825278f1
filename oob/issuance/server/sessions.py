"""Sessions: a client proves that it holds a session key and gets a challenge and names for the device to be.

The session key signs `POST /sessions` (proof of possession), so a challenge that an attacker sees go by in message_3
belongs to a key that the attacker does not hold.
"""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from oob.crypto import equal
from oob.issuance import base64url
from oob.issuance.names import MAX_NAMES, as_ip, name_type, sanitised_label
from oob.issuance.problems import Kind, Problem, Subproblem
from oob.issuance.server.exchange import known_id, read_jws, reply, signed_by_new_key, timestamp
from oob.issuance.server.issuer import Issuer
from oob.issuance.store import Session, TooManySessions

CHALLENGE_LENGTH = 32
_NOT_ENROLLED = "this issuer asks for its enrolment token"
_ENROL = "Get it from whoever runs the issuer: it stands in the file token that oob issuer init made"
MAX_WISH = 255


async def new_session(issuer: Issuer, request: Request) -> Response:
    """Open a session for the key that signs: `{"origin": text, "names": [wish, ...], "token": text}`."""
    jws = await signed_by_new_key(issuer, request)
    payload = jws.json()
    _require_token(issuer, payload.get("token", ""))
    origin = payload.get("origin")
    if not isinstance(origin, str):
        raise Problem(Kind.MALFORMED, "a session names its origin, an empty text for an app")
    require_origin(issuer, request, origin)
    now = issuer.clock()
    assert jws.jwk is not None  # noqa: S101  signed_by_new_key
    session = Session(
        id=issuer.new_id(),
        key=jws.jwk,
        challenge=issuer.random(CHALLENGE_LENGTH),
        origin=origin,
        names=_assign(issuer, payload.get("names", [])),
        expires=now + issuer.policy.session_lifetime,
    )
    if request.client is not None:
        issuer.pending.hold(request.client.host, session.id, session.expires, now=now)
    try:
        await issuer.store.sessions.add(session, now=now, limit=issuer.policy.max_pending_sessions)
    except TooManySessions as error:
        issuer.pending.release(session.id)
        raise Problem(Kind.RATE_LIMITED, error.cause, headers={"Retry-After": "60"}) from error
    url = session_url(issuer, session.id)
    content = {
        "session": url,
        "status": "pending",
        "challenge": base64url.encode(session.challenge),
        "issuer": issuer.directory_url,
        "root_hash": base64url.encode(issuer.authority.root_hash),
        "names": session.names,
        "expires": timestamp(session.expires),
    }
    return reply(content, 201, {"Location": url})


async def session(issuer: Issuer, request: Request) -> Response:
    """Show a session to its key, or end it and its binding for `{"status": "withdrawn"}`.

    `kid` is the URL of the session.
    """
    jws = await read_jws(issuer, request)
    if jws.kid != jws.url:
        raise Problem(Kind.MALFORMED, "a session is read by its own key: kid is the URL of the session")
    found = await require_session(issuer, jws.url)
    jws.verify(found.key)
    issuer.nonces.take(jws.nonce)
    if jws.payload:
        if jws.json() != {"status": "withdrawn"}:
            raise Problem(Kind.MALFORMED, "a session can be withdrawn, and nothing else")
        await issuer.store.sessions.withdraw(found.id)
        issuer.pending.release(found.id)
        found = replace(found, status="withdrawn")
    content: dict[str, Any] = {
        "status": current_status(found, issuer.clock()),
        "names": found.names,
        "expires": timestamp(found.expires),
    }
    if found.device is not None:
        content["device"] = base64url.encode(found.device)
    return reply(content)


async def require_session(issuer: Issuer, url: str) -> Session:
    """Return the session with this URL; Problem (unknownSession) if there is none."""
    prefix = session_url(issuer, "")
    found = await issuer.store.sessions.get(known_id(url.removeprefix(prefix))) if url.startswith(prefix) else None
    if found is None:
        raise Problem(Kind.UNKNOWN_SESSION, "there is no such session, or it ended long ago")
    return found


def session_url(issuer: Issuer, id: str) -> str:
    """Return the URL of a session."""
    return issuer.url(f"/sessions/{id}")


def current_status(session: Session, now: float) -> str:
    """Return pending, bound, refused, withdrawn or expired."""
    return "expired" if session.status == "pending" and session.expires <= now else session.status


def require_origin(issuer: Issuer, request: Request, claimed: str) -> None:
    """Raise Problem (originMismatch) unless the claimed origin is allowed, and is the browser's where one asks.

    Only a browser can be believed about its Origin header, and only a page in a browser needs to be kept honest: other
    programs can send what they like, and have no user who is logged in elsewhere.
    """
    if claimed not in issuer.policy.origins:
        raise Problem(Kind.ORIGIN_MISMATCH, "this origin is not allowed to pair here")
    header = request.headers.get("origin")
    if header is not None and not equal(header.encode(), claimed.encode()):
        raise Problem(Kind.ORIGIN_MISMATCH, "the origin that was claimed is not the one that the browser names")


def _require_token(issuer: Issuer, token: object) -> None:
    """Raise Problem (notEnrolled) unless this is the operator's token, where there is one."""
    expected = issuer.policy.token_hash
    if expected is None:
        return
    given = token.encode(errors="surrogatepass") if isinstance(token, str) else b""
    if not equal(sha256(given).digest(), expected):
        detail = "this issuer asks for its enrolment token, and this is not it" if given else _NOT_ENROLLED
        raise Problem(Kind.NOT_ENROLLED, f"{detail}. {_ENROL}")


def _assign(issuer: Issuer, wishes: object) -> tuple[str, ...]:
    if not isinstance(wishes, list) or len(wishes) > MAX_NAMES:
        raise Problem(Kind.MALFORMED, f"names is a list of at most {MAX_NAMES} wishes")
    if not all(isinstance(wish, str) and len(wish) <= MAX_WISH for wish in wishes):
        raise Problem(Kind.MALFORMED, f"a wished name is a text of at most {MAX_WISH} characters")
    return tuple(dict.fromkeys(_name(issuer, wish) for wish in wishes or [""]))


def _name(issuer: Issuer, wish: str) -> str:
    """Return the address that was wished for, or the name in the zone that comes closest to the wish."""
    address = as_ip(wish)
    zone = issuer.policy.zone
    if address is None:
        label = sanitised_label(wish.lower().removesuffix("." + zone)) or f"device-{issuer.random(4).hex()}"
        name = f"{label}.{zone}"
    else:
        name = str(address)
    if name in issuer.reserved or (address and not any(address in each for each in issuer.policy.networks)):
        detail = "this name is not for devices"
        subproblem = Subproblem(Kind.REJECTED_IDENTIFIER, name_type(name), name, detail)
        raise Problem(Kind.REJECTED_IDENTIFIER, f"{name} is not for devices", subproblems=(subproblem,))
    return name
