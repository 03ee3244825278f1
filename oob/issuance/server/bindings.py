"""Bindings: both signatures are checked, against the session and against policy, and the device key is authorised.

What comes before the client's signature has verified can come from anybody, so it must not cost the honest session
anything. From there on the session key has spoken: the challenge is used up, whatever the outcome.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from oob.binding import Binding, BindingStatement, SessionContext, verify_binding, verify_countersignature
from oob.cose import CoseKey, Sign1
from oob.crypto import equal
from oob.errors import AuthenticationError, PeerError
from oob.issuance import base64url
from oob.issuance.jws import json_object
from oob.issuance.names import name_type
from oob.issuance.problems import Kind, Problem, Subproblem
from oob.issuance.server.exchange import read_body, reply
from oob.issuance.server.issuer import Issuer
from oob.issuance.server.sessions import current_status, require_origin, require_session
from oob.issuance.store import Acceptance, NamesTaken, Session, SessionSpent
from oob.pairing.models import MUTUAL_PROOFS

_ENDED = {
    "bound": (Kind.CHALLENGE_USED, "the challenge of this session was used: its device is bound"),
    "refused": (Kind.CHALLENGE_USED, "the challenge of this session was used by a binding that was refused"),
    "withdrawn": (Kind.CHALLENGE_USED, "the session was withdrawn by its key, and its challenge with it"),
    "expired": (Kind.SESSION_EXPIRED, "the session is expired: open another one and pair again"),
}


async def new_binding(issuer: Issuer, request: Request) -> Response:
    """Take `{"session": url, "statement": ..., "countersignature": ..., "device_key": ..., "context": ...}`."""
    body = json_object(await read_body(request, "application/json"), "the binding")
    binding, url = _binding(body), body.get("session")
    if not isinstance(url, str):
        raise Problem(Kind.MALFORMED, "the binding lacks its session")
    session = await require_session(issuer, url)
    _require_pending(session, issuer.clock())
    require_origin(issuer, request, session.origin)
    _require_client_half(binding, session.key)
    try:
        statement = _require_device_half(binding, session.key)
        _require_agreement(issuer, session, statement)
        _require_root(issuer, binding)
        await _accept(issuer, session, binding, statement)
    except Problem:
        await issuer.store.sessions.refuse(session.id)
        raise
    finally:
        issuer.pending.release(session.id)
    content = {
        "status": "bound",
        "names": session.names,
        "device": base64url.encode(statement.device_thumbprint),
        "model": statement.model,
        "strength": statement.strength,
    }
    return reply(content, 201, {"Location": url})


def _binding(body: Mapping[str, Any]) -> Binding:
    if not body.get("statement"):
        raise Problem(Kind.DEVICE_HALF, "the statement signed by the device is missing")
    if not body.get("countersignature"):
        raise Problem(Kind.CLIENT_HALF, "the countersignature by the session key is missing")
    try:
        return Binding.from_json(body)
    except PeerError as error:
        raise Problem(Kind.MALFORMED, error.cause) from error


def _require_pending(session: Session, now: float) -> None:
    status = current_status(session, now)
    if status in _ENDED:
        raise Problem(*_ENDED[status])


def _require_client_half(binding: Binding, session_key: CoseKey) -> None:
    """Check that the holder of the session key submits this; which key it is for is looked at first, to say so."""
    try:
        claimed = BindingStatement.decode(Sign1.decode(binding.statement).payload or b"")
    except PeerError as error:
        raise Problem(Kind.MALFORMED, error.cause) from error
    if not equal(claimed.session_thumbprint, session_key.thumbprint()):
        raise Problem(Kind.SESSION_KEY_MISMATCH, "the binding is for another key than the one that opened the session")
    try:
        verify_countersignature(binding, session_key)
    except (AuthenticationError, PeerError) as error:
        raise Problem(Kind.CLIENT_HALF, f"the countersignature by the session key: {error.cause}") from error


def _require_device_half(binding: Binding, session_key: CoseKey) -> BindingStatement:
    if binding.device_key == session_key:
        raise Problem(Kind.DEVICE_HALF, "device and client are one and the same key")
    try:
        return verify_binding(binding, session_key)
    except (AuthenticationError, PeerError) as error:
        raise Problem(Kind.DEVICE_HALF, f"the statement signed by the device: {error.cause}") from error


def _require_agreement(issuer: Issuer, session: Session, statement: BindingStatement) -> None:
    """Compare with what this session was given. The device may have no clock: its times are not looked at."""
    if statement.audience != issuer.directory_url:
        raise Problem(Kind.AUDIENCE_MISMATCH, "the binding is for another issuer")
    if not equal(statement.challenge, session.challenge):
        raise Problem(Kind.CHALLENGE_MISMATCH, "the binding answers another challenge")
    if statement.origin != session.origin:
        raise Problem(Kind.ORIGIN_MISMATCH, "the binding names another origin than the one that opened the session")
    if statement.proof not in MUTUAL_PROOFS:
        detail = f"the association model {statement.model}, as it was run, does not prove both ends to each other"
        raise Problem(Kind.NOT_MUTUAL, detail)
    if statement.names != session.names:
        raise Problem(Kind.NAMES_MISMATCH, "the binding names other names than those that were assigned")


def _require_root(issuer: Issuer, binding: Binding) -> None:
    """Check that the device was told of this issuer's root: with another one it would trust another issuer."""
    told = SessionContext.decode(binding.context).root_hash
    if told is None or not equal(told, issuer.authority.root_hash):
        raise Problem(Kind.AUDIENCE_MISMATCH, "the binding names another root certificate than that of this issuer")


async def _accept(issuer: Issuer, session: Session, binding: Binding, statement: BindingStatement) -> None:
    acceptance = Acceptance(
        id=issuer.new_id(),
        device=statement.device_thumbprint,
        names=session.names,
        model=statement.model,
        strength=statement.strength,
        statement=binding.statement,
        countersignature=binding.countersignature,
        context=binding.context,
    )
    try:
        await issuer.store.sessions.bind(session.id, acceptance, now=issuer.clock())
    except SessionSpent as error:
        raise Problem(*_ENDED["bound"]) from error
    except NamesTaken as error:
        detail = "the name is bound to another device"
        subproblems = tuple(Subproblem(Kind.NAME_TAKEN, name_type(each), each, detail) for each in error.names)
        problem = f"bound to another device: {', '.join(error.names)}"
        raise Problem(Kind.NAME_TAKEN, problem, subproblems=subproblems) from error
