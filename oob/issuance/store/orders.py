"""Orders and the certificates they end in."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from oob.errors import IssuanceError
from oob.issuance.store.database import Database
from oob.issuance.store.tables import accounts, bindings, certificates, orders


class OrderSpent(IssuanceError):
    """The order is not ready any more, or what authorised it is gone."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order. `status` is ready or valid; `certificate` is the id of its certificate once it is valid."""

    id: str
    account_id: str
    names: tuple[str, ...]
    expires: float
    status: str = "ready"
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """An issued leaf in PEM; `serial` in hexadecimal, `not_after` in seconds since 1970."""

    id: str
    serial: str
    pem: str
    not_after: float


class Orders:
    """The tables of orders and certificates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, order: Order) -> None:
        """Keep a new order."""
        values = {
            "id": order.id,
            "account_id": order.account_id,
            "names": order.names,
            "status": order.status,
            "expires": order.expires,
        }
        await self._database.write(lambda connection: connection.execute(_ADD, values))

    async def get(self, id: str, account_id: str) -> Order | None:
        """Return an order of an account, or None if it has none of this id."""
        wanted = {"order": id, "account": account_id}
        row = await self._database.read(lambda connection: connection.execute(_GET, wanted).one_or_none())
        return None if row is None else _order(row)

    async def of_account(self, account_id: str, *, after: int, limit: int) -> tuple[list[str], int | None]:
        """Return at most `limit` ids of an account's orders, and where the next page begins (None: no more)."""
        parameters = {"account": account_id, "after": after, "count": limit + 1}
        rows = await self._database.read(lambda connection: connection.execute(_PAGE, parameters).all())
        page = rows[:limit]
        return [row.id for row in page], page[-1].number if len(rows) > limit else None

    async def is_identity_key(self, thumbprint: bytes) -> bool:
        """Whether a key with this COSE thumbprint is, or was, bound as the identity of a device."""
        wanted = {"key": thumbprint}
        return await self._database.read(lambda connection: connection.execute(_IDENTITY, wanted).first() is not None)

    async def issue(self, order: Order, binding: str, certificate: Certificate) -> None:
        """Make the order valid with its certificate.

        Raises OrderSpent, and nothing has changed, if it is not ready, its account is deactivated, or `binding` is not
        in force any more.
        """
        condition = {"order": order.id, "in_force": binding, "issued": certificate.id}
        values = {
            "id": certificate.id,
            "order_id": order.id,
            "serial": certificate.serial,
            "pem": certificate.pem,
            "not_after": certificate.not_after,
        }

        def change(connection: sa.Connection) -> None:
            if connection.execute(_ISSUE, condition).rowcount != 1:
                raise OrderSpent("the order is not ready any more", step="finalize")
            connection.execute(_ADD_CERTIFICATE, values)

        await self._database.write(change)

    async def certificate(self, id: str, account_id: str) -> Certificate | None:
        """Return a certificate of an account, or None if it has none of this id."""
        wanted = {"certificate": id, "account": account_id}
        row = await self._database.read(lambda connection: connection.execute(_CERTIFICATE, wanted).one_or_none())
        return None if row is None else Certificate(row.id, row.serial, row.pem, row.not_after)

    async def account_key_of(self, serial: str) -> bytes | None:
        """Return the COSE thumbprint of the account key that a certificate was issued to, None if there is no such."""
        wanted = {"wanted": serial}
        return await self._database.read(lambda connection: connection.execute(_ISSUED_TO, wanted).scalar_one_or_none())


def _order(row: sa.Row[Any]) -> Order:
    return Order(row.id, row.account_id, tuple(row.names), row.expires, row.status, row.certificate)


_ADD, _ADD_CERTIFICATE = sa.insert(orders), sa.insert(certificates)
_GET = sa.select(orders).where(orders.c.id == sa.bindparam("order"), orders.c.account_id == sa.bindparam("account"))
_PAGE = (
    sa.select(orders.c.id, orders.c.number)
    .where(orders.c.account_id == sa.bindparam("account"), orders.c.number > sa.bindparam("after"))
    .order_by(orders.c.number)
    .limit(sa.bindparam("count"))
)
_IDENTITY = sa.select(bindings.c.id).where(bindings.c.device == sa.bindparam("key")).limit(1)
_AUTHORISED = sa.exists().where(
    accounts.c.id == orders.c.account_id,
    accounts.c.status == "valid",
    bindings.c.device == accounts.c.device,
    bindings.c.status == "active",
    bindings.c.id == sa.bindparam("in_force"),
)
_ISSUE = (
    sa.update(orders)
    .where(orders.c.id == sa.bindparam("order"), orders.c.status == "ready", _AUTHORISED)
    .values(status="valid", certificate=sa.bindparam("issued"))
)
_CERTIFICATE = (
    sa.select(certificates)
    .join_from(certificates, orders, certificates.c.order_id == orders.c.id)
    .where(certificates.c.id == sa.bindparam("certificate"), orders.c.account_id == sa.bindparam("account"))
)
_ISSUED_TO = (
    sa.select(accounts.c.device)
    .join_from(certificates, orders, certificates.c.order_id == orders.c.id)
    .join(accounts, orders.c.account_id == accounts.c.id)
    .where(certificates.c.serial == sa.bindparam("wanted"))
)
