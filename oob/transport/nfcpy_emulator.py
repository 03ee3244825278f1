"""An emulated Type 4A tag on a front-end of nfcpy: PN531, PN532, PN533, RC-S380, or simulated over UDP.

By the sources of nfcpy 1.0.4, all of these drivers hand over plain blocks of ISO-DEP: SetParameters of the PN53x is
called without the bit that would let the chip speak ISO/IEC 14443-4 itself, and the RC-S380 has no such thing. The
drivers of both answer the request for an answer to select (RATS) themselves, with what they are given; over UDP it is
answered here. The RC-S956 and the ACR122U refuse to be a tag. Run so far: UDP alone.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from oob.errors import LinkError, PeerError
from oob.framing.iso_dep import FRAME_SIZES, RATS, Ats, Command, IsoDepTarget
from oob.transport.nfc import Card, Emulator
from oob.transport.nfcpy_edge import Device, Target, load_nfcpy
from oob.transport.nfcpy_frontend import FrontendThread

WINDOW: Final = 0.5
"""Seconds that nfcpy waits for a reader, or for its next block; in between, `emulate` can be cancelled."""
TRIAL: Final = 0.05
"""Seconds that a front-end is a tag for, to see whether it can be one: a few times what a driver takes to refuse."""
FWI: Final = 8
"""77 ms for a response, as tags that are in wide use ask for (NXP, MIFARE DESFire EV1: TB(1) 81h)."""
FWI_SIMULATED: Final = 11
"""0.6 s: two processes on one machine wait for one another longer than two chips do."""
ERRORS: Final = 20
"""Damaged blocks in a row after which a reader counts as gone."""
_UNKNOWN_FRAME: Final = 64
"""Bytes that every reader takes whose RATS the driver keeps to itself (PN53x): the PN532 as a reader has no more."""
_PAUSE: Final = 0.02
ANEW: Final = (b"\x26", b"\x52")
"""SENS_REQ and ALL_REQ, which are no blocks: the reader has begun anew, unseen (over UDP, where there is no field)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Activation:
    """A reader that has selected the tag, and its first block."""

    target: IsoDepTarget
    block: bytes | None


class NfcpyEmulator(Emulator):
    """A front-end of nfcpy as a tag. Its identifier is another one for each reader: it says nothing of the device."""

    def __init__(self, path: str = "usb") -> None:
        """Take a path of nfcpy; nothing is opened yet."""
        self.name = f"nfcpy {path}"
        self._is_simulated = path.startswith("udp")
        self._thread = FrontendThread(path)
        self._waiting: _Activation | None = None  # came before `emulate`
        self._damaged = 0

    async def open(self) -> None:
        """Take the front-end, and try whether it can be a tag; a reader that comes meanwhile is served by `emulate`.

        Raises UsageError where nfcpy is not installed, LinkError where the front-end is not there or cannot be a tag.
        """
        load_nfcpy()
        if self._waiting is None:
            self._waiting = await self._run(partial(self._listen, window=TRIAL))
        self.name = self._thread.name

    async def emulate(self, card: Card) -> None:
        """Be this tag until cancelled, which takes a second at most; the front-end is free then.

        Raises UsageError where nfcpy is not installed, LinkError where the front-end is not there, is gone, or cannot
        be a tag.
        """
        load_nfcpy()
        try:
            while True:
                await self._serve(card)
        finally:
            await self._thread.release()

    async def close(self) -> None:
        """Let go of the front-end. May be called twice."""
        await self._thread.release()

    async def _serve(self, card: Card) -> None:
        """Wait for a reader, for `WINDOW`, and be its tag until it is gone."""
        waiting, self._waiting = self._waiting, None
        reader = waiting or await self._run(self._listen)
        if reader is None:
            await asyncio.sleep(_PAUSE)  # nfcpy may come back at once
            return
        self.name = self._thread.name
        card.activate()
        try:
            await self._answer(card, reader.target, reader.block)
        finally:
            card.deactivate()

    async def _answer(self, card: Card, target: IsoDepTarget, block: bytes | None) -> None:
        while block is not None:
            answer = target.receive(block)
            if isinstance(answer, Command):
                answer = target.respond(card.process(answer.apdu))
            block = await self._run(partial(self._exchange, answer=answer, wait=not target.is_deselected))

    async def _run(self, call: Callable[[Device], T]) -> T:
        return await self._thread.run(lambda frontend: frontend.call(call))

    # --- in its thread

    def _listen(self, device: Device, window: float = WINDOW) -> _Activation | None:
        """Return the reader that comes within `window` seconds, or None."""
        nfc = load_nfcpy()
        room = device.max_recv_data_size + 2
        ats = Ats(max(size for size in FRAME_SIZES if size <= room), FWI_SIMULATED if self._is_simulated else FWI)
        try:
            found = device.listen(_local_target(ats), window)
        except OSError:
            raise
        except nfc.clf.UnsupportedTargetError as error:
            remedy = "Use a reader with a PN532, PN533 or RC-S380"
            raise LinkError("this reader cannot be a tag", step="reader", remedy=remedy) from error
        except Exception:
            return None  # a reader that breaks the protocol of the selection
        return self._activated(device, found, ats) if found and found.tt4_cmd else None

    def _activated(self, device: Device, found: Target, ats: Ats) -> _Activation | None:
        """Return the reader, when its request for an answer to select is answered."""
        first, rats = bytes(found.tt4_cmd or b""), bytes(found.rats_cmd or b"")
        is_answered = first[0] != RATS
        longest = device.max_send_data_size + 2
        self._damaged = 0
        try:
            if is_answered and not rats:
                target = IsoDepTarget(min(_UNKNOWN_FRAME, longest))
            else:
                target = IsoDepTarget.selected_by(rats if is_answered else first, longest)
        except PeerError:
            return None
        return _Activation(target, first if is_answered else self._exchange(device, ats.encode()))

    def _exchange(self, device: Device, answer: bytes | None, *, wait: bool = True) -> bytes | None:
        """Send a block, or none; return the next, b"" if none came within `WINDOW`, None for a reader that is gone."""
        errors = load_nfcpy().clf
        data = None if answer is None else bytearray(answer)
        try:
            block = device.exchange(data, WINDOW if wait else 0)
        except OSError:
            raise
        except errors.BrokenLinkError:
            return None
        except errors.TimeoutError:
            return b""
        except Exception:  # a damaged block; and a PN53x complains for ever when its reader is gone
            self._damaged += 1
            return b"" if self._damaged < ERRORS else None
        self._damaged = 0
        if not wait or block is None or bytes(block) in ANEW:
            return None
        return bytes(block)


def _local_target(ats: Ats) -> object:
    """Return what nfcpy answers to the selection of a Type 4A tag with."""
    return load_nfcpy().clf.LocalTarget(
        "106A",
        sens_res=bytearray(b"\x04\x00"),  # an identifier of 4 bytes
        sdd_res=bytearray(b"\x08" + secrets.token_bytes(3)),  # 08h: a random one (ISO/IEC 14443-3, section 6.5.4)
        sel_res=bytearray(b"\x20"),  # it speaks ISO/IEC 14443-4
        rats_res=bytearray(ats.encode()),
    )
