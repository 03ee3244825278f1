import asyncio
from dataclasses import replace

import pytest

from oob.cose import CoseKey
from oob.issuance.store import Certificate, Order, OrderSpent, Store
from tests.issuance.items import a_key, bound, new_id, with_account
from tests.issuance.world import NOW

NAMES = ("lamp.home.example",)


def a_certificate() -> Certificate:
    return Certificate(new_id(), new_id(), "pem", NOW + 1)


async def ready(store: Store, device: CoseKey) -> tuple[Order, str]:
    """Return an order of a fresh account, and the id of its binding."""
    order = Order(new_id(), await with_account(store, device), NAMES, NOW + 9)
    await store.orders.add(order)
    account = await store.accounts.get(order.account_id)
    assert account is not None
    assert account.binding is not None
    return order, account.binding


async def test_an_order_ends_in_a_certificate(store: Store) -> None:
    device = a_key()
    order, binding = await ready(store, device)
    assert await store.orders.get(order.id, order.account_id) == order
    certificate = a_certificate()
    await store.orders.issue(order, binding, certificate)
    valid = replace(order, status="valid", certificate=certificate.id)
    assert await store.orders.get(order.id, order.account_id) == valid
    assert await store.orders.certificate(certificate.id, order.account_id) == certificate
    assert await store.orders.account_key_of(certificate.serial) == device.thumbprint()
    assert await store.orders.account_key_of("00") is None


async def test_nobody_else_sees_them(store: Store) -> None:
    order, binding = await ready(store, a_key())
    certificate = a_certificate()
    await store.orders.issue(order, binding, certificate)
    assert await store.orders.get(order.id, "other") is None
    assert await store.orders.certificate(certificate.id, "other") is None


async def test_an_order_is_used_once(store: Store) -> None:
    order, binding = await ready(store, a_key())
    attempts = [store.orders.issue(order, binding, a_certificate()) for _ in range(8)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, OrderSpent) for outcome in outcomes) == 7
    assert (await store.audit()).certificates == 1


@pytest.mark.parametrize("change", ["binding", "account"])
async def test_what_ended_meanwhile_issues_nothing(store: Store, change: str) -> None:
    device = a_key()
    order, binding = await ready(store, device)
    if change == "binding":
        await bound(store, device, "desk.home.example")
    else:
        await store.accounts.update(order.account_id, status="deactivated")
    with pytest.raises(OrderSpent):
        await store.orders.issue(order, binding, a_certificate())
    assert (await store.audit()).certificates == 0


async def test_orders_come_in_pages(store: Store) -> None:
    order, _ = await ready(store, a_key())
    ids = [order.id]
    for _ in range(4):
        ids.append(new_id())
        await store.orders.add(replace(order, id=ids[-1]))
    found, after = [], 0
    while True:
        page, following = await store.orders.of_account(order.account_id, after=after, limit=2)
        found += page
        if following is None:
            break
        after = following
    assert found == ids
    assert await store.orders.of_account("other", after=0, limit=2) == ([], None)


async def test_an_identity_key_is_known_for_ever(store: Store) -> None:
    device = a_key()
    assert not await store.orders.is_identity_key(device.thumbprint())
    await bound(store, device)
    await bound(store, device, "desk.home.example")
    assert await store.orders.is_identity_key(device.thumbprint())
