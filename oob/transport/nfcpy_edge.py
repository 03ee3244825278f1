"""The edge to nfcpy: loads it when it is needed, and renames its errors."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from oob.errors import LinkError, OobError, PeerError, UsageError
from oob.transport.host_survey import installation_of
from oob.transport.nfc import tag_lost
from oob.transport.readers_survey import survey_path

_DOCTOR: Final = "run: oob doctor"
AGAIN: Final = f"Unplug the reader and plug it in again, or {_DOCTOR}"
"""What to do with a reader that does not answer as it should."""


class ReaderAbsent(LinkError):
    """There is no such reader, or it was unplugged: it may come back."""


class Target(Protocol):
    """What is used of nfcpy's targets; what a target does not have is None."""

    brty: str
    """Bit rate and technology: "106A", "106B", "212F"."""
    sdd_res: bytearray
    sel_req: bytearray
    sel_res: bytearray | None
    rid_res: bytearray | None
    sensf_res: bytearray
    rats_cmd: bytearray | None
    tt4_cmd: bytearray | None


class Device(Protocol):
    """What is used of nfcpy's ContactlessFrontend."""

    device: Any
    """The driver."""
    max_send_data_size: int
    """Bytes without CRC; so is the next."""
    max_recv_data_size: int

    def open(self, path: str) -> bool:
        """Return whether there is such a reader. Raises OSError, and more."""
        ...

    def close(self) -> None:
        """Let go of the reader."""
        ...

    def sense(self, *targets: object, iterations: int = 1, interval: float = 0.1) -> Target | None:
        """Switch the field off, and on again for these targets; look so many times, so many seconds apart."""
        ...

    def listen(self, target: object, timeout: float) -> Target | None:
        """Wait for a reader."""
        ...

    def exchange(self, send_data: bytearray | None, timeout: float) -> bytearray | None:
        """Send, and wait for what comes in answer."""
        ...


def load_nfcpy() -> Any:  # noqa: ANN401 - nfcpy has no types
    """Return the `nfc` package. Raises UsageError where it is not installed."""
    try:
        import nfc
    except ImportError:
        raise UsageError("NFC needs the package nfcpy", remedy=f"Run: {installation_of('nfcpy')}") from None
    return nfc


@contextmanager
def renamed() -> Iterator[None]:
    """Rename what nfcpy raises about a tag to LinkLost and PeerError; an OSError is about the reader, and stays."""
    nfc = load_nfcpy()
    try:
        yield
    except (OobError, OSError):
        raise
    except nfc.clf.CommunicationError as error:
        raise tag_lost() from error
    except nfc.tag.TagCommandError as error:
        lost = error.errno in (nfc.tag.TIMEOUT_ERROR, nfc.tag.RECEIVE_ERROR)
        raise (tag_lost() if lost else _no_tag_says_that()) from error
    except Exception as error:  # nfcpy's parsers look at nothing before they take it apart
        raise _no_tag_says_that() from error


def _no_tag_says_that() -> PeerError:
    return PeerError("the tag does not keep to its protocol", step="tap", remedy="Hold it still, or take another tag")


def failure_of(path: str, error: OSError) -> LinkError:
    """Return what an error of the operating system, raised by nfcpy, means for the reader."""
    if error.errno is None and "libusb" in str(error):
        return LinkError("libusb-1.0 is missing", step="reader", remedy="Run: sudo apt install libusb-1.0-0")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EADDRINUSE):
        return absent_or_unusable(path, error)
    return ReaderAbsent(f"the reader {path} is gone ({error.strerror or error})", step="reader", remedy=AGAIN)


def absent_or_unusable(path: str, error: OSError | None = None) -> LinkError:
    """Return the error for a reader that could not be opened, with what is in its way (`oob doctor` says the same)."""
    findings = survey_path(path)
    in_the_way = next((each for each in findings if each.mend), None)
    if error and error.errno in (errno.EBUSY, errno.EADDRINUSE) and not path.startswith("usb"):
        return LinkError(f"{path} is in use", step="reader", remedy="End the program that uses it")
    if in_the_way is None and not findings and error is None:
        return ReaderAbsent(f"there is no reader at {path}", step="reader", remedy=f"Check the path, or {_DOCTOR}")
    if in_the_way is None:
        told = error.strerror if error else f"{findings[0].seen} does not answer"
        return LinkError(f"{path} cannot be opened ({told})", step="reader", remedy=AGAIN)
    is_absent = in_the_way.check == "reader" or in_the_way.seen == "not there"
    kind = ReaderAbsent if is_absent else LinkError
    return kind(f"{path}: {in_the_way.seen}", step="reader", remedy=in_the_way.mend)
