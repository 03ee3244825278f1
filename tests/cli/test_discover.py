from pathlib import Path

import pytest

from tests.cli.shell import Shell, no_bluetooth


def test_discover_without_bluetooth(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_bluetooth(monkeypatch, tmp_path)
    outcome = shell("discover", "--json", "--timeout", "0.5")
    assert outcome.code == 3
    assert outcome.error["remedy"] == "Check that the Bluetooth service runs and that this user may use it"
    assert shell("discover", "--timeout", "0.5").err.startswith("Listening for 0.5 s ...\nFailed  scan: ")
