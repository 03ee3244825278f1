"""A simulated NFC field: a reader and a tag in one process, a chip or an emulated one, with the time that both take.

Commands, responses and everything above them are the real ones; only the air between the coils is simulated.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from oob.framing.procedure import TagType
from oob.sim.tags import SimulatedChip
from oob.transport.carrier import connection_lost
from oob.transport.nfc import Card, no_tag, tag_lost

BIT_RATE: Final = 106_000
BITS_PER_BYTE: Final = 9
"""Eight and a parity bit (ISO/IEC 14443-3, standard frames)."""
BLOCK_OVERHEAD: Final = 3
"""PCB and CRC of an ISO-DEP block (ISO/IEC 14443-4, section 7.1)."""
BLOCK: Final = 256
TURNAROUND: Final = 2 * 86e-6
"""Seconds between the two directions and back: the least frame delay time of ISO/IEC 14443-3, twice."""


@dataclass(frozen=True, slots=True)
class FieldModel:
    """How long one command takes: `latency` seconds at the host, its driver and USB, and the air at 106 kbit/s."""

    latency: float = 0.0
    air: bool = False

    def seconds(self, command: bytes, response: bytes) -> float:
        """Return the seconds from the command to its response."""
        if not self.air:
            return self.latency
        return self.latency + TURNAROUND + (on_air(command) + on_air(response)) * BITS_PER_BYTE / BIT_RATE


def on_air(data: bytes) -> int:
    """Return how many bytes a command or response takes on the air, with those of each block."""
    blocks = -(-len(data) // (BLOCK - BLOCK_OVERHEAD)) or 1
    return len(data) + blocks * BLOCK_OVERHEAD


class Field:
    """A reader and a tag, near each other or not: an Emulator and a Reader at once, and what was said between them.

    A `chip` lies in the field from the start.
    """

    name = "simulated reader"

    def __init__(self, model: FieldModel | None = None, *, chip: SimulatedChip | None = None) -> None:
        self.model = model or FieldModel()
        self.commands = 0
        self.bytes = 0
        """Of commands and responses so far, without what the air adds to them, ..."""
        self.air_bytes = 0
        """... and with it."""
        self.torn_after: int | None = None
        """After how many commands, counted from now on, the two are taken apart once, ..."""
        self.loses_response = False
        """... and whether the tag still takes the command of that moment."""
        self._card: Card | None = chip
        self._is_near = True
        self._together = asyncio.Event()  # there is a tag, and it is near
        self._taps = 0  # numbers the taps; a tag of another number is gone
        self._note()

    async def tap(self, timeout: float) -> "FieldTag":
        """Return the tag, once it is near. Raises DeviceNotFound within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._together.wait()
        except TimeoutError:
            raise no_tag(timeout) from None
        self._taps += 1
        card = self._card
        if card is not None:
            card.activate()
        return FieldTag(self, self._taps, card.type if isinstance(card, SimulatedChip) else TagType.TYPE_4)

    async def open(self) -> None:
        """Do nothing: it is always there."""

    async def emulate(self, card: Card) -> None:
        """Be this tag until cancelled. Raises LinkLost where there is one already."""
        if self._card is not None:
            raise connection_lost()
        self.place(card)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.remove()

    def place(self, card: Card) -> None:
        """Put a tag into the field, in place of the one that is there."""
        self.remove()
        self._card = card
        self._note()

    def remove(self) -> None:
        """Take the tag out of the field."""
        self.part()
        self._card = None
        self._note()

    def near(self, is_near: bool = True) -> None:
        """Bring the two together, or take them apart."""
        if not is_near:
            self.part()
        self._is_near = is_near
        self._note()

    def part(self, tap: int | None = None) -> None:
        """End a tap, the one that goes on if none is named: its tag does not answer any more."""
        if tap in (None, self._taps):
            self._taps += 1
            if self._card is not None:
                self._card.deactivate()

    async def close(self) -> None:
        """Switch the field off."""
        self.part()

    async def transceive(self, tap: int, command: bytes) -> bytes:
        """Return the response of the tag of this tap. Raises LinkLost once it is over."""
        if self.torn_after == 0 and tap == self._taps:
            self.torn_after = None
            if self.loses_response and self._card is not None:
                self._card.process(command)
            self.part()
        if tap != self._taps or self._card is None:
            raise tag_lost()
        if self.torn_after is not None:
            self.torn_after -= 1
        response = self._card.process(command)
        self.commands += 1
        self.bytes += len(command) + len(response)
        self.air_bytes += on_air(command) + on_air(response)
        await asyncio.sleep(self.model.seconds(command, response))
        if tap != self._taps:
            raise tag_lost()  # parted meanwhile: the tag has taken the command, and nobody hears its response
        return response

    def _note(self) -> None:
        if self._card is not None and self._is_near:
            self._together.set()
        else:
            self._together.clear()


class FieldTag:
    """The tag of one tap."""

    def __init__(self, field: Field, tap: int, type: TagType) -> None:
        self.type = type
        self._field, self._tap = field, tap

    async def transceive(self, command: bytes) -> bytes:
        """Return the response. Raises LinkLost."""
        return await self._field.transceive(self._tap, command)

    async def close(self) -> None:
        """Switch the field off."""
        self._field.part(self._tap)
