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

    It is "usb", "usb:VVVV:PPPP", "tty:USB0:pn532" or "udp:HOST:PORT" (simulated) by nfcpy, "pcsc" or
    "pcsc:PART-OF-NAME" by PC/SC. It is not touched until it is used. Raises UsageError for what names none.
    """
    if reader is None:
        reader = _first()
    if match := _PCSC.fullmatch(reader):
        return PcscReader(match[1] or "")
    return NfcpyReader(_nfcpy_path(reader))


def open_emulator(reader: str | None = None) -> Emulator:
    """Return the front-end that `reader` names, as a tag; without, the first on USB. Raises UsageError for none.

    It is named as for `open_reader`; only nfcpy can be a tag, PC/SC cannot.
    """
    if _PCSC.fullmatch(reader or ""):
        raise UsageError("PC/SC cannot be a tag", step="reader", remedy="Use a reader that nfcpy drives: usb")
    return NfcpyEmulator(_nfcpy_path(reader or _USB))


def _first() -> str:
    """Return the one that is there; what is not installed is no way to mend that nothing is plugged in."""
    has_nfcpy, has_pcsc = find_spec("nfc") is not None, find_spec("smartcard") is not None
    return "pcsc" if has_pcsc and not (has_nfcpy and any(readers_in())) else _USB


def _nfcpy_path(reader: str) -> str:
    if not _NFCPY.fullmatch(reader):
        raise UsageError(f"{reader!r} names no reader", step="reader", remedy=f"For example: {EXAMPLES}")
    return reader.lower() if reader.startswith(_USB) else reader
