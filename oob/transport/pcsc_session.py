"""The edge to pyscard: one context of PC/SC and the tag that it is connected to, by calls that block.

pyscard's higher layers watch readers and cards in threads that are hard to end; its bare functions do not.
"""

from contextlib import suppress
from types import ModuleType
from typing import Any, Final

from oob.errors import UsageError
from oob.transport.host_survey import installation_of
from oob.transport.pcsc_commands import is_contactless
from oob.transport.pcsc_failures import NO_READERS, REMOVED, TAG_LOST, TIMEOUT, Refused
from oob.transport.readers_survey import without_serial

SLICE: Final = 0.25
"""Seconds that a call waits for a tag: one that comes ends it at once, a new reader is seen by the next one."""
NOTICE: Final = 0.5
"""Seconds after which a reader has noticed that a tag is gone: pcscd asks it every 0.4 s."""


def load_scard() -> ModuleType:
    """Return pyscard's module of PC/SC's functions. Raises UsageError where it is not installed."""
    try:
        from smartcard import scard
    except ImportError:
        raise UsageError("PC/SC needs the package pyscard", remedy=f"Run: {installation_of('pyscard')}") from None
    module: ModuleType = scard
    return module


class Session:
    """A context of PC/SC, made when it is needed. Its methods block, raise Refused, and are called one at a time."""

    def __init__(self, scard: ModuleType, name_part: str) -> None:
        self._scard = scard
        self._part = name_part.casefold()
        self._context: Any = None
        self._card: Any = None
        self._protocol = 0
        self.is_lost = False
        """Whether the tag did not answer, or is known to be gone."""
        self._states: dict[str, int] = {}
        self.reader = ""
        """The reader whose tag it is connected to."""
        self.has_looked = False
        """Whether it has had a reader to look at."""

    def look(self) -> bytes | None:
        """Connect to the tag that is there or comes within `SLICE` seconds; return its ATR, None for no tag."""
        if self._context is None:
            (self._context,) = self._call("SCardEstablishContext", self._scard.SCARD_SCOPE_USER)
        self._states = {name: self._states.get(name, self._scard.SCARD_STATE_UNAWARE) for name in self._readers()}
        atrs = self._changes(SLICE)
        self.has_looked = True
        for name in self._states:
            if self._is_present(name) and (is_contactless(atrs.get(name, b"")) or self._part):
                return self._connect(name)
        return None

    def transmit(self, apdu: bytes) -> bytes:
        """Return the response to an APDU."""
        if self._card is None:
            raise Refused(REMOVED)
        try:
            return self._transmit(apdu)
        except Refused as refused:
            self.is_lost = refused.code in TAG_LOST
            raise

    def has_left(self) -> bool:
        """Say whether the tag is gone; waits `NOTICE` seconds for the reader to notice."""
        self._states = {self.reader: self._scard.SCARD_STATE_UNAWARE}
        self._changes(0)
        if self._is_present(self.reader):
            self._changes(NOTICE)
        self.is_lost = not self._is_present(self.reader)
        return self.is_lost

    def close(self) -> None:
        """Let go of the tag, and of PC/SC. Raises nothing."""
        if self._card is not None:
            self._scard.SCardDisconnect(self._card, self._disposition())
        if self._context is not None:
            self._scard.SCardReleaseContext(self._context)
        self._card = self._context = None

    def _disposition(self) -> int:
        """Cut a tag's power, so that it begins anew at the next tap; leave one alone that is gone.

        Told to do something to a tag that is gone, pcscd takes it for gone at once, but its watching thread does not:
        if a tag is back before that thread looks, pcscd shows none until it leaves again (pcsc-lite, winscard.c,
        SCardDisconnect; eventhandler.c). Therefore a lost tag is waited for to be seen as gone.
        """
        with suppress(Refused):
            if self.is_lost and self.has_left():
                return int(self._scard.SCARD_LEAVE_CARD)
        return int(self._scard.SCARD_UNPOWER_CARD)

    def _transmit(self, apdu: bytes) -> bytes:
        (response,) = self._call("SCardTransmit", self._card, self._protocol, list(apdu))
        if not response:  # vpcd calls it a success when the tag leaves before it answers
            raise Refused(REMOVED)
        return bytes(response)

    def _readers(self) -> list[str]:
        (names,) = self._call("SCardListReaders", self._context, [])
        meant = [name for name in names if self._part in name.casefold()]
        if not meant:
            others = ", ".join(map(without_serial, names))
            cause = f"PC/SC knows no reader with {self._part!r} in its name, but {others}" if names else ""
            raise Refused(NO_READERS, cause=cause)
        return meant

    def _changes(self, seconds: float) -> dict[str, bytes]:
        """Wait for a change, and take note of it; return the ATRs of the cards that are there."""
        known = list(self._states.items())
        try:
            (seen,) = self._call("SCardGetStatusChange", self._context, int(seconds * 1000), known)
        except Refused as refused:
            if refused.code != TIMEOUT:
                raise
            return {}
        self._states = {name: state & ~self._scard.SCARD_STATE_CHANGED for name, state, _ in seen}
        return {name: bytes(atr) for name, _, atr in seen}

    def _is_present(self, name: str) -> bool:
        state = self._states[name]
        return bool(state & self._scard.SCARD_STATE_PRESENT) and not state & self._scard.SCARD_STATE_MUTE

    def _connect(self, name: str) -> bytes:
        """Connect alone: else another program could select or reset something between two commands.

        A transaction would leave others connected meanwhile, but Windows ends one that is silent for 5 s.
        """
        scard = self._scard
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        exclusive = scard.SCARD_SHARE_EXCLUSIVE
        self._card, self._protocol = self._call("SCardConnect", self._context, name, exclusive, protocols)
        self.reader = name
        _, _, _, atr = self._call("SCardStatus", self._card)
        return bytes(atr)

    def _call(self, name: str, *arguments: object) -> list[Any]:
        result: list[Any] = getattr(self._scard, name)(*arguments)
        code = result[0] & 0xFFFFFFFF  # Windows has it negative
        if code != self._scard.SCARD_S_SUCCESS:
            raise Refused(code, self._name_of(code))
        return result[1:]

    def _name_of(self, code: int) -> str:
        names = (each for each in dir(self._scard) if each.startswith(("SCARD_E_", "SCARD_F_", "SCARD_W_")))
        return next((each for each in names if getattr(self._scard, each) & 0xFFFFFFFF == code), f"{code:#010x}")
