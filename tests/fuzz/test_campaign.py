"""What `make fuzz` makes of the outcome of a target; fuzzing itself is not part of the tests."""

import pytest

from tests.fuzz.__main__ import arguments, outcome

CLEAN = "#8\tINITED cov: 5 ft: 5\n#9\tNEW    cov: 12 ft: 14\nstat::number_of_executed_units: 1234\n"


def test_a_clean_run() -> None:
    result = outcome("cbor", 0, CLEAN)
    assert (result.sound, result.executions, result.coverage, result.finding) == (True, 1234, 12, "")


def test_a_finding() -> None:
    log = (
        CLEAN + " === Uncaught Python exception: ===\nKeyError\nTest unit written to build/fuzz/findings/cbor-crash-1\n"
    )
    result = outcome("cbor", 77, log)
    assert not result.sound
    assert result.finding == "build/fuzz/findings/cbor-crash-1"
    assert "KeyError" in result.report


@pytest.mark.parametrize(("code", "log"), [(0, ""), (1, "")])
def test_a_run_that_tried_nothing_is_no_success(code: int, log: str) -> None:
    assert not outcome("cbor", code, log).sound


def test_the_command_line() -> None:
    assert arguments(["--seconds", "60", "cbor"]).targets == ["cbor"]
    for wrong in (["no-such-target"], ["--seconds", "0"]):
        with pytest.raises(SystemExit):
            arguments(wrong)
