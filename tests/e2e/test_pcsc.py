"""Whole pairings through genuine pcscd, in its bed: the device's emulated card, and a sticker, in vsmartcard's reader.

The reader and the card in it are simulated; PC/SC, pyscard and everything above it are real.
"""

import asyncio
from functools import partial

from oob.sim.tags import SimulatedNtag
from tests.e2e.family import free_port
from tests.e2e.house import Told, check_paired, device, house, shown, told
from tests.e2e.touch import Slot, touch, touchable
from tests.transport.pcsc_bed import Bed, in_bed
from tests.transport.virtual_card import NTAG_ATR, Storage, VirtualCard

TAP = ("--nfc", "--reader", "pcsc")


@in_bed
async def test_a_tap_of_the_device(bed: Bed) -> None:
    async with touchable(bed.directory, Slot()) as on:
        pairing = await touch(on, "pcsc")
        assert (pairing.device, pairing.status, pairing.dynamic) == (on.key, "ready", True)


@in_bed
async def test_the_card_leaves_in_the_middle_and_comes_again(bed: Bed) -> None:
    slot = Slot()
    async with touchable(bed.directory, slot) as on:

        def tear(who: str, step: str) -> None:
            if (who, step) == ("device", "message_2") and slot.taps == 1:
                slot.is_torn.set()

        on.on_step = tear
        assert (await touch(on, "pcsc")).status == "ready"
        assert slot.taps == 2
        assert ("client", "tap again") in on.steps
        assert on.steps.count(("device", "message_2")) == 1, "it went on, and did not begin anew"


@in_bed
async def test_oob_pair_taps_the_device(bed: Bed) -> None:
    async with touchable(bed.directory, Slot()) as on:
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
