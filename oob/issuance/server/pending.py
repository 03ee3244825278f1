"""How many sessions of one client address are pending.

In memory: addresses of people are not for a database, and after a restart the global limit still holds.
"""

from ipaddress import IPv6Address, ip_network

from oob.issuance.names import as_ip
from oob.issuance.problems import Kind, Problem


class Pending:
    """Counts pending sessions by client address, IPv6 by /64, since that is what one host has; `limit` for each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: dict[str, tuple[str, float]] = {}

    def hold(self, address: str, session: str, expires: float, *, now: float) -> None:
        """Count a session until it expires or is released; Problem (rateLimited) if the address has too many."""
        who = _host(address)
        self._sessions = {id: held for id, held in self._sessions.items() if held[1] > now}
        if sum(each == who for each, _ in self._sessions.values()) >= self._limit:
            detail = "too many sessions of this address are open"
            raise Problem(Kind.RATE_LIMITED, detail, headers={"Retry-After": "60"})
        self._sessions[session] = (who, expires)

    def release(self, session: str) -> None:
        """Count a session no more: it is bound, refused or withdrawn."""
        self._sessions.pop(session, None)


def _host(address: str) -> str:
    ip = as_ip(address)
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else address
