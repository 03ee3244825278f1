"""What goes wrong with PC/SC: what each of its codes means, and what the user can do about it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from oob.errors import LinkBusy, LinkError
from oob.transport.nfc import tag_lost
from oob.transport.readers_survey import POLKIT

STEP: Final = "reader"

REMOVED: Final = 0x80100069
"""SCARD_W_REMOVED_CARD."""
NO_READERS: Final = 0x8010002E
"""SCARD_E_NO_READERS_AVAILABLE."""
TIMEOUT: Final = 0x8010000A
"""SCARD_E_TIMEOUT: no change came while one was waited for."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the user is told."""

    cause: str
    remedy: str
    error: type[LinkError] = LinkError
    passes: bool = False
    """Whether it may be over in a while: then who waits for a tag goes on waiting."""


class Refused(Exception):
    """A call of PC/SC that failed. `name` is what pyscard calls the code; `cause` says more than its meaning does."""

    def __init__(self, code: int, name: str = "", cause: str = "") -> None:
        super().__init__(name or f"{code:#010x}")
        self.code = code
        self.cause = cause

    @property
    def passes(self) -> bool:
        """Whether it may be over in a while."""
        return self.code in TAG_LOST or _meaning_of(self).passes

    def renamed(self) -> LinkError:
        """Return the error of this library that says the same."""
        if self.code in TAG_LOST:
            return tag_lost()
        told = _meaning_of(self)
        return told.error(self.cause or told.cause, step=STEP, remedy=told.remedy)


@contextmanager
def renamed() -> Iterator[None]:
    """Rename what PC/SC refuses inside the block to LinkError or one of its leaves."""
    try:
        yield
    except Refused as error:
        raise error.renamed() from error


# A service that nobody asked for yet is started by its socket on Linux, and by the first reader on Windows, which also
# ends it with the last one.
_START: Final = {
    "linux": "Start it: sudo apt install pcscd && sudo systemctl start pcscd.socket",
    "win32": "Plug a reader in, which starts it; or, as administrator: sc start SCardSvr",
}.get(sys.platform, "Plug a reader in, which starts it")
_ALLOW: Final = f"Run: {POLKIT}" if sys.platform == "linux" else "Allow this program to use smart cards"

NO_SERVICE: Final = Meaning("the PC/SC service does not run", _START, passes=True)
SERVICE_LOST: Final = Meaning("the PC/SC service went away", _START, passes=True)
NO_READER: Final = Meaning("PC/SC knows no reader", "Plug one in, or run: oob doctor", passes=True)
READER_GONE: Final = Meaning("the reader is gone", "Plug it in again", passes=True)
IN_USE: Final = Meaning(
    "another program uses the tag", "End what else reads smart cards (gpg's scdaemon, say)", LinkBusy, passes=True
)
NOT_ALLOWED: Final = Meaning("this user may not use PC/SC", _ALLOW)
NO_PROTOCOL: Final = Meaning("the reader cannot talk to this tag", "Use another tag or reader", passes=True)

TAG_LOST: Final = {
    0x8010000C,  # SCARD_E_NO_SMARTCARD
    0x80100016,  # SCARD_E_NOT_TRANSACTED: what the driver of a reader says when a tag does not answer
    0x8010002F,  # SCARD_E_COMM_DATA_LOST
    0x80100066,  # SCARD_W_UNRESPONSIVE_CARD
    0x80100067,  # SCARD_W_UNPOWERED_CARD
    0x80100068,  # SCARD_W_RESET_CARD
    REMOVED,
}
"""Codes that say that the tag has left, or that it began anew because of somebody else."""
MEANINGS: Final = {
    0x80100003: SERVICE_LOST,  # SCARD_E_INVALID_HANDLE, once it was restarted
    0x80100009: READER_GONE,  # SCARD_E_UNKNOWN_READER
    0x8010000B: IN_USE,  # SCARD_E_SHARING_VIOLATION
    0x8010000F: NO_PROTOCOL,  # SCARD_E_PROTO_MISMATCH
    0x80100013: SERVICE_LOST,  # SCARD_F_COMM_ERROR
    0x80100017: READER_GONE,  # SCARD_E_READER_UNAVAILABLE
    0x8010001D: NO_SERVICE,  # SCARD_E_NO_SERVICE
    0x8010001E: NO_SERVICE,  # SCARD_E_SERVICE_STOPPED
    0x80100027: NOT_ALLOWED,  # SCARD_E_NO_ACCESS
    NO_READERS: NO_READER,
    0x80100065: NO_PROTOCOL,  # SCARD_W_UNSUPPORTED_CARD
    0x8010006A: NOT_ALLOWED,  # SCARD_W_SECURITY_VIOLATION, when polkit refuses
}
"""What the other codes mean (pcsc-lite, PCSC/pcsclite.h; Microsoft, winerror.h)."""


def _meaning_of(refused: Refused) -> Meaning:
    unknown = Meaning(f"PC/SC failed ({refused})", "Unplug the reader, plug it in again, or run: oob doctor")
    return MEANINGS.get(refused.code, unknown)
