"""`oob owner`: a whole life of a pairing, with real programs on one machine."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oob.client import PairingStore
from oob.issuance import Authority
from tests.cli.shell import Shell, no_bluetooth
from tests.client.test_store import READY
from tests.e2e.family import free_port
from tests.e2e.program import Program, program
from tests.transport.udp_field import free_path


@dataclass
class House:
    directory: Path
    device: Program
    issuer: str

    def run(self, *arguments: object, stdin: str = "") -> tuple[int, list[dict[str, Any]]]:
        """Run `oob` as a client, for its JSON."""
        with program(*arguments, "--state", "c", "--json", temporary=self.directory) as client:
            if stdin:
                client.say(stdin)
            code = client.wait()
            return code, [json.loads(line) for line in client.output.splitlines() if line.startswith("{")]

    def owner(self, verb: str, *more: object, way: tuple[str, ...] = ("--socket", "s")) -> tuple[int, list[Any]]:
        return self.run("owner", verb, *more, *way, "--root", self.directory / "i" / "root.pem")


@contextmanager
def house(tmp_path: Path, *carrier: str) -> Iterator[House]:
    carrier = carrier or ("--socket", "s")
    Authority.create(tmp_path / "i", dns_zones=["home.example"], ip_networks=["127.0.0.0/8"], now=1.7e9)
    listen = f"127.0.0.1:{free_port()}"
    with (
        program("issuer", "serve", "--state", "i", "--listen", listen, "--json", temporary=tmp_path) as issuer,
        program("device", "run", *carrier, "--state", "d", "--json", temporary=tmp_path) as device,
    ):
        issuer.until("serving")
        yield House(tmp_path, device, f"https://{listen}/directory")


def test_a_life_of_a_pairing(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        code = json.loads(home.device.until("passcode"))["detail"]
        options = ("--socket", "s", "--issuer", home.issuer, "--root", tmp_path / "i" / "root.pem")
        assert home.run("pair", *options, stdin=f"{code}\n")[0] == 0
        assert home.run("owner", "pairings")[1][0]["status"] == "ready"
        done, (row, *_) = home.owner("list")
        assert (done, row["own"], row["model"], row["label"]) == (0, True, "passcode", "")
        assert home.owner("rename", row["id"][:8], "the laptop")[0] == 0
        assert home.owner("list")[1][0]["label"] == "the laptop"
        url = home.owner("status")[1][0]["url"]
        assert url.startswith("https://device-")
        assert home.owner("renew", "--name", "lamp")[1][-1]["url"].startswith("https://lamp.home.example")
        assert home.owner("invite")[0] == 0
        home.device.until("asked")
        assert home.owner("remove", "ff" * 32)[1][0]["error"]["step"] == "id"
        assert home.owner("rename", row["id"][:8], "x" * 65)[1][0]["error"]["step"] == "label"
        assert home.owner("unpair")[0] == 0
        assert home.run("owner", "pairings")[1] == []
        code, answer = home.owner("status")
        assert (code, answer[0]["error"]["cause"]) == (2, "no such device is paired here")


def test_a_device_in_the_local_network_alone(tmp_path: Path) -> None:
    way = ("--tcp", f"127.0.0.1:{free_port()}")
    with house(tmp_path, *way) as home:
        code = json.loads(home.device.until("passcode"))["detail"]
        options = ("--issuer", home.issuer, "--root", tmp_path / "i" / "root.pem")
        done, (paired,) = home.run("pair", *way, *options, stdin=f"{code}\n")
        assert (done, paired["strength"]) == (0, "passcode")
        assert home.owner("status", way=way)[1][0]["url"] == paired["url"]
        assert home.owner("unpair", way=way)[0] == 0


def test_an_owner_comes_again_by_a_tap(tmp_path: Path) -> None:
    reader = ("--nfc", "--reader", free_path())
    with house(tmp_path, *reader, "--model", "secret", "--fresh") as home:
        options = ("--issuer", home.issuer, "--root", tmp_path / "i" / "root.pem")
        code, (paired,) = home.run("pair", *reader, *options)
        assert (code, paired["strength"], paired["dynamic"]) == (0, "secret-dynamic", True)
        assert home.owner("status", way=reader) == (
            0,
            [{**home.owner("status", way=reader)[1][0], "url": paired["url"]}],
        )
        assert home.owner("unpair", way=reader)[0] == 0
        assert home.run("owner", "pairings") == (0, [])


def test_without_any_device(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("owner", "pairings", "--state", tmp_path / "c")
    assert (outcome.code, outcome.out) == (0, "")
    assert "No device is paired here" in outcome.err


@pytest.mark.parametrize("verb", ["list", "status", "invite", "reset", "unpair", "renew"])
def test_without_a_pairing(shell: Shell, root: Path, tmp_path: Path, verb: str) -> None:
    outcome = shell("owner", verb, "--json", "--root", root, "--state", tmp_path / "c", "--socket", tmp_path / "s")
    assert (outcome.code, outcome.error["step"]) == (2, "device")
    assert "oob owner pairings" in outcome.error["remedy"]


@pytest.mark.parametrize("arguments", [("pair", "--compare", "--issuer", "https://i/"), ("device", "run")])
def test_a_comparison_needs_somebody_who_looks(
    shell: Shell, root: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    more = ("--root", root) if arguments[0] == "pair" else ("--model", "compare")
    outcome = shell(*arguments, *more, "--json", "--socket", tmp_path / "s", "--state", tmp_path / "x")
    assert (outcome.code, outcome.error["step"]) == (2, "compare")


@pytest.mark.parametrize("verb", ["list", "unpair", "renew"])
def test_without_bluetooth(
    shell: Shell, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    no_bluetooth(monkeypatch, tmp_path)
    PairingStore(tmp_path / "c").save(READY)
    outcome = shell("owner", verb, "--json", "--root", root, "--state", tmp_path / "c", "--adapter", "hci1")
    assert (outcome.code, outcome.error["step"]) == (3, "scan")
    assert "oob doctor" in outcome.error["remedy"]
    assert "scanning" in shell("owner", verb, "--root", root, "--state", tmp_path / "c").err
