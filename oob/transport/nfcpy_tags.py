"""Tags as nfcpy speaks to them, but bounded, and with its errors renamed.

What nfcpy 1.0.4 does not do by itself: it follows a tag that asks for more time, or says nothing at length, for ever;
its parsers fail in many ways when a tag sends what it should not; it reads an answer to select as if no part of it were
ever missing. Everything here blocks, and is called in one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from oob.framing.iso_dep import Ats
from oob.framing.procedure import TagType
from oob.transport.nfc import COMMAND_WAIT
from oob.transport.nfcpy_edge import Device, Target, load_nfcpy, renamed

ACTIVATION_WAIT: Final = 0.1
"""Seconds for the answer to a selection: 4.8 ms on the air (ISO/IEC 14443-4, section 5.5), and the way to it."""
_RATS: Final = b"\xe0\x80"  # frames of 256 bytes (FSDI 8), CID 0
_RATS_SHORT: Final = b"\xe0\x70"  # frames of 128 bytes (FSDI 7)
_T2T_WAIT: Final = 0.1
_T3T_WAIT: Final = 0.3
_WAKINGS: Final = 5
_WAKING: Final = 0.02


@dataclass(frozen=True, slots=True)
class Connection:
    """A tag that was activated."""

    type: TagType
    transceive: Callable[[bytes], bytes]
    """Blocks for `COMMAND_WAIT` at most. Raises LinkLost, LinkError, PeerError."""


class Bounded:
    """What nfcpy's tags take for a front-end: after the deadline, it exchanges nothing any more."""

    def __init__(self, device: Device, clock: Callable[[], float]) -> None:
        self._device = device
        self._clock = clock
        self._errors = load_nfcpy().clf
        self.begin()

    def begin(self) -> None:
        """Give `COMMAND_WAIT` for a command, from now."""
        self._deadline = self._clock() + COMMAND_WAIT

    @property
    def max_send_data_size(self) -> int:
        """Bytes without CRC."""
        return self._device.max_send_data_size

    @property
    def max_recv_data_size(self) -> int:
        """Bytes without CRC."""
        return self._device.max_recv_data_size

    def exchange(self, data: bytes, timeout: float) -> bytearray:
        """Return the answer; nfcpy's TimeoutError for none in time, TransmissionError for a damaged one."""
        left = self._deadline - self._clock()
        if left <= 0:
            raise self._errors.TimeoutError
        try:
            answer = self._device.exchange(bytearray(data), min(timeout, left))
        except self._errors.BrokenLinkError:  # nfcpy's tags know no such thing
            answer = None
        if answer is None:  # also where a tag asks for no time at all
            raise self._errors.TimeoutError
        return answer

    def wake(self, target: Target) -> None:
        """Select a Type 2 tag again: with a NAK it goes idle (NXP, NTAG213/215/216, section 8.4)."""
        target.sel_req = bytearray(target.sdd_res)
        self._device.sense(target, iterations=_WAKINGS, interval=_WAKING)


def activate(clf: Bounded, target: Target) -> Connection | None:
    """Select a tag, and return how it is spoken to; None for what is no tag of type 2, 3 or 4.

    nfc.tag.activate is passed over: it tries what product an NXP tag is, waking it anew each time, and misreads a
    short answer to select.
    """
    if target.brty.endswith("F"):
        return None if target.sensf_res[1:3] == b"\x01\xfe" else _type_3(clf, target)
    if target.brty.endswith("B"):
        import nfc.tag.tt4

        return _type_4(clf, nfc.tag.tt4.Type4BTag(clf, target).transceive)
    if target.rid_res or not target.sel_res:
        return None
    if target.sel_res[0] & 0x20:
        return _type_4(clf, _select(clf))
    return _type_2(clf, target) if target.sel_res[0] & 0x60 == 0 else None


def _select(clf: Bounded) -> Callable[[bytes], bytes]:
    """Select a Type 4A tag, and return how nfcpy speaks ISO-DEP with it."""
    import nfc.tag.tt4

    rats = _RATS if clf.max_recv_data_size >= 254 else _RATS_SHORT
    ats = Ats.decode(bytes(clf.exchange(rats, ACTIVATION_WAIT)))
    frame_size = min(ats.frame_size, clf.max_send_data_size + 2)
    exchange: Callable[[bytes], bytes] = nfc.tag.tt4.IsoDepInitiator(clf, frame_size, ats.waiting_time).exchange
    return exchange


def _type_2(clf: Bounded, target: Target) -> Connection:
    import nfc.tag.tt2

    tag = nfc.tag.tt2.Type2Tag(clf, target)

    def transceive(command: bytes) -> bytes:
        answer = bytes(tag.transceive(command, _T2T_WAIT))
        if len(answer) == 1 and answer != b"\x0a":
            clf.wake(target)
        return answer

    return Connection(TagType.TYPE_2, _bounded(clf, transceive))


def _type_3(clf: Bounded, target: Target) -> Connection:
    import nfc.tag.tt3

    tag = nfc.tag.tt3.Type3Tag(clf, target)

    def transceive(command: bytes) -> bytes:
        return bytes(tag.send_cmd_recv_rsp(command[0], command[1:], _T3T_WAIT, check_status=False))

    return Connection(TagType.TYPE_3, _bounded(clf, transceive))


def _type_4(clf: Bounded, exchange: Callable[[bytes], bytes]) -> Connection:
    return Connection(TagType.TYPE_4, _bounded(clf, lambda command: bytes(exchange(command))))


def _bounded(clf: Bounded, transceive: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Give a command its time, and rename what nfcpy raises about the tag."""

    def call(command: bytes) -> bytes:
        clf.begin()
        with renamed():
            return transceive(command)

    return call
