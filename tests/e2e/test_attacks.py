"""`oob demo --attack`: each is refused; and each would go through, were it not for the check that refuses it."""

import json
from itertools import product
from typing import Any

import pytest

from oob.binding import Binding, BindingStatement
from oob.cli import main, tools
from oob.cose import Sign1
from oob.issuance.server import bindings, orders
from oob.pairing import passcode, secret
from oob.sim.attacks import ATTACKS

REFUSALS = {
    "wrong-code": (4, {"passcode": "message_3", "secret": "message_1"}),
    "mitm": (4, {"passcode": "message_4", "secret": "message_2"}),
    "swapped-key": (5, "binding"),
    "replayed-binding": (5, "binding"),
    "hijacked-challenge": (5, "binding"),
    "foreign-csr": (5, "newAccount"),
    "extra-name": (5, "newOrder"),
}


def attack(name: str, carrier: str, model: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["demo", "--json", "--attack", name, "--carrier", carrier, "--model", model])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    result: dict[str, Any] = json.loads(lines[0])
    assert (result["attack"], result["carrier"]) == (name, carrier)
    return code, result


def test_the_help_knows_all_attacks() -> None:
    assert set(tools.ATTACKS) == set(ATTACKS) == set(REFUSALS)


@pytest.mark.parametrize(
    ("carrier", "model"),
    [*product(["ble", "nfc", "memory"], ["passcode", "secret"]), ("nfc-static", "secret")],
)
@pytest.mark.parametrize("name", REFUSALS)
def test_is_refused(name: str, carrier: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = attack(name, carrier, model, capsys)
    expected, step = REFUSALS[name]
    assert (code, result["refused"], result["authorised"]) == (expected, True, 0)
    assert result["error"]["step"] == (step[model] if isinstance(step, dict) else step)
    assert result["error"]["cause"]
    assert result["error"]["exit_code"] == code
    assert result["issuer"]["certificates"] == 0


def test_says_so_to_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--attack", "wrong-code", "--carrier", "memory"]) == 4
    error = capsys.readouterr().err
    assert "mallory  wrong-code" in error
    assert "Refused  message_3: the device refused: the code is wrong" in error
    assert "Left authorised at the issuer: nothing." in error
    assert "SUCCEEDED" not in error


def no_check(*_: object) -> None:
    """Check nothing."""


def believe(binding: Binding, _: object) -> BindingStatement:
    return BindingStatement.decode(Sign1.decode(binding.statement).payload or b"")


def succeeds(name: str, model: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, result = attack(name, "memory", model, capsys)
    assert (code, result["refused"]) == (1, False)
    return result


@pytest.mark.parametrize("name", ["wrong-code", "mitm"])
def test_goes_through_without_the_proof_of_the_passcode(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(passcode, "check_equal", no_check)
    assert succeeds(name, "passcode", capsys)["issuer"]["bindings"] == 1


@pytest.mark.parametrize("name", ["wrong-code", "mitm"])
def test_goes_through_without_the_proof_of_the_secret(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(secret, "check_equal", no_check)
    assert succeeds(name, "secret", capsys)["issuer"]["bindings"] == 1


@pytest.mark.parametrize("name", ["swapped-key", "hijacked-challenge"])
def test_goes_through_without_the_clients_half(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bindings, "_require_client_half", no_check)
    monkeypatch.setattr(bindings, "verify_binding", believe)
    assert succeeds(name, "passcode", capsys)["issuer"]["bindings"] == 1


def test_goes_through_without_the_limits_of_the_binding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(orders, "_require_authorised", no_check)
    succeeds("extra-name", "passcode", capsys)
    assert main(["demo", "--attack", "extra-name", "--carrier", "memory"]) == 1
    assert "THE ATTACK SUCCEEDED" in capsys.readouterr().err
