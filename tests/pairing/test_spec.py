"""The CDDL in docs/spec describes what this package writes, and nothing else."""

from io import BytesIO
from pathlib import Path

import cbor2
import pycddl
import pytest

from oob.pairing import (
    Bootstrap,
    Model,
    Passcode,
    PasscodeInitiator,
    PasscodeResponder,
    SecretInitiator,
    SecretResponder,
)

SPEC = Path(__file__).parents[2] / "docs" / "spec"
G_X, TH, CRED = b"x" * 32, bytes(32), b"credential"
HASH, K, TAG_KEY = bytes(32), bytes(16), bytes(16)


def check(name: str, rule: str, data: bytes) -> None:
    pycddl.Schema(f"root = {rule}\n" + (SPEC / name).read_text()).validate_cbor(data)


def refused(name: str, rule: str, data: bytes) -> None:
    with pytest.raises(pycddl.ValidationError):
        check(name, rule, data)


BOOTSTRAPS = [
    Bootstrap(1, (Model.PASSCODE,), HASH),
    Bootstrap(1, (Model.PINNED, Model.COMPARE, Model.BUTTON), HASH[:16], name="Lamp"),
    Bootstrap(1, (Model.SECRET, Model.PINNED), HASH, K, TAG_KEY, True, "器" * 10, ("192.0.2.7", "x" * 64)),
]


@pytest.mark.parametrize("bootstrap", BOOTSTRAPS)
def test_bootstrap(bootstrap: Bootstrap) -> None:
    check("bootstrap.cddl", "bootstrap", bootstrap.encode())


@pytest.mark.parametrize(
    "change",
    [
        {0: 2}, {1: []}, {1: [6]}, {2: bytes(15)}, {3: bytes(33)}, {4: bytes(15)}, {5: False}, {6: ""}, {6: "x" * 33},
        {7: []}, {7: ["a"] * 5}, {7: [""]}, {8: 0},
    ],
)  # fmt: skip
def test_bootstrap_refuses(change: dict[int, object]) -> None:
    good = {0: 1, 1: [2], 2: HASH, 3: K}
    check("bootstrap.cddl", "bootstrap", cbor2.dumps(good))
    refused("bootstrap.cddl", "bootstrap", cbor2.dumps(good | change))


def array(sequence: bytes, items: int) -> bytes:
    """Put the head of an array before a CBOR sequence, since a sequence is described as an array."""
    return bytes([0x80 | items]) + sequence


def length(sequence: bytes) -> int:
    """Count the items of a CBOR sequence."""
    stream, items = BytesIO(sequence), 0
    while stream.tell() < len(sequence):
        cbor2.load(stream)
        items += 1
    return items


def test_ead_items_of_secret() -> None:
    initiator, responder = SecretInitiator(K, bytes(32), dynamic=False), SecretResponder(K, dynamic=False)
    ead_1 = initiator.ead_1(G_X)
    check("pairing.cddl", "ead-1", array(ead_1, 2))
    responder.check_1(ead_1, G_X)
    t_r = cbor2.dumps(responder.ead_2(TH, CRED))
    check("pairing.cddl", "ead-2", t_r)
    check("pairing.cddl", "ead-3", t_r)
    refused("pairing.cddl", "ead-1", array(b"\x03" + ead_1[1:], 2))
    refused("pairing.cddl", "ead-2", cbor2.dumps(bytes(8)))


def test_ead_items_of_passcode() -> None:
    code = Passcode.from_number(0)
    initiator, responder = PasscodeInitiator(code, b"a" * 32), PasscodeResponder(code, b"b" * 32)
    ead_1 = initiator.ead_1(G_X)
    check("pairing.cddl", "ead-1", array(ead_1, 2))
    refused("pairing.cddl", "ead-1", array(b"\x02" + ead_1[1:], 2))
    responder.check_1(ead_1, G_X)
    ead_2 = responder.ead_2(TH, CRED)
    check("pairing.cddl", "ead-2", cbor2.dumps(ead_2))
    initiator.check_2(ead_2, TH, CRED)
    ead_3 = initiator.ead_3(TH, CRED)
    check("pairing.cddl", "ead-3", cbor2.dumps(ead_3))
    responder.check_3(ead_3, TH, CRED)
    check("pairing.cddl", "ead-4", cbor2.dumps(responder.ead_4(TH)))
    refused("pairing.cddl", "ead-3", cbor2.dumps(ead_2))


def test_prf_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every input of the MAC has the form that the specification gives it."""
    inputs: list[bytes] = []

    def record(key: bytes, data: bytes) -> bytes:
        inputs.append(data)
        return bytes(32)

    monkeypatch.setattr("oob.pairing.models.hmac_sha256", record)
    test_ead_items_of_secret()
    test_ead_items_of_passcode()
    assert {cbor2.loads(data) for data in inputs} == {f"oob-1 {name}" for name in ("id", "R", "I", "k", "channel")}
    for data in inputs:
        check("pairing.cddl", "prf-input", array(data, length(data)))
        refused("pairing.cddl", "prf-input", array(data + b"\x40", length(data) + 1))
