"""The issuer: authority, store and policy under one URL, with its clock and its randomness."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from oob.errors import UsageError
from oob.issuance import base64url
from oob.issuance.authority import Authority
from oob.issuance.names import canonical, within
from oob.issuance.server.nonces import Nonces
from oob.issuance.server.pending import Pending
from oob.issuance.server.policy import Policy
from oob.issuance.store import Store


@dataclass(frozen=True)
class Issuer:
    """What the endpoints work on.

    `base_url` is `https://host[:port]` as clients see it, without a slash at the end: requests are signed over their
    URL, so it is a fact of configuration and not taken from a Host header. UsageError where policy and authority do
    not go together. `own_names` are further names and addresses of this host, which no device gets.
    """

    authority: Authority
    store: Store
    base_url: str
    policy: Policy
    clock: Callable[[], float] = time.time
    random: Callable[[int], bytes] = field(default=secrets.token_bytes, repr=False)
    own_names: tuple[str, ...] = ()
    nonces: Nonces = field(init=False, repr=False)
    pending: Pending = field(init=False, repr=False)
    reserved: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Check that the authority may certify what the policy assigns, and reserve the issuer's own names."""
        parts = urlsplit(self.base_url)
        if parts.scheme != "https" or not parts.hostname or parts.path or parts.query:
            raise UsageError(f"{self.base_url!r} is not https://host[:port]", step="issuer")
        # Whoever were certified for one of the issuer's own names could play the issuer.
        own = frozenset(map(canonical, (parts.hostname, *self.own_names)))
        object.__setattr__(self, "reserved", self.policy.reserved | own)
        object.__setattr__(self, "pending", Pending(self.policy.max_pending_per_address))
        object.__setattr__(self, "nonces", Nonces(self.random))
        if not within(self.policy.zone, self.authority.zones, ()):
            raise UsageError(f"the authority does not certify the zone {self.policy.zone}", step="issuer")
        for each in self.policy.networks:
            if not any(_contains(allowed, each) for allowed in self.authority.networks):
                raise UsageError(f"the authority does not certify addresses of {each}", step="issuer")

    @property
    def directory_url(self) -> str:
        """The URL by which clients and bindings know this issuer."""
        return self.url("/directory")

    def url(self, path: str) -> str:
        """Return the absolute URL of a path."""
        return self.base_url + path

    def new_id(self) -> str:
        """Return 128 random bits for a URL, 22 characters of base64url."""
        return base64url.encode(self.random(16))


def _contains(outer: Any, inner: Any) -> bool:  # noqa: ANN401  subnet_of has no type for both families
    return bool(outer.version == inner.version and inner.subnet_of(outer))
