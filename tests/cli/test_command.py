"""Signals have tests/e2e/test_interrupted.py."""

import threading
from pathlib import Path

from oob.cli import main
from tests.cli.shell import Shell


def test_runs_in_another_thread_too() -> None:
    codes: list[int] = []
    thread = threading.Thread(
        target=lambda: codes.append(main(["issuer", "serve", "--json", "--state", "/nonexistent"]))
    )
    thread.start()
    thread.join()
    assert codes == [1]


def test_the_exit_code_is_that_of_the_error(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("issuer", "serve", "--json", "--state", tmp_path)
    assert (outcome.code, outcome.error["kind"]) == (1, "StorageError")


def test_an_error_has_one_line_and_its_remedy(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("issuer", "serve", "--state", tmp_path)
    assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 2)
