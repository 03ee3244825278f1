import importlib
import inspect
import re
from pathlib import Path

import pytest

from oob.cli import main
from oob.cli.parser import parse

COMMANDS = [
    ["demo"],
    ["pair", "--issuer", "u", "--root", "r"],
    ["device", "run", "--socket", "s"],
    ["issuer", "init", "--zone", "z"],
    ["issuer", "serve"],
    ["label"],
    ["label", "batch", "--count", "1", "--name", "n", "--out", "d"],
    ["tag", "read"],
    ["tag", "write", "--url", "u", "--app", "a", "--lock"],
    ["tag", "erase", "--force"],
    ["tag", "lock", "--yes"],
    ["discover"],
    ["doctor"],
    ["conformance", "vectors", "f"],
    ["conformance", "device", "memory"],
    ["sim", "bluez", "true"],
    ["sim", "device", "--ble"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_each_command_has_its_function(command: list[str]) -> None:
    module, _, function = parse(command).run.rpartition(".")
    assert inspect.isfunction(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize(
    "command", [[], *COMMANDS, ["device"], ["issuer"], ["conformance"], ["sim"], ["tag"]], ids=lambda c: " ".join(c[:2])
)
def test_help_teaches(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in command if word.islower() and len(word) > 1]
    words = words[: 2 if words[:1] in (["device"], ["issuer"], ["conformance"], ["sim"], ["label"], ["tag"]) else 1]
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert len(text) > 100
    assert f"  oob {' '.join(words)}".rstrip() in text or "verbs:" in text
    assert max(map(len, text.splitlines())) <= 110


def test_every_example_in_the_help_can_be_parsed(capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    examples = []
    verbs = (
        "device run",
        "issuer init",
        "issuer serve",
        "conformance device",
        "sim bluez",
        "sim device",
        "label batch",
        "tag read",
        "tag write",
        "tag erase",
        "tag lock",
    )
    for words in ([], ["demo"], ["pair"], ["label"], ["discover"], ["doctor"], *map(str.split, verbs)):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        text = capsys.readouterr().out
        examples += re.findall(r"^  oob (.+?)(?:   .*| <.*)?$", text, re.MULTILINE)
    assert len(examples) >= 15
    for example in examples:
        parse(shlex.split(example))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"oob (\d+\.\d+\.\d+.*|\(not installed\))\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["demo", "--carrier", "pigeon"],
        ["demo", "--model", "button"],
        ["demo", "--attack", "all"],
        ["pair"],
        ["pair", "--issuer", "u"],
        ["pair", "--issuer", "u", "--root", "r", "--timeout", "0"],
        ["pair", "--issuer", "u", "--root", "r", "--qr", "f", "--compare"],
        ["label", "--size", "4"],
        ["label", "--size", "inf"],
        ["label", "batch", "--name", "n", "--out", "d"],
        ["label", "batch", "--count", "many", "--name", "n", "--out", "d"],
        ["label", "batch", "--count", "1", "--name", "n", "--out", "d", "--model", "compare"],
        ["pair", "--issuer", "u", "--root", "r", "--timeout", "nan"],
        ["pair", "--issuer", "u", "--root", "r", "--timeout", "soon"],
        ["device"],
        ["issuer", "init"],
        ["discover", "--timeout", "3601"],
        ["conformance", "vectors"],
        ["conformance", "device"],
        ["conformance", "device", "memory", "--wait", "0"],
        ["conformance", "device", "memory", "--model", "button"],
        ["sim"],
        ["sim", "bluez"],
        ["sim", "bluez", "--adapters", "0", "--", "true"],
        ["sim", "bluez", "--adapters", "17", "--", "true"],
    ],
    ids=" ".join,
)
def test_bad_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("usage: oob")


def test_state_lives_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert parse(["issuer", "serve"]).state == tmp_path / "oob" / "issuer"
    assert parse(["demo"]).state is None
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse(["device", "run", "--socket", "s"]).state == tmp_path / ".local" / "state" / "oob" / "device"
    assert parse(["sim", "device", "--ble"]).state == tmp_path / ".local" / "state" / "oob" / "simulated-device"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert parse(COMMANDS[1]).state == tmp_path / ".local" / "state" / "oob" / "client"
    assert parse([*COMMANDS[1], "--state", "x"]).state == Path("x")


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert parse(["demo"]).state is None
    with pytest.raises(SystemExit) as caught:
        parse(["issuer", "serve"])
    assert caught.value.code == 2
    assert "say --state DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "usage", "fault"),
    [
        (["discover", "--bogus"], "oob discover [-h]", "oob discover: error: unrecognized arguments: --bogus"),
        (["sim", "bluez", "ls", "-l"], "oob sim bluez [-h] [--adapters N] -- COMMAND", "unrecognized arguments: -l"),
        (["discover", "--timeout", "soon"], "oob discover [-h]", "--timeout: seconds, above 0 and at most 3600"),
        (["sim", "bluez", "--adapters", "two", "--", "ls"], "oob sim bluez [-h]", "--adapters: 1 to 16"),
    ],
)
def test_wrong_usage_shows_the_usage_of_the_command(
    command: list[str], usage: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(command)
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(f"usage: {usage}")
    assert text.rstrip().endswith(fault)
