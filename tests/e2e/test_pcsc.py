"""Whole pairings through genuine pcscd, in its bed: the device's emulated card, and a sticker, in vsmartcard's reader.

The reader and the card in it are simulated; PC/SC, pyscard and everything above it are real.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from oob.client import Pairing, tap
from oob.pairing import Model
from oob.pairing.tag_content import TagContent
from oob.sim.tags import SimulatedNtag
from oob.transport.nfc import Card, tag_lost
from oob.transport.tnep_stack import nfc_listener
from tests.e2e.family import PATIENCE, free_port
from tests.e2e.house import Told, check_paired, device, house, shown, told
from tests.e2e.stage import Stage, stage
from tests.transport.pcsc_bed import Bed, in_bed
from tests.transport.virtual_card import NTAG_ATR, Storage, VirtualCard

TAP = ("--nfc", "--reader", "pcsc")


class Slot:
    """An Emulator in the slot of the virtual reader. Whoever sets `is_torn` takes the card out; it comes again."""

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
async def in_the_slot(directory: Path) -> AsyncIterator[tuple[Stage, Slot]]:
    """Have everyone, with a device that makes a secret for each tap of the card in the slot."""
    slot, present = Slot(), list[Stage]()
    listener = nfc_listener(slot, lambda: TagContent("", present[0].device.offer.tapped()).records())
    async with stage(directory, listener=listener, model=Model.SECRET, printed=False) as on:
        present.append(on)
        await listener.start()
        try:
            yield on, slot
        finally:
            await listener.close()


async def pair(on: Stage) -> Pairing:
    """Tap and pair, in this process."""
    async with await tap("pcsc", timeout=PATIENCE, report=on.report) as tapped:
        assert tapped.link is not None
        return await on.client.pair(tapped.link, tapped.bootstrap, names=("lamp",))


@in_bed
async def test_a_tap_of_the_device(bed: Bed) -> None:
    async with in_the_slot(bed.directory) as (on, _):
        pairing = await pair(on)
        assert (pairing.device, pairing.status, pairing.dynamic) == (on.key, "ready", True)


@in_bed
async def test_the_card_leaves_in_the_middle_and_comes_again(bed: Bed) -> None:
    async with in_the_slot(bed.directory) as (on, slot):

        def tear(who: str, step: str) -> None:
            if (who, step) == ("device", "message_2") and slot.taps == 1:
                slot.is_torn.set()

        on.on_step = tear
        assert (await pair(on)).status == "ready"
        assert slot.taps == 2
        assert ("client", "tap again") in on.steps
        assert on.steps.count(("device", "message_2")) == 1, "it went on, and did not begin anew"


@in_bed
async def test_oob_pair_taps_the_device(bed: Bed) -> None:
    async with in_the_slot(bed.directory) as (on, _):
        root = bed.directory / "issuer" / "root.pem"
        arguments = ("pair", *TAP, "--issuer", on.switch.url, "--root", root)
        outcome: Told = await asyncio.to_thread(partial(told, *arguments, temporary=bed.directory))
        assert outcome.code == 0, outcome.output
        assert (outcome.result["device"], outcome.result["reachable"]) == (on.key.hex(), True)


@in_bed
async def test_a_sticker_leads_to_its_device_in_the_local_network(bed: Bed) -> None:
    chip, directory = SimulatedNtag(), bed.directory

    def use() -> None:
        with (
            house(directory) as home,
            device(directory, "--tcp", f"127.0.0.1:{free_port()}", "--model", "secret") as lamp,
        ):
            assert tag("write", stdin=shown(lamp, "bootstrap")).code == 0
            assert tag("read").result["models"] == ["secret"]
            assert tag("lock", "--yes").result["writable"] is False
            assert "read-only" in tag("erase").error
            check_paired(home.pair(*TAP, temporary=directory), "secret")

    def tag(verb: str, *arguments: str, stdin: str = "") -> Told:
        return told("tag", verb, *arguments, "--reader", "pcsc", temporary=directory, stdin=stdin)

    async with VirtualCard(Storage(chip), NTAG_ATR):
        await asyncio.to_thread(use)
