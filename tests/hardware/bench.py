"""The bench that a profile file names, and `oob` run on it as the programs that users run."""

import json
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oob.cli.doctor import VITAL
from tests.e2e.family import ROOT, free_port
from tests.e2e.program import Program, program

PAIRING = 120.0
"""Seconds after which one pairing has failed; most take a few."""


class Unfit(Exception):
    """The bench cannot run the tests; the text says why, to whoever plugs adapters in."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Who plays whom."""

    central: str
    """The client's adapter."""
    device: str
    """The device's adapter, on this machine; "" for a device elsewhere."""
    rotation: float
    """Seconds in which a second tag must be seen."""


def load(path: str) -> Bench:
    """Read a profile. Raises Unfit if none is named, or if it says too little."""
    if not path:
        raise Unfit("these tests need adapters: name a bench by --bench FILE or OOB_BENCH (see hardware/bench.toml)")
    try:
        profile = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        central, device = profile["central"]["adapter"], profile.get("device", {}).get("adapter", "")
        bench = Bench(central, device, float(profile.get("rotation", {}).get("wait", 1000)))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Unfit(f"{path} cannot be read: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unfit(f"{path} is no bench profile; see hardware/bench.toml ({error!r})") from error
    if not central or central == device:
        raise Unfit(f"{path} must name an adapter for the client, and another one for the device")
    return bench


def examine(adapter: str) -> None:
    """Have `oob doctor` look at an adapter. Raises Unfit with what is missing."""
    seen = oob("doctor", "--adapter", adapter, "--json")
    if seen.returncode:
        missing = [each for each in map(_event, seen.stdout.splitlines()) if each["state"] == "missing"]
        lacking = [f"{each['check']}: {each['seen']}" for each in missing if each["check"] in VITAL]
        raise Unfit(f"oob doctor does not find {adapter} fit: {'; '.join(lacking) or seen.stderr}")


def oob(*arguments: object, stdin: str = "", wait: float = PAIRING) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    command = [sys.executable, "-m", "oob.cli", *map(str, arguments)]
    return subprocess.run(  # noqa: S603
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=wait, check=False
    )


@contextmanager
def device(folder: Path, carrier: list[str], *options: str) -> Iterator[tuple[Program, str]]:
    """Run a device that has just been pressed; yield it and the code that it shows."""
    arguments = ("device", "run", *carrier, "--state", folder / "device", "--press", "--json", *options)
    with program(*arguments, temporary=folder) as running:
        while (event := _event(running.until("{"))).get("step") not in ("passcode", "bootstrap"):
            assert "error" not in event, event
        yield running, str(event["detail"])
        assert running.stop(signal.SIGTERM) == 143, running.output


def _event(line: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(line)
    return event


@contextmanager
def issuer(folder: Path) -> Iterator[list[str]]:
    """Run an issuer on loopback; yield what `oob pair` has to be told of it."""
    state, port = folder / "ca", free_port()
    made = oob("issuer", "init", "--zone", "home.example", "--network", "127.0.0.0/8", "--state", state)
    assert made.returncode == 0, made.stderr
    (folder / "root.pem").write_text(made.stdout)
    with program("issuer", "serve", "--listen", f"127.0.0.1:{port}", "--state", state, temporary=folder) as running:
        running.until("https://")
        url = f"https://127.0.0.1:{port}/directory"
        yield ["--issuer", url, "--root", str(folder / "root.pem"), "--token-file", str(state / "token")]


def pair(folder: Path, device_carrier: list[str], client_carrier: list[str], *, rounds: int) -> list[dict[str, Any]]:
    """Pair `rounds` times in a row with one device, which is pressed before each; return what `oob pair` printed."""
    results = []
    with issuer(folder) as known:
        for number in range(rounds):
            with device(folder, device_carrier) as (_, code):
                client = [*known, *client_carrier, "--state", str(folder / "client"), "--json"]
                done = oob("pair", *client, stdin=f"{code}\n")
            assert done.returncode == 0, f"pairing {number + 1} of {rounds}: {done.stdout}{done.stderr}"
            results.append(_event(done.stdout.splitlines()[-1]))
    return results
