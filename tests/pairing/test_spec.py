"""The CDDL in docs/spec describes what this package writes, and nothing else."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cbor2
import pycddl
import pytest

from oob.crypto import Hash
from oob.pairing import (
    Bootstrap,
    ButtonInitiator,
    CompareInitiator,
    CompareResponder,
    Model,
    Passcode,
    PasscodeInitiator,
    PasscodeResponder,
    PinnedInitiator,
    ResumedInitiator,
    ResumedResponder,
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


def secret_pair() -> tuple[SecretInitiator, SecretResponder]:
    hash = Hash.SHA256.digest(CRED)
    return SecretInitiator(K, hash, dynamic=False), SecretResponder(K, dynamic=False)


def resumed_pair() -> tuple[SecretInitiator, SecretResponder]:
    return ResumedInitiator(bytes(32), Hash.SHA256.digest(CRED)), ResumedResponder({b"": bytes(32)})


@pytest.mark.parametrize("make", [secret_pair, resumed_pair])
def test_ead_items_of_secret_and_resumed(make: Callable[[], tuple[SecretInitiator, SecretResponder]]) -> None:
    initiator, responder = make()
    ead_1 = initiator.ead_1(G_X)
    check("pairing.cddl", "ead-1", array(ead_1, 2))
    check("pairing.cddl", f"ead-1-{initiator.model.name.lower()}", array(ead_1, 2))
    responder.check_1(ead_1, G_X)
    t_r = responder.ead_2(TH, CRED)
    check("pairing.cddl", "ead-2", cbor2.dumps(t_r))
    initiator.check_2(t_r, TH, CRED)
    check("pairing.cddl", "ead-3", cbor2.dumps(initiator.ead_3(TH, CRED)))
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


def test_ead_items_of_compare() -> None:
    initiator, responder = CompareInitiator(b"N" * 16, CRED), CompareResponder()
    ead_1 = initiator.ead_1(G_X)
    check("pairing.cddl", "ead-1", array(ead_1, 2))
    check("pairing.cddl", "ead-1-compare", array(ead_1, 2))
    refused("pairing.cddl", "ead-1", array(ead_1[:1] + cbor2.dumps(bytes(31)), 2))
    responder.check_1(ead_1, G_X)
    initiator.check_2(responder.ead_2(TH, CRED), TH, CRED)
    nonce = initiator.ead_3(TH, CRED)
    check("pairing.cddl", "ead-3", cbor2.dumps(nonce))
    check("pairing.cddl", "nonce", cbor2.dumps(nonce))
    responder.check_3(nonce, TH, CRED)


@pytest.mark.parametrize("initiator", [PinnedInitiator(HASH), ButtonInitiator(accept_presence_alone=True)])
def test_ead_items_of_one_sided_models(initiator: PinnedInitiator | ButtonInitiator) -> None:
    ead_1 = initiator.ead_1(G_X)
    check("pairing.cddl", "ead-1", array(ead_1, 2))
    check("pairing.cddl", f"ead-1-{initiator.model.name.lower()}", array(ead_1, 2))
    refused("pairing.cddl", "ead-1", array(ead_1[:1] + b"\x41\x00", 2))


def test_every_model_has_an_id() -> None:
    ids = re.findall(r"^ead-1-(\w+) = \[([\w-]+),", (SPEC / "pairing.cddl").read_text(), re.MULTILINE)
    for name, rule in ids:
        check("pairing.cddl", rule, cbor2.dumps(int(Model[name.upper()])))
    assert {name for name, _ in ids} == {model.name.lower() for model in Model}


def test_commitment_input(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs: list[bytes] = []

    def record(_: Hash, data: bytes) -> bytes:
        inputs.append(data)
        return bytes(32)

    monkeypatch.setattr(Hash, "digest", record)
    CompareInitiator(b"N" * 16, CRED).ead_1(G_X)
    (data,) = inputs
    assert cbor2.loads(data) == "oob-1 commit"
    check("pairing.cddl", "commitment-input", array(data, length(data)))
    refused("pairing.cddl", "commitment-input", array(data + b"\x40", length(data) + 1))
    refused("pairing.cddl", "prf-input", array(data, length(data)))


def test_prf_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every input of the MAC has the form that the specification gives it."""
    inputs: list[bytes] = []

    def record(key: bytes, data: bytes) -> bytes:
        inputs.append(data)
        return bytes(32)

    monkeypatch.setattr("oob.pairing.models.hmac_sha256", record)
    for make in (secret_pair, resumed_pair):
        test_ead_items_of_secret_and_resumed(make)
        make()[0]._channel_secret()
    test_ead_items_of_passcode()
    test_ead_items_of_compare()
    names = ("id", "R", "I", "k", "channel", "sas")
    assert {cbor2.loads(data) for data in inputs} == {f"oob-1 {name}" for name in names}
    for data in inputs:
        check("pairing.cddl", "prf-input", array(data, length(data)))
        refused("pairing.cddl", "prf-input", array(data + b"\x40", length(data) + 1))
