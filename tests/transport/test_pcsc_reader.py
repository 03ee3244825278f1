"""Taps on readers of PC/SC: over genuine pcscd with a virtual reader, and over a simulated service for the rest."""

import asyncio
import threading

import pytest

from oob.errors import DeviceNotFound, LinkBusy, LinkError, LinkLost, LinkTimeout, UsageError
from oob.framing.procedure import TagType
from oob.framing.type4 import AID
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.sim.tags import SimulatedNtag
from oob.transport import pcsc_reader
from oob.transport.ndef_tag import open_tag
from oob.transport.nfc import Reader
from oob.transport.pcsc_reader import PcscReader
from tests.transport.fake_scard import FakeScard, install
from tests.transport.pcsc_bed import READER, Bed, in_bed
from tests.transport.virtual_card import NTAG_ATR, Storage, VirtualCard, storage_atr

PATIENCE = 30.0
MESSAGE = bytes(range(256)) * 3
SELECT = b"\x00\xa4\x04\x00\x07" + AID + b"\x00"


class Answering:
    """A card that answers each APDU by a table, and 6F 00 else."""

    def __init__(self, **answers: str) -> None:
        self.answers = {bytes.fromhex(command): bytes.fromhex(answer) for command, answer in answers.items()}
        self.activations = 0

    def activate(self) -> None:
        self.activations += 1

    def process(self, command: bytes) -> bytes:
        return self.answers.get(command, b"\x6f\x00")

    def deactivate(self) -> None:
        pass


# --- genuine pcscd ----------------------------------------------------------------------------------------------------


@in_bed
async def test_a_type_4_card_is_read_and_written(bed: Bed) -> None:
    reader, file = PcscReader(), StoredNdef()
    async with VirtualCard(Type4Card(file)):
        tag = await reader.tap(PATIENCE)
        assert tag.type is TagType.TYPE_4
        assert reader.name == f"{READER} 00 00"
        opened = await open_tag(tag)
        await opened.store(MESSAGE)
        assert file.message == MESSAGE
        await reader.close()


@in_bed
async def test_two_taps_in_a_row(bed: Bed) -> None:
    reader, card = PcscReader("virtual"), Answering(**{"00A4040000": "9000"})
    async with VirtualCard(card):
        for tap in range(1, 4):
            tag = await reader.tap(PATIENCE)
            assert await tag.transceive(b"\x00\xa4\x04\x00\x00") == b"\x90\x00"
            await tag.close()
            await tag.close()
            assert card.activations == tap, "each tap begins anew"
    with pytest.raises(LinkLost):
        await tag.transceive(b"\x00\xa4\x04\x00\x00")


@in_bed
async def test_a_tag_that_comes_later_and_another_one(bed: Bed) -> None:
    reader = PcscReader()
    for message in (b"\xd0\x00\x00", MESSAGE):
        tap = asyncio.create_task(reader.tap(PATIENCE))
        await asyncio.sleep(0)
        async with VirtualCard(Type4Card(StoredNdef(message))):
            tag = await tap
            assert await (await open_tag(tag)).read() == message
            await reader.close()


@in_bed
async def test_an_ntag_is_read_and_written_by_pseudo_apdus(bed: Bed) -> None:
    chip = SimulatedNtag("NTAG215")
    async with VirtualCard(Storage(chip), NTAG_ATR):
        reader = PcscReader()
        tag = await reader.tap(PATIENCE)
        assert tag.type is TagType.TYPE_2
        opened = await open_tag(tag)
        await opened.store(MESSAGE[:400])
        chip.memory[10] = 0x20  # page 5 is locked
        assert await tag.transceive(b"\x30\x04") == b"".join(map(chip.page, range(4, 8)))
        assert await tag.transceive(b"\xa2\x05\x01\x02\x03\x04") == b"\x00", "the tag is there, and refuses"
        await tag.close()
        opened = await open_tag(await reader.tap(PATIENCE))
        assert await opened.read() == MESSAGE[:400]
        await opened.lock()
        with pytest.raises(UsageError, match="read-only"):
            await (await open_tag(await reader.tap(PATIENCE))).write(b"")
        await reader.close()


@in_bed
async def test_an_ntag_that_leaves_is_lost_and_does_not_refuse(bed: Bed) -> None:
    card = Answering(FFB0000410="6300")
    async with VirtualCard(card, NTAG_ATR) as slot:
        tag = await PcscReader().tap(PATIENCE)
        asked = asyncio.create_task(tag.transceive(b"\x30\x04"))
        while not slot.apdus:
            await asyncio.sleep(0.001)
        await slot.remove()
        with pytest.raises(LinkLost):
            await asked
        await tag.close()


@in_bed
async def test_a_felica_tag_is_named(bed: Bed) -> None:
    reader = PcscReader()
    async with VirtualCard(Answering(), storage_atr(0x11, 0x003B)):
        with pytest.raises(LinkError, match="a FeliCa tag cannot be read through PC/SC.*nfcpy"):
            await reader.tap(PATIENCE)
    async with VirtualCard(Answering(**{"00A4040000": "9000"})):
        tag = await reader.tap(PATIENCE)
        assert await tag.transceive(b"\x00\xa4\x04\x00\x00") == b"\x90\x00"
        await reader.close()


@in_bed
async def test_a_card_with_contacts_is_tapped_only_if_its_reader_is_named(bed: Bed) -> None:
    atr = bytes.fromhex("3BFD1300008131FE158073C021C057597562694B657940")
    async with VirtualCard(Answering(), atr):
        with pytest.raises(DeviceNotFound):
            await PcscReader().tap(0.6)
        reader = PcscReader("pcd 00 00")
        assert (await reader.tap(PATIENCE)).type is TagType.TYPE_4
        await reader.close()


@in_bed
async def test_a_card_that_is_taken_away_half_way(bed: Bed) -> None:
    reader = PcscReader()
    async with VirtualCard(Type4Card(StoredNdef(MESSAGE))) as slot:
        tag = await reader.tap(PATIENCE)
        opened = await open_tag(tag)
        await slot.remove()
        with pytest.raises(LinkLost, match="the tag is gone"):
            await opened.read()
        with pytest.raises(LinkLost):
            await tag.transceive(SELECT)
        await tag.close()
    async with VirtualCard(Type4Card(StoredNdef(MESSAGE))):
        tag = await reader.tap(PATIENCE)
        assert await tag.transceive(SELECT) == b"\x90\x00"
        await reader.close()


@in_bed
async def test_a_mute_card_holds_up_nothing(bed: Bed) -> None:
    reader = PcscReader()
    async with VirtualCard(Type4Card(StoredNdef())) as slot:
        tag = await reader.tap(PATIENCE)
        slot.is_mute = True
        with pytest.raises(LinkLost):
            await tag.transceive(SELECT)
        await tag.close()
    async with VirtualCard(Type4Card(StoredNdef())):
        tag = await reader.tap(PATIENCE)
        assert await tag.transceive(SELECT) == b"\x90\x00"
        await reader.close()


@in_bed
async def test_a_command_that_is_given_up(bed: Bed) -> None:
    reader = PcscReader()
    async with VirtualCard(Type4Card(StoredNdef())) as slot:
        tag = await reader.tap(PATIENCE)
        slot.is_mute = True
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tag.transceive(SELECT), 0.05)
        await tag.close()
    async with VirtualCard(Type4Card(StoredNdef())):
        tag = await reader.tap(PATIENCE)
        assert await tag.transceive(SELECT) == b"\x90\x00"
        await reader.close()


@in_bed
async def test_a_tap_that_is_given_up_lets_go(bed: Bed) -> None:
    reader, other = PcscReader(), PcscReader()
    waiting = asyncio.create_task(reader.tap(PATIENCE))
    await asyncio.sleep(0.1)  # somewhere in the midst of it
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with VirtualCard(Type4Card(StoredNdef())):
        tag = await other.tap(PATIENCE)
        assert await tag.transceive(SELECT) == b"\x90\x00"
        await other.close()


@in_bed
async def test_no_tag_comes(bed: Bed) -> None:
    with pytest.raises(DeviceNotFound, match="no tag came within 0.1 s"):
        await PcscReader().tap(0.1)


@in_bed
async def test_another_program_has_the_tag(bed: Bed) -> None:
    mine, theirs = PcscReader(), PcscReader()
    async with VirtualCard(Type4Card(StoredNdef())):
        await theirs.tap(PATIENCE)
        with pytest.raises(LinkBusy, match="another program uses the tag"):
            await mine.tap(0.6)
        tap = asyncio.create_task(mine.tap(PATIENCE))
        await asyncio.sleep(0.3)
        await theirs.close()
        tag = await tap
        assert await tag.transceive(SELECT) == b"\x90\x00"
        await mine.close()


@in_bed
async def test_no_such_reader(bed: Bed) -> None:
    with pytest.raises(LinkError, match=f"no reader with 'acr122' in its name, but {READER} 00 00, {READER} 00 01"):
        await PcscReader("ACR122").tap(PATIENCE)


@in_bed
async def test_pcscd_ends_while_a_tag_is_there(bed: Bed) -> None:
    async with VirtualCard(Type4Card(StoredNdef())):
        tag = await PcscReader().tap(PATIENCE)
        await asyncio.to_thread(bed.stop)
        with pytest.raises(LinkError, match="the PC/SC service does not run"):
            await tag.transceive(SELECT)
        await tag.close()
        with pytest.raises(LinkError, match="the PC/SC service does not run"):
            await PcscReader().tap(PATIENCE)


@in_bed
async def test_pcscd_and_its_reader_come_back_while_a_tag_is_waited_for(bed: Bed) -> None:
    reader = PcscReader()
    tap = asyncio.create_task(reader.tap(PATIENCE))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(bed.stop)
    await asyncio.sleep(0.6)
    await asyncio.to_thread(bed.start)
    async with VirtualCard(Type4Card(StoredNdef())):
        tag = await tap
        assert await tag.transceive(SELECT) == b"\x90\x00"
        await reader.close()


@in_bed
async def test_status_words_reach_the_caller(bed: Bed) -> None:
    card = Answering(**{"00A4040000": "6A82", "00B0000000": "6C02", "00B0000002": "ABCD9000"})
    card.answers |= {b"\x00\xb0\x00\x01\x00": b"\x01\x61\x02", b"\x00\xc0\x00\x00\x02": b"\x02\x03\x90\x00"}
    async with VirtualCard(card):
        reader = PcscReader()
        tag = await reader.tap(PATIENCE)
        assert await tag.transceive(b"\x00\xa4\x04\x00\x00") == b"\x6a\x82"
        assert await tag.transceive(b"\x00\x00\x00\x00\x00") == b"\x6f\x00"
        assert await tag.transceive(b"\x00\xb0\x00\x00\x00") == b"\xab\xcd\x90\x00"
        assert await tag.transceive(b"\x00\xb0\x00\x01\x00") == b"\x01\x02\x03\x90\x00"
        await reader.close()


# --- a simulated service ----------------------------------------------------------------------------------------------

SHARING_VIOLATION, NO_SERVICE, NO_READERS, NO_ACCESS = 0x8010000B, 0x8010001D, 0x8010002E, 0x80100027
UNRESPONSIVE, SECURITY_VIOLATION, REMOVED, RESET = 0x80100066, 0x8010006A, 0x80100069, 0x80100068


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> FakeScard:
    monkeypatch.setattr(pcsc_reader, "SLICE", 0)
    return install(monkeypatch)


async def test_no_serial_number_is_in_the_name(scard: FakeScard) -> None:
    reader: Reader = PcscReader("acr122")
    await reader.tap(PATIENCE)
    assert reader.name == "ACS ACR122U PICC Interface 00 00"
    await reader.close()
    await reader.close()
    assert scard.calls[1:] == [("disconnect", scard.SCARD_UNPOWER_CARD), ("release",)]


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        ("SCardEstablishContext", NO_SERVICE, "the PC/SC service does not run"),
        ("SCardEstablishContext", NO_ACCESS, "this user may not use PC/SC"),
        ("SCardListReaders", NO_READERS, "PC/SC knows no reader.*Plug one in"),
        ("SCardConnect", SECURITY_VIOLATION, "this user may not use PC/SC"),
        ("SCardConnect", 0x8010006C, r"PC/SC failed \(SCARD_W_CHV_BLOCKED\)"),
        ("SCardGetStatusChange", 0x80101234, r"PC/SC failed \(0x80101234\)"),
    ],
)
async def test_what_no_waiting_mends_is_said_at_once(scard: FakeScard, function: str, code: int, words: str) -> None:
    scard.refusals[function] = [code]
    with pytest.raises(LinkError, match=words):
        await PcscReader().tap(PATIENCE)
    assert not scard.refusals[function]


@pytest.mark.parametrize(
    ("function", "codes"),
    [
        ("SCardConnect", [SHARING_VIOLATION, UNRESPONSIVE, REMOVED]),
        ("SCardListReaders", [0, NO_READERS, NO_READERS]),
        ("SCardGetStatusChange", [0, NO_SERVICE, 0x8010000A]),
    ],
)
async def test_what_passes_is_waited_for(scard: FakeScard, function: str, codes: list[int]) -> None:
    scard.refusals[function] = codes
    if function != "SCardConnect":
        scard.refusals["SCardConnect"] = [UNRESPONSIVE]
    reader = PcscReader()
    await reader.tap(PATIENCE)
    assert not codes
    await reader.close()
    assert scard.calls[-1] == ("release",)


async def test_the_last_trouble_is_told_when_the_time_is_over(scard: FakeScard) -> None:
    scard.refusals["SCardConnect"] = [SHARING_VIOLATION] * 10
    with pytest.raises(LinkBusy, match="another program uses the tag"):
        await PcscReader().tap(0)


@pytest.mark.parametrize("code", [REMOVED, RESET, 0x80100016])
async def test_a_tag_that_is_lost_is_left_alone(scard: FakeScard, code: int) -> None:
    tag = await PcscReader().tap(PATIENCE)
    scard.refusals["SCardTransmit"], scard.state = [code], 0x10
    with pytest.raises(LinkLost):
        await tag.transceive(SELECT)
    await tag.close()
    assert scard.calls[-2:] == [("disconnect", scard.SCARD_LEAVE_CARD), ("release",)]


async def test_a_tag_that_did_not_answer_is_waited_for_to_leave(
    scard: FakeScard, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    monkeypatch.setattr(pcsc_reader, "COMMAND_WAIT", 0.05)
    tag = await PcscReader().tap(PATIENCE)
    scard.answer, scard.state = lambda _: bytes((0x90, free.wait(PATIENCE) - 1)), 0x10
    with pytest.raises(LinkLost):
        await tag.transceive(SELECT)
    await tag.close()
    assert scard.calls[-2:] == [("disconnect", scard.SCARD_LEAVE_CARD), ("release",)]
    free.set()


async def test_the_next_tap_lets_go_of_the_tag(scard: FakeScard) -> None:
    reader = PcscReader()
    first, _ = await reader.tap(PATIENCE), await reader.tap(PATIENCE)
    assert [call[0] for call in scard.calls] == ["connect", "disconnect", "release", "connect"]
    with pytest.raises(LinkLost):
        await first.transceive(SELECT)
    await reader.close()


async def test_a_mute_card_gives_no_tap(scard: FakeScard) -> None:
    scard.state |= scard.SCARD_STATE_MUTE
    with pytest.raises(DeviceNotFound):
        await PcscReader().tap(0)


async def test_a_call_without_end_is_left_behind(scard: FakeScard, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(pcsc_reader, "CALL_WAIT", 0.05)
    monkeypatch.setattr(scard, "SCardListReaders", lambda *_: free.wait(PATIENCE))
    with pytest.raises(LinkTimeout, match="PC/SC did not return"):
        await PcscReader().tap(PATIENCE)
    free.set()
