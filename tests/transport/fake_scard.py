"""A simulated service of PC/SC, in the form of pyscard's functions: says what genuine pcscd cannot be made to say."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

ATR = bytes.fromhex("3B8180018080")
PRESENT = 0x20


class FakeScard:
    """One reader with a tag. `refusals` holds codes by function, used up one after the other; 0 lets a call pass."""

    SCARD_S_SUCCESS = 0
    SCARD_E_SHARING_VIOLATION = 0x8010000B
    SCARD_E_TIMEOUT = 0x8010000A
    SCARD_W_CHV_BLOCKED = -0x7FEFFF94  # as Windows has it
    SCARD_SCOPE_USER = 0
    SCARD_SHARE_EXCLUSIVE = 1
    SCARD_PROTOCOL_T0 = 1
    SCARD_PROTOCOL_T1 = 2
    SCARD_LEAVE_CARD = 0
    SCARD_UNPOWER_CARD = 2
    SCARD_STATE_UNAWARE = 0
    SCARD_STATE_CHANGED = 2
    SCARD_STATE_PRESENT = PRESENT
    SCARD_STATE_MUTE = 0x200

    def __init__(self) -> None:
        self.refusals: dict[str, list[int]] = {}
        self.readers = ["ACS ACR122U PICC Interface (0123456789) 00 00"]
        self.state = PRESENT
        self.calls: list[tuple[Any, ...]] = []
        self.answer: Callable[[bytes], bytes] = lambda _: b"\x90\x00"

    def _say(self, name: str, *values: Any) -> list[Any]:
        left = self.refusals.get(name, [])
        return [left.pop(0) if left else 0, *values]

    def SCardEstablishContext(self, scope: int) -> list[Any]:
        return self._say("SCardEstablishContext", 1)

    def SCardListReaders(self, context: int, groups: list[str]) -> list[Any]:
        return self._say("SCardListReaders", list(self.readers))

    def SCardGetStatusChange(self, context: int, timeout: int, known: list[tuple[str, int]]) -> list[Any]:
        return self._say("SCardGetStatusChange", [(name, self.state, list(ATR)) for name, _ in known])

    def SCardConnect(self, context: int, reader: str, share: int, protocols: int) -> list[Any]:
        self.calls.append(("connect", reader, share, protocols))
        return self._say("SCardConnect", 7, self.SCARD_PROTOCOL_T1)

    def SCardStatus(self, card: int) -> list[Any]:
        return self._say("SCardStatus", self.readers[0], self.state, self.SCARD_PROTOCOL_T1, list(ATR))

    def SCardTransmit(self, card: int, protocol: int, apdu: list[int]) -> list[Any]:
        return self._say("SCardTransmit", list(self.answer(bytes(apdu))))

    def SCardDisconnect(self, card: int, disposition: int) -> int:
        self.calls.append(("disconnect", disposition))
        return 0

    def SCardReleaseContext(self, context: int) -> int:
        self.calls.append(("release",))
        return 0


def install(monkeypatch: pytest.MonkeyPatch) -> FakeScard:
    """Have `from smartcard import scard` give a simulated service; return it."""
    package, fake = ModuleType("smartcard"), FakeScard()
    package.__dict__["scard"] = fake
    monkeypatch.setitem(sys.modules, "smartcard", package)
    return fake
