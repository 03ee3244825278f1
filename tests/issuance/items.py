"""What the tests put into a store."""

import os
from typing import Any

from oob.cose import CoseKey
from oob.issuance import base64url
from oob.issuance.store import Acceptance, Session, Store
from tests.issuance.world import NOW, new_key


def new_id() -> str:
    return base64url.encode(os.urandom(16))


def a_key() -> CoseKey:
    return CoseKey.of(new_key())


def a_session(**changes: Any) -> Session:
    values: dict[str, Any] = {
        "id": new_id(),
        "key": a_key(),
        "challenge": os.urandom(32),
        "origin": "",
        "names": ("lamp.home.example",),
        "expires": NOW + 600,
    }
    return Session(**(values | changes))


def an_acceptance(device: CoseKey, *names: str) -> Acceptance:
    chosen = names or ("lamp.home.example",)
    return Acceptance(new_id(), device.thumbprint(), chosen, "passcode", "passcode", b"statement", b"counter", b"ctx")


async def bound(store: Store, device: CoseKey, *names: str) -> Acceptance:
    """Bind a device."""
    session, acceptance = a_session(), an_acceptance(device, *names)
    await store.sessions.add(session, now=NOW, limit=9)
    await store.sessions.bind(session.id, acceptance, now=NOW)
    return acceptance


async def with_account(store: Store, device: CoseKey) -> str:
    """Bind a device and give it an account; return the id of the account."""
    await bound(store, device)
    account = new_id()
    assert await store.accounts.add(account, device, (), now=NOW)
    return account
