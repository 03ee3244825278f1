"""Sessions, and the bindings that end them."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from oob.cose import CoseKey
from oob.errors import IssuanceError
from oob.issuance.store.database import Database
from oob.issuance.store.tables import accounts, bindings, key_of, key_values, names, sessions

KEPT = 3600.0
"""Seconds for which an unused session is remembered after its end, so that a late client learns why it is refused."""


class NamesTaken(IssuanceError):
    """Names belong to another device key; `names` lists them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("a name is bound to another device", step="binding")
        self.names = names


class SessionSpent(IssuanceError):
    """The session is not pending any more."""


class TooManySessions(IssuanceError):
    """As many sessions are pending as may be."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as the client opened it.

    `status` is pending, bound, refused or withdrawn; `expires` in seconds since 1970.
    """

    id: str
    key: CoseKey
    challenge: bytes
    origin: str
    names: tuple[str, ...]
    expires: float
    status: str = "pending"
    device: bytes | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A binding that passed all checks; `device` is the thumbprint of the device key."""

    id: str
    device: bytes
    names: tuple[str, ...]
    model: str
    strength: str
    statement: bytes
    countersignature: bytes
    context: bytes


class Sessions:
    """The table of sessions and what a session leads to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session, *, now: float, limit: int) -> None:
        """Keep a new session, and forget those long over; TooManySessions if `limit` are pending."""

        def change(connection: sa.Connection) -> None:
            connection.execute(_FORGET, {"before": now - KEPT})
            if connection.execute(_COUNT, {"now": now}).scalar_one() >= limit:
                raise TooManySessions("too many sessions are open", step="session")
            connection.execute(_ADD, _session_values(session))

        await self._database.write(change)

    async def get(self, id: str) -> Session | None:
        """Return a session, or None if there is none of this id."""
        row = await self._database.read(lambda connection: connection.execute(_GET, {"session": id}).one_or_none())
        if row is None:
            return None
        return Session(
            row.id, key_of(row), row.challenge, row.origin, tuple(row.names), row.expires, row.status, row.device
        )

    async def refuse(self, id: str) -> None:
        """Burn the challenge of a session that is still pending."""
        await self._database.write(lambda connection: connection.execute(_REFUSE, {"session": id}))

    async def bind(self, id: str, acceptance: Acceptance, *, now: float) -> None:
        """End the session with a binding that takes the place of the device's former one.

        It also opens the account again that the device gave up when it was reset.

        Raises SessionSpent if it is not pending or expired, NamesTaken if a name belongs to another device key; then
        nothing has changed.
        """

        def change(connection: sa.Connection) -> None:
            won = connection.execute(_BIND, {"session": id, "now": now, "bound_device": acceptance.device})
            if won.rowcount != 1:
                raise SessionSpent("the session is not pending any more", step="binding")
            _take_names(connection, acceptance)
            connection.execute(_SUPERSEDE, {"bound_device": acceptance.device})
            connection.execute(_ADD_BINDING, _binding_values(id, acceptance, now))
            connection.execute(_REOPEN_ACCOUNT, {"bound_device": acceptance.device})

        await self._database.write(change)

    async def withdraw(self, id: str) -> None:
        """End a session, and what it led to: the device's key is authorised no more. Names stay with their device."""

        def change(connection: sa.Connection) -> None:
            connection.execute(_WITHDRAW, {"session": id})
            connection.execute(_WITHDRAW_BINDING, {"session": id})

        await self._database.write(change)


def _take_names(connection: sa.Connection, acceptance: Acceptance) -> None:
    device = acceptance.device
    for name in acceptance.names:
        connection.execute(_TAKE_NAME, {"name": name, "device": device})
    taken = connection.execute(_FOREIGN_NAMES, {"wanted": acceptance.names, "bound_device": device})
    foreign = tuple(taken.scalars())
    if foreign:
        raise NamesTaken(foreign)


def _session_values(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        **key_values(session.key),
        "challenge": session.challenge,
        "origin": session.origin,
        "names": session.names,
        "status": session.status,
        "expires": session.expires,
    }


def _binding_values(session_id: str, acceptance: Acceptance, now: float) -> dict[str, Any]:
    return {
        "id": acceptance.id,
        "device": acceptance.device,
        "session_id": session_id,
        "names": acceptance.names,
        "model": acceptance.model,
        "strength": acceptance.strength,
        "statement": acceptance.statement,
        "countersignature": acceptance.countersignature,
        "context": acceptance.context,
        "status": "active",
        "created": now,
    }


_PENDING = sessions.c.status == "pending"
_THIS = sessions.c.id == sa.bindparam("session")
_ADD, _ADD_BINDING = sa.insert(sessions), sa.insert(bindings)
# A session that led to a binding is kept with it.
_FORGET = sa.delete(sessions).where(sessions.c.device.is_(None), sessions.c.expires < sa.bindparam("before"))
_COUNT = sa.select(sa.func.count()).where(_PENDING, sessions.c.expires > sa.bindparam("now"))
_GET = sa.select(sessions).where(_THIS)
_REFUSE = sa.update(sessions).where(_THIS, _PENDING).values(status="refused")
_WITHDRAW = sa.update(sessions).where(_THIS).values(status="withdrawn")
_WITHDRAW_BINDING = (
    sa.update(bindings)
    .where(bindings.c.session_id == sa.bindparam("session"), bindings.c.status == "active")
    .values(status="withdrawn")
)
_BIND = (
    sa.update(sessions)
    .where(_THIS, _PENDING, sessions.c.expires > sa.bindparam("now"))
    .values(status="bound", device=sa.bindparam("bound_device"))
)
_SUPERSEDE = (
    sa.update(bindings)
    .where(bindings.c.device == sa.bindparam("bound_device"), bindings.c.status == "active")
    .values(status="superseded")
)
_REOPEN_ACCOUNT = sa.update(accounts).where(accounts.c.device == sa.bindparam("bound_device")).values(status="valid")
_TAKE_NAME = insert(names).on_conflict_do_nothing()
_FOREIGN_NAMES = sa.select(names.c.name).where(
    names.c.name.in_(sa.bindparam("wanted", expanding=True)), names.c.device != sa.bindparam("bound_device")
)
