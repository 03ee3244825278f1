"""Running commands in this process, and looking at what came of them."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oob.cli import main


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.out.splitlines()[-1])["error"]
        assert error["exit_code"] == self.code
        return error


@dataclass
class Shell:
    """Runs commands in this process."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object, stdin: str | bytes = "") -> Outcome:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        code = main([str(each) for each in arguments])
        output = self.capsys.readouterr()
        assert "Traceback" not in output.err
        return Outcome(code, output.out, output.err)


def no_bluetooth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have no system bus, on whatever host this runs."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
