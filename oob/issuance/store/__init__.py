"""What the issuer remembers: sessions, bindings, names, accounts, orders and certificates (SQLAlchemy 2, SQLite).

Every change is one transaction that opens with its condition (`UPDATE ... WHERE status = 'pending'`), so of any number
of concurrent submissions one wins, and whoever is killed before the commit has changed nothing.
"""

from oob.issuance.store.accounts import Account, Accounts
from oob.issuance.store.database import Database
from oob.issuance.store.facade import Audit, Store
from oob.issuance.store.orders import Certificate, Order, Orders, OrderSpent
from oob.issuance.store.sessions import Acceptance, NamesTaken, Session, Sessions, SessionSpent, TooManySessions

__all__ = [
    "Acceptance",
    "Account",
    "Accounts",
    "Audit",
    "Certificate",
    "Database",
    "NamesTaken",
    "Order",
    "OrderSpent",
    "Orders",
    "Session",
    "SessionSpent",
    "Sessions",
    "Store",
    "TooManySessions",
]
