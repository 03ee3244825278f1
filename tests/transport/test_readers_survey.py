"""Which NFC readers are there, read from trees of files that stand for a machine. No reader was near."""

import threading
from pathlib import Path

import pytest

from oob.transport.finding import Finding, State
from oob.transport.readers_survey import READERS, readers_in, survey_pcsc, survey_readers, within, without_serial


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
    assert finding.mend == f"echo 'blacklist {driver}' | sudo tee /etc/modprobe.d/oob-nfc.conf && {unload}"


def test_a_reader_that_this_user_may_not_open(tmp_path: Path) -> None:
    finding = survey_readers(plug(tmp_path), may_use=lambda _: False)[0]
    assert (finding.state, finding.seen) == (State.MISSING, "Sony RC-S380, which this user may not open")
    assert 'ATTRS{idVendor}=="054c", ATTRS{idProduct}=="06c1", TAG+="uaccess"' in finding.mend


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


def test_pcscd_that_lists_nothing(tmp_path: Path) -> None:
    def refuse() -> list[str]:
        raise PermissionError

    (finding,) = survey_pcsc(start_pcscd(tmp_path, running=True), refuse)
    assert finding.state is State.WARNING
    assert within(0.01, lambda: ["a reader"]) == ["a reader"]


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
