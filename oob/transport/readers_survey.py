"""Which NFC readers are plugged in, and what keeps nfcpy or PC/SC from using them. Nothing is opened or claimed.

Facts and sources stand in hardware/readers.md, whose rules for udev and modprobe agree with READERS.
"""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from oob.transport.finding import Finding, State, missing, ok, warning
from oob.transport.host_survey import arguments_of, installation_of, survey_package, text_of

WAIT: Final = 2.0
"""Seconds for pcscd to list its readers."""

# What nfcpy drives on USB (nfcpy, src/nfc/clf/device.py), and the modules of the kernel that take it first
# (Linux, drivers/nfc/pn533/usb.c and drivers/nfc/port100.c).
_PN533: Final = ("pn533_usb", "pn533", "nfc")
_PORT100: Final = ("port100", "nfc_digital", "nfc")
READERS: Final[dict[tuple[str, str], tuple[str, tuple[str, ...]]]] = {
    ("054c", "06c1"): ("Sony RC-S380", _PORT100),
    ("054c", "06c3"): ("Sony RC-S380", _PORT100),
    ("054c", "02e1"): ("Sony RC-S330, RC-S360 or RC-S370", _PN533),
    ("054c", "0193"): ("Sony PN531", ()),
    ("04cc", "0531"): ("NXP PN531 or SCM SCL3710", ()),
    ("04cc", "2533"): ("NXP PN533", _PN533),
    ("04e6", "5591"): ("SCM SCL3711", _PN533),
    ("04e6", "5593"): ("SCM SCL3712", ()),
    ("072f", "2200"): ("ACS ACR122U", _PN533),
}
UDEV: Final = "etc/udev/rules.d/70-oob-nfc.rules"
"""Where hardware/70-oob-nfc.rules goes, below the root: before 73-seat-late.rules, which acts on uaccess."""
MODPROBE: Final = "etc/modprobe.d/oob-nfc.conf"
"""Where hardware/oob-nfc-modprobe.conf goes, below the root."""

_BY_PCSC: Final = ("072f", "2200")
"""The reader that PC/SC drives, too: whoever comes first has it."""
_CCID: Final = "0b"
"""The class of an interface on USB, as the kernel writes it (LudovicRousseau/CCID, src/92_pcscd_ccid.rules)."""
_ID: Final = 4
"""Hexadecimal digits of a vendor or a product."""
_NAME: Final = 40
"""Characters of the name that a device gives itself."""
_NONE: Final = (
    "Plug one in. A PN532 on a serial port is not looked for: --reader tty:USB0:pn532."
    " To read tags, PC/SC will do, too: --reader pcsc"
)
_PLUG_IN: Final = "Plug it in; oob doctor names what is there"
_WIRING: Final = "Is the board set to HSU, and TX wired to RX? hardware/readers.md"
_DENIED: Final = 0x8010006A
"""SCARD_W_SECURITY_VIOLATION: pcscd asked polkit, which said no (pcsc-lite, src/winscard_svc.c)."""
POLKIT: Final = (
    """echo "polkit.addRule(function(action, subject) { if (action.id.indexOf('org.debian.pcsc-lite.') == 0 """
    """&& subject.user == '$USER') return polkit.Result.YES; });" | sudo tee /etc/polkit-1/rules.d/oob-nfc.rules"""
)
"""How to let this user use PC/SC where polkit lets only who sits at the machine."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader on USB that nfcpy knows."""

    ids: tuple[str, str]
    """Vendor and product, four hexadecimal digits each."""
    node: Path
    driver: str
    """The driver that holds its first interface: a module of the kernel, "usbfs" for a program, "" for none."""

    @property
    def name(self) -> str:
        """What people call it."""
        return READERS[self.ids][0]


def readers_in(root: Path = Path("/")) -> Iterator[Reader]:
    """Yield the readers that are plugged in, from what the kernel shows of USB."""
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        ids = (text_of(device / "idVendor"), text_of(device / "idProduct"))
        if ids in READERS:
            bus, number = (int(text_of(device / each) or "0") for each in ("busnum", "devnum"))
            driver = device / f"{device.name}:1.0" / "driver"
            node = root / f"dev/bus/usb/{bus:03}/{number:03}"
            yield Reader(ids, node, os.path.basename(os.readlink(driver)) if driver.is_symlink() else "")


def card_readers_in(root: Path = Path("/")) -> Iterator[str]:
    """Yield what the readers that PC/SC drives call themselves: USB devices with an interface of class CCID."""
    for interface in sorted((root / "sys/bus/usb/devices").glob("*:*")):
        if text_of(interface / "bInterfaceClass") == _CCID:
            name = text_of(interface.with_name(interface.name.partition(":")[0]) / "product")
            yield "".join(filter(str.isprintable, name))[:_NAME] or "a reader without a name"


def survey_readers(root: Path = Path("/"), *, may_use: Callable[[Path], bool] | None = None) -> list[Finding]:
    """Say which readers are there and usable; `may_use` says whether this user may open a node of /dev."""
    return [*survey_usb(root, may_use or _may_use), *survey_serial(root, may_use or _may_use), *survey_pcsc(root)]


def mend_of(findings: Iterable[Finding]) -> str:
    """Return the first mend of what does not work, else of what should be known; never empty."""
    mends = sorted((each for each in findings if each.mend), key=lambda each: each.state is not State.MISSING)
    return mends[0].mend if mends else "oob doctor shows what is there"


def mend_for(reader: str = "", root: Path = Path("/")) -> str:
    """Return what to do where no reader was usable at `reader`: "usb...", "tty...", "pcsc...", or "" for whichever."""
    only_pcsc = not any(readers_in(root)) and any(card_readers_in(root))
    if reader.startswith("pcsc") or (not reader and only_pcsc):
        return mend_of([survey_package("pyscard"), *survey_pcsc(root)])
    return mend_of([survey_package("nfcpy"), *survey_path(reader, root)])


def survey_path(path: str, root: Path = Path("/")) -> list[Finding]:
    """Say what is known of a reader by nfcpy's path, of all on USB for "usb"; nothing over UDP, and on Windows."""
    return _asked_for(root, *path.split(":"))


def _asked_for(root: Path, kind: str, first: str = "", *rest: str) -> list[Finding]:
    if kind == "tty":
        return [_silent_port(root / "dev", first)]
    if kind == "usb" and len(first) == _ID:  # else usb:BUS:DEVICE, or any
        ids = (first.lower(), *rest[:1])
        named = [_judge(each, root, _may_use) for each in readers_in(root) if each.ids[: len(ids)] == ids]
        return named or [missing("reader", "not plugged in", _PLUG_IN)]
    return survey_usb(root) if kind in ("", "usb") else []


def _silent_port(dev: Path, name: str) -> Finding:
    port = next((each for each in (dev / f"tty{name}", dev / name) if name and each.exists()), None)
    if port is None:
        return missing("serial", "not there", _PLUG_IN)
    return warning("serial", "silent", _WIRING) if _may_use(port) else _port(port, _may_use)


def survey_usb(root: Path = Path("/"), may_use: Callable[[Path], bool] | None = None) -> list[Finding]:
    """Say which readers on USB nfcpy can use, and what keeps it from the others."""
    return [_judge(each, root, may_use or _may_use) for each in readers_in(root)] or [
        warning("reader", "none that nfcpy knows is on USB", _NONE)
    ]


def _judge(reader: Reader, root: Path, may_use: Callable[[Path], bool]) -> Finding:
    check, seen = f"reader {':'.join(reader.ids)}", reader.name
    modules = READERS[reader.ids][1]
    if reader.driver in modules:
        ban = f"echo 'blacklist {reader.driver}' | sudo tee -a /{MODPROBE}"
        return missing(
            check, f"{seen}, held by the kernel's {reader.driver}", f"{ban} && sudo modprobe -r {' '.join(modules)}"
        )
    if not may_use(reader.node):
        return missing(check, f"{seen}, which this user may not open", permission(reader, root))
    if reader.driver == "usbfs":
        return warning(check, f"{seen}, in use by a program", f"sudo fuser -v {reader.node}")
    return ok(check, seen)


def rule_of(ids: tuple[str, str]) -> str:
    """Return the rule of udev by which who sits at the machine may open this reader."""
    vendor, product = ids
    return f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", TAG+="uaccess"'


def permission(reader: Reader, root: Path = Path("/")) -> str:
    """Return how this user gets leave to open a reader: by a rule for who sits here, and if it is there, by a group."""
    rules = text_of(root / UDEV)
    if not all(f'"{each}"' in rules for each in reader.ids):
        rule = f"echo '{rule_of(reader.ids)}' | sudo tee -a /{UDEV}"
        return f"{rule} && sudo udevadm control -R; then plug it in anew"
    # uaccess is for who sits at the machine: over SSH, and for a service, a group does it.
    group = f"""sudo sed -i 's/TAG+="uaccess"/GROUP="plugdev", MODE="0660", &/' /{UDEV} && """ * ("GROUP" not in rules)
    return f'{group}sudo usermod -aG plugdev "$USER" && sudo udevadm control -R; then plug it in and log in anew'


def survey_serial(root: Path = Path("/"), may_use: Callable[[Path], bool] | None = None) -> list[Finding]:
    """Say at which serial ports a PN532 may be. None is asked: what is there may be anything."""
    return [_port(each, may_use or _may_use) for each in _ports(root / "dev")]


def _ports(dev: Path) -> list[Path]:
    # serial0: where a Raspberry Pi has its pins; other ttyS* are there on any machine, with nothing behind them.
    pins = [dev / "serial0"] if (dev / "serial0").exists() else []
    found = [*pins, *(port for kind in ("ttyUSB", "ttyACM", "ttyAMA") for port in dev.glob(f"{kind}[0-9]*"))]
    return sorted({port.resolve() for port in found})


def _port(port: Path, may_use: Callable[[Path], bool]) -> Finding:
    check = f"serial {port.name}"
    if not may_use(port):
        return warning(check, "this user may not open it", 'sudo usermod -aG dialout "$USER"; then log in anew')
    return ok(check, f"not asked; if a PN532 is there: --reader tty:{port.name.removeprefix('tty')}:pn532")


def survey_pcsc(root: Path = Path("/"), listed: Callable[[], list[str]] | None = None) -> list[Finding]:
    """Say whether PC/SC is there, and its readers if it runs: pcscd is not started by asking."""
    if sys.platform != "linux":  # part of the system
        return [_listed("PC/SC", "", listed or _list_readers)]
    if not (root / "run/pcscd/pcscd.comm").exists():
        need = ", ".join(dict.fromkeys(card_readers_in(root)))
        seen = f"does not run: {need} needs it for PC/SC" if need else "does not run: only PC/SC needs it"
        return [warning("pcscd", seen, "sudo apt install pcscd && sudo systemctl start pcscd.socket")]
    findings = [_pcscd_running(root, listed or _list_readers)]
    if any(each.ids == _BY_PCSC for each in readers_in(root)):
        mend = "sudo systemctl stop pcscd.socket pcscd.service"
        findings.append(warning("pcscd and nfcpy", "both drive the ACR122U, and whoever comes first has it", mend))
    return findings


def _pcscd_running(root: Path, listed: Callable[[], list[str]]) -> Finding:
    if not arguments_of("pcscd", root):
        return ok("pcscd", "starts when somebody asks for it")
    return _listed("pcscd", "sudo systemctl restart pcscd", listed)


def _listed(check: str, restart: str, listed: Callable[[], list[str]]) -> Finding:
    answer = within(WAIT, listed)
    if isinstance(answer, list):
        return ok(check, f"runs with {', '.join(map(without_serial, answer)) or 'no reader'}")
    if isinstance(answer, ImportError):
        return warning(check, "its readers are not known without pyscard", installation_of("pyscard"))
    if getattr(answer, "hresult", 0) & 0xFFFFFFFF == _DENIED:
        return warning(check, "runs, and lets only who sits at the machine use it (polkit)", POLKIT)
    return warning(check, "lists no readers" if answer else "does not answer", restart)


def without_serial(name: str) -> str:
    """Return a name of PC/SC, "Reader [interface] (serial) 00 00", without the serial number."""
    return re.sub(r"\s*\([^)]*\)", "", name)


def _list_readers() -> list[str]:
    from smartcard.System import readers

    return [str(each) for each in readers()]


def within(seconds: float, work: Callable[[], list[str]]) -> list[str] | Exception | None:
    """Return what `work` returns or raises; None if it takes longer: then its thread is left behind, as a daemon."""
    answer: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def run() -> None:
        try:
            answer.put(work())
        except Exception as error:  # whatever pyscard raises, there is no list; a defect shows as that
            answer.put(error)

    threading.Thread(target=run, daemon=True).start()
    with suppress(Empty):
        return answer.get(timeout=seconds)
    return None


def _may_use(node: Path) -> bool:
    return os.access(node, os.R_OK | os.W_OK)
