"""One-time nonces (RFC 8555, section 6.5).

A nonce is a counter under a MAC with a key of this process. Nothing is stored when one is given out, so asking for
nonces costs a stranger's memory and not ours; remembered are the nonces *used*, each of which took a valid signature.
Of those at most `capacity` are kept: beyond it the oldest are forgotten, and all nonces as old with them. After a
restart every nonce is bad, and clients fetch another one, as the RFC has them do.
"""

import heapq
from collections.abc import Callable

from oob.crypto import equal, hmac_sha256
from oob.errors import PeerError
from oob.issuance import base64url
from oob.issuance.problems import Kind, Problem

CAPACITY = 65536
_COUNTER_LENGTH = 8
_MAC_LENGTH = 16


class Nonces:
    """Gives out nonces and takes each of them back once."""

    def __init__(self, random: Callable[[int], bytes], capacity: int = CAPACITY) -> None:
        self._key = random(32)
        self._capacity = capacity
        self._given = 0
        self._floor = 0
        self._used: set[int] = set()
        self._oldest: list[int] = []

    def give(self) -> str:
        """Return a fresh nonce, 32 characters of base64url."""
        self._given += 1
        counter = self._given.to_bytes(_COUNTER_LENGTH, "big")
        return base64url.encode(counter + self._mac(counter))

    def take(self, nonce: str) -> None:
        """Use up a nonce; Problem (badNonce) if it is not ours, too old, or was used before."""
        number = self._number(nonce)
        if number <= self._floor or number in self._used:
            raise Problem(Kind.BAD_NONCE, "the nonce was used before, or is too old")
        self._used.add(number)
        heapq.heappush(self._oldest, number)
        if len(self._oldest) > self._capacity:
            self._floor = heapq.heappop(self._oldest)
            self._used.remove(self._floor)

    def _number(self, nonce: str) -> int:
        try:
            data = base64url.decode(nonce)
        except PeerError as error:
            raise Problem(Kind.MALFORMED, "the nonce is not base64url") from error
        counter = data[:_COUNTER_LENGTH]
        if not equal(data[_COUNTER_LENGTH:], self._mac(counter)):
            raise Problem(Kind.BAD_NONCE, "the nonce is not of this server, or from before its last start")
        return int.from_bytes(counter, "big")

    def _mac(self, counter: bytes) -> bytes:
        return hmac_sha256(self._key, counter)[:_MAC_LENGTH]
