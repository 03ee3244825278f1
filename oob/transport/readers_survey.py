"""Which NFC readers are plugged in, and what keeps nfcpy or PC/SC from using them. Nothing is opened or claimed."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from oob.transport.finding import Finding, missing, ok, warning
from oob.transport.host_survey import arguments_of, text_of

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
_UDEV: Final = "/etc/udev/rules.d/70-oob-nfc.rules"  # before 73-seat-late.rules, which acts on uaccess
_BY_PCSC: Final = ("072f", "2200")
"""The reader that PC/SC drives, too: whoever comes first has it."""


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


def survey_readers(root: Path = Path("/"), *, may_use: Callable[[Path], bool] | None = None) -> list[Finding]:
    """Say which readers are there and usable; `may_use` says whether this user may open a node of /dev."""
    found = [judge(each, may_use) for each in readers_in(root)]
    return [*(found or [warning("reader", "none that nfcpy knows is plugged in")]), *survey_pcsc(root)]


def judge(reader: Reader, may_use: Callable[[Path], bool] | None = None) -> Finding:
    """Say whether nfcpy can have a reader, and what keeps it from that."""
    vendor, product = reader.ids
    check, seen = f"reader {vendor}:{product}", reader.name
    modules = READERS[reader.ids][1]
    if reader.driver in modules:
        ban = f"echo 'blacklist {reader.driver}' | sudo tee /etc/modprobe.d/oob-nfc.conf"
        return missing(
            check, f"{seen}, held by the kernel's {reader.driver}", f"{ban} && sudo modprobe -r {' '.join(modules)}"
        )
    if not (may_use or _may_use)(reader.node):
        rule = f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", TAG+="uaccess"'
        mend = f"echo '{rule}' | sudo tee {_UDEV} && sudo udevadm control -R; then plug it in anew"
        return missing(check, f"{seen}, which this user may not open", mend)
    if reader.driver == "usbfs":
        return warning(check, f"{seen}, in use by a program", f"sudo fuser -v {reader.node}")
    return ok(check, seen)


def survey_pcsc(root: Path = Path("/"), listed: Callable[[], list[str]] | None = None) -> list[Finding]:
    """Say whether pcscd is there, and its readers if it runs: it is not started by asking."""
    if not (root / "run/pcscd/pcscd.comm").exists():
        return [
            warning(
                "pcscd",
                "does not run: only PC/SC needs it",
                "sudo apt install pcscd && sudo systemctl start pcscd.socket",
            )
        ]
    findings = [_pcscd_running(root, listed or _list_readers)]
    if any(each.ids == _BY_PCSC for each in readers_in(root)):
        mend = "sudo systemctl stop pcscd.socket pcscd.service"
        findings.append(warning("pcscd and nfcpy", "both drive the ACR122U, and whoever comes first has it", mend))
    return findings


def _pcscd_running(root: Path, listed: Callable[[], list[str]]) -> Finding:
    if not arguments_of("pcscd", root):
        return ok("pcscd", "starts when somebody asks for it")
    names = within(WAIT, listed)
    if names is None:
        return warning(
            "pcscd",
            "runs, and lists no readers: no pyscard, no permission, or no answer",
            "sudo systemctl restart pcscd",
        )
    return ok("pcscd", f"runs with {', '.join(map(without_serial, names)) or 'no reader'}")


def without_serial(name: str) -> str:
    """Return a name of PC/SC, "Reader [interface] (serial) 00 00", without the serial number."""
    return re.sub(r"\s*\([^)]*\)", "", name)


def _list_readers() -> list[str]:
    from smartcard.System import readers

    return [str(each) for each in readers()]


def within(seconds: float, work: Callable[[], list[str]]) -> list[str] | None:
    """Return what `work` returns; None if it raises, or takes longer: then its thread is left behind, as a daemon."""
    answer: SimpleQueue[list[str]] = SimpleQueue()

    def run() -> None:
        # Whatever pyscard raises, pcscd gave no list; a defect shows as that.
        with suppress(Exception):
            answer.put(work())

    threading.Thread(target=run, daemon=True).start()
    with suppress(Empty):
        return answer.get(timeout=seconds)
    return None


def _may_use(node: Path) -> bool:
    return os.access(node, os.R_OK | os.W_OK)
