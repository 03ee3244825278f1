import asyncio

import pytest

from oob.issuance.store import NamesTaken, SessionSpent, Store, TooManySessions
from tests.issuance.items import a_key, a_session, an_acceptance, bound
from tests.issuance.world import NOW


async def test_a_session_comes_out_as_it_went_in(store: Store) -> None:
    session = a_session()
    await store.sessions.add(session, now=NOW, limit=9)
    assert await store.sessions.get(session.id) == session
    assert await store.sessions.get("other") is None


async def test_pending_sessions_are_bounded(store: Store) -> None:
    for _ in range(2):
        await store.sessions.add(a_session(), now=NOW, limit=2)
    with pytest.raises(TooManySessions):
        await store.sessions.add(a_session(), now=NOW, limit=2)
    await store.sessions.add(a_session(expires=NOW + 2000), now=NOW + 601, limit=2)


async def test_unused_sessions_are_forgotten_in_the_end_and_bound_ones_never(store: Store) -> None:
    old, refused = a_session(), a_session()
    for session in (old, refused):
        await store.sessions.add(session, now=NOW, limit=9)
    await store.sessions.refuse(refused.id)
    await bound(store, a_key())
    await store.sessions.add(a_session(expires=NOW + 9000), now=NOW + 4199, limit=9)
    assert await store.sessions.get(old.id)
    await store.sessions.add(a_session(expires=NOW + 9000), now=NOW + 4201, limit=9)
    assert not await store.sessions.get(old.id)
    assert not await store.sessions.get(refused.id)
    assert (await store.audit()).bindings == 1


async def test_one_of_many_binds(store: Store) -> None:
    session = a_session()
    await store.sessions.add(session, now=NOW, limit=9)
    attempts = [store.sessions.bind(session.id, an_acceptance(a_key()), now=NOW) for _ in range(12)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, SessionSpent) for outcome in outcomes) == 11
    found = await store.sessions.get(session.id)
    assert found is not None
    assert found.status == "bound"
    assert (await store.audit()).bindings == 1


@pytest.mark.parametrize("case", ["refused", "expired", "unknown"])
async def test_a_session_that_is_over_binds_nothing(store: Store, case: str) -> None:
    session = a_session()
    await store.sessions.add(session, now=NOW, limit=9)
    if case == "refused":
        await store.sessions.refuse(session.id)
    id, now = ("x" if case == "unknown" else session.id), (NOW + 600 if case == "expired" else NOW)
    with pytest.raises(SessionSpent):
        await store.sessions.bind(id, an_acceptance(a_key()), now=now)
    assert (await store.audit()).bindings == 0


async def test_a_name_stays_with_its_device(store: Store) -> None:
    await bound(store, a_key(), "lamp.home.example", "desk.home.example")
    session, other = a_session(), a_key()
    await store.sessions.add(session, now=NOW, limit=9)
    with pytest.raises(NamesTaken) as caught:
        await store.sessions.bind(session.id, an_acceptance(other, "new.home.example", "lamp.home.example"), now=NOW)
    assert caught.value.names == ("lamp.home.example",)
    found = await store.sessions.get(session.id)
    assert found is not None
    assert found.status == "pending"
    # The name that was free is so still.
    await bound(store, a_key(), "new.home.example")


async def test_a_new_binding_takes_the_place_of_the_former(store: Store) -> None:
    device = a_key()
    await bound(store, device, "lamp.home.example")
    await store.accounts.add("id", device, (), now=NOW)
    await bound(store, device, "desk.home.example")
    account = await store.accounts.get("id")
    assert account is not None
    assert account.names == ("desk.home.example",)
    assert (await store.audit()).bindings == 1
    with pytest.raises(NamesTaken):
        await bound(store, a_key(), "lamp.home.example")


async def test_refusing_does_not_undo_a_binding(store: Store) -> None:
    session = a_session()
    await store.sessions.add(session, now=NOW, limit=9)
    await store.sessions.bind(session.id, an_acceptance(a_key()), now=NOW)
    await store.sessions.refuse(session.id)
    found = await store.sessions.get(session.id)
    assert found is not None
    assert found.status == "bound"


async def test_a_session_that_is_withdrawn_takes_its_binding_with_it(store: Store) -> None:
    session, device = a_session(), a_key()
    await store.sessions.add(session, now=NOW, limit=9)
    await store.sessions.bind(session.id, an_acceptance(device), now=NOW)
    await store.sessions.withdraw(session.id)
    assert not await store.accounts.is_bound(device)
    assert (await store.audit()).bindings == 0
    # What was signed is kept, and so is the session that it refers to.
    await store.sessions.add(a_session(expires=NOW + 99999), now=NOW + 9999, limit=9)
    found = await store.sessions.get(session.id)
    assert found is not None
    assert found.status == "withdrawn"


async def test_withdrawing_an_old_session_leaves_the_binding_in_force(store: Store) -> None:
    session, device = a_session(), a_key()
    await store.sessions.add(session, now=NOW, limit=9)
    await store.sessions.bind(session.id, an_acceptance(device), now=NOW)
    await bound(store, device)
    await store.sessions.withdraw(session.id)
    assert await store.accounts.is_bound(device)
