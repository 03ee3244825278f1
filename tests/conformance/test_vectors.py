"""The vector runner: every published vector passes, every damaged one is named, every other file is refused."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oob.conformance import Outcome, Result, run_file
from oob.conformance.intermediate import intermediate_values
from oob.crypto import EcdhKey
from oob.errors import UsageError
from oob.handshake import SUITES, Completed, PeerVerified
from tests.pair import C_I, C_R, Pair, Random

VECTORS = Path(__file__).parents[1] / "vectors"
RFC = json.loads((VECTORS / "rfc9529.json").read_text())
CROSS = json.loads((VECTORS / "edhoc-cross.json").read_text())
CPACE = json.loads((VECTORS.parent / "pairing" / "cpace_x25519.json").read_text())
# The CPace vectors in the shape of the draft's own file, with two groups that are not implemented here.
DRAFT: dict[str, Any] = {
    "G_25519": {name: value.upper() for name, value in CPACE["G_25519"].items()},
    "X25519_points": {f"Invalid {p['name']}": p["u"].upper() for p in CPACE["X25519_points"]["points"]},
    "G_448": {"PRS": "50617373776F7264"},
    "G_NistP256_points": {"Invalid Y2": "00"},
}


@pytest.fixture
def judge(tmp_path: Path) -> Callable[[Any], list[Result]]:
    def run(content: Any) -> list[Result]:
        path = tmp_path / "vectors.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return list(run_file(path))

    return run


Judge = Callable[[Any], list[Result]]


def test_the_rfc() -> None:
    results = list(run_file(VECTORS / "rfc9529.json"))
    assert [result.outcome for result in results] == [Outcome.PASSED] * 17
    assert [result.name for result in results[:2]] == ["RFC 9529 trace 1", "RFC 9529 trace 2"]
    assert results[1].detail.endswith("error message")
    reasons = {result.name: result.detail for result in results[2:]}
    assert reasons["invalid: Curve point of low order"] == "refused: message_1: a public key is of low order"
    assert reasons["invalid: Error in length of MAC"] == "refused: message_2: malformed plaintext"


def own_run(kid: bytes | None) -> dict[str, Any]:
    """A run of this library in the shape of the cross vectors: method 0, suite 6."""
    pair = Pair(0, 6, kid_i=kid, kid_r=kid)
    pair.run()
    random, sk_i, sk_r = Random("pair"), Random("initiator")(32), Random("responder")(32)
    private = {"x": random(32), "y": random(32)}
    keys = {name: EcdhKey.from_bytes(SUITES[6].curve, raw) for name, raw in private.items()}
    ends = {"i": pair.identity_i.credential, "r": pair.identity_r.credential}
    th_2 = next(event.th for event in pair.initiator.events() if isinstance(event, PeerVerified))
    th_3, th_4 = (event.th for event in pair.responder.events() if isinstance(event, PeerVerified | Completed))
    fields = private | {"sk_i": sk_i, "sk_r": sk_r, "c_i": C_I, "c_r": C_R, "th_2": th_2, "th_3": th_3, "th_4": th_4}
    fields |= {f"g_{name}": key.x for name, key in keys.items()}
    fields |= {f"cred_{name}": end.cred for name, end in ends.items()}
    fields |= {f"id_cred_{name}": end.id_cred for name, end in ends.items()}
    fields |= {f"message_{number}": message for number, message in enumerate(pair.messages, 1)}
    fields |= {f"ead_{number}": b"" for number in range(1, 5)}
    exporter = pair.initiator.exporter()
    fields |= {"prk_out": exporter.prk_out, "export_20_32": exporter.export(20, b"", 32)}
    fields |= intermediate_values(fields, 0, 6, keys, ends)
    return {"method": 0, "suite": 6} | {name: value.hex() for name, value in fields.items()}


@pytest.mark.parametrize("kid", [None, b"\x2b"])
def test_credentials_by_value_and_by_kid(judge: Judge, kid: bytes | None) -> None:
    (result,) = judge([own_run(kid)])
    assert result.outcome is Outcome.PASSED, result


def test_methods_that_do_not_exist(judge: Judge) -> None:
    for message_1 in ("05" + CROSS[0]["message_1"][2:], CROSS[0]["message_1"][:2] + "07" + CROSS[0]["message_1"][4:]):
        (result,) = judge([CROSS[0] | {"message_1": message_1}])
        assert "does not exist" in result.detail


def test_the_cross_vectors() -> None:
    results = list(run_file(str(VECTORS / "edhoc-cross.json")))
    assert len(results) == 14
    assert all(result.outcome is Outcome.PASSED for result in results)
    assert {result.name for result in results} == {f"EDHOC method {m} suite {s}" for m in (0, 3) for s in range(7)}


def test_cpace(judge: Judge) -> None:
    results = judge(DRAFT)
    outcomes = [result.outcome for result in results]
    assert outcomes == [Outcome.PASSED] * 13 + [Outcome.NOT_APPLICABLE] * 2
    assert all(result.passed for result in results)
    assert results[-1] == Result("CPace G_NistP256_points", True, "this group is not implemented", applicable=False)


def damage(value: str) -> str:
    """Change one bit of the last byte."""
    return f"{value[:-2]}{int(value[-2:], 16) ^ 1:02x}"


@pytest.mark.parametrize("index", [0, 1, 5, 13])
@pytest.mark.parametrize("name", [name for name, value in CROSS[0].items() if name != "confirmed_by"])
@pytest.mark.parametrize("change", [damage, lambda value: value[:-2], lambda value: f"{value}00"])
def test_a_damaged_run_fails(judge: Judge, index: int, name: str, change: Callable[[str], str]) -> None:
    vectors = copy.deepcopy(CROSS[index : index + 1])
    value = vectors[0][name]
    vectors[0][name] = value + 1 if isinstance(value, int) else change(value)
    (result,) = judge(vectors)
    assert result.outcome is Outcome.FAILED, result
    assert result.detail


@pytest.mark.parametrize("trace", ["trace1", "trace2"])
@pytest.mark.parametrize(
    "name",
    [
        "TH_2 (Raw Value)",
        "PRK_out (Raw Value)",
        "PRK_exporter (Raw Value)",
        "MAC_3 (Raw Value)",
        "SK_R (Raw Value)",
        "CRED_I (CBOR Data Item)",
        "message_2 (CBOR Sequence)",
        "message_4 (CBOR Sequence)",
        "OSCORE Master Salt (Raw Value)",
        "PRK_out after KeyUpdate (Raw Value)",
    ],
)
def test_a_damaged_trace_fails(judge: Judge, trace: str, name: str) -> None:
    content = copy.deepcopy(RFC)
    content[trace][name] = damage(content[trace][name])
    outcomes = [result.outcome for result in judge(content)]
    expected = [Outcome.PASSED] * 17
    expected[trace == "trace2"] = Outcome.FAILED
    assert outcomes == expected


@pytest.mark.parametrize("name", ["error (CBOR Sequence)", "message_1 (CBOR Sequence)", "G_X (Raw Value)"])
def test_a_damaged_first_try_fails(judge: Judge, name: str) -> None:
    content = copy.deepcopy(RFC) | {"invalid": []}
    content["trace2"][name] = damage(content["trace2"][name])
    assert [result.passed for result in judge(content)] == [True, False]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("message_1", "03025820741a13d7ba048fbb615e94386aa3b61bea5b3d8f65f32620b749bee8d278efa90e"),
        ("PLAINTEXT_2", "273248fa5efa2ebf920bf3"),
        ("message_2", "582b419701d7f00a26c2dc587a36dd752549f33763c893422c8ea0f955a13a4ff5d59862a1eef9e0e7e1886fcd"),
    ],
)
def test_an_invalid_message_that_is_accepted_fails(judge: Judge, kind: str, message: str) -> None:
    content = RFC | {"invalid": [{"title": "in truth valid", "kind": kind, "hex": message}]}
    result = judge(content)[-1]
    if kind == "message_2":  # garbage when opened with another key, hence refused all the same
        assert result.passed
        return
    assert result.outcome is Outcome.FAILED
    assert "accepted" in result.detail


def test_an_invalid_message_of_another_length_fails(judge: Judge) -> None:
    content = copy.deepcopy(RFC)
    content["invalid"] = [content["invalid"][0] | {"len": 5}]
    assert "not 5" in judge(content)[-1].detail


@pytest.mark.parametrize(
    "name", ["PRS", "CI", "sid", "ya", "ADa", "Ya", "yb", "ADb", "Yb", "K", "ISK_IR", "sid_output_ir"]
)
def test_a_damaged_group_fails(judge: Judge, name: str) -> None:
    content = copy.deepcopy(DRAFT)
    value = content["G_25519"][name]  # the spare bits of a scalar, at its ends, are clamped
    content["G_25519"][name] = f"{int(value[:2], 16) ^ 8:02x}{value[2:]}"
    assert judge(content)[0].outcome is Outcome.FAILED


@pytest.mark.parametrize("name", DRAFT["X25519_points"])
def test_a_damaged_point_fails(judge: Judge, name: str) -> None:
    for change in (lambda value: f"{int(value[:2], 16) ^ 16:02x}{value[2:]}", lambda value: value[2:]):
        content = copy.deepcopy(DRAFT)
        content["X25519_points"][name] = change(content["X25519_points"][name])
        assert [result.name for result in judge(content) if not result.passed] == [f"CPace X25519 {name}"]


def without(path: list[Any]) -> Any:
    """Leave one field of the RFC's vectors out."""
    content = copy.deepcopy(RFC)
    value = content
    for key in path[:-1]:
        value = value[key]
    del value[path[-1]]
    return content


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        json.dumps(RFC)[:-500],
        "[" * 100000,
        "null",
        "[]",
        "{}",
        [1],
        [[]],
        {"trace1": {}},
        {"trace1": [], "trace2": {}, "invalid": []},
        {"trace1": {}, "trace2": {}, "invalid": []},
        without(["trace1", "message_3 (CBOR Sequence)"]),
        without(["trace2", "X (Raw Value)#2"]),
        without(["trace2", "error (CBOR Sequence)"]),
        without(["invalid", 3, "hex"]),
        without(["invalid", 3, "title"]),
        RFC | {"invalid": [{"title": "t", "kind": "message_5", "hex": "00"}]},
        RFC | {"invalid": [1]},
        [CROSS[0], 1],
        [CROSS[0], {name: value for name, value in CROSS[1].items() if name != "prk_2e"}],
        [CROSS[0] | {"message_3": CROSS[0]["message_3"][:-1]}],
        [CROSS[0] | {"message_3": "xx"}],
        [CROSS[0] | {"message_3": 5}],
        {"G_25519": {}},
        DRAFT | {"X25519_points": {"Invalid Y0": None}},
        DRAFT | {"G_448": "x"},
        CPACE,
    ],
)
def test_other_files_are_refused(judge: Judge, content: Any) -> None:
    with pytest.raises(UsageError) as caught:
        judge(content)
    assert caught.value.step == "vectors"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            run_file(path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not JSON"):
        run_file(tmp_path / "binary")
