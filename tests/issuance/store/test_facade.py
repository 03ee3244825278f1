from pathlib import Path

from oob.issuance.store import Audit, Store
from tests.issuance.items import a_key, a_session, with_account
from tests.issuance.world import NOW


async def test_an_audit_counts_what_is_authorised(store: Store) -> None:
    assert await store.audit() == Audit(0, 0, 0, 0, 0)
    await store.sessions.add(a_session(), now=NOW, limit=9)
    account = await with_account(store, a_key())
    assert await store.audit() == Audit(pending_sessions=1, bindings=1, accounts=1, orders=0, certificates=0)
    await store.accounts.update(account, status="deactivated")
    assert (await store.audit()).accounts == 0


async def test_a_store_opens_again(path: Path) -> None:
    store = await Store.open(path)
    await with_account(store, a_key())
    before = await store.audit()
    await store.close()
    store = await Store.open(path)
    assert await store.audit() == before
    await store.close()
