"""`oob pair` with everything that can be wrong."""

from pathlib import Path

import pytest

from oob.pairing import Passcode
from tests.cli.shell import Outcome, Shell, no_bluetooth

CODE = Passcode.from_number(1234567)


def pair(shell: Shell, root: Path, *more: object, stdin: str = CODE.digits) -> Outcome:
    return shell("pair", "--json", "--issuer", "https://127.0.0.1:9/directory", "--root", root, *more, stdin=stdin)


@pytest.mark.parametrize("stdin", ["", "\n", "  \n"])
def test_pair_without_a_passcode(shell: Shell, root: Path, stdin: str) -> None:
    outcome = pair(shell, root, stdin=stdin)
    assert (outcome.code, outcome.error["cause"]) == (2, "no passcode was given")
    assert outcome.error["remedy"] == "Type it, or pipe it to stdin"


@pytest.mark.parametrize("stdin", ["12345679", "123456", "hello", "OOB:"])
def test_pair_with_a_mistyped_passcode(shell: Shell, root: Path, tmp_path: Path, stdin: str) -> None:
    outcome = pair(shell, root, "--socket", tmp_path / "none", stdin=stdin)
    assert outcome.code == (4 if stdin == "OOB:" else 2)
    assert stdin not in outcome.out.replace('"OOB', "")


def test_a_mistyped_passcode_costs_no_guess(shell: Shell, root: Path) -> None:
    assert "this cost no guess" in pair(shell, root, stdin="12345679").error["remedy"]


def test_pair_with_a_device_that_is_not_there(shell: Shell, root: Path, tmp_path: Path) -> None:
    outcome = pair(shell, root, "--socket", tmp_path / "none")
    assert (outcome.code, outcome.error["kind"]) == (3, "DeviceNotFound")
    assert "Start it" in outcome.error["remedy"]


def test_pair_with_a_root_that_is_none(shell: Shell, tmp_path: Path) -> None:
    missing = pair(shell, tmp_path / "none.pem")
    assert (missing.code, missing.error["remedy"]) == (1, "Check the path")
    (tmp_path / "odd.pem").write_text("-----BEGIN nonsense")
    assert pair(shell, tmp_path / "odd.pem").code == 2
    (tmp_path / "odd.der").write_bytes(b"\x30\x03")
    assert pair(shell, tmp_path / "odd.der").code in (1, 3)


def test_pair_without_bluetooth(shell: Shell, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_bluetooth(monkeypatch, tmp_path)
    outcome = pair(shell, root)
    assert outcome.code == 3
    assert outcome.error["cause"].startswith("Bluetooth cannot be reached: there is no D-Bus system bus")
    assert "oob doctor" in outcome.error["remedy"]


def test_what_the_radio_does_is_shown(
    shell: Shell, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_bluetooth(monkeypatch, tmp_path)
    arguments = ("pair", "--issuer", "https://127.0.0.1:9/directory", "--root", root, "--adapter", "hci1")
    err = shell(*arguments, stdin=CODE.digits).err
    assert " ".join(err.split()).startswith("client scanning for 20 s at most Failed scan: Bluetooth cannot be reached")


@pytest.mark.parametrize("command", [("pair", "--issuer", "https://i/"), ("owner", "list")])
@pytest.mark.parametrize("radio", [("--address", "C0:00:00:00:00:01"), ("--adapter", "hci1")])
def test_a_device_is_reached_in_one_way(
    shell: Shell, root: Path, tmp_path: Path, command: tuple[str, ...], radio: tuple[str, str]
) -> None:
    outcome = shell(*command, "--root", root, "--socket", tmp_path / "s", *radio, "--json", "--state", tmp_path / "c")
    assert (outcome.code, outcome.error["step"]) == (2, "connect")
    assert "leave out --socket" in outcome.error["remedy"]
