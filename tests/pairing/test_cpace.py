"""CPACE-X25519-SHA512 against the draft's vectors and against an independent implementation."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import cpace as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob.crypto import cpace_shared
from oob.errors import PeerError, UsageError
from oob.pairing import cpace
from oob.pairing.cpace import Share

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "cpace_x25519.json").read_text())
G_25519 = {name: bytes.fromhex(value) for name, value in VECTORS["G_25519"].items()}


POINTS = [
    pytest.param(bytes.fromhex(point["u"]), bytes.fromhex(point["q"]), point["expect"], id=point["name"])
    for point in VECTORS["X25519_points"]["points"]
]


def run(vector: dict[str, bytes], initiator: bool) -> cpace.SessionKey:
    a, b = Share(vector["Ya"], vector["ADa"]), Share(vector["Yb"], vector["ADb"])
    own, peer, scalar = (a, b, vector["ya"]) if initiator else (b, a, vector["yb"])
    return cpace.session_key(scalar, vector["sid"], own, peer, initiator=initiator)


def test_strings() -> None:
    for data, expected in VECTORS["strings"]["prepend_len"].items():
        assert cpace.prepend_len(bytes.fromhex(data)).hex() == expected
    assert cpace.prepend_len(bytes(range(127)))[:1] == b"\x7f"
    assert cpace.prepend_len(bytes(range(128)))[:2] == b"\x80\x01"
    assert cpace.prepend_len(bytes(300))[:2] == b"\xac\x02"
    lv_cat = VECTORS["strings"]["lv_cat"]
    assert cpace.lv_cat(*map(bytes.fromhex, lv_cat["parts"])).hex() == lv_cat["result"]


def test_generator_string() -> None:
    v = G_25519
    assert cpace.generator_string(v["PRS"], v["CI"], v["sid"]) == v["generator_string"]


def test_a_long_password_leaves_no_room_for_padding() -> None:
    assert cpace.generator_string(bytes(200), b"", b"")[9 + 2 + 200 :] == bytes(3)


def test_shares() -> None:
    v = G_25519
    assert cpace.public_share(v["PRS"], v["CI"], v["sid"], v["ya"]) == v["Ya"]
    assert cpace.public_share(v["PRS"], v["CI"], v["sid"], v["yb"]) == v["Yb"]


@pytest.mark.parametrize("initiator", [True, False])
def test_session_key(initiator: bool) -> None:
    v = G_25519
    assert cpace_shared(v["ya"], v["Yb"]) == cpace_shared(v["yb"], v["Ya"]) == v["K"]
    key = run(v, initiator)
    assert key.isk == v["ISK_IR"]
    assert key.sid_output == v["sid_output_ir"]
    assert key.isk.hex() not in repr(key)
    assert repr(key.isk) not in repr(key)


@pytest.mark.parametrize(("u", "q", "expect"), POINTS)
def test_official_points(u: bytes, q: bytes, expect: str) -> None:
    scalar = bytes.fromhex(VECTORS["X25519_points"]["scalar"])
    if expect == "accept":
        assert cpace_shared(scalar, u) == q
        return
    for initiator in (True, False):
        with pytest.raises(PeerError):
            cpace.session_key(scalar, b"", Share(G_25519["Ya"]), Share(u), initiator=initiator)


def test_seven_official_points_are_refused() -> None:
    assert sum(point["expect"] == "PeerError" for point in VECTORS["X25519_points"]["points"]) == 7


@pytest.mark.parametrize("length", [0, 31, 33])
def test_wrong_lengths(length: int) -> None:
    with pytest.raises(UsageError):
        cpace.public_share(b"", b"", b"", bytes(length))
    with pytest.raises(UsageError):
        cpace.session_key(bytes(length), b"", Share(G_25519["Ya"]), Share(G_25519["Yb"]), initiator=True)
    with pytest.raises(PeerError):
        cpace.session_key(bytes(32), b"", Share(G_25519["Ya"]), Share(bytes([9] * length)), initiator=True)


@settings(deadline=None)  # the other implementation is pure Python
@given(
    prs=st.binary(max_size=140),
    ci=st.binary(max_size=40),
    sid=st.binary(max_size=40),
    ads=st.tuples(st.binary(max_size=200), st.binary(max_size=20)),
    scalars=st.tuples(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32)),
)
def test_agrees_with_an_independent_implementation(
    prs: bytes, ci: bytes, sid: bytes, ads: tuple[bytes, bytes], scalars: tuple[bytes, bytes]
) -> None:
    theirs = []
    for role, ad, scalar in zip(oracle.CPaceRole, ads, scalars, strict=True):
        with mock.patch("cpace.secrets.token_bytes", return_value=scalar):
            theirs.append(oracle.CPace.start(role=role, prs=prs, sid=sid, ci=ci, ad=ad))
    a, b = [Share(side.public_share, ad) for side, ad in zip(theirs, ads, strict=True)]
    assert cpace.public_share(prs, ci, sid, scalars[0]) == a.y
    assert cpace.public_share(prs, ci, sid, scalars[1]) == b.y
    theirs[0].derive(b.y, b.ad)
    for key in (
        cpace.session_key(scalars[0], sid, a, b, initiator=True),
        cpace.session_key(scalars[1], sid, b, a, initiator=False),
    ):
        assert key.isk == theirs[0].isk
        assert key.sid_output == theirs[0].sid_output
