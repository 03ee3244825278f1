"""What READER names. No reader is touched by naming it."""

from importlib.machinery import ModuleSpec

import pytest

from oob.errors import UsageError
from oob.transport import readers
from oob.transport.nfcpy_emulator import NfcpyEmulator
from oob.transport.nfcpy_reader import NfcpyReader
from oob.transport.pcsc_reader import PcscReader
from oob.transport.readers import EXAMPLES, open_emulator, open_reader

NFCPY = ["usb", "usb:054c:06c3", "tty:USB0:pn532", "tty:AMA0:pn532", "com:COM3:pn532"]


@pytest.mark.parametrize("reader", [*NFCPY, "udp:localhost:54321", "udp:127.0.0.1:1"])
def test_the_paths_of_nfcpy(reader: str) -> None:
    assert open_reader(reader).name == f"nfcpy {reader}"
    assert open_emulator(reader).name == f"nfcpy {reader}"


def test_digits_may_be_capitals() -> None:
    assert open_reader("usb:054C:06C3").name == "nfcpy usb:054c:06c3"


@pytest.mark.parametrize(("reader", "name"), [("pcsc", "PC/SC"), ("pcsc:ACR122U PICC", "PC/SC ACR122U PICC")])
def test_readers_of_pcsc(reader: str, name: str) -> None:
    assert open_reader(reader).name == name
    with pytest.raises(UsageError, match="PC/SC cannot be a tag"):
        open_emulator(reader)


@pytest.mark.parametrize(
    "reader", ["", "usb:", "usb:54c:6c3", "usb:1:2", "tty", "tty:USB0", "tty:../x:pn532", "udp", "USB"]
)
@pytest.mark.parametrize("opened", [open_reader, open_emulator])
def test_what_names_no_reader(reader: str, opened: type) -> None:
    if opened is open_emulator and not reader:
        return
    with pytest.raises(UsageError, match="names no reader.*usb:054c:06c3"):
        opened(reader)
    with pytest.raises(UsageError):
        opened("pcsc:")


@pytest.mark.parametrize("reader", EXAMPLES.split(", "))
def test_every_example_is_one(reader: str) -> None:
    open_reader(reader)


BOTH = ("nfc", "smartcard")


@pytest.mark.parametrize(
    ("plugged", "installed", "kind"),
    [
        (True, BOTH, NfcpyReader),
        (False, BOTH, PcscReader),
        (True, ("smartcard",), PcscReader),
        (False, ("smartcard",), PcscReader),
        (True, ("nfc",), NfcpyReader),
        (False, ("nfc",), NfcpyReader),
        (False, (), NfcpyReader),
    ],
)
def test_the_first_that_is_found(
    monkeypatch: pytest.MonkeyPatch, *, plugged: bool, installed: tuple[str, ...], kind: type
) -> None:
    monkeypatch.setattr(readers, "readers_in", lambda: iter(["a reader"] if plugged else []))
    monkeypatch.setattr(readers, "find_spec", lambda name: ModuleSpec(name, None) if name in installed else None)
    assert type(open_reader()) is kind
    assert type(open_emulator()) is NfcpyEmulator
