"""The store as one object."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from oob.issuance.store.accounts import Accounts
from oob.issuance.store.database import Database
from oob.issuance.store.orders import Orders
from oob.issuance.store.sessions import Sessions
from oob.issuance.store.tables import accounts, bindings, certificates, orders, sessions


@dataclass(frozen=True, slots=True)
class Audit:
    """How much is authorised: bindings in force, valid accounts of bound devices, orders and certificates ever made."""

    pending_sessions: int
    bindings: int
    accounts: int
    orders: int
    certificates: int


@dataclass(frozen=True, slots=True)
class Store:
    """What an issuer remembers, in one SQLite file."""

    database: Database
    sessions: Sessions
    accounts: Accounts
    orders: Orders

    @classmethod
    async def open(cls, path: Path) -> "Store":
        """Open the file, or make it (0600, in a directory 0700); StorageError if that fails."""
        database = await Database.open(path)
        return cls(database, Sessions(database), Accounts(database), Orders(database))

    async def close(self) -> None:
        """Close the file; what was not committed is undone."""
        await self.database.close()

    async def audit(self) -> Audit:
        """Count what is authorised."""
        return Audit(*await self.database.read(lambda connection: connection.execute(_AUDIT).one()))


def _count(condition: sa.ColumnElement[bool], table: sa.Table) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(table).where(condition).scalar_subquery()


_BOUND = sa.exists().where(bindings.c.device == accounts.c.device, bindings.c.status == "active")
_AUDIT = sa.select(
    _count(sessions.c.status == "pending", sessions),
    _count(bindings.c.status == "active", bindings),
    _count(sa.and_(accounts.c.status == "valid", _BOUND), accounts),
    _count(sa.true(), orders),
    _count(sa.true(), certificates),
)
