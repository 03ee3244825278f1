"""Issuer, client and a device that is a tag, in one process; the tag is emulated on any front-end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from oob.client import Pairing, tap
from oob.pairing import Model
from oob.pairing.tag_content import TagContent
from oob.transport.nfc import Card, Emulator, tag_lost
from oob.transport.tnep_stack import nfc_listener
from tests.e2e.family import PATIENCE
from tests.e2e.stage import Stage, stage
from tests.transport.virtual_card import VirtualCard


class Slot:
    """An Emulator in the slot of vsmartcard's reader. Whoever sets `is_torn` takes the card out; it comes again."""

    name = "virtual slot"

    def __init__(self) -> None:
        self.is_torn = asyncio.Event()
        self.taps = 0

    async def open(self) -> None:
        """Do nothing: the slot is there as long as the bed."""

    async def emulate(self, card: Card) -> None:
        self.taps += 1
        async with VirtualCard(card):
            await self.is_torn.wait()
        self.is_torn.clear()
        raise tag_lost()

    async def close(self) -> None:
        """Do nothing."""


@asynccontextmanager
async def touchable(directory: Path, emulator: Emulator) -> AsyncIterator[Stage]:
    """Have everyone, with a device that makes a secret for each tap."""
    present = list[Stage]()
    listener = nfc_listener(emulator, lambda: TagContent("", present[0].device.offer.tapped()).records())
    async with stage(directory, listener=listener, model=Model.SECRET, printed=False) as on:
        present.append(on)
        await listener.start()
        try:
            yield on
        finally:
            await listener.close()


async def touch(on: Stage, reader: str) -> Pairing:
    """Tap and pair."""
    async with await tap(reader, timeout=PATIENCE, report=on.report) as tapped:
        assert tapped.link is not None
        return await on.client.pair(tapped.link, tapped.bootstrap, names=("lamp",))
