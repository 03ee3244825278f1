"""The vectors of whole pairings: they are what they are said to be, and no damage to them goes unseen."""

import copy
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest

from oob.conformance import Outcome, Result, run_file
from oob.conformance.models import OUTPUTS
from oob.errors import UsageError
from oob.pairing import Model
from tests.vectors.generate_models import FILE, generate

CONTENT: dict[str, Any] = json.loads(FILE.read_text())
VECTORS: list[dict[str, Any]] = CONTENT["models"]
EACH = pytest.mark.parametrize("vector", VECTORS, ids=[vector["title"] for vector in VECTORS])
# What goes into every run, and into those of a model.
INPUTS = ["sk_i", "sk_r", "x", "y", "c_i", "c_r", "subject"]
OWN = {
    "secret": ["secret", "dynamic"],
    "passcode": ["scalar_i", "scalar_r", "identity", "passcode"],
    "compare": ["nonce", "number"],
    "resumed": ["secret"],
    "pinned": ["commissioning"],
    "button": ["commissioning"],
}


@pytest.fixture
def judge(tmp_path: Path) -> Callable[[Any], list[Result]]:
    def run(models: Any) -> list[Result]:
        path = tmp_path / "models.json"
        path.write_text(json.dumps({"source": "", "models": models}))
        return list(run_file(path))

    return run


Judge = Callable[[Any], list[Result]]


def test_the_generator_makes_the_file_that_is_here() -> None:
    assert generate() == FILE.read_text()


def test_every_model_passes() -> None:
    results = list(run_file(FILE))
    assert [result.outcome for result in results] == [Outcome.PASSED] * len(VECTORS), results
    assert [result.name for result in results] == [f"pairing: {vector['title']}" for vector in VECTORS]
    assert {vector["model"] for vector in VECTORS} == {model.name.lower() for model in Model}
    assert "home-made" not in CONTENT["source"]
    assert "made for this project" in CONTENT["source"]


def damaged(value: Any) -> Any:
    """Change a value a little, whatever its type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case None:
            return 1
        case "":
            return "00"
        case str() if set(value) <= set("0123456789abcdef") and len(value) % 2 == 0 and len(value) != 8:
            return f"{value[:-2]}{int(value[-2:], 16) ^ 1:02x}"
        case _:
            return {"00000000": "12345671", "12345671": "00000000"}.get(value, f"{value}1")


@EACH
def test_any_damage_is_seen(vector: dict[str, Any], judge: Judge) -> None:
    names = [*INPUTS, *OWN[vector["model"]], *OUTPUTS]
    if vector["receipt"]:
        names += ["jti", "iat", "exp", "context"]
    for name in names:
        (result,) = judge([vector | {name: damaged(vector[name])}])
        assert result.outcome is Outcome.FAILED, name
        assert result.detail


@EACH
def test_fields_that_are_missing(vector: dict[str, Any], judge: Judge) -> None:
    for name in ["title", "model", *INPUTS, "dynamic", "commissioning", "iat", "jti", "context", *OUTPUTS]:
        shortened = {key: value for key, value in vector.items() if key != name}
        with pytest.raises(UsageError, match="lacks|has a title"):
            judge([copy.deepcopy(shortened)])


@pytest.mark.parametrize(
    "change", [{"model": "paired"}, {"title": 1}, {"dynamic": 1}, {"iat": True}, {"passcode": None}, {"x": "0"}]
)
def test_fields_of_another_type(change: dict[str, Any], judge: Judge) -> None:
    with pytest.raises(UsageError):
        judge([VECTORS[0] | change])
    with pytest.raises(UsageError, match="is an object"):
        judge([1])


# --- the values anew, out of hashes alone


def sequence(*values: object) -> bytes:
    return b"".join(map(cbor2.dumps, values))


def mac(key: bytes, label: str, model: int, *fields: bytes) -> bytes:
    return hmac.digest(key, sequence(f"oob-1 {label}", model, *fields), "sha256")


def expand(prk: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-Expand for up to 32 bytes (RFC 5869)."""
    return hmac.digest(prk, info + b"\x01", "sha256")[:length]


class Values:
    """A vector's values as bytes: `v.th_3`."""

    def __init__(self, vector: dict[str, Any]) -> None:
        self._vector = vector
        self.model: int = Model[vector["model"].upper()]

    def __getattr__(self, name: str) -> bytes:
        """Return a field in hexadecimal."""
        return bytes.fromhex(self._vector[name])

    def exporter(self, label: int) -> bytes:
        """EDHOC_Exporter (RFC 9528, section 4.2.1), with the model id for its context."""
        prk_exporter = expand(self.prk_out, sequence(10, b"", 32))
        return expand(prk_exporter, sequence(label, bytes([self.model]), 32))


@EACH
def test_the_ead_items(vector: dict[str, Any]) -> None:
    v, head = Values(vector), bytes([Model[vector["model"].upper()]])
    g_x = cbor2.loads(v.message_1[2:])
    match vector["model"]:
        case "secret" | "resumed":
            assert v.ead_1 == head + sequence(mac(v.secret, "id", v.model, g_x)[:8])
            assert v.ead_2 == mac(v.secret, "R", v.model, v.th_2, v.cred_r)[:16]
            assert v.ead_3 == mac(v.secret, "I", v.model, v.th_3, v.cred_i)[:16]
            assert (v.ead_4, v.channel_secret) == (b"", mac(v.secret, "channel", v.model))
        case "compare":
            commitment = hashlib.sha256(sequence("oob-1 commit", 4, v.nonce, g_x, v.cred_i)).digest()
            assert v.ead_1 == head + sequence(commitment)
            assert (v.ead_2, v.ead_3, v.ead_4, v.channel_secret) == (b"", v.nonce, b"", b"")
            number = f"{int.from_bytes(mac(v.nonce, 'sas', 4, v.th_3, v.cred_i), 'big') % 10**6:06d}"
            assert vector["number"] == f"{number[:3]} {number[3:]}"
        case "passcode":  # CPace has vectors of its own
            assert [len(value) for value in (v.ead_1, v.ead_2, v.ead_3, v.ead_4)] == [35, 32, 16, 16]
        case _:
            assert (v.ead_1, v.ead_2, v.ead_3, v.ead_4) == (head + b"\x40", b"", b"", b"")
            assert v.channel_secret == b""


@EACH
def test_the_transcript(vector: dict[str, Any]) -> None:
    v = Values(vector)
    assert v.message_1.endswith(sequence(-32769, v.ead_1))
    g_y = cbor2.loads(v.message_2)[:32]
    assert v.th_2 == hashlib.sha256(sequence(g_y, hashlib.sha256(v.message_1).digest())).digest()


@EACH
def test_the_keys(vector: dict[str, Any]) -> None:
    v = Values(vector)
    prk, prk_pairing = (hmac.digest(v.exporter(label), v.channel_secret, "sha256") for label in (32771, 32772))
    assert (v.key_i, v.iv_i) == (expand(prk, b"oob-1 initiator key", 16), expand(prk, b"oob-1 initiator iv", 12))
    assert (v.key_r, v.iv_r) == (expand(prk, b"oob-1 responder key", 16), expand(prk, b"oob-1 responder iv", 12))
    assert v.prk_pairing == prk_pairing
    assert v.export == expand(prk_pairing, sequence("oob-1 export", "example", b"\x00", 32))
    resumption = expand(prk_pairing, sequence("oob-1 resumption", "", b"", 32))
    assert v.resumption_secret == (b"" if vector["model"] in ("pinned", "button") else resumption)


@EACH
def test_the_binding(vector: dict[str, Any]) -> None:
    v = Values(vector)
    one_sided = vector["model"] in ("pinned", "button") and not vector["commissioning"]
    if one_sided or not v.context:
        assert (v.receipt, v.statement, v.countersignature) == (b"", b"", b"")
        return
    jti, iat, exp, dynamic, signature = cbor2.loads(v.receipt)
    _, _, payload, signed = cbor2.loads(v.statement)
    claims = cbor2.loads(payload)
    assert (jti, iat, exp, dynamic) == (v.jti, vector["iat"], vector["exp"], claims[-70005][3])
    assert signature == signed
    assert (claims[7], claims[6], claims[4]) == (jti, iat, exp)
    assert claims[-70003] == hashlib.sha256(v.context).digest()
    assert claims[-70004] == v.exporter(32770)
    assert claims[-70005][0] == v.model
    assert cbor2.loads(v.countersignature)[2] is None
