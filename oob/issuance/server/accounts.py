"""Accounts (RFC 8555, section 7.3). The account key is the identity key of a bound device; no other key has one."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from oob.issuance.problems import Kind, Problem
from oob.issuance.server.exchange import get_by_account, reply, signed_by_account, signed_by_new_key
from oob.issuance.server.issuer import Issuer
from oob.issuance.store import Account

MAX_CONTACTS = 4
MAX_CONTACT = 254
PAGE = 100


async def new_account(issuer: Issuer, request: Request) -> Response:
    """Make an account for a bound key, or answer with the one that the key has."""
    jws = await signed_by_new_key(issuer, request)
    payload, key, accounts = jws.json(), jws.jwk, issuer.store.accounts
    assert key is not None  # noqa: S101  signed_by_new_key
    account = await accounts.of_key(key)
    if account is not None:
        return _existing(issuer, account)
    if payload.get("onlyReturnExisting") is True:
        raise Problem(Kind.ACCOUNT_DOES_NOT_EXIST, "this key has no account")
    if not await accounts.is_bound(key):
        raise Problem(
            Kind.UNAUTHORIZED,
            "no device with this identity key is bound: accounts are for devices that were paired, and whose binding "
            "was submitted with both signatures",
        )
    created = await accounts.add(issuer.new_id(), key, _contact(payload) or (), now=issuer.clock())
    account = await accounts.of_key(key)
    assert account is not None  # noqa: S101  it was just added, and accounts are never removed
    return _show(issuer, account, 201) if created else _existing(issuer, account)


async def account(issuer: Issuer, request: Request) -> Response:
    """Show, update or deactivate the account that signs (sections 7.3.2 and 7.3.6)."""
    jws, account = await signed_by_account(issuer, request)
    _require_own(account, request)
    if jws.payload:
        changes = _changes(jws.json())
        if changes:
            await issuer.store.accounts.update(account.id, **changes)
            account = await issuer.store.accounts.get(account.id) or account
    return _show(issuer, account)


async def orders(issuer: Issuer, request: Request) -> Response:
    """List the orders of the account that signs, a page at a time (section 7.1.2.1)."""
    account = await get_by_account(issuer, request)
    _require_own(account, request)
    cursor = request.query_params.get("cursor", "0")
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
        raise Problem(Kind.MALFORMED, "the cursor is not one of ours")
    ids, after = await issuer.store.orders.of_account(account.id, after=int(cursor), limit=PAGE)
    answer = reply({"orders": [issuer.url(f"/order/{id}") for id in ids]})
    if after is not None:
        url = issuer.url(f"/account/{account.id}/orders?cursor={after}")
        answer.headers.append("Link", f'<{url}>;rel="next"')
    return answer


def _existing(issuer: Issuer, account: Account) -> Response:
    if account.status != "valid":
        raise Problem(Kind.UNAUTHORIZED, "the account of this key is deactivated")
    return _show(issuer, account)


def _show(issuer: Issuer, account: Account, status: int = 200) -> Response:
    url = issuer.url(f"/account/{account.id}")
    content = {"status": account.status, "contact": account.contact, "orders": f"{url}/orders"}
    return reply(content, status, {"Location": url})


def _require_own(account: Account, request: Request) -> None:
    if request.path_params["account"] != account.id:
        raise Problem(Kind.UNAUTHORIZED, "this is not the account that signed the request")


def _changes(payload: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    contact = _contact(payload)
    if contact is not None:
        changes["contact"] = contact
    if "status" in payload:
        if payload["status"] != "deactivated":
            raise Problem(Kind.MALFORMED, "the status of an account can only be set to deactivated")
        changes["status"] = "deactivated"
    return changes


def _contact(payload: dict[str, Any]) -> tuple[str, ...] | None:
    contacts = payload.get("contact")
    if contacts is None:
        return None
    if not isinstance(contacts, list) or len(contacts) > MAX_CONTACTS:
        raise Problem(Kind.MALFORMED, f"contact is a list of at most {MAX_CONTACTS} URLs")
    return tuple(map(_mail_address, contacts))


def _mail_address(contact: object) -> str:
    if not isinstance(contact, str) or not contact.startswith("mailto:"):
        raise Problem(Kind.UNSUPPORTED_CONTACT, "contacts are mailto URLs")
    # One address without header fields (section 7.3).
    address = contact.removeprefix("mailto:")
    if len(address) > MAX_CONTACT or address.count("@") != 1 or not address.isprintable() or set("?, ") & set(address):
        raise Problem(Kind.INVALID_CONTACT, "a contact holds one mail address")
    return contact
