"""Orders (RFC 8555, section 7.4). The binding has authorised the names: orders are born ready, authorizations valid."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from oob.errors import PeerError, UsageError
from oob.issuance import base64url
from oob.issuance.names import MAX_NAMES, canonical, name_type
from oob.issuance.problems import Kind, Problem, Subproblem
from oob.issuance.server.exchange import get_by_account, known_id, reply, signed_by_account, timestamp
from oob.issuance.server.issuer import Issuer
from oob.issuance.store import Account, Certificate, Order, OrderSpent
from oob.issuance.tls_key import SigningRequest

_INDEX = re.compile("0|[1-9][0-9]?")


async def new_order(issuer: Issuer, request: Request) -> Response:
    """Make an order for names of the account's binding."""
    jws, account = await signed_by_account(issuer, request)
    payload = jws.json()
    if "notBefore" in payload or "notAfter" in payload:
        raise Problem(Kind.MALFORMED, "the validity of certificates is for the issuer to choose")
    names = _identifiers(payload.get("identifiers"))
    _require_authorised(account, names)
    order = Order(issuer.new_id(), account.id, names, issuer.clock() + issuer.policy.order_lifetime)
    await issuer.store.orders.add(order)
    return _show(issuer, order, 201)


async def order(issuer: Issuer, request: Request) -> Response:
    """Show an order of the account that signs."""
    account = await get_by_account(issuer, request)
    return _show(issuer, await _own_order(issuer, account, request))


async def authorization(issuer: Issuer, request: Request) -> Response:
    """Show the authorization of one name of an order; the binding gave it, so it has no challenge left."""
    account = await get_by_account(issuer, request)
    order = await _own_order(issuer, account, request)
    index = request.path_params["index"]
    if not _INDEX.fullmatch(index) or int(index) >= len(order.names):
        raise Problem(Kind.NOT_FOUND, "there is no such authorization")
    name = order.names[int(index)]
    content: dict[str, Any] = {
        "status": "valid" if name in account.names else "revoked",
        "expires": timestamp(order.expires),
        "identifier": _identifier(name),
        "challenges": [],
    }
    return reply(content)


async def finalize(issuer: Issuer, request: Request) -> Response:
    """Certify the key of a CSR for the names of an order, if the binding still holds."""
    jws, account = await signed_by_account(issuer, request)
    csr = SigningRequest.decode(_csr(jws.json()))
    order = await _own_order(issuer, account, request)
    now = issuer.clock()
    if order.status != "ready" or order.expires <= now:
        raise Problem(Kind.ORDER_NOT_READY, f"the order is {_status(order, now)}")
    _require_authorised(account, order.names)
    if csr.names != set(order.names):
        raise Problem(Kind.BAD_CSR, "the names in the CSR are not those of the order")
    if await issuer.store.orders.is_identity_key(csr.key.thumbprint()):
        raise Problem(Kind.BAD_CSR, "the key of the CSR is an account key: TLS needs another one")
    lifetime = issuer.policy.certificate_lifetime
    leaf = issuer.authority.issue(csr.public_key, order.names, now=now, lifetime=lifetime)
    certificate = Certificate(issuer.new_id(), leaf.serial, leaf.pem, leaf.not_after)
    assert account.binding is not None  # noqa: S101  without a binding no name is authorised
    try:
        await issuer.store.orders.issue(order, account.binding, certificate)
    except OrderSpent as error:
        raise Problem(Kind.ORDER_NOT_READY, "the order was finalized, or its authorization ended, meanwhile") from error
    issued = Order(order.id, account.id, order.names, order.expires, "valid", certificate.id)
    return _show(issuer, issued)


async def certificate(issuer: Issuer, request: Request) -> Response:
    """Answer with the chain: leaf and root, since stock clients expect an issuer after the leaf (section 7.4.2)."""
    account = await get_by_account(issuer, request)
    found = await issuer.store.orders.certificate(known_id(request.path_params["certificate"]), account.id)
    if found is None:
        raise Problem(Kind.NOT_FOUND, "this account has no such certificate")
    answer = Response(found.pem + issuer.authority.root_pem, media_type="application/pem-certificate-chain")
    answer.headers.append("Link", f'<{issuer.url("/root.pem")}>;rel="up"')
    return answer


async def _own_order(issuer: Issuer, account: Account, request: Request) -> Order:
    order = await issuer.store.orders.get(known_id(request.path_params["order"]), account.id)
    if order is None:
        raise Problem(Kind.NOT_FOUND, "this account has no such order")
    return order


def _show(issuer: Issuer, order: Order, status: int = 200) -> Response:
    url = issuer.url(f"/order/{order.id}")
    content: dict[str, Any] = {
        "status": _status(order, issuer.clock()),
        "expires": timestamp(order.expires),
        "identifiers": [_identifier(name) for name in order.names],
        "authorizations": [issuer.url(f"/authz/{order.id}/{index}") for index in range(len(order.names))],
        "finalize": f"{url}/finalize",
    }
    if order.certificate is not None:
        content["certificate"] = issuer.url(f"/cert/{order.certificate}")
    return reply(content, status, {"Location": url})


def _status(order: Order, now: float) -> str:
    return "invalid" if order.status == "ready" and order.expires <= now else order.status


def _identifier(name: str) -> dict[str, str]:
    return {"type": name_type(name), "value": name}


def _identifiers(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_NAMES:
        raise Problem(Kind.MALFORMED, f"an order names 1 to {MAX_NAMES} identifiers")
    return tuple(dict.fromkeys(map(_name, value)))


def _name(identifier: object) -> str:
    if not isinstance(identifier, dict):
        raise Problem(Kind.MALFORMED, "an identifier is an object")
    kind, value = identifier.get("type"), identifier.get("value")
    if not isinstance(kind, str) or not isinstance(value, str):
        raise Problem(Kind.MALFORMED, "an identifier has a type and a value")
    if kind not in ("dns", "ip"):
        raise Problem(Kind.UNSUPPORTED_IDENTIFIER, "identifiers are of type dns or ip")
    try:
        name = canonical(value)
    except UsageError as error:
        raise Problem(Kind.REJECTED_IDENTIFIER, error.cause) from error
    if name_type(name) != kind:
        raise Problem(Kind.MALFORMED, f"an identifier of type {kind} has the value of another type")
    return name


def _require_authorised(account: Account, names: tuple[str, ...]) -> None:
    if account.binding is None:
        raise Problem(Kind.UNAUTHORIZED, "the device of this account is not bound any more")
    detail = "the binding of this device does not include the name"
    outside = [name for name in names if name not in account.names]
    if outside:
        subproblems = tuple(Subproblem(Kind.REJECTED_IDENTIFIER, name_type(each), each, detail) for each in outside)
        problem = f"the binding of this device does not include {', '.join(outside)}"
        raise Problem(Kind.REJECTED_IDENTIFIER, problem, subproblems=subproblems)


def _csr(payload: dict[str, Any]) -> bytes:
    value = payload.get("csr")
    if not isinstance(value, str):
        raise Problem(Kind.MALFORMED, "the request lacks its csr")
    try:
        return base64url.decode(value)
    except PeerError as error:
        raise Problem(Kind.BAD_CSR, "the CSR is not base64url") from error
