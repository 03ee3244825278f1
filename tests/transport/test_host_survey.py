"""What the system says of Bluetooth, read from trees of files that stand for a machine."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from oob.transport import host_survey
from oob.transport.finding import Finding, State
from oob.transport.host_survey import (
    arguments_of,
    backend,
    survey_configuration,
    survey_kernel,
    survey_packages,
    survey_rfkill,
    survey_system,
)


def tree(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below a root; a name that ends in a slash is a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(text)
    return root


def test_the_system_and_what_is_installed() -> None:
    findings = {each.check: each for each in survey_system()}
    assert "Python 3." in findings["system"].seen
    assert findings["bleak"].state is State.OK


def test_the_backend_of_a_platform() -> None:
    assert backend("darwin").seen == "bleak reaches Bluetooth LE through Core Bluetooth"
    assert backend("sunos").state is State.MISSING


def test_what_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(host_survey, "version", absent)
    findings = survey_packages("linux")
    assert [each.check for each in findings] == ["bleak", "dbus-fast", "nfcpy", "pyscard"]
    assert {each.state for each in findings} == {State.MISSING}
    assert findings[0].mend == "pip install 'oob[ble]'"
    assert "libpcsclite-dev" in findings[3].mend
    assert survey_packages("win32")[2].mend == "pip install 'oob[pcsc]'", "there are wheels"
    assert "dbus-fast" not in [each.check for each in survey_packages("darwin")]


def test_a_kernel_without_bluetooth(tmp_path: Path) -> None:
    (finding,) = survey_kernel(tmp_path)
    assert (finding.state, finding.mend[:20]) == (State.MISSING, "sudo modprobe btusb ")


def test_a_kernel_without_an_adapter(tmp_path: Path) -> None:
    (finding,) = survey_kernel(tree(tmp_path, {"sys/class/bluetooth/": ""}))
    assert (finding.state, finding.seen) == (State.MISSING, "Bluetooth, but no adapter")


def test_a_kernel_with_adapters_and_a_connection(tmp_path: Path) -> None:
    root = tree(tmp_path, {f"sys/class/bluetooth/{name}/": "" for name in ("hci0", "hci1", "hci0:64")})
    assert survey_kernel(root, "6.1.0-13-amd64") == [Finding("kernel", State.OK, "Bluetooth with hci0, hci1")]


@pytest.mark.parametrize(
    ("release", "told"),
    [
        ("6.12.93+rpt-rpi-v8", True),
        ("6.18.34+rpt-rpi-2712", True),
        ("6.18.35", True),
        ("6.18.36+rpt-rpi-2712", False),
        ("6.12.87+rpt-rpi-v8", False),
        ("6.18.340", False),
    ],
)
def test_a_kernel_that_refuses_to_advertise(release: str, told: bool, tmp_path: Path) -> None:
    findings = survey_kernel(tree(tmp_path, {"sys/class/bluetooth/hci0/": ""}), release)
    assert [each.state for each in findings] == ([State.OK, State.WARNING] if told else [State.OK])


@pytest.mark.parametrize(
    ("soft", "hard", "state", "mend"),
    [
        ("0", "0", State.OK, ""),
        ("1", "0", State.MISSING, "sudo rfkill unblock bluetooth"),
        ("0", "1", State.MISSING, "Switch the radio on"),
        ("1", "1", State.MISSING, "Switch the radio on"),
    ],
)
def test_rfkill(soft: str, hard: str, state: State, mend: str, tmp_path: Path) -> None:
    switch = "sys/class/rfkill/rfkill"
    tree(tmp_path, {f"{switch}0/type": "wlan\n", f"{switch}0/soft": "1\n", f"{switch}0/hard": "1\n"})
    tree(tmp_path, {f"{switch}1/type": "bluetooth\n", f"{switch}1/name": "hci0\n"})
    tree(tmp_path, {f"{switch}1/soft": f"{soft}\n", f"{switch}1/hard": f"{hard}\n"})
    (finding,) = survey_rfkill(tmp_path)
    assert (finding.check, finding.state) == ("rfkill hci0", state)
    assert finding.mend.startswith(mend)


def test_no_rfkill(tmp_path: Path) -> None:
    assert survey_rfkill(tmp_path) == []


def configuration(root: Path, text: str) -> dict[str, Finding]:
    return {each.check: each for each in survey_configuration(tree(root, {"etc/bluetooth/main.conf": text}))}


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        ("[General]\n#Privacy = off\n", State.WARNING, "the address never changes"),
        ("[General]\nPrivacy = off\n", State.WARNING, "the address never changes"),
        ("", State.WARNING, "the address never changes"),
        ("[General]\nPrivacy = device\n", State.OK, "peers may use either kind"),
        ("[General]\nPrivacy=network\n", State.OK, "must use it"),
        ("[General]\nPrivacy = on\n", State.OK, "as network"),
        ("[General]\nPrivacy = limited-device\n", State.WARNING, "shown while discoverable"),
        ("[General]\nPrivacy = yes\n", State.WARNING, "no value that BlueZ knows"),
        ("[General]\nprivacy = device\n", State.WARNING, "the address never changes"),  # the case counts, for glib
        ("[Policy]\nPrivacy = device\n", State.WARNING, "the address never changes"),
    ],
)
def test_privacy(text: str, state: State, words: str, tmp_path: Path) -> None:
    finding = configuration(tmp_path, text)["privacy"]
    assert finding.state is state
    assert words in finding.seen
    assert finding.mend.endswith("sudo systemctl restart bluetooth") or state is State.OK


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[Policy]\nAutoEnable=true\n",
        "[General]\n# Privacy = off\n",
        "[General]\nPrivacy=off\n",
        "[General]\nName = x\n",
    ],
)
def test_the_command_that_makes_it_private_does_so(text: str, tmp_path: Path) -> None:
    import subprocess

    mend = configuration(tmp_path, text)["privacy"].mend
    command = mend.replace("sudo ", "").replace("/etc/", f"{tmp_path}/etc/").rpartition(" && ")[0]
    subprocess.run(["/bin/sh", "-c", command], check=True, stdout=subprocess.DEVNULL)  # noqa: S603  a command of ours
    (finding,) = (each for each in survey_configuration(tmp_path) if each.check == "privacy")
    assert finding.state is State.OK


def test_controller_mode(tmp_path: Path) -> None:
    assert configuration(tmp_path, "[General]\n")["controller mode"].seen == "dual: Bluetooth LE is allowed"
    bredr = configuration(tmp_path, "[General]\nControllerMode = bredr\n")["controller mode"]
    assert bredr.state is State.MISSING
    assert "ControllerMode = dual" in bredr.mend


def test_experimental_flags_are_named_and_not_needed(tmp_path: Path) -> None:
    assert configuration(tmp_path, "[General]\n")["experimental"].seen == "off; oob needs none of it"
    tree(tmp_path, {"proc/17/comm": "bluetoothd\n", "proc/17/cmdline": "/usr/sbin/bluetoothd\0-E\0"})
    finding = configuration(tmp_path, "[General]\nExperimental = true\n")["experimental"]
    assert finding == Finding("experimental", State.OK, "on (Experimental, bluetoothd -E); oob needs none of it")


def test_a_configuration_that_nobody_can_read(tmp_path: Path) -> None:
    (finding,) = configuration(tmp_path, "Privacy = device\n").values()
    assert (finding.check, finding.state) == ("main.conf", State.WARNING)


def test_without_bluez_its_settings_do_not_matter(tmp_path: Path) -> None:
    assert survey_configuration(tmp_path) == []


def test_the_arguments_of_a_program(tmp_path: Path) -> None:
    tree(tmp_path, {"proc/1/comm": "init\n", "proc/42/comm": "pcscd\n", "proc/42/cmdline": "pcscd\0-f\0"})
    assert arguments_of("pcscd", tmp_path)[:2] == ["pcscd", "-f"]
    assert arguments_of("bluetoothd", tmp_path) == []
