import pytest

from oob.errors import UsageError
from oob.issuance.server import Issuer, Policy
from tests.issuance.world import BASE, ZONE, World


def test_urls_hang_on_the_base(world: World) -> None:
    assert world.issuer.directory_url == f"{BASE}/directory"
    assert len({world.issuer.new_id() for _ in range(9)}) == 9
    assert "issuer.home.example" in world.issuer.reserved


@pytest.mark.parametrize("base", ["http://a.example", "https://", "https://a.example/", "https://a.example/x"])
def test_a_base_is_an_https_origin(world: World, base: str) -> None:
    with pytest.raises(UsageError, match="is not https"):
        Issuer(world.issuer.authority, world.issuer.store, base, Policy(ZONE))


@pytest.mark.parametrize(
    "policy", [Policy("example"), Policy("other.example"), Policy(ZONE, ip_networks=("0.0.0.0/0",))]
)
def test_a_policy_beyond_the_authority_is_refused(world: World, policy: Policy) -> None:
    with pytest.raises(UsageError, match="does not certify"):
        Issuer(world.issuer.authority, world.issuer.store, BASE, policy)
