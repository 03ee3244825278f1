import pytest

from oob.issuance.problems import Problem
from oob.issuance.server.pending import Pending


def hold(pending: Pending, address: str, session: str, *, now: float = 0) -> None:
    pending.hold(address, session, now + 10, now=now)


def test_each_address_has_its_own_limit() -> None:
    pending = Pending(1)
    hold(pending, "192.0.2.1", "a")
    with pytest.raises(Problem, match="too many sessions of this address"):
        hold(pending, "192.0.2.1", "b")
    hold(pending, "192.0.2.2", "b")
    hold(pending, "192.0.2.1", "c", now=10)
    pending.release("c")
    pending.release("c")
    hold(pending, "192.0.2.1", "d", now=10)


def test_a_host_has_a_whole_ipv6_subnet() -> None:
    pending = Pending(1)
    hold(pending, "2001:db8::1", "a")
    with pytest.raises(Problem):
        hold(pending, "2001:db8::ffff:1", "b")
    hold(pending, "2001:db8:0:1::1", "b")
    hold(pending, "fe80::1%eth0", "c")
