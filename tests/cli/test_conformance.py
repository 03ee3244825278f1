import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from oob.cli import conformance
from oob.conformance.device import CASES
from oob.conformance.result import Result
from oob.device import device
from oob.pairing import Bootstrap, Model, Passcode
from oob.sim.field import Field
from oob.sim.tags import SimulatedNtag
from tests.cli.shell import Shell
from tests.e2e.family import ROOT, free_port
from tests.transport.udp_field import free_path

CODES = [Passcode.from_number(number) for number in (1, 2)]


def test_conformance(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("conformance", "vectors", "--json", tmp_path / "none.json")
    assert outcome.code == 2
    assert "none.json" in outcome.error["cause"]


@pytest.mark.parametrize("model", ["passcode", "secret"])
def test_a_device_in_memory(shell: Shell, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setattr(device, "MESSAGE_WAIT", 1.0)  # what one case has to wait for
    outcome = shell("conformance", "device", "memory", "--model", model, "--json")
    *lines, sums = [json.loads(line) for line in outcome.out.splitlines()]
    assert [line["name"] for line in lines] == [case.name for case in CASES]
    assert not [line for line in lines if line["outcome"] == "failed"]
    absent = {"passcode": 1, "secret": 3}[model]
    assert sums == {"passed": len(CASES) - absent, "failed": 0, "not_applicable": absent}
    assert outcome.code == 0


DEVICE = """
import sys
from oob.cli import main
from oob.device import device
device.MESSAGE_WAIT = 1.0
main(sys.argv[1:])
"""


@pytest.mark.parametrize("carrier", ["nfc", "tcp"])
def test_a_device_over_each_carrier(shell: Shell, tmp_path: Path, carrier: str) -> None:
    path, address = free_path(), f"127.0.0.1:{free_port()}"
    way = ("--nfc", "--reader", path) if carrier == "nfc" else ("--tcp", address)
    command = (sys.executable, "-c", DEVICE, "device", "run", *way, "--model", "secret", "--json", "--state", tmp_path)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT) as played:  # noqa: S603
        assert played.stdout is not None
        try:
            code = json.loads(played.stdout.readline())["detail"]
            where = f"nfc:{path}" if carrier == "nfc" else f"tcp:{address}"
            outcome = shell("conformance", "device", where, "--wait", "3", "--json", stdin=code)
        finally:
            played.terminate()
    sums = json.loads(outcome.out.splitlines()[-1])
    assert (outcome.code, sums) == (0, {"passed": len(CASES) - 3, "failed": 0, "not_applicable": 3})


def test_nothing_goes_through_a_sticker(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "open_reader", lambda reader: Field(chip=SimulatedNtag()))
    outcome = shell("conformance", "device", "nfc", "--json", stdin=CODES[0].digits)
    assert (outcome.code, outcome.error["cause"]) == (2, "nothing goes through this tag")


def test_a_device_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("conformance", "device", f"socket:{tmp_path}/none", "--json", stdin=CODES[0].digits)
    assert (outcome.code, outcome.error["kind"]) == (3, "DeviceNotFound")


@pytest.mark.parametrize(
    ("stdin", "cause"),
    [
        ("", "no passcode was given"),
        ("12345679", "the passcode is mistyped"),
        (
            Bootstrap(version=1, models=(Model.PASSCODE,), cred_r_hash=bytes(32)).to_text(),
            "this tag or code carries no secret",
        ),
    ],
    ids=["nothing", "mistyped", "no-secret"],
)
def test_a_code_that_cannot_be_used(shell: Shell, stdin: str, cause: str) -> None:
    outcome = shell("conformance", "device", "socket:none", "--json", stdin=stdin)
    assert (outcome.code, outcome.error["cause"]) == (2, cause)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Have the cases played by a stand-in, which notes what it is given and asks for two more codes."""
    given: list[Any] = []

    async def check(way: object, out_of_band: object, **options: Any) -> AsyncIterator[Result]:
        renew = options.pop("renew")
        given.extend([options, out_of_band, await renew(), await renew()])
        yield Result("refuses all", False, "answered, where it must refuse\x1b[2J")
        yield Result("refuses some", True, "of another model", applicable=False)

    monkeypatch.setattr(conformance, "check_device", check)
    return given


def test_each_line_on_stdin_is_a_code(shell: Shell, played: list[Any]) -> None:
    stdin = "".join(f"{code.display()}\n" for code in CODES)
    outcome = shell(
        "conformance", "device", "socket:none", "--wait", "3", "--issuer", "https://x.example/", stdin=stdin
    )
    assert played == [{"wait": 3.0, "issuer": "https://x.example/"}, *CODES, None]
    assert outcome.code == 1


def test_a_failure_is_told_to_a_person(shell: Shell, played: list[Any]) -> None:
    outcome = shell("conformance", "device", "AA:BB:CC:DD:EE:FF", stdin=CODES[0].digits)
    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        "failed          refuses all: answered, where it must refuse\ufffd[2J",
        "not applicable  refuses some: of another model",
        "1 not applicable: of another model, or for want of another code",
        "0 passed, 1 failed",
    ]
