from pathlib import Path

from tests.cli.shell import Shell


def test_conformance(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("conformance", "vectors", "--json", tmp_path / "none.json")
    assert outcome.code == 2
    assert "none.json" in outcome.error["cause"]
