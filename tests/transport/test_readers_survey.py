"""Which NFC readers are there, read from trees of files that stand for a machine. No reader was near."""

import subprocess
import sys
import threading
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from oob.transport import host_survey, readers_survey
from oob.transport.finding import Finding, State, missing, ok, warning
from oob.transport.readers_survey import (
    READERS,
    UDEV,
    card_readers_in,
    mend_for,
    mend_of,
    readers_in,
    rule_of,
    survey_pcsc,
    survey_readers,
    survey_serial,
    within,
    without_serial,
)


def plug(root: Path, vendor: str = "054c", product: str = "06c1", driver: str = "", port: str = "1-2") -> Path:
    """Plug a reader in, held by a driver."""
    device = root / "sys/bus/usb/devices" / port
    (device / f"{port}:1.0").mkdir(parents=True)
    for name, text in {
        "idVendor": vendor,
        "idProduct": product,
        "busnum": "1",
        "devnum": "7",
        "serial": "0123",
    }.items():
        (device / name).write_text(f"{text}\n")
    if driver:
        (device / f"{port}:1.0/driver").symlink_to(f"../../../../bus/usb/drivers/{driver}")
    return root


def insert_card_reader(root: Path, name: str, port: str = "1-4") -> Path:
    """Plug in a reader of class CCID, which nfcpy does not know."""
    device = plug(root, "072f", "223b", port=port) / "sys/bus/usb/devices" / port
    (device / "product").write_text(f"{name}\n")
    interface = device.with_name(f"{port}:1.0")
    interface.mkdir()
    (interface / "bInterfaceClass").write_text("0b\n")
    return root


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither nfcpy nor pyscard is installed."""

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(host_survey, "version", absent)


def start_pcscd(root: Path, *, running: bool) -> Path:
    (root / "run/pcscd").mkdir(parents=True)
    (root / "run/pcscd/pcscd.comm").touch()
    (root / "proc/9").mkdir(parents=True)
    (root / "proc/9/comm").write_text("pcscd\n" if running else "sh\n")
    (root / "proc/9/cmdline").write_text("/usr/sbin/pcscd\0--foreground\0")
    return root


def test_every_reader_is_known_by_its_ids(tmp_path: Path) -> None:
    for number, (vendor, product) in enumerate(READERS):
        plug(tmp_path, vendor, product, port=f"1-{number}")
    plug(tmp_path, "1d6b", "0002", port="usb1")
    assert {each.ids for each in readers_in(tmp_path)} == set(READERS)


def test_a_reader_that_is_free(tmp_path: Path) -> None:
    nodes: list[Path] = []

    def may_use(node: Path) -> bool:
        nodes.append(node)
        return True

    findings = survey_readers(plug(tmp_path), may_use=may_use)
    assert findings[0] == Finding("reader 054c:06c1", State.OK, "Sony RC-S380")
    assert nodes == [tmp_path / "dev/bus/usb/001/007"]
    assert "0123" not in str(findings), "a serial number"


@pytest.mark.parametrize(
    ("vendor", "product", "driver", "unload"),
    [
        ("054c", "06c3", "port100", "sudo modprobe -r port100 nfc_digital nfc"),
        ("072f", "2200", "pn533_usb", "sudo modprobe -r pn533_usb pn533 nfc"),
        ("04e6", "5591", "pn533_usb", "sudo modprobe -r pn533_usb pn533 nfc"),
    ],
)
def test_a_reader_that_the_kernel_took(vendor: str, product: str, driver: str, unload: str, tmp_path: Path) -> None:
    finding = survey_readers(plug(tmp_path, vendor, product, driver), may_use=lambda _: True)[0]
    assert finding.state is State.MISSING
    assert finding.mend == f"echo 'blacklist {driver}' | sudo tee -a /etc/modprobe.d/oob-nfc.conf && {unload}"


def test_a_reader_that_this_user_may_not_open(tmp_path: Path) -> None:
    finding = survey_readers(plug(tmp_path), may_use=lambda _: False)[0]
    assert (finding.state, finding.seen) == (State.MISSING, "Sony RC-S380, which this user may not open")
    assert 'ATTRS{idVendor}=="054c", ATTRS{idProduct}=="06c1", TAG+="uaccess"' in finding.mend
    assert "sudo tee -a /etc/udev/rules.d/70-oob-nfc.rules" in finding.mend, "rules that are there stay"


def test_a_rule_that_does_not_do(tmp_path: Path) -> None:
    """Over SSH: the rule is there, and is for who sits at the machine."""
    rules = plug(tmp_path) / UDEV
    rules.parent.mkdir(parents=True)
    rules.write_text(rule_of(("054c", "06c1")))
    mend = survey_readers(tmp_path, may_use=lambda _: False)[0].mend
    assert mend.startswith("""sudo sed -i 's/TAG+="uaccess"/GROUP="plugdev", MODE="0660", &/' /etc/udev/rules.d/""")
    assert 'sudo usermod -aG plugdev "$USER"' in mend
    rules.write_text(rule_of(("054c", "06c1")).replace("TAG", 'GROUP="plugdev", MODE="0660", TAG'))
    mend = survey_readers(tmp_path, may_use=lambda _: False)[0].mend
    assert mend.startswith('sudo usermod -aG plugdev "$USER"')


def test_a_reader_in_use(tmp_path: Path) -> None:
    finding = survey_readers(plug(tmp_path, driver="usbfs"), may_use=lambda _: True)[0]
    assert (finding.state, finding.seen) == (State.WARNING, "Sony RC-S380, in use by a program")


def test_no_reader_and_no_pcscd(tmp_path: Path) -> None:
    reader, pcscd = survey_readers(tmp_path)
    assert (reader.state, reader.check) == (State.WARNING, "reader")
    assert pcscd.mend == "sudo apt install pcscd && sudo systemctl start pcscd.socket"


def test_pcscd_is_not_started_by_asking(tmp_path: Path) -> None:
    asked: list[str] = []
    (finding,) = survey_pcsc(start_pcscd(tmp_path, running=False), lambda: asked)
    assert finding == Finding("pcscd", State.OK, "starts when somebody asks for it")


def test_the_readers_of_pcscd_are_named_without_their_serial_numbers(tmp_path: Path) -> None:
    names = ["ACS ACR122U PICC Interface 00 00", "Gemalto Prox-DU [Contactless] (0123456789) 01 00"]
    (finding,) = survey_pcsc(start_pcscd(tmp_path, running=True), lambda: names)
    assert finding.seen == "runs with ACS ACR122U PICC Interface 00 00, Gemalto Prox-DU [Contactless] 01 00"
    assert without_serial("A (1) 00 00") == "A 00 00"


class Refusal(Exception):
    """An error of pyscard, with the code of PC/SC."""

    hresult = 0x8010006A


@pytest.mark.parametrize(
    ("error", "seen", "mend"),
    [
        (ImportError(), "its readers are not known without pyscard", "libpcsclite-dev && pip install 'oob[pcsc]'"),
        (Refusal(), "lets only who sits at the machine use it", "sudo tee /etc/polkit-1/rules.d/oob-nfc.rules"),
        (PermissionError(), "lists no readers", "sudo systemctl restart pcscd"),
    ],
    ids=["no pyscard", "polkit", "another"],
)
def test_pcscd_that_lists_nothing(error: Exception, seen: str, mend: str, tmp_path: Path) -> None:
    def refuse() -> list[str]:
        raise error

    (finding,) = survey_pcsc(start_pcscd(tmp_path, running=True), refuse)
    assert finding.state is State.WARNING
    assert seen in finding.seen
    assert mend in finding.mend
    assert within(0.01, lambda: ["a reader"]) == ["a reader"]


def test_the_rule_of_polkit_is_for_this_user_alone(tmp_path: Path) -> None:
    def refuse() -> list[str]:
        raise Refusal

    (finding,) = survey_pcsc(start_pcscd(tmp_path, running=True), refuse)
    shown = finding.mend.replace("sudo tee /etc/polkit-1/rules.d/oob-nfc.rules", "cat")
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", shown],
        env={"USER": "pi", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        "polkit.addRule(function(action, subject) { if (action.id.indexOf('org.debian.pcsc-lite.') == 0 "
        "&& subject.user == 'pi') return polkit.Result.YES; });\n"
    )


def test_pcscd_that_never_answers() -> None:
    forever = threading.Event()

    def wait() -> list[str]:
        forever.wait(60)
        return []

    assert within(0.01, wait) is None
    forever.set()


def test_pcscd_and_nfcpy_want_the_same_reader(tmp_path: Path) -> None:
    plug(start_pcscd(tmp_path, running=True), "072f", "2200")
    finding = survey_pcsc(tmp_path, list)[-1]
    assert (finding.check, finding.state) == ("pcscd and nfcpy", State.WARNING)
    assert finding.mend == "sudo systemctl stop pcscd.socket pcscd.service"


def test_a_reader_that_pcsc_alone_drives(tmp_path: Path) -> None:
    insert_card_reader(tmp_path, "ACR1252 Dual\x1b[31m Reader", port="1-4")
    insert_card_reader(tmp_path, "ACR1252 Dual\x1b[31m Reader", port="1-5")
    assert list(card_readers_in(tmp_path)) == ["ACR1252 Dual[31m Reader"] * 2, "nothing that moves the cursor"
    (finding,) = survey_pcsc(tmp_path)
    assert finding.seen == "does not run: ACR1252 Dual[31m Reader needs it for PC/SC"


def test_no_reader_says_what_is_not_looked_for(tmp_path: Path) -> None:
    finding = survey_readers(tmp_path)[0]
    assert "--reader tty:USB0:pn532" in finding.mend
    assert "--reader pcsc" in finding.mend


def test_serial_ports_are_named_and_not_asked(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for name in ("ttyUSB0", "ttyAMA0", "ttyS0", "ttyS1", "ttyprintk", "tty1"):
        (tmp_path / "dev" / name).touch()
    (tmp_path / "dev/serial0").symlink_to("ttyS0")
    findings = survey_serial(tmp_path, lambda port: port.name != "ttyUSB0")
    assert findings == [
        ok("serial ttyAMA0", "not asked; if a PN532 is there: --reader tty:AMA0:pn532"),
        ok("serial ttyS0", "not asked; if a PN532 is there: --reader tty:S0:pn532"),
        warning("serial ttyUSB0", "this user may not open it", 'sudo usermod -aG dialout "$USER"; then log in anew'),
    ]


def test_the_first_mend_of_what_does_not_work() -> None:
    known, gone = warning("reader", "none", "plug one in"), missing("nfcpy", "not installed", "install it")
    assert mend_of([ok("system", "any"), known, gone, missing("other", "gone", "look for it")]) == "install it"
    assert mend_of([missing("backend", "none"), known]) == "plug one in"
    assert mend_of([]) == "oob doctor shows what is there"


@pytest.mark.parametrize("reader", ["", "usb", "usb:054c:06c1", "tty:USB0:pn532", "udp:127.0.0.1:54321", "com:3:pn532"])
@pytest.mark.usefixtures("no_packages")
def test_without_nfcpy_the_mend_is_to_install_it(reader: str, tmp_path: Path) -> None:
    assert mend_for(reader, plug(tmp_path)) == "pip install 'oob[nfc]'"


@pytest.mark.usefixtures("no_packages")
def test_without_pyscard_the_mend_is_to_install_it(tmp_path: Path) -> None:
    assert mend_for("pcsc", plug(tmp_path)).endswith("pip install 'oob[pcsc]'")
    alone = insert_card_reader(tmp_path / "alone", "ACR1252 Dual Reader")
    assert mend_for("", alone).endswith("pip install 'oob[pcsc]'"), "nothing that nfcpy would drive is there"


@pytest.mark.parametrize(
    ("reader", "mend"),
    [
        ("", "echo 'blacklist pn533_usb' | "),
        ("usb", "echo 'blacklist pn533_usb' | "),
        ("usb:001:007", "echo 'blacklist pn533_usb' | "),
        ("usb:04E6", "echo 'blacklist pn533_usb' | "),
        ("usb:04e6:5591", "echo 'blacklist pn533_usb' | "),
        ("usb:054c:06c1", "Plug it in"),
        ("usb:04e6:5593", "Plug it in"),
        ("tty:USB0:pn532", "Is the board set to HSU, and TX wired to RX?"),
        ("tty:nfc0:pn532", "Is the board set to HSU, and TX wired to RX?"),
        ("tty:USB1:pn532", 'sudo usermod -aG dialout "$USER"'),
        ("tty:USB2:pn532", "Plug it in"),
        ("tty", "Plug it in"),
        ("udp:127.0.0.1:54321", "oob doctor shows"),
        ("pcsc:ACR", "sudo apt install pcscd"),
    ],
)
def test_the_mend_is_for_the_reader_that_was_asked_for(
    reader: str, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(tmp_path, "04e6", "5591", "pn533_usb")
    (tmp_path / "dev").mkdir()
    for name in ("ttyUSB0", "ttyUSB1", "nfc0"):
        (tmp_path / "dev" / name).touch()
    monkeypatch.setattr(readers_survey, "_may_use", lambda node: node.name != "ttyUSB1")
    assert mend_for(reader, tmp_path).startswith(mend)


def test_pcsc_is_part_of_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert survey_pcsc(listed=lambda: ["ACS ACR122 0"]) == [ok("PC/SC", "runs with ACS ACR122 0")]
