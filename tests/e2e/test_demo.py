"""`oob demo`: the whole idea, over each carrier and by each model."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from oob.cli import main
from tests.e2e.family import ROOT

KEYS = {
    "carrier",
    "model",
    "method",
    "suite",
    "round_trips",
    "bytes_sent",
    "bytes_received",
    "handshake_ms",
    "issuance_ms",
    "total_ms",
    "device_key",
    "certificate_account_key",
    "certificate",
    "https_status",
    "wss_echo",
    "peer_key_verified",
}


def check(output: str, carrier: str, model: str) -> None:
    lines = output.splitlines()
    assert len(lines) == 1
    result = json.loads(lines[0])
    assert result.keys() >= KEYS
    assert (result["carrier"], result["model"]) == (carrier, model)
    assert (result["method"], result["suite"], result["round_trips"]) == (0, 6, 2)
    assert result["https_status"] == 200
    assert result["wss_echo"] is True
    assert result["peer_key_verified"] is True
    assert re.fullmatch("[0-9a-f]{64}", result["device_key"])
    assert result["device_key"] == result["certificate_account_key"]
    assert result["certificate"].keys() == {"names", "not_after", "issuer"}
    assert result["certificate"]["names"] == ["lamp.oob-demo.home.arpa"]
    assert 0 < result["handshake_ms"] < result["total_ms"]
    assert 0 < result["issuance_ms"] < result["total_ms"]
    assert result["bytes_sent"] > result["bytes_received"] > 100


@pytest.mark.parametrize("model", ["passcode", "secret"])
@pytest.mark.parametrize("carrier", ["ble", "nfc", "nfc-static", "memory"])
def test_prints_one_json_object(carrier: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    if (carrier, model) == ("nfc-static", "passcode"):
        assert main(["demo", "--json", "--carrier", carrier, "--model", model]) == 2
        assert "a static tag carries a secret" in capsys.readouterr().out
        return
    assert main(["demo", "--json", "--carrier", carrier, "--model", model]) == 0
    output = capsys.readouterr()
    check(output.out, carrier, model)
    assert output.err == ""


def test_as_a_program_with_an_empty_home(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_START") if name in os.environ}
    environment = {**kept, "HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-m", "oob.cli", "demo", "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    check(done.stdout, "ble", "passcode")
    assert list(home.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_tells_a_person_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--carrier", "memory"]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    for step in ("serving", "offering", "message_3", "guess counted", "agreed", "bound", "certificate", "websocket"):
        assert re.search(rf"^ *(client|device|issuer)  {step}\b", output.err, re.MULTILINE), step
    assert "is open over verified HTTPS" in output.err
    assert "Next:  oob demo --attack" in output.err


def test_runs_again_over_the_same_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = []
    for model in ("passcode", "passcode", "secret"):
        assert main(["demo", "--json", "--carrier", "memory", "--state", str(tmp_path), "--model", model]) == 0
        keys.append(json.loads(capsys.readouterr().out)["device_key"])
    assert len(set(keys)) == 1
