"""`oob pair` with everything that can be wrong."""

import json
import sys
from pathlib import Path

import pytest

from oob.labels.drawing import Label
from oob.pairing import Passcode
from tests.cli.shell import Outcome, Shell, no_bluetooth
from tests.e2e.family import free_port
from tests.e2e.program import program
from tests.labels.pictures import PINNED, SECRET, modules, png

CODE = Passcode.from_number(1234567)


def pair(shell: Shell, root: Path, *more: object, stdin: str | bytes = CODE.digits) -> Outcome:
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
    (tmp_path / "token").write_text("a token, by mistake")
    mistaken = pair(shell, tmp_path / "token")
    assert (mistaken.code, mistaken.error["remedy"]) == (2, "Use root.pem of the issuer")
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
    assert "--socket" in outcome.error["cause"]
    assert "all but one" in outcome.error["remedy"]


@pytest.mark.parametrize("command", [("pair", "--issuer", "https://i/"), ("owner", "list")])
@pytest.mark.parametrize(
    "other", [("--address", "C0:00:00:00:00:01"), ("--adapter", "hci1"), ("--socket", "s"), ("--tcp", "127.0.0.1:1")]
)
def test_a_tap_tells_how_the_device_is_reached(
    shell: Shell, root: Path, tmp_path: Path, command: tuple[str, ...], other: tuple[str, str]
) -> None:
    outcome = shell(*command, "--root", root, "--nfc", *other, "--json", "--state", tmp_path / "c")
    assert (outcome.code, outcome.error["step"]) == (2, "connect")
    assert "Leave out" in outcome.error["remedy"]


@pytest.mark.parametrize("command", [("pair", "--issuer", "https://i/"), ("owner", "list")])
def test_a_reader_is_for_taps(shell: Shell, root: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    outcome = shell(*command, "--root", root, "--reader", "usb", "--json", "--state", tmp_path / "c")
    assert (outcome.code, outcome.error["remedy"]) == (2, "Say --nfc, too")


def test_pair_by_a_picture(shell: Shell, root: Path, tmp_path: Path) -> None:
    """It is read, and only then is the device looked for."""
    (tmp_path / "label.png").write_bytes(png(modules(Label(SECRET))))
    (tmp_path / "code.txt").write_text(SECRET.to_text())
    for image, stdin in (
        (tmp_path / "label.png", b""),
        (tmp_path / "code.txt", b""),
        ("-", (tmp_path / "label.png").read_bytes()),
        ("-", SECRET.to_text().encode()),
    ):
        outcome = pair(shell, root, "--qr", image, "--socket", tmp_path / "none", stdin=stdin)
        assert (outcome.code, outcome.error["kind"]) == (3, "DeviceNotFound")


def test_pair_by_a_picture_of_something_else(shell: Shell, root: Path, tmp_path: Path) -> None:
    for data, code in ((b"", 2), (b"hello", 2), (b"\x89PNG\r\n\x1a\n", 2), (b"OOB:", 4)):
        (tmp_path / "image").write_bytes(data)
        for image, stdin in ((tmp_path / "image", b""), ("-", data)):
            outcome = pair(shell, root, "--qr", image, stdin=stdin)
            assert outcome.code == code
            assert outcome.error["kind"] in ("UsageError", "PeerError")
    missing = pair(shell, root, "--qr", tmp_path / "none.png")
    assert (missing.code, missing.error["remedy"]) == (1, "Check the path")


def test_pair_by_a_code_that_carries_no_secret(shell: Shell, root: Path) -> None:
    """It is said at once, and not after a search for the device."""
    outcome = pair(shell, root, "--qr", "-", stdin=PINNED.to_text())
    assert (outcome.code, outcome.error["cause"]) == (2, "this code carries no secret to pair by")
    assert "passcode" in outcome.error["remedy"]


@pytest.mark.parametrize("module", ["PIL", "zxingcpp"])
def test_pair_by_a_picture_without_the_extra(
    shell: Shell, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    (tmp_path / "label.png").write_bytes(png(modules(Label(SECRET))))
    monkeypatch.setitem(sys.modules, module, None)
    outcome = pair(shell, root, "--qr", tmp_path / "label.png")
    assert (outcome.code, outcome.error["remedy"]) == (2, "Run: pip install 'oob[qr]'")


def test_pair_with_a_device_of_a_batch(shell: Shell, tmp_path: Path) -> None:
    """The commands of docs/howto/labels.md, each a program, but for the first."""
    made = shell("label", "batch", "--count", "1", "--name", "Lab printer", "--format", "png", "--out", tmp_path / "b")
    assert made.code == 0
    issuer = tmp_path / "ca"
    assert shell("issuer", "init", "--zone", "home.example", "--network", "127.0.0.0/8", "--state", issuer).code == 0
    listen = f"127.0.0.1:{free_port()}"
    run = ("device", "run", "--state", tmp_path / "b" / "0001", "--model", "secret", "--name", "Lab printer")
    with (
        program("issuer", "serve", "--state", issuer, "--listen", listen, temporary=tmp_path) as serving,
        program(*run, "--socket", "s", temporary=tmp_path) as device,
    ):
        serving.until("Pair:")
        device.until("Pair:")
        command = ("pair", "--qr", tmp_path / "b" / "0001.png", "--socket", tmp_path / "s", "--state", tmp_path / "c")
        where = ("--issuer", f"https://{listen}/directory", "--root", issuer / "root.pem")
        with program(*command, *where, "--token-file", issuer / "token", "--json", temporary=tmp_path) as pairing:
            assert pairing.wait() == 0, pairing.output
            result = json.loads(pairing.output.splitlines()[-1])
        assert (result["name"], result["model"], result["reachable"]) == ("Lab printer", "secret", True)


@pytest.mark.parametrize("words", [(), ("--qr", "code.png")])
def test_a_reader_is_for_a_tap(shell: Shell, root: Path, words: tuple[str, ...]) -> None:
    arguments = ("pair", "--issuer", "https://127.0.0.1:9/directory", "--root", root, "--json")
    outcome = shell(*arguments, *words, "--reader", "usb")
    assert (outcome.code, outcome.error["cause"]) == (2, "a reader is for NFC")
