from pathlib import Path

import pytest

from oob.issuance import Authority
from tests.cli.shell import Shell


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    return Shell(monkeypatch, capsys)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Authority.create(tmp_path / "issuer", dns_zones=["home.example"], ip_networks=["127.0.0.0/8"], now=1.7e9)
    return tmp_path / "issuer" / "root.pem"
