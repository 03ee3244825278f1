import builtins
import subprocess
import sys
from typing import Any

import pytest

from oob.cli import main
from tests.cli.shell import Shell
from tests.e2e.family import ROOT


@pytest.mark.parametrize(
    ("package", "extra", "command"),
    [
        ("rich", "cli", ["demo"]),
        ("bumble", "sim", ["demo"]),
        ("starlette", "issuer", ["issuer", "serve"]),
        ("segno", "qr", ["label"]),
        ("PIL", "qr", ["label"]),
    ],
)
def test_a_package_that_is_not_installed(package: str, extra: str, command: list[str]) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from oob.cli import main; sys.exit(main({command}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)  # noqa: S603
    assert (done.returncode, done.stderr) == (2, f'oob: this needs {package}. Run: pip install "oob[{extra}]"\n')


def test_a_defect_is_not_hidden(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "oob.cli.command":
            raise ModuleNotFoundError("No module named 'cryptography'", name="cryptography")
        return genuine(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError):
        main(["demo"])
