"""What is secret shows nowhere but on the device's own screen, and in files that only its user reads."""

import base64
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from oob.binding import PairingKey
from oob.cli import main
from oob.device.state import DeviceState
from oob.issuance import Authority
from oob.pairing import Model
from oob.progress import Progress
from oob.sim.demo import Stopwatch, run
from oob.sim.home import Home, home
from tests.e2e.family import free_port
from tests.e2e.program import program


def forms(secret: bytes) -> set[str]:
    """Return how a secret could look in a text."""
    return {
        secret.hex(),
        repr(secret)[2:-1],
        base64.b64encode(secret).decode().rstrip("="),
        base64.urlsafe_b64encode(secret).decode().rstrip("="),
    }


def secrets_of(directory: Path) -> dict[str, set[str]]:
    """Return every secret in the state of a home."""
    state = DeviceState.decode((directory / "device" / "device.cbor").read_bytes())
    found: dict[str, set[str]] = {
        "identity key": forms((directory / "device" / "identity.key").read_bytes()),
        "TLS key": key_lines((directory / "device" / "tls.pem").read_text()),
        "issuer's key": key_lines((directory / "issuer" / "authority.pem").read_text()),
    }
    if state.passcode is not None:
        found["passcode"] = {state.passcode, f"{state.passcode[:4]} {state.passcode[4:]}"}
    if state.secret is not None:
        found["secret"] = forms(state.secret)
    return found


def key_lines(pem: str) -> set[str]:
    """Return those lines of a private key that hold its secret."""
    block = re.search("-----BEGIN PRIVATE KEY-----\n(.*?)\n-----END", pem, re.DOTALL)
    assert block is not None
    return set(block[1].splitlines()[1:])


@pytest.mark.parametrize("model", ["passcode", "secret"])
@pytest.mark.parametrize("options", [[], ["--json"], ["--attack", "wrong-code"], ["--attack", "mitm", "--json"]])
def test_no_output_and_no_log(
    tmp_path: Path,
    model: str,
    options: list[str],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    main(["demo", "--carrier", "memory", "--model", model, "--state", str(tmp_path), *options])
    output = capfd.readouterr()
    heard = output.out + output.err + caplog.text
    assert "lamp" in heard or "mallory" in heard or '"attack"' in heard
    found = secrets_of(tmp_path) if (tmp_path / "device" / "tls.pem").exists() else {}
    if not found:
        state = DeviceState.decode((tmp_path / "device" / "device.cbor").read_bytes())
        found = {"passcode": {state.passcode or "none"}, "secret": forms(state.secret or bytes(16))}
    for name, shapes in found.items():
        for shape in shapes:
            assert shape not in heard, name


@pytest.mark.parametrize("model", [Model.PASSCODE, Model.SECRET])
async def test_no_repr_and_no_error(tmp_path: Path, model: Model) -> None:
    shown: list[str] = []

    def report(progress: Progress) -> None:
        shown.append(repr(progress))

    watch = Stopwatch(report)
    async with home(tmp_path, carrier="memory", model=model, report=watch) as running:
        await run(running, watch)
        shown += [repr(each) for each in everything(running)]
        pairing = running.client.store.all()[0]
    found = secrets_of(tmp_path) | {
        "session key": forms(pairing.session_key),
        "pairing key": forms(pairing.key),
        "resumption secret": forms(PairingKey(pairing.key, mutual=True).resumption_secret()),
        "exported key": forms(pairing.export("app", b"", 32)),
    }
    text = "\n".join(shown)
    for name, shapes in found.items():
        for shape in shapes:
            assert shape not in text, name


def everything(running: Home) -> Iterator[object]:
    device = running.device
    yield from (running, device, device.store, device.store.state, device.store.key, device.identity, device.offer)
    yield from (device.offer.out_of_band(), device.offer.attempt(), device.certificate)
    yield from (running.client, running.client.store, *running.client.store.all(), running.client.issuer)
    yield from (running.issuer, running.issuer.authority, running.issuer.store)


@pytest.mark.parametrize("model", ["passcode", "secret"])
def test_every_file_is_private(tmp_path: Path, model: str) -> None:
    for _ in range(2):
        assert main(["demo", "--json", "--carrier", "memory", "--model", model, "--state", str(tmp_path / "s")]) == 0
    files = {path for path in (tmp_path / "s").rglob("*") if path.is_file()}
    assert {path.name for path in files} >= {"device.cbor", "identity.key", "tls.pem", "authority.pem", "issuer.sqlite"}
    for path in files:
        public = path.name == "root.pem"
        assert path.stat().st_mode & 0o777 == (0o644 if public else 0o600), path
        assert path.parent.stat().st_mode & 0o777 == 0o700, path


@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_only_the_device_shows_its_passcode(tmp_path: Path, mode: list[str]) -> None:
    Authority.create(tmp_path / "i", dns_zones=["home.example"], ip_networks=["127.0.0.0/8"], now=1.7e9)
    listen, root = f"127.0.0.1:{free_port()}", tmp_path / "i" / "root.pem"
    arguments = ("issuer", "serve", "--state", tmp_path / "i", "--listen", listen, *mode)
    with (
        program(*arguments, temporary=tmp_path) as issuer,
        program("device", "run", "--socket", "s", "--state", "d", *mode, temporary=tmp_path) as device,
    ):
        issuer.until("serving")
        code = "".join(filter(str.isdigit, device.until("asscode")))
        url = f"https://{listen}/directory"
        options = ("--socket", "s", "--issuer", url, "--root", root, "--state", "c", *mode)
        with program("pair", *options, temporary=tmp_path) as client:
            client.say(f"{code}\n")
            assert client.wait() == 0
            said = client.output
            argv = [Path(f"/proc/{each.process.pid}/cmdline").read_text() for each in (issuer, device)]
        device.until("done")
        assert (device.stop(), issuer.stop()) == (130, 130)
        shown = device.output
        assert said.count("https://device-") >= 1
        heard = said + issuer.output + "".join(argv) + " ".join(client.process.args)  # type: ignore[arg-type]
    for shape in (code, f"{code[:4]} {code[4:]}"):
        assert shape not in heard
    assert shown.replace(" ", "").count(code) == 1
    for key in (tmp_path / "d" / "identity.key", tmp_path / "d" / "tls.pem"):
        for shape in forms(key.read_bytes()) | (key_lines(key.read_text()) if key.suffix == ".pem" else set()):
            assert shape not in shown + heard
