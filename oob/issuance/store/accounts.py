"""ACME accounts: one for each bound device key."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from oob.cose import CoseKey
from oob.issuance.store.database import Database
from oob.issuance.store.tables import accounts, bindings, key_of, key_values


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `status` is valid or deactivated; `binding` is the id of the binding in force, None if there is none.

    `names` are those of the binding, empty without one.
    """

    id: str
    key: CoseKey
    contact: tuple[str, ...]
    status: str
    binding: str | None
    names: tuple[str, ...]


class Accounts:
    """The table of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, id: str) -> Account | None:
        """Return an account, or None if there is none of this id."""
        return await self._one(_BY_ID, {"account": id})

    async def of_key(self, key: CoseKey) -> Account | None:
        """Return the account of a key, or None if it has none."""
        return await self._one(_BY_DEVICE, {"key": key.thumbprint()})

    async def is_bound(self, key: CoseKey) -> bool:
        """Whether a binding of this key is in force."""
        wanted = {"key": key.thumbprint()}
        return await self._database.read(lambda connection: connection.execute(_BOUND, wanted).first() is not None)

    async def add(self, id: str, key: CoseKey, contact: tuple[str, ...], *, now: float) -> bool:
        """Keep a new account; False if the key has one already, which then stays as it is."""
        values = {
            "id": id,
            "device": key.thumbprint(),
            **key_values(key),
            "contact": contact,
            "status": "valid",
            "created": now,
        }
        return await self._database.write(lambda connection: connection.execute(_ADD, values).rowcount == 1)

    async def update(self, id: str, **values: tuple[str, ...] | str) -> None:
        """Set `contact` or `status` of an account."""
        change = sa.update(accounts).where(accounts.c.id == id).values(**values)
        await self._database.write(lambda connection: connection.execute(change))

    async def _one(self, statement: sa.Select[Any], parameters: dict[str, Any]) -> Account | None:
        row = await self._database.read(lambda connection: connection.execute(statement, parameters).one_or_none())
        if row is None:
            return None
        return Account(row.id, key_of(row), tuple(row.contact), row.status, row.binding, tuple(row.names or ()))


_WITH_BINDING = sa.select(accounts, bindings.c.id.label("binding"), bindings.c.names).outerjoin_from(
    accounts, bindings, sa.and_(bindings.c.device == accounts.c.device, bindings.c.status == "active")
)
_BY_ID = _WITH_BINDING.where(accounts.c.id == sa.bindparam("account"))
_BY_DEVICE = _WITH_BINDING.where(accounts.c.device == sa.bindparam("key"))
_BOUND = sa.select(bindings.c.id).where(bindings.c.device == sa.bindparam("key"), bindings.c.status == "active")
_ADD = insert(accounts).on_conflict_do_nothing()
