"""Sessions that a message_1 opened and nobody has proven yet: a bounded table, which a flood cannot exhaust.

message_1 is not authenticated, so anybody can send any number of them (RFC 9528, section 9.7). The rule: whoever is
admitted keeps the place for `grace` seconds, whatever others do; after that a newcomer may have it. So under any flood
`limit / grace` places a second become free for whoever asks first. The table bounds what a flood costs and protects who
is in it; how many messages a second one attacker can send is for the carrier to bound, by its links.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from oob.errors import LinkBusy, PeerError, UsageError
from oob.handshake.session import Session

SESSION_OVERHEAD = 3072
"""Bytes charged for a session beside its message_1: all that it holds until message_3, rounded up."""

COPIES = 3
"""message_1 is held as received, as its encoded EAD field and as the values of its EAD items."""


@dataclass(slots=True)
class _Entry:
    session: Session
    charge: int
    since: float


class HalfOpen:
    """The half-open responder sessions of one device, one for each peer, oldest first; constant time for each step.

    A peer is any hashable token that names the carrier's link to it. Times are seconds on one clock of the caller that
    never goes back. At most `limit` sessions are held and `max_bytes` charged, none for longer than `max_age`.
    """

    def __init__(
        self, *, limit: int = 64, max_bytes: int = 256 * 1024, max_age: float = 30.0, grace: float = 5.0
    ) -> None:
        if limit < 1 or not 0 <= grace <= max_age:
            raise UsageError("a table of half-open sessions needs a place, and its grace ends before its entries do")
        self.charged = 0
        self._limit, self._max_bytes, self._max_age, self._grace = limit, max_bytes, max_age, grace
        # Not a dict: one that is emptied from its front takes ever longer to find its first entry.
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def admit(self, peer: Hashable, session: Session, size: int, now: float) -> list[Session]:
        """Give `peer` a place for a fresh session whose message_1 holds `size` bytes; do this before `receive`.

        The peer's own earlier session ends, and so do as many of the oldest as have to go, expired ones first; they
        are returned. LinkBusy if every place is within its grace: nothing has changed then, and the peer may retry.
        """
        charge = SESSION_OVERHEAD + COPIES * size
        ended = [self._end(self._entries.pop(other), now) for other in self._leaving(peer, charge, now)]
        own = self._entries.get(peer)
        if own is not None:
            ended.append(self._end(own, now))
        # The age stays with the place, and so its rank: who repeats message_1 does not hold a place for ever.
        since = now if own is None else own.since
        self._entries[peer] = _Entry(session, charge, since)
        self.charged += charge
        session.deadline = min(session.deadline, since + self._max_age)
        return ended

    def find(self, peer: Hashable, now: float) -> Session:
        """Return the session of `peer`; PeerError if it has none, or none any more."""
        entry = self._entries.get(peer)
        if entry is None or now >= entry.since + self._max_age:
            raise PeerError("a message of a peer that has no half-open session")
        return entry.session

    def remove(self, peer: Hashable) -> None:
        """Give up the place of a peer that proved itself, failed or left; its session goes on. No place: no matter."""
        entry = self._entries.pop(peer, None)
        if entry is not None:
            self.charged -= entry.charge

    def expire(self, now: float) -> list[Session]:
        """End all sessions that are `max_age` old and return them, oldest first."""
        ended = []
        while self._entries and now >= self.next_deadline:
            _, entry = self._entries.popitem(last=False)
            ended.append(self._end(entry, now))
        return ended

    @property
    def next_deadline(self) -> float:
        """When `expire` has something to do next; infinity for an empty table."""
        return next((entry.since + self._max_age for entry in self._entries.values()), float("inf"))

    def _leaving(self, peer: Hashable, charge: int, now: float) -> list[Hashable]:
        """Name who has to go, the peer's own expired place among them; LinkBusy if that takes one within its grace."""
        places, room = self._limit - len(self._entries), self._max_bytes - self.charged
        leaving: list[Hashable] = []
        own = self._entries.get(peer)
        if own is not None:
            places, room = places + 1, room + own.charge
            if now >= own.since + self._max_age:
                leaving.append(peer)
        oldest = ((other, entry) for other, entry in self._entries.items() if other != peer)
        while places < 1 or room < charge:
            other, entry = next(oldest, (None, None))
            if entry is None or now < entry.since + self._grace:
                raise LinkBusy("too many handshakes are half-open here", remedy="Try again in a few seconds")
            leaving.append(other)
            places, room = places + 1, room + entry.charge
        return leaving

    def _end(self, entry: _Entry, now: float) -> Session:
        self.charged -= entry.charge
        entry.session.deadline = min(entry.session.deadline, now)
        entry.session.expire(now)
        return entry.session
