import subprocess
import sys

from tests.e2e.family import ROOT


def test_is_a_program() -> None:
    command = [sys.executable, "-m", "oob.cli", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("oob ")
