"""A simulated NFC reader, into whose field chips are put."""

import asyncio
from typing import Protocol

from oob.framing.procedure import TagType
from oob.transport.nfc import Card, no_tag, tag_lost


class Chip(Card, Protocol):
    """What can be put into the field."""

    type: TagType


class SimulatedTag:
    """A chip as the reader has it; each command takes `latency` seconds."""

    def __init__(self, chip: Chip, latency: float = 0.0) -> None:
        self.type = chip.type
        self.is_gone = False
        self._chip = chip
        self._latency = latency
        chip.activate()

    async def transceive(self, command: bytes) -> bytes:
        """Return the chip's response. Raises LinkLost."""
        await asyncio.sleep(self._latency)
        if self.is_gone:
            raise tag_lost()
        return self._chip.process(command)

    def leave(self) -> None:
        """Take the chip out of this reader's hands. May be called twice."""
        if not self.is_gone:
            self._chip.deactivate()
        self.is_gone = True

    async def close(self) -> None:
        """Let go of the tag. May be called twice."""
        self.leave()


class SimulatedReader:
    """A reader for the chips of this process; a chip lies in its field from the start, or is put there later."""

    name = "simulated reader"

    def __init__(self, chip: Chip | None = None, *, latency: float = 0.0) -> None:
        self._latency = latency
        self._chip: asyncio.Queue[Chip] = asyncio.Queue(1)
        self._tag: SimulatedTag | None = None
        if chip is not None:
            self.place(chip)

    def place(self, chip: Chip) -> None:
        """Put a chip into the field, in place of the one that is there."""
        self.remove()
        self._chip.put_nowait(chip)

    def remove(self) -> None:
        """Take the chip out of the field."""
        if not self._chip.empty():
            self._chip.get_nowait()
        if self._tag is not None:
            self._tag.leave()

    async def tap(self, timeout: float) -> SimulatedTag:
        """Return the tag that is in the field, or comes in time. Raises DeviceNotFound."""
        try:
            async with asyncio.timeout(timeout):
                chip = await self._chip.get()
        except TimeoutError:
            raise no_tag(timeout) from None
        self._chip.put_nowait(chip)  # it lies there until it is removed
        self._tag = SimulatedTag(chip, self._latency)
        return self._tag

    async def close(self) -> None:
        """Let go of the tag."""
        if self._tag is not None:
            self._tag.leave()
