"""A house whose issuer runs as a program, and commands as a person there runs them."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oob.client import Client
from tests.e2e.family import free_port
from tests.e2e.program import Program, program
from tests.e2e.stage import NETWORK, ZONE


@dataclass
class Told:
    """What came of a command: its exit code, its JSON, and all that it wrote."""

    code: int
    result: dict[str, Any]
    output: str

    @property
    def error(self) -> str:
        """The kind of error, its cause and its remedy, in one line."""
        error = self.result["error"]
        assert error["exit_code"] == self.code
        return f"{error['kind']}: {error['cause']}. {error['remedy']}"


def told_by(running: Program) -> Told:
    """Wait for the end of a command with --json."""
    code = running.wait()
    assert "Traceback" not in running.output
    return Told(code, json.loads(running.output.splitlines()[-1]), running.output)


def told(*arguments: object, temporary: Path, stdin: str = "", before: str = "") -> Told:
    """Run a command to its end, with these words on stdin; `before` is as for `program`."""
    with program(*arguments, "--json", temporary=temporary, before=before) as running:
        running.say(stdin)
        assert running.process.stdin is not None
        running.process.stdin.close()
        return told_by(running)


@dataclass
class House:
    """The issuer's address, and what it gave to those who may pair."""

    issuer: Path
    url: str

    @property
    def asks(self) -> tuple[object, ...]:
        """The options of `oob pair` that name the issuer."""
        return "--issuer", self.url, "--root", self.issuer / "root.pem", "--token-file", self.issuer / "token"

    def pair(self, *arguments: object, temporary: Path, stdin: str = "") -> Told:
        """Run `oob pair` to its end."""
        return told("pair", *self.asks, *arguments, temporary=temporary, stdin=stdin)

    def client(self, directory: Path) -> Client:
        """Return a client in this process."""
        root = ssl.PEM_cert_to_DER_cert((self.issuer / "root.pem").read_text())
        return Client(self.url, root, directory, token=(self.issuer / "token").read_text().strip())


@contextmanager
def house(directory: Path) -> Iterator[House]:
    """Make an issuer, and let it serve."""
    issuer, listen = directory / "issuer", f"127.0.0.1:{free_port()}"
    made = told("issuer", "init", "--state", issuer, "--zone", ZONE, "--network", NETWORK, temporary=directory)
    assert made.code == 0, made.output
    with program("issuer", "serve", "--state", issuer, "--listen", listen, temporary=directory) as running:
        running.until("serving")
        yield House(issuer, f"https://{listen}/directory")


def check_paired(outcome: Told, model: str) -> None:
    """The device is bound and certified, and its page was fetched."""
    assert outcome.code == 0, outcome.output
    assert (outcome.result["model"], outcome.result["reachable"]) == (model, True)


@contextmanager
def device(directory: Path, *arguments: object) -> Iterator[Program]:
    """Run a device whose state is in `directory`."""
    with program("device", "run", "--state", directory / "d", "--json", *arguments, temporary=directory) as running:
        yield running


def shown(running: Program, step: str = "passcode") -> str:
    """Return what the device shows for a person to carry."""
    carried: str = json.loads(running.until(f'"{step}"'))["detail"]
    return carried
