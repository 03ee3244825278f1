"""What an operator decides: the zone, who may pair, and how long things live."""

from dataclasses import dataclass, field

from oob.errors import UsageError
from oob.issuance.authority import DAY, MAX_LEAF_LIFETIME
from oob.issuance.names import IpNetwork, canonical, network

APP = ""
"""The origin of a native app: it has none, and sends no Origin header."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's decisions; UsageError if one is impossible.

    Devices are named `<label>.<zone>`; addresses are assigned only within `ip_networks`, none by default. `origins`
    may open sessions (`APP` stands for native apps), `reserved` names are never assigned. Lifetimes are in seconds,
    that of certificates at most 90 days. At most `max_pending_sessions` challenges wait at one time, of those at most
    `max_pending_per_address` for one client address.

    `token_hash` is the SHA-256 of the enrolment token that a client must know to open a session. None leaves the issuer
    open: whoever reaches it gets certificates for names of the zone that nobody has yet, which is for demos and trials.
    """

    zone: str
    ip_networks: tuple[str, ...] = ()
    origins: frozenset[str] = frozenset({APP})
    reserved: frozenset[str] = frozenset()
    session_lifetime: float = 600
    order_lifetime: float = DAY
    certificate_lifetime: float = 30 * DAY
    max_pending_sessions: int = 1000
    max_pending_per_address: int = 32
    token_hash: bytes | None = field(default=None, repr=False)
    networks: tuple[IpNetwork, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Bring names into their canonical form."""
        object.__setattr__(self, "zone", canonical(self.zone))
        object.__setattr__(self, "networks", tuple(map(network, self.ip_networks)))
        object.__setattr__(self, "reserved", frozenset(map(canonical, self.reserved)))
        lifetimes = (self.session_lifetime, self.order_lifetime, self.certificate_lifetime)
        if min(*lifetimes, self.max_pending_sessions, self.max_pending_per_address) <= 0:
            raise UsageError("lifetimes and limits of a policy are positive", step="policy")
        if self.token_hash is not None and len(self.token_hash) != 32:
            raise UsageError("a token hash has 32 bytes", step="policy")
        if self.certificate_lifetime > MAX_LEAF_LIFETIME:
            raise UsageError("a certificate lives for at most 90 days", step="policy")
