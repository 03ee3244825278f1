"""The bench itself, without a radio: its profile, and its programs over a socket in place of Bluetooth LE."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.family import ROOT
from tests.hardware.bench import Bench, Unfit, examine, load, pair


def test_the_profile_that_is_shipped() -> None:
    assert load(str(ROOT / "hardware/bench.toml")) == Bench("hci1", "hci0", 1000.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no bench profile"),
        ("[central", "cannot be read"),
        ("central = 1", "is no bench profile"),
        ("[central]\nadapter = ''", "must name an adapter"),
        ("[central]\nadapter = 'hci0'\n[device]\nadapter = 'hci0'", "another one for the device"),
        ("[central]\nadapter = 'hci0'\n[rotation]\nwait = 'long'", "is no bench profile"),
    ],
)
def test_a_profile_that_says_too_little(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text(text)
    with pytest.raises(Unfit, match=words):
        load(str(tmp_path / "bench.toml"))


def test_a_bench_may_have_one_adapter(tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text("[central]\nadapter = 'hci0'\n")
    assert load(str(tmp_path / "bench.toml")) == Bench("hci0", "", 1000.0)


def test_an_adapter_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    with pytest.raises(Unfit, match="does not find hci7 fit: .*d-bus"):
        examine("hci7")


@pytest.mark.parametrize("option", [[], ["--bench=no-such-file"]], ids=["none", "absent"])
def test_without_a_bench_the_tests_fail_and_say_why(option: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "hardware", *option]
    done = subprocess.run(  # noqa: S603
        [*command, "tests/hardware"], cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"}
    )
    assert done.returncode == 1
    assert "3 errors" in done.stdout, done.stdout
    assert ("no-such-file cannot be read" if option else "name a bench by --bench FILE or OOB_BENCH") in done.stdout


def test_the_programs_of_the_bench_over_a_socket(tmp_path: Path) -> None:
    socket = ["--socket", str(tmp_path / "lamp")]
    results = pair(tmp_path, socket, socket, rounds=2)
    assert [each["reachable"] for each in results] == [True, True]
    assert len({each["device"] for each in results}) == 1
