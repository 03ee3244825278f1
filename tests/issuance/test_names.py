import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import UsageError
from oob.issuance.names import canonical, name_type, network, sanitised_label, within


@pytest.mark.parametrize(
    ("name", "expected", "kind"),
    [
        ("Lamp.Home.Example.", "lamp.home.example", "dns"),
        ("192.168.7.1", "192.168.7.1", "ip"),
        ("FE80:0:0::1", "fe80::1", "ip"),
        ("localhost", "localhost", "dns"),
    ],
)
def test_names_have_one_form(name: str, expected: str, kind: str) -> None:
    assert canonical(name) == expected
    assert name_type(expected) == kind


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "*.home.example",
        "a..b",
        "-a.example",
        "a-.example",
        "a b.example",
        "küche.example",
        "a.example:443",
        "a_b.example",
        "1.2.3",
        "fe80::1%eth0",
        "a" * 64 + ".example",
        "a." * 127 + "example",
        "a.example\n",
    ],
)
def test_other_texts_are_no_names(name: str) -> None:
    with pytest.raises(UsageError):
        canonical(name)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("home.example", True),
        ("a.b.home.example", True),
        ("evilhome.example", False),
        ("home.example.evil", False),
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::1", False),
    ],
)
def test_what_lies_within(name: str, inside: bool) -> None:
    assert within(name, ["home.example"], [network("10.0.0.0/8")]) is inside


def test_a_network_is_checked() -> None:
    with pytest.raises(UsageError, match="not an IP network"):
        network("10.0.0.1/8")


@pytest.mark.parametrize(
    ("wish", "label"),
    [
        ("Küche 1", "kuche-1"),
        ("xn--80ak6aa92e", "xn-80ak6aa92e"),
        ("a.b.evil.example", "a-b-evil-example"),
        ("---", ""),
        ("灯", ""),
        ("A" * 100, "a" * 63),
    ],
)
def test_wishes_become_labels(wish: str, label: str) -> None:
    assert sanitised_label(wish) == label


@given(st.text(max_size=300))
def test_any_wish_becomes_a_label_or_nothing(wish: str) -> None:
    label = sanitised_label(wish)
    assert not label or canonical(f"{label}.example") == f"{label}.example"
    assert "--" not in label
