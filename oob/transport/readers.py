"""Which reader a person means: READER on the command line, or the first that is found."""

import re
from importlib.util import find_spec
from typing import Final

from oob.errors import UsageError
from oob.transport.nfc import Emulator, Reader
from oob.transport.nfcpy_emulator import NfcpyEmulator
from oob.transport.nfcpy_reader import NfcpyReader
from oob.transport.pcsc_reader import PcscReader
from oob.transport.readers_survey import readers_in

EXAMPLES: Final = "usb, usb:054c:06c3, tty:USB0:pn532, pcsc, pcsc:ACR122"
"""What READER looks like."""
_USB: Final = "usb"
_NFCPY: Final = re.compile(r"usb(:[0-9a-fA-F]{4}:[0-9a-fA-F]{4})?|(tty|com):[\w-]+:\w+|udp:[\w.-]+:\d{1,5}", re.ASCII)
_PCSC: Final = re.compile(r"pcsc(?::(.+))?")


def open_reader(reader: str | None = None) -> Reader:
    """Return the reader that `reader` names; without, one on USB that nfcpy knows, else one of PC/SC.

    It is not touched until it is used. Raises UsageError for what names none.
    """
    if reader is None:
        reader = _USB if find_spec("nfc") and any(readers_in()) else "pcsc"
    if match := _PCSC.fullmatch(reader):
        return PcscReader(match[1] or "")
    return NfcpyReader(_nfcpy_path(reader))


def open_emulator(reader: str | None = None) -> Emulator:
    """Return the front-end that `reader` names, as a tag; without, the first on USB. Raises UsageError for none."""
    if _PCSC.fullmatch(reader or ""):
        raise UsageError("PC/SC cannot be a tag", step="reader", remedy="Use a reader that nfcpy drives: usb")
    return NfcpyEmulator(_nfcpy_path(reader or _USB))


def _nfcpy_path(reader: str) -> str:
    if not _NFCPY.fullmatch(reader):
        raise UsageError(f"{reader!r} names no reader", step="reader", remedy=f"For example: {EXAMPLES}")
    return reader.lower() if reader.startswith(_USB) else reader
