"""The vectors of draft-irtf-cfrg-cpace-21, appendix B.1: group X25519. Other groups are not implemented."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from oob.conformance.result import Mismatch, NotApplicable, Vector, hex_field, same
from oob.crypto import cpace_shared
from oob.errors import PeerError, UsageError
from oob.pairing.cpace import Share, public_share, session_key

GROUP, POINTS = "G_25519", "X25519_points"
_FIELDS = ("PRS", "CI", "sid", "ya", "ADa", "Ya", "yb", "ADb", "Yb", "K", "ISK_IR", "sid_output_ir")
_SCALAR = bytes.fromhex("af46e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449aff")  # of appendix B.1.10
_PRIME = 2**255 - 19
_BIT_255 = 1 << 255


def cpace_vectors(content: Mapping[str, Any]) -> list[Vector]:
    """Return one vector a group and one a point of X25519; UsageError if a field is missing."""
    vectors: list[Vector] = []
    for name, value in content.items():
        if not isinstance(value, dict):
            raise UsageError(f"{name!r} is not an object", step="vectors")
        if name == GROUP:
            fields = {field: hex_field(value, field, name) for field in _FIELDS}
            vectors.append(Vector(f"CPace {name}", partial(_run_group, fields)))
        elif name == POINTS:
            points = {point: hex_field(value, point, name) for point in value}
            vectors += [Vector(f"CPace X25519 {point}", partial(_run_point, u)) for point, u in points.items()]
        else:
            vectors.append(Vector(f"CPace {name}", _skip))
    return vectors


def _run_group(v: Mapping[str, bytes]) -> str:
    same("Ya", public_share(v["PRS"], v["CI"], v["sid"], v["ya"]), v["Ya"])
    same("Yb", public_share(v["PRS"], v["CI"], v["sid"], v["yb"]), v["Yb"])
    same("K of A", cpace_shared(v["ya"], v["Yb"]), v["K"])
    same("K of B", cpace_shared(v["yb"], v["Ya"]), v["K"])
    a, b = Share(v["Ya"], v["ADa"]), Share(v["Yb"], v["ADb"])
    for key in (
        session_key(v["ya"], v["sid"], a, b, initiator=True),
        session_key(v["yb"], v["sid"], b, a, initiator=False),
    ):
        same("ISK_IR", key.isk, v["ISK_IR"])
        same("sid_output_ir", key.sid_output, v["sid_output_ir"])
    return "both roles: Ya, Yb, K, ISK_IR, sid_output_ir (the symmetric mode is not implemented)"


def _run_point(u: bytes) -> str:
    """Judge a point of appendix B.1.10.

    Of low order, it must be refused. With bit 255 set, RFC 7748 ignores that bit: the result must be the one without
    it, although the number with it is of low order.
    """
    same("the length of a point", len(u), 32)
    number = int.from_bytes(u, "little")
    if number < _BIT_255:
        _must_refuse(u)
        return "refused: of low order"
    _must_refuse((number % _PRIME).to_bytes(32, "little"))
    cleared = (number - _BIT_255).to_bytes(32, "little")
    same("the result for a point with bit 255", cpace_shared(_SCALAR, u), cpace_shared(_SCALAR, cleared))
    return "bit 255 is ignored, as RFC 7748 demands"


def _must_refuse(u: bytes) -> None:
    try:
        cpace_shared(_SCALAR, u)
    except PeerError:
        return
    raise Mismatch("a point is accepted that is of low order, or should be")


def _skip() -> str:
    raise NotApplicable("this group is not implemented")
