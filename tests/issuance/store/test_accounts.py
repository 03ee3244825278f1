from oob.issuance.store import Account, Store
from tests.issuance.items import a_key, bound
from tests.issuance.world import NOW


async def test_an_account_knows_its_binding(store: Store) -> None:
    device = a_key()
    assert await store.accounts.of_key(device) is None
    assert not await store.accounts.is_bound(device)
    acceptance = await bound(store, device)
    assert await store.accounts.is_bound(device)
    assert await store.accounts.add("id", device, ("mailto:a@b",), now=NOW)
    expected = Account("id", device, ("mailto:a@b",), "valid", acceptance.id, ("lamp.home.example",))
    assert await store.accounts.get("id") == expected
    assert await store.accounts.of_key(device) == expected
    assert await store.accounts.get("other") is None


async def test_a_key_has_one_account(store: Store) -> None:
    device = a_key()
    assert await store.accounts.add("one", device, (), now=NOW)
    assert not await store.accounts.add("two", device, (), now=NOW)
    account = await store.accounts.of_key(device)
    assert account is not None
    assert (account.id, account.binding, account.names) == ("one", None, ())


async def test_an_account_changes(store: Store) -> None:
    await store.accounts.add("id", a_key(), (), now=NOW)
    await store.accounts.update("id", contact=("mailto:a@b",), status="deactivated")
    account = await store.accounts.get("id")
    assert account is not None
    assert (account.contact, account.status) == (("mailto:a@b",), "deactivated")
