"""What the errors of nfcpy mean, and what mends them."""

import errno
import os
import sys
from pathlib import Path

import nfc.clf
import nfc.tag
import pytest
from nfc.tag.tt3 import Type3TagCommandError

from oob.errors import LinkError, LinkLost, PeerError, UsageError
from oob.transport import readers_survey
from oob.transport.nfcpy_edge import ReaderAbsent, absent_or_unusable, failure_of, load_nfcpy, renamed
from oob.transport.readers_survey import Reader

SONY, ACR122U = ("054c", "06c1"), ("072f", "2200")


def plug(monkeypatch: pytest.MonkeyPatch, *plugged: Reader) -> None:
    monkeypatch.setattr(readers_survey, "readers_in", lambda *_: iter(plugged))


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node of /dev that this user may open."""
    path = tmp_path / "007"
    path.touch()
    return path


def test_nfcpy_is_loaded_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_nfcpy() is nfc
    monkeypatch.setitem(sys.modules, "nfc", None)
    with pytest.raises(UsageError, match=r"nfcpy.*pip install 'oob\[nfc\]'"):
        load_nfcpy()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (nfc.clf.TimeoutError(), LinkLost),
        (nfc.clf.TransmissionError("crc"), LinkLost),
        (nfc.clf.BrokenLinkError(), LinkLost),
        (nfc.tag.TagCommandError(nfc.tag.TIMEOUT_ERROR), LinkLost),
        (nfc.tag.TagCommandError(nfc.tag.RECEIVE_ERROR), LinkLost),
        (nfc.tag.TagCommandError(nfc.tag.PROTOCOL_ERROR), PeerError),
        (Type3TagCommandError(1), PeerError),
        (IndexError(), PeerError),
        (AssertionError(), PeerError),
        (UnboundLocalError(), PeerError),
        (OSError(errno.ENODEV, "gone"), OSError),
        (UsageError("ours"), UsageError),
    ],
    ids=repr,
)
def test_what_is_raised_about_a_tag(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected), renamed():
        raise raised


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO, errno.ETIMEDOUT])
def test_a_reader_that_is_gone_may_come_back(number: int) -> None:
    error = failure_of("usb", OSError(number, os.strerror(number)))
    assert isinstance(error, ReaderAbsent)
    assert os.strerror(number) in str(error)


def test_a_library_that_is_not_there() -> None:
    error = failure_of("usb", OSError("libusb-1.0.so.0: cannot open shared object file"))
    assert "sudo apt install libusb-1.0-0" in error.remedy
    assert not isinstance(error, ReaderAbsent), "waiting brings nothing"


def test_no_reader_is_plugged_in(monkeypatch: pytest.MonkeyPatch, node: Path) -> None:
    plug(monkeypatch)
    assert isinstance(absent_or_unusable("usb"), ReaderAbsent)
    plug(monkeypatch, Reader(SONY, node, ""))
    assert isinstance(absent_or_unusable("usb:072f:2200"), ReaderAbsent), "another one is"
    assert isinstance(absent_or_unusable("tty:NONE:pn532"), ReaderAbsent)
    assert isinstance(absent_or_unusable("com:COM3:pn532"), ReaderAbsent)


@pytest.mark.parametrize(
    ("ids", "driver", "cause", "remedy"),
    [
        (SONY, "port100", "held by the kernel's port100", "sudo modprobe -r port100"),
        (ACR122U, "pn533_usb", "held by the kernel's pn533_usb", "sudo modprobe -r pn533_usb"),
        (SONY, "usbfs", "in use by a program", "sudo fuser -v"),
        (SONY, "", "does not answer", "Unplug the reader and plug it in again"),
    ],
)
@pytest.mark.parametrize("path", ["usb", "usb:{}:{}"])
def test_what_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, node: Path, ids: tuple[str, str], driver: str, cause: str, remedy: str, path: str
) -> None:
    plug(monkeypatch, Reader(ids, node, driver))
    error = absent_or_unusable(path.format(*ids))
    assert type(error) is LinkError
    assert cause in error.cause
    assert remedy in error.remedy


def test_a_reader_that_this_user_may_not_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plug(monkeypatch, Reader(SONY, tmp_path / "nowhere", ""))
    error = failure_of("usb:054c:06c1", OSError(errno.EACCES, "Permission denied"))
    assert type(error) is LinkError
    assert "which this user may not open" in error.cause
    assert 'TAG+="uaccess"' in error.remedy


@pytest.mark.parametrize(
    ("path", "number"), [("tty:USB0:pn532", errno.EBUSY), ("udp:localhost:54321", errno.EADDRINUSE)]
)
def test_what_another_program_uses(path: str, number: int) -> None:
    error = failure_of(path, OSError(number, os.strerror(number)))
    assert type(error) is LinkError
    assert "End the program that uses it" in error.remedy


def test_a_place_that_nobody_may_listen_at() -> None:
    error = failure_of("udp:localhost:1", OSError(errno.EACCES, "Permission denied"))
    assert error.cause == "udp:localhost:1 cannot be opened (Permission denied)"
