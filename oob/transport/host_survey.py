"""What the system says of Bluetooth without being asked over D-Bus: packages, kernel, rfkill, BlueZ's main.conf.

Each function looks below a `root`, "/" but for tests, changes nothing and needs no privilege.
"""

import platform
import re
import sys
from configparser import ConfigParser, Error
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from oob.transport.finding import Finding, missing, ok, warning

CONFIGURATION: Final = "etc/bluetooth/main.conf"
"""BlueZ's settings, below the root."""

# On Linux pyscard is compiled; there are wheels for Windows and macOS.
_COMPILER: Final = "sudo apt install gcc python3-dev libpcsclite-dev"
_PACKAGES: Final = {
    "bleak": ("Bluetooth LE as a client", "pip install 'oob[ble]'"),
    "dbus-fast": ("Bluetooth LE on Linux", "pip install 'oob[ble]'"),
    "nfcpy": ("NFC readers by nfcpy", "pip install 'oob[nfc]'"),
    "pyscard": ("NFC readers by PC/SC", "pip install 'oob[pcsc]'"),
}
_BACKENDS: Final = {
    "linux": "BlueZ over D-Bus",
    "darwin": "Core Bluetooth",
    "win32": "WinRT",
    "android": "the Android API",
}
_RESTART: Final = "sudo systemctl restart bluetooth"
# Releases in which `Add Extended Advertising Data` was refused to bluetoothd: reported for 6.12.93 and 6.18.34, mended
# in 6.18.36 (github.com/raspberrypi/linux/issues/7473, github.com/bluez/bluez/issues/2269).
_NO_ADVERTISING: Final = ("6.12.93", "6.18.34", "6.18.35")


def survey_system() -> list[Finding]:
    """Say what runs here, and which of the packages that reach a radio or a reader are installed."""
    where = f"{platform.system()} {platform.release()} ({platform.machine()}), Python {platform.python_version()}"
    return [ok("system", where), backend(sys.platform), *survey_packages(sys.platform)]


def backend(platform: str) -> Finding:
    """Say through what bleak reaches Bluetooth LE on a platform, named as in `sys.platform`."""
    if platform not in _BACKENDS:
        return missing("backend", f"bleak has none for {platform}")
    return ok("backend", f"bleak reaches Bluetooth LE through {_BACKENDS[platform]}")


def survey_packages(platform: str) -> list[Finding]:
    """Say which optional packages are installed."""
    return [survey_package(name, platform) for name in _PACKAGES if name != "dbus-fast" or platform == "linux"]


def survey_package(name: str, platform: str = sys.platform) -> Finding:
    """Say whether one of bleak, dbus-fast, nfcpy and pyscard is installed."""
    try:
        return ok(name, version(name))
    except PackageNotFoundError:
        return missing(name, f"not installed: needed for {_PACKAGES[name][0]}", installation_of(name, platform))


def installation_of(name: str, platform: str = sys.platform) -> str:
    """Return the command that installs one of these packages on a platform."""
    compiler = f"{_COMPILER} && " if name == "pyscard" and platform == "linux" else ""
    return compiler + _PACKAGES[name][1]


def survey_kernel(root: Path = Path("/"), release: str = platform.release()) -> list[Finding]:
    """Say whether the kernel has Bluetooth, and whether its release refuses to advertise for bluetoothd."""
    devices = root / "sys/class/bluetooth"
    adapters = sorted(each.name for each in devices.glob("hci*") if ":" not in each.name)  # hci0:64 is a connection
    if not devices.is_dir():
        seen, mend = "no Bluetooth: no driver is loaded", "sudo modprobe btusb (an adapter on USB), or plug one in"
        return [missing("kernel", seen, mend)]
    if not adapters:
        return [missing("kernel", "Bluetooth, but no adapter", "Plug one in; sudo dmesg | grep -i bluetooth says why")]
    findings = [ok("kernel", f"Bluetooth with {', '.join(adapters)}")]
    if release.partition("-")[0].partition("+")[0] in _NO_ADVERTISING:
        seen = f"Linux {release} was reported to refuse advertisements from bluetoothd: no device can be offered"
        findings.append(warning("kernel release", seen, "sudo apt update && sudo apt full-upgrade && sudo reboot"))
    return findings


def survey_rfkill(root: Path = Path("/")) -> list[Finding]:
    """Say whether a switch keeps the radio off: a soft one by software, a hard one by a key or the firmware."""
    switches = [
        each for each in sorted((root / "sys/class/rfkill").glob("rfkill*")) if text_of(each / "type") == "bluetooth"
    ]
    return [_switch(each) for each in switches]


def _switch(switch: Path) -> Finding:
    name = text_of(switch / "name") or switch.name
    if text_of(switch / "hard") == "1":
        return missing(f"rfkill {name}", "blocked by hardware", "Switch the radio on: a key, a slider, or the firmware")
    if text_of(switch / "soft") == "1":
        return missing(f"rfkill {name}", "blocked by software", "sudo rfkill unblock bluetooth")
    return ok(f"rfkill {name}", "not blocked")


def survey_configuration(root: Path = Path("/")) -> list[Finding]:
    """Say what BlueZ's main.conf means for oob; without the file, BlueZ goes by its defaults. Empty without BlueZ."""
    if not (root / CONFIGURATION).parent.is_dir():
        return []
    text = text_of(root / CONFIGURATION)
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as glib: the case counts
    try:
        parser.read_string(text)
    except Error:
        return [
            warning("main.conf", f"/{CONFIGURATION} cannot be read as BlueZ reads it", f"sudoedit /{CONFIGURATION}")
        ]
    general = dict(parser["General"]) if parser.has_section("General") else {}
    return [_transport(general), privacy(general.get("Privacy", "off"), text), _experimental(general, root)]


def _transport(general: dict[str, str]) -> Finding:
    mode = general.get("ControllerMode", "dual")
    if mode == "bredr":
        mend = f"sudo sed -i 's/^ControllerMode.*/ControllerMode = dual/' /{CONFIGURATION} && {_RESTART}"
        return missing("controller mode", "bredr: main.conf switches Bluetooth LE off", mend)
    return ok("controller mode", f"{mode}: Bluetooth LE is allowed")


_PRIVATE: Final = {
    "device": "the address of this machine changes; peers may use either kind",
    "network": "the address of this machine changes; bonded peers that have a private address must use it",
    "on": "as network",
}
_LIMITED: Final = ("limited-device", "limited-network")


def privacy(value: str, text: str = "") -> Finding:
    """Judge a value of Privacy, and name the command that fits a main.conf with this text (BlueZ, src/main.conf)."""
    if value in _PRIVATE:
        return ok("privacy", f"{value}: {_PRIVATE[value]}")
    if value in _LIMITED:
        seen = f"{value}: the fixed address is shown while discoverable, as a device that offers pairing is"
    elif value == "off":
        seen = "off: the address never changes, so that whoever listens can follow this machine"
    else:
        seen = f"{value!r} is no value that BlueZ knows: it does as with off"
    return warning("privacy", seen, f"{_set_private(text)} && {_RESTART}")


def _set_private(text: str) -> str:
    if re.search(r"^#?\s*Privacy\s*=", text, re.MULTILINE):
        return rf"sudo sed -i 's/^#\?\s*Privacy\s*=.*/Privacy = device/' /{CONFIGURATION}"
    if re.search(r"^\[General\]", text, re.MULTILINE):
        return f"sudo sed -i '/^\\[General\\]/a Privacy = device' /{CONFIGURATION}"
    return f"printf '[General]\\nPrivacy = device\\n' | sudo tee -a /{CONFIGURATION}"


def _experimental(general: dict[str, str], root: Path) -> Finding:
    flags = [name for name in ("Experimental", "KernelExperimental") if general.get(name, "false") != "false"]
    if {"-E", "--experimental"} & set(arguments_of("bluetoothd", root)):
        flags.append("bluetoothd -E")
    seen = f"on ({', '.join(flags)})" if flags else "off"
    return ok("experimental", f"{seen}; oob needs none of it")


def arguments_of(program: str, root: Path = Path("/")) -> list[str]:
    """Return the command line of a running program, found by its name; empty if it does not run."""
    for process in (root / "proc").glob("[0-9]*"):
        if text_of(process / "comm") == program:
            return text_of(process / "cmdline").split("\0")
    return []


def text_of(path: Path) -> str:
    """Return the text of a file without spaces around it, "" if there is none to be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
