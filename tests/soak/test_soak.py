"""What `make soak` prints, and its exit code; the runs themselves: tests/attack/test_leading_zeros.py."""

import json

import pytest

from oob.errors import AuthenticationError
from tests.soak import runs
from tests.soak.__main__ import arguments, main
from tests.soak.runs import MODELS


def test_one_object_for_each_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--runs", "2", "--json"]) == 0
    tallies = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [tally["model"] for tally in tallies] == list(MODELS)
    assert all((tally["runs"], tally["refused"]) == (2, []) for tally in tallies)


def test_a_refusal_is_shown_and_ends_in_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object) -> None:
        raise AuthenticationError("no")

    monkeypatch.setattr(runs, "pair", refuse)
    assert main(["--runs", "2"]) == 1
    out = capsys.readouterr().out
    assert "passcode: 0 of 2 accepted, 2 refused" in out
    assert "REFUSED run 1" in out


def test_the_command_line() -> None:
    assert arguments([]).runs == 10_000
    with pytest.raises(SystemExit):
        arguments(["--runs", "0"])
