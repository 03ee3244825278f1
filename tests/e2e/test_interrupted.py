"""Ctrl-C and SIGTERM at any moment: one line, exit 130 or 143, nothing left behind, and the next try works."""

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oob.cli import main
from oob.issuance import Authority
from tests.e2e.family import PATIENCE, free_port
from tests.e2e.program import at_terminal, check_stopped, program, read_until


@pytest.mark.parametrize("step", ["serving", "connected", "message_3", "bound", "certificate"])
def test_demo(tmp_path: Path, step: str) -> None:
    with program("demo", temporary=tmp_path) as running:
        running.until(f"  {step}")
        check_stopped(running)
    assert list(tmp_path.iterdir()) == []


def test_demo_while_it_is_still_being_loaded(tmp_path: Path) -> None:
    with program("demo", temporary=tmp_path, options=("-X", "importtime")) as running:
        running.until("oob.cli.parser")
        check_stopped(running)
    assert list(tmp_path.iterdir()) == []


def test_demo_terminated(tmp_path: Path) -> None:
    with program("demo", temporary=tmp_path) as running:
        running.until("  connected")
        check_stopped(running, signal.SIGTERM)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Authority.create(tmp_path / "issuer", dns_zones=["home.example"], ip_networks=["127.0.0.0/8"], now=1.7e9)
    return tmp_path / "issuer" / "root.pem"


@contextmanager
def mute(family: socket.AddressFamily, address: str | tuple[str, int]) -> Iterator[socket.socket]:
    """Listen, and never say a word."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen()
        yield listener


def test_pair_waiting_for_the_issuer(tmp_path: Path, root: Path) -> None:
    with mute(socket.AF_UNIX, str(tmp_path / "s")), mute(socket.AF_INET, ("127.0.0.1", 0)) as issuer:
        url = f"https://127.0.0.1:{issuer.getsockname()[1]}/directory"
        arguments = ("pair", "--issuer", url, "--root", root, "--socket", tmp_path / "s")
        with program(*arguments, temporary=tmp_path) as running:
            running.say("0000 0000\n")
            with issuer.accept()[0] as connection:
                connection.recv(1)
                check_stopped(running)


def test_pair_waiting_for_the_device(tmp_path: Path, root: Path) -> None:
    port = free_port()
    url = f"https://127.0.0.1:{port}/directory"
    with (
        mute(socket.AF_UNIX, str(tmp_path / "s")),
        program(
            "issuer", "serve", "--state", root.parent, "--listen", f"127.0.0.1:{port}", temporary=tmp_path
        ) as issuer,
        program("pair", "--issuer", url, "--root", root, "--socket", tmp_path / "s", temporary=tmp_path) as running,
    ):
        issuer.until("serving")
        running.say("0000 0000\n")
        running.until("session")
        check_stopped(running)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_device_run(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "s"
    with program("device", "run", "--socket", path, "--state", tmp_path / "d", temporary=tmp_path) as running:
        running.until("Passcode: ")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            check_stopped(running, number)
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_issuer_serve_with_a_client_that_stays(tmp_path: Path, root: Path, number: signal.Signals) -> None:
    port = free_port()
    listen = f"127.0.0.1:{port}"
    with program("issuer", "serve", "--state", root.parent, "--listen", listen, temporary=tmp_path) as running:
        running.until("serving")
        context = ssl.create_default_context(cafile=str(root))
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=True) as client,
        ):
            client.sendall(b"GET /directory HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
            check_stopped(running, number)


def check_ctrl_c(keyboard: int, process: "subprocess.Popen[bytes]") -> None:
    os.write(keyboard, b"\x03")
    read_until(keyboard, b"Stopped.")
    assert process.wait(PATIENCE) == 130


def test_pair_at_the_question(tmp_path: Path, root: Path) -> None:
    arguments = ("pair", "--issuer", "https://127.0.0.1:1/directory", "--root", root)
    with at_terminal(*arguments, directory=tmp_path) as (keyboard, process):
        read_until(keyboard, b"Passcode on the device")
        check_ctrl_c(keyboard, process)


def test_a_question_that_is_asked_while_the_loop_runs(tmp_path: Path) -> None:
    with at_terminal("label", directory=tmp_path) as (keyboard, process):
        read_until(keyboard, b"Text of the QR code")
        check_ctrl_c(keyboard, process)
    with at_terminal("label", directory=tmp_path) as (keyboard, process):
        read_until(keyboard, b"Text of the QR code")
        process.terminate()
        read_until(keyboard, b"Terminated.")
        assert process.wait(PATIENCE) == 143


def test_a_button_press_and_ctrl_c(tmp_path: Path) -> None:
    with at_terminal("device", "run", "--socket", "s", "--state", "d", directory=tmp_path) as (keyboard, process):
        shown = read_until(keyboard, b"Ctrl-C stops")
        os.write(keyboard, b"\n")
        shown += read_until(keyboard, b"Passcode: ") + read_until(keyboard, b"\n")
        codes = [line.split(b": ")[1].strip() for line in shown.splitlines() if line.startswith(b"Passcode: ")]
        assert len(set(codes)) == 2
        check_ctrl_c(keyboard, process)


def test_the_next_try_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json"]) == 0
    assert capsys.readouterr().err == ""
