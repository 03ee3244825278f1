"""`oob label`, alone and as a batch, with everything that can be wrong."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from oob.cli import label
from oob.cli.terminal import Terminal
from oob.labels import batch
from oob.labels.scanning import load, scan
from oob.pairing import Bootstrap
from oob.progress import Progress
from tests.cli.shell import Outcome, Shell
from tests.labels.pictures import CODE, PINNED, SECRET, blocks, from_pdf, from_svg, png

STDIN = f"{SECRET.to_text()}\n{CODE.display()}\n"


def run_batch(shell: Shell, directory: Path, *more: object) -> Outcome:
    return shell("label", "batch", "--count", "2", "--name", "Lamp", "--out", directory, *more)


@pytest.mark.parametrize("kind", ["svg", "png", "pdf", "PNG"])
def test_a_label_in_a_file(shell: Shell, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"label.{kind}"
    outcome = shell("label", "--out", path, "--size", "40", "--json", stdin=STDIN)
    assert outcome.code == 0
    result = json.loads(outcome.out)
    assert (result["label"], result["name"], result["width_mm"], result["code"]) == (
        str(path),
        "Lab printer",
        40,
        "5-L",
    )
    assert path.stat().st_mode & 0o777 == 0o600
    data = load(path)
    picture = png(from_svg(data)) if kind == "svg" else png(from_pdf(data)[0]) if kind == "pdf" else data
    assert scan(picture) == SECRET
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [path.name]


def test_a_person_is_told_of_the_file(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("label", "--out", tmp_path / "l.svg", stdin=STDIN)
    assert outcome.out == ""
    assert "l.svg: 30 x 40.2 mm, QR code 5-L. Only you can read it" in " ".join(outcome.err.split())
    assert SECRET.to_text() not in outcome.err
    assert CODE.digits not in outcome.err


def test_a_label_in_a_pipe_is_ink_on_paper(shell: Shell) -> None:
    outcome = shell("label", stdin=STDIN)
    lines = outcome.out.splitlines()
    assert "\x1b" not in outcome.out
    assert [line.strip() for line in lines[-2:]] == [CODE.display(), "Lab printer"]
    assert scan(png(blocks(lines[:-2]))) == SECRET


def test_a_terminal_shows_black_on_white(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    lines = shell("label", stdin=SECRET.to_text()).out.splitlines()
    coloured = [line for line in lines if "\x1b" in line]
    assert len(coloured) == len(lines) - 1
    assert all(line.startswith("\x1b[38;5;16;48;5;231m") and line.endswith("\x1b[0m") for line in coloured)
    plain = [line.removeprefix("\x1b[38;5;16;48;5;231m").removesuffix("\x1b[0m") for line in coloured]
    assert scan(png(blocks(plain))) == SECRET


def test_a_terminal_that_is_too_narrow(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken lines would be no code any more."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "44")
    outcome = shell("label", stdin=STDIN)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Make it 45 columns wide" in outcome.err
    monkeypatch.setenv("COLUMNS", "45")
    assert shell("label", stdin=STDIN).code == 0


def test_a_machine_gets_the_code_as_lines(shell: Shell) -> None:
    result = json.loads(shell("label", "--json", stdin=STDIN).out)
    assert scan(png(blocks(result["lines"]))) == SECRET


def test_a_terminal_without_block_characters(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    outcome = shell("label", stdin=SECRET.to_text())
    assert outcome.code == 2
    assert "cannot show a QR code" in outcome.err
    assert "--out" in outcome.err


def test_no_name(shell: Shell) -> None:
    assert shell("label", stdin=PINNED.to_text()).out.splitlines()[-1].strip(" ") == ""
    assert json.loads(shell("label", "--json", "--name", "", stdin=STDIN).out)["name"] == ""
    assert json.loads(shell("label", "--json", "--name", "Küche", stdin=STDIN).out)["name"] == "Küche"


@pytest.mark.parametrize(
    ("stdin", "code", "cause"),
    [
        ("", 2, "no pairing code was given"),
        ("hello", 2, "no pairing code was given"),
        (CODE.digits, 2, "no pairing code was given"),
        ("https://example.com/OOB:", 2, "no pairing code was given"),
        ("OOB:", 4, ""),
        (SECRET.to_text()[:-3], 4, ""),
        (f"{SECRET.to_text()}\n12345678\n", 2, "the passcode is mistyped"),
        (f"{SECRET.to_text()}\n123456\n", 2, "a passcode has 8 digits, these are 6: it may be a comparison number"),
        (b"\xff\xfe", 2, "what came on stdin is not text"),
    ],
)
def test_bad_input(shell: Shell, tmp_path: Path, stdin: str | bytes, code: int, cause: str) -> None:
    outcome = shell("label", "--json", "--out", tmp_path / "l.svg", stdin=stdin)
    assert outcome.code == code
    assert outcome.error["cause"].startswith(cause)
    assert not (tmp_path / "l.svg").exists()
    assert "12345678" not in outcome.out
    assert SECRET.to_text()[:-3] not in outcome.out


@pytest.mark.parametrize("name", ["label", "label.gif", "label.svgz", ".svg"])
def test_a_file_that_tells_no_format(shell: Shell, tmp_path: Path, name: str) -> None:
    outcome = shell("label", "--json", "--out", tmp_path / name, stdin=STDIN)
    assert (outcome.code, outcome.error["remedy"]) == (2, "Name a file that ends in .svg, .png, .pdf")


def test_a_directory_that_cannot_be_written(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "d.svg").mkdir()
    for path in (tmp_path / "none" / "l.svg", tmp_path / "file" / "l.svg", tmp_path / "d.svg"):
        outcome = shell("label", "--json", "--out", path, stdin=STDIN)
        assert (outcome.code, outcome.error["kind"]) == (1, "StorageError")


@pytest.mark.parametrize("arguments", [("--size", "8"), ("--name", "a\nb"), ("--font", "/none.ttf")])
def test_what_cannot_be_drawn(shell: Shell, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    outcome = shell("label", "--json", "--out", tmp_path / "l.png", *arguments, stdin=STDIN)
    assert (outcome.code, outcome.error["step"]) == (2, "label")


def test_a_batch(shell: Shell, tmp_path: Path) -> None:
    outcome = run_batch(shell, tmp_path / "b", "--format", "png")
    assert (outcome.code, outcome.out) == (0, "")
    assert "Made 2 devices" in outcome.err
    assert "--model secret --name Lamp --state" in " ".join(outcome.err.split())
    assert {each.name for each in (tmp_path / "b").iterdir()} == {
        *(".lock", "batch.json", "devices.csv", "0001", "0002", "0001.png", "0002.png")
    }


@pytest.mark.parametrize("model", ["secret", "passcode", "pinned"])
def test_a_machine_gets_a_line_for_each(shell: Shell, tmp_path: Path, model: str) -> None:
    plain = run_batch(shell, tmp_path / "a", "--json", "--model", model)
    assert [list(json.loads(line)) for line in plain.out.splitlines()] == [["number", "hash", "name", "label"]] * 2
    full = run_batch(shell, tmp_path / "b", "--json", "--model", model, "--with-secrets")
    for line in map(json.loads, full.out.splitlines()):
        assert Bootstrap.from_text(line["bootstrap"]).cred_r_hash.hex() == line["hash"]
        assert bool(line["passcode"]) == (model == "passcode")


def test_a_batch_without_secrets_says_none(shell: Shell, tmp_path: Path) -> None:
    outcome = run_batch(shell, tmp_path / "b", "--format", "png")
    table = (tmp_path / "b" / "devices.csv").read_text()
    for number in ("0001", "0002"):
        bootstrap = scan(load(tmp_path / "b" / f"{number}.png"))
        assert bootstrap.secret is not None
        for secret in (bootstrap.secret.hex(), bootstrap.to_text()):
            assert secret not in outcome.out + outcome.err + table


def test_a_batch_again(shell: Shell, tmp_path: Path) -> None:
    run_batch(shell, tmp_path / "b")
    outcome = run_batch(shell, tmp_path / "b", "--json")
    assert (outcome.code, outcome.error["step"]) == (2, "batch")
    assert "complete batch" in outcome.error["cause"]


def test_a_batch_that_cannot_be_made(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run_batch(shell, tmp_path / "file", "--json").code == 1
    for more in (("--count", "0"), ("--name", "n" * 33), ("--url-template", "ftp://e/{number}"), ("--size", "6")):
        assert run_batch(shell, tmp_path / "b", *more).code == 2
        assert not (tmp_path / "b").exists()


def test_a_long_batch_says_how_far_it_is(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Progress] = []
    monkeypatch.setattr(Terminal, "progress", lambda _, progress: steps.append(progress))
    monkeypatch.setattr(label, "REPORT_EVERY", 3600.0)
    run_batch(shell, tmp_path / "a")
    assert steps == []
    monkeypatch.setattr(label, "REPORT_EVERY", -1.0)  # a clock may stand still between two devices
    run_batch(shell, tmp_path / "b")
    assert steps == [Progress("batch", "made", "1 of 2"), Progress("batch", "made", "2 of 2")]


def test_stopped_and_gone_on_with(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = batch.Plan.make

    def stopped(plan: batch.Plan, directory: Path, number: str, *more: Any) -> batch.Made:
        if number == "0002":
            raise KeyboardInterrupt
        return genuine(plan, directory, number, *more)

    monkeypatch.setattr(batch.Plan, "make", stopped)
    outcome = run_batch(shell, tmp_path / "b")
    assert (outcome.code, outcome.err) == (130, "Stopped.\n")
    monkeypatch.undo()
    key = (tmp_path / "b" / "0001" / "identity.key").read_bytes()
    assert run_batch(shell, tmp_path / "b").code == 0
    assert (tmp_path / "b" / "0001" / "identity.key").read_bytes() == key
