"""The schema. Times are seconds since 1970, thumbprints those of COSE keys (RFC 9679), ids 22 random characters."""

from typing import Any

import sqlalchemy as sa

from oob.cose import CoseKey

VERSION = 1
"""Kept in `PRAGMA user_version`; a file with a higher one was written by a later release."""

metadata = sa.MetaData()


def _key_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("crv", sa.Integer, nullable=False),
        sa.Column("x", sa.LargeBinary, nullable=False),
        sa.Column("y", sa.LargeBinary),
    )


sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    *_key_columns(),
    sa.Column("challenge", sa.LargeBinary, nullable=False),
    sa.Column("origin", sa.String, nullable=False),
    sa.Column("names", sa.JSON, nullable=False),
    sa.Column("status", sa.Enum("pending", "bound", "refused", "withdrawn", name="session_status"), nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
    sa.Column("device", sa.LargeBinary),
    sa.Index("sessions_by_expiry", "status", "expires"),
)

# What was signed is kept: it proves later why a key was authorised.
bindings = sa.Table(
    "bindings",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("device", sa.LargeBinary, nullable=False),
    sa.Column("session_id", sa.ForeignKey("sessions.id"), nullable=False, unique=True),
    sa.Column("names", sa.JSON, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("strength", sa.String, nullable=False),
    sa.Column("statement", sa.LargeBinary, nullable=False),
    sa.Column("countersignature", sa.LargeBinary, nullable=False),
    sa.Column("context", sa.LargeBinary, nullable=False),
    sa.Column("status", sa.Enum("active", "superseded", "withdrawn", name="binding_status"), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    # One binding of a device is in force: the last one.
    sa.Index("active_binding", "device", unique=True, sqlite_where=sa.text("status = 'active'")),
)

# A name once bound stays with its device key: certificates for it may be about for months.
names = sa.Table(
    "names",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("device", sa.LargeBinary, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("device", sa.LargeBinary, nullable=False, unique=True),
    *_key_columns(),
    sa.Column("contact", sa.JSON, nullable=False),
    sa.Column("status", sa.Enum("valid", "deactivated", name="account_status"), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("account_id", sa.ForeignKey("accounts.id"), nullable=False),
    sa.Column("names", sa.JSON, nullable=False),
    sa.Column("status", sa.Enum("ready", "valid", name="order_status"), nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
    sa.Column("certificate", sa.String),
    sa.Index("orders_of_account", "account_id", "number"),
)

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False, unique=True),
    sa.Column("serial", sa.String, nullable=False, unique=True),
    sa.Column("pem", sa.String, nullable=False),
    sa.Column("not_after", sa.Float, nullable=False),
)


def key_values(key: CoseKey) -> dict[str, Any]:
    """Return the columns that hold a public key."""
    return {"crv": key.crv, "x": key.x, "y": key.y}


def key_of(row: sa.Row[Any]) -> CoseKey:
    """Return the public key in a row."""
    return CoseKey(row.crv, row.x, row.y)
