import pytest

from oob.errors import UsageError
from oob.issuance.server import Policy


def test_names_take_their_form() -> None:
    policy = Policy("Home.Example.", ip_networks=("10.0.0.0/8",), reserved=frozenset({"NAS.home.example"}))
    assert policy.zone == "home.example"
    assert policy.reserved == {"nas.home.example"}
    assert [str(each) for each in policy.networks] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    "values",
    [
        {"zone": "*"},
        {"ip_networks": ("ten",)},
        {"session_lifetime": 0},
        {"order_lifetime": -1},
        {"max_pending_sessions": 0},
        {"max_pending_per_address": 0},
        {"token_hash": b"token"},
        {"certificate_lifetime": 91 * 86400},
    ],
)
def test_an_impossible_policy_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Policy(**({"zone": "home.example"} | values))  # type: ignore[arg-type]


def test_the_token_is_not_shown() -> None:
    assert "token" not in repr(Policy("home.example", token_hash=bytes(32)))
