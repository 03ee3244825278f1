"""`oob device run` with everything that can be wrong."""

import json
import socket
from pathlib import Path

import pytest

from oob.cli.arguments import parse_address
from oob.device import device as device_runtime
from oob.device.state import IDENTITY_FILE, STATE_FILE
from oob.errors import LinkError, UsageError
from oob.pairing import Bootstrap
from oob.progress import Report
from oob.transport.link import Link
from tests.cli.shell import Outcome, Shell, no_bluetooth
from tests.e2e.program import program


@pytest.fixture
def quick_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a device that ends as soon as it would serve."""

    async def over(*_: object) -> None:
        return

    monkeypatch.setattr(device_runtime.Device, "serve", over)


def run_device(shell: Shell, tmp_path: Path, *more: object) -> Outcome:
    return shell("device", "run", "--json", "--socket", tmp_path / "s", "--state", tmp_path / "d", *more)


@pytest.mark.usefixtures("quick_device")
def test_device_shows_what_a_person_carries(shell: Shell, tmp_path: Path) -> None:
    first = json.loads(run_device(shell, tmp_path).out)
    assert (first["who"], first["step"]) == ("device", "passcode")
    assert json.loads(run_device(shell, tmp_path).out) == first
    pressed = json.loads(run_device(shell, tmp_path, "--press").out)
    assert pressed["detail"] != first["detail"]
    label = json.loads(run_device(shell, tmp_path, "--model", "secret").out)
    assert label["detail"].startswith("OOB:")
    shown = shell("device", "run", "--socket", tmp_path / "s", "--state", tmp_path / "d")
    digits = pressed["detail"]
    assert shown.out == f"Passcode: {digits[:4]} {digits[4:]}\n"
    assert "Pair:  oob pair --socket" in shown.err


class SilentListener:
    """A Listener at which nobody turns up."""

    def __init__(self) -> None:
        self.log: list[object] = []

    async def start(self) -> None:
        self.log.append("start")

    async def advertise(self, tag: bytes | None) -> None:
        self.log.append(tag)

    async def accept(self) -> Link:
        raise LinkError("closed")

    async def close(self) -> None:
        self.log.append("close")


@pytest.mark.usefixtures("quick_device")
@pytest.mark.parametrize(("options", "adapter"), [((), None), (("--adapter", "hci1"), "hci1")])
def test_device_over_bluetooth(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], adapter: str | None
) -> None:
    listener = SilentListener()

    def bluez_listener(name: str | None, *, report: Report) -> SilentListener:
        listener.log.append(name)
        return listener

    monkeypatch.setattr("oob.cli.device.bluez_listener", bluez_listener)
    outcome = shell("device", "run", "--ble", *options, "--state", tmp_path / "d")
    assert outcome.code == 0
    assert "Pair:  oob pair --issuer URL --root FILE\n" in outcome.err
    assert listener.log == [adapter, "start", "close"]


@pytest.mark.usefixtures("quick_device")
@pytest.mark.parametrize(
    ("address", "hints"),
    [("127.0.0.1:4433", ("127.0.0.1:4433",)), ("127.0.0.1:0", ()), ("0.0.0.0:4433", ()), ("lamp.local:4433", ())],
)
def test_only_an_address_that_a_client_follows_is_in_the_code(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, hints: tuple[str, ...]
) -> None:
    monkeypatch.setattr("oob.cli.device.tcp_listener", lambda host, port: SilentListener())
    outcome = shell("device", "run", "--tcp", address, "--model", "secret", "--state", tmp_path / "d")
    code = outcome.out.strip().removeprefix("QR code: ")
    assert Bootstrap.from_text(code).hints == hints
    assert ("No code or tag will tell this address" in outcome.err) == (not hints)


@pytest.mark.usefixtures("quick_device")
@pytest.mark.parametrize(("reader", "said"), [("usb", ""), ("udp:127.0.0.1:1", "--reader udp:127.0.0.1:1 ")])
def test_a_simulated_reader_is_the_clients_as_well(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, said: str
) -> None:
    monkeypatch.setattr("oob.cli.device.nfc_listener", lambda *_, **__: SilentListener())
    outcome = shell("device", "run", "--nfc", "--reader", reader, "--state", tmp_path / "d")
    assert f"Pair:  oob pair --nfc {said}--issuer URL --root FILE\n" in outcome.err


def test_device_without_bluetooth(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_bluetooth(monkeypatch, tmp_path)
    outcome = shell("device", "run", "--ble", "--json", "--state", tmp_path / "d")
    assert (outcome.code, outcome.error["kind"]) == (3, "LinkError")
    assert "the D-Bus system bus cannot be reached" in outcome.error["cause"]
    assert "Start D-Bus" in outcome.error["remedy"]


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ((), "Say --socket PATH alone, or any of --ble, --nfc and --tcp HOST:PORT"),
        (("--socket", "s", "--ble"), "Say --socket PATH alone, or any of --ble, --nfc and --tcp HOST:PORT"),
        (("--socket", "s", "--adapter", "hci0"), "Say --ble, too"),
        (("--ble", "--reader", "usb"), "Say --nfc, too"),
        (("--ble", "--url", "https://a.example"), "Say --nfc, too"),
        (("--nfc", "--fresh"), "Say --nfc and --model secret, too"),
        (("--nfc", "--url", "http://a.example"), 'It begins with "https://" and a host'),
        (("--tcp", "here"), "For example 127.0.0.1:8443"),
    ],
)
def test_device_over_carriers_that_do_not_go_together(
    shell: Shell, tmp_path: Path, options: tuple[str, ...], remedy: str
) -> None:
    outcome = shell("device", "run", *options, "--json", "--state", tmp_path / "d")
    assert (outcome.code, outcome.error["remedy"]) == (2, remedy)


@pytest.mark.usefixtures("quick_device")
def test_device_does_not_show_a_passcode_that_is_used_up(shell: Shell, tmp_path: Path) -> None:
    run_device(shell, tmp_path)
    from oob.device.state import DeviceStore
    from oob.pairing import Code, Guesses

    DeviceStore(tmp_path / "d", "x", bytes).update(guesses=Guesses(Code.DISPLAYED).begin(0).succeed(0))
    outcome = shell("device", "run", "--socket", tmp_path / "s", "--state", tmp_path / "d")
    assert outcome.out == ""
    assert "Not pairing: this code is used up. Press Enter here, or start with --press" in outcome.err


@pytest.mark.parametrize("file", [IDENTITY_FILE, STATE_FILE])
@pytest.mark.parametrize("content", [b"", b"garbage"])
@pytest.mark.usefixtures("quick_device")
def test_device_with_a_damaged_file(shell: Shell, tmp_path: Path, file: str, content: bytes) -> None:
    run_device(shell, tmp_path)
    (tmp_path / "d" / file).write_bytes(content)
    outcome = run_device(shell, tmp_path)
    assert (outcome.code, outcome.error["kind"]) == (1, "StorageError")
    assert str(tmp_path / "d" / file) in outcome.error["cause"]
    assert "begin as a new device" in outcome.error["remedy"]
    assert not (tmp_path / "s").exists()


def test_device_at_a_port_in_use(shell: Shell, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        outcome = run_device(shell, tmp_path, "--listen", f"127.0.0.1:{other.getsockname()[1]}")
    assert (outcome.code, outcome.error["remedy"]) == (3, "Choose another address or port")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("listen", ["", "8443", "x:y", ":1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:²"])
def test_an_address_that_is_none(shell: Shell, tmp_path: Path, listen: str) -> None:
    assert run_device(shell, tmp_path, f"--listen={listen}").code == 2
    assert shell("issuer", "serve", f"--listen={listen}", "--json").code == 2
    with pytest.raises(UsageError):
        parse_address(listen)


def test_an_address() -> None:
    assert parse_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_address("[::1]:65535") == ("::1", 65535)


def test_device_at_a_path_that_is_taken(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    outcome = run_device(shell, tmp_path)
    assert (outcome.code, (tmp_path / "s").read_text()) == (2, "precious")


def test_two_devices_at_one_path(shell: Shell, tmp_path: Path) -> None:
    with program(
        "device", "run", "--socket", tmp_path / "s", "--state", tmp_path / "other", temporary=tmp_path
    ) as running:
        running.until("Passcode")
        outcome = run_device(shell, tmp_path)
        assert (outcome.code, outcome.error["remedy"]) == (3, "Stop it, or choose another path")
        assert running.stop() == 130


def test_device_at_an_impossible_path(shell: Shell, tmp_path: Path) -> None:
    for path in (tmp_path / ("x" * 200), tmp_path / "no directory" / "s"):
        outcome = shell("device", "run", "--json", "--socket", path, "--state", tmp_path / "d")
        assert (outcome.code, outcome.error["remedy"]) == (3, "Choose another path for the socket")
        assert "None" not in outcome.error["cause"]
