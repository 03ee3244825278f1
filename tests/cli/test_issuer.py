"""`oob issuer` with everything that can be wrong."""

import json
import re
import socket
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from oob.errors import LinkError
from oob.issuance.server import Policy
from tests.cli.shell import Shell
from tests.e2e.family import free_port
from tests.e2e.program import program


def test_issuer_init_once(shell: Shell, tmp_path: Path) -> None:
    arguments = ("issuer", "init", "--zone", "home.example", "--network", "127.0.0.0/8", "--state", tmp_path / "i")
    made = json.loads(shell(*arguments, "--json").out)
    assert made["root"] == str(tmp_path / "i" / "root.pem")
    assert (made["zones"], made["networks"]) == (["home.example"], ["127.0.0.0/8"])
    assert len(made["root_hash"]) == 64
    assert made["token"] == str(tmp_path / "i" / "token")
    kept = (tmp_path / "i" / "token").read_text()
    again = shell(*arguments, "--json")
    assert (again.code, again.error["cause"]) == (2, f"{tmp_path / 'i'} holds an authority already")
    person = shell("issuer", "init", "--zone", "home.example", "--state", tmp_path / "j")
    assert person.out == (tmp_path / "j" / "root.pem").read_text()
    token = tmp_path / "j" / "token"
    assert re.fullmatch(r"[\w-]{22}\n", token.read_text())
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert f"the enrolment token in {token}" in person.err
    assert token.read_text().strip() not in person.err
    assert token.read_text() != (tmp_path / "i" / "token").read_text() == kept
    assert f"Serve it:  oob issuer serve --state {tmp_path / 'j'}" in person.err


@pytest.mark.parametrize(
    "more",
    [
        ["--zone", "127.0.0.1"],
        ["--zone", "com"],
        ["--zone", "x.example", "--network", "::/0"],
        ["--zone", "a..b"],
        ["--zone", "x.example", "--network", "1"],
    ],
)
def test_issuer_init_with_nonsense(shell: Shell, tmp_path: Path, more: list[str]) -> None:
    assert shell("issuer", "init", "--json", "--state", tmp_path / "i", *more).code == 2
    assert not (tmp_path / "i" / "authority.pem").exists()


def test_issuer_serve_without_an_authority(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("issuer", "serve", "--json", "--state", tmp_path)
    assert (outcome.code, outcome.error["remedy"]) == (1, "Make an authority with `oob issuer init`")


@pytest.mark.parametrize("file", ["authority.pem", "issuer.sqlite"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 999])
def test_issuer_with_a_damaged_file(shell: Shell, root: Path, file: str, content: bytes) -> None:
    if (file, content) == ("issuer.sqlite", b""):
        return  # an empty database is a new one
    (root.parent / file).write_bytes(content)
    outcome = shell("issuer", "serve", "--json", "--state", root.parent, "--listen", "127.0.0.1:0")
    assert (outcome.code, outcome.error["kind"]) == (1, "StorageError")
    assert str(root.parent / file) in outcome.error["cause"]


def test_issuer_at_a_port_in_use(shell: Shell, root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        outcome = shell("issuer", "serve", "--json", "--state", root.parent, "--listen", listen)
    assert (outcome.code, outcome.error["remedy"]) == (3, "Choose another address or port")


@pytest.mark.parametrize("origin", ["", "app.example", "ftp://x", "https://", "https://u@x", "https://x:99999"])
def test_an_origin_that_is_none(shell: Shell, root: Path, origin: str) -> None:
    outcome = shell("issuer", "serve", "--json", "--state", root.parent, f"--origin={origin}")
    assert (outcome.code, outcome.error["remedy"]) == (2, "For example https://app.example")


def test_issuer_under_a_name_that_it_may_not_have(shell: Shell, root: Path) -> None:
    outcome = shell("issuer", "serve", "--json", "--state", root.parent, "--name", "box.other.example")
    assert outcome.code == 2
    assert "It certifies home.example" in outcome.error["remedy"]


def test_issuer_under_a_name_and_for_an_origin(root: Path, tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    arguments = ("--listen", listen, "--name", "box.home.example", "--origin", "https://App.example/page", "--json")
    with program("issuer", "serve", "--state", root.parent, *arguments, temporary=tmp_path) as running:
        said = json.loads(running.until("serving"))
        assert said["detail"] == f"https://box.home.example:{listen.partition(':')[2]}/directory"
        assert running.stop() == 130


@pytest.fixture
def policies(monkeypatch: pytest.MonkeyPatch) -> list[Policy]:
    """Have `serve` note its policy, and end there."""
    seen: list[Policy] = []

    def note(_: object, __: object, policy: Policy, **___: object) -> None:
        seen.append(policy)
        raise LinkError("stop here")

    monkeypatch.setattr("oob.cli.issuer.serve_issuer", note)
    return seen


def test_issuer_asks_for_its_token(shell: Shell, tmp_path: Path, policies: list[Policy]) -> None:
    state = tmp_path / "i"
    shell("issuer", "init", "--zone", "home.example", "--network", "127.0.0.0/8", "--state", state)
    for options in ([], ["--open"], ["--assign-network", "127.1.0.0/16"]):
        assert shell("issuer", "serve", "--state", state, *options).code == 3
    token = (state / "token").read_text().strip()
    assert [each.token_hash for each in policies] == [sha256(token.encode()).digest(), None, policies[0].token_hash]
    assert [each.ip_networks for each in policies] == [(), (), ("127.1.0.0/16",)]
    (state / "token").write_text(" \n")
    assert shell("issuer", "serve", "--state", state).code == 1
    (state / "token").unlink()
    assert shell("issuer", "serve", "--state", state).code == 3
    assert policies[3].token_hash is None


def test_issuer_says_that_it_is_open(root: Path, tmp_path: Path) -> None:
    with program("issuer", "serve", "--state", root.parent, "--listen", "127.0.0.1:0", temporary=tmp_path) as running:
        assert "--token-file" not in running.until("Pair:")
        assert "whoever reaches it can pair" in running.until("asks for no")
        assert running.stop() == 130


def test_an_issuer_needs_nothing_of_the_simulation() -> None:
    blocked = "import sys; sys.modules.update(websockets=None, bumble=None); import oob.cli.issuer"
    subprocess.run([sys.executable, "-c", blocked], check=True, timeout=30)  # noqa: S603  this interpreter
