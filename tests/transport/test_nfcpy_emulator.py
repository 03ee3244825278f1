"""nfcpy as a tag, over UDP: against this library's reader, against nfcpy's own, and against readers that are none."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import nfc
import nfc.clf
import pytest
from nfc.clf import LocalTarget, RemoteTarget

from oob.errors import LinkError, LinkLost
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.transport.ndef_tag import open_tag
from oob.transport.nfcpy_edge import Device
from oob.transport.nfcpy_emulator import ERRORS, NfcpyEmulator
from oob.transport.nfcpy_frontend import Frontend
from oob.transport.nfcpy_reader import NfcpyReader
from oob.transport.worker import Worker
from tests.transport.udp_field import free_path

R = TypeVar("R")

LONG = 30.0
MESSAGE = b"\xd1\x01\x04T\x02enX"


class Echo:
    """A card that returns each command with 9000h, and tells how it is used."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.is_active = asyncio.Event()

    def activate(self) -> None:
        self.events.append("activate")
        self.is_active.set()

    def process(self, command: bytes) -> bytes:
        self.events.append(command.hex())
        return command + b"\x90\x00"

    def deactivate(self) -> None:
        self.events.append("deactivate")
        self.is_active.clear()


@asynccontextmanager
async def emulated(emulator: NfcpyEmulator, card: Echo | Type4Card) -> AsyncIterator[None]:
    task = asyncio.create_task(emulator.emulate(card))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await emulator.close()


def is_free(path: str) -> bool:
    _, host, port = path.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, int(port)))
        except OSError:
            return False
        return True


async def test_a_message_goes_to_and_fro() -> None:
    path = free_path()
    file, reader = StoredNdef(MESSAGE), NfcpyReader(path, technologies=("106A",))
    async with emulated(NfcpyEmulator(path), Type4Card(file)):
        for message in (MESSAGE, bytes(range(256)) * 7):
            tag = await open_tag(await reader.tap(LONG))
            assert await tag.read() == file.message
            await tag.store(message)
            await tag.close()
            assert file.message == message
        await reader.close()


async def test_the_card_is_told_when_a_reader_comes_and_goes() -> None:
    path, card = free_path(), Echo()
    reader = NfcpyReader(path, technologies=("106A",))
    async with emulated(NfcpyEmulator(path), card):
        for _ in range(2):
            tag = await reader.tap(LONG)
            assert await tag.transceive(b"\xaa" * 400) == b"\xaa" * 400 + b"\x90\x00"
            assert await tag.transceive(b"\xbb") == b"\xbb\x90\x00"
            await tag.close()
        await reader.close()
    each = ["activate", "aa" * 400, "bb", "deactivate"]
    assert card.events == each * 2


async def test_a_cancelled_tag_is_gone_and_its_front_end_is_free() -> None:
    path, card = free_path(), Echo()
    reader = NfcpyReader(path, technologies=("106A",))
    emulator = NfcpyEmulator(path)
    task = asyncio.create_task(emulator.emulate(card))
    tag = await reader.tap(LONG)
    assert await tag.transceive(b"\xaa") == b"\xaa\x90\x00"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert card.events[-1] == "deactivate"
    assert is_free(path)
    with pytest.raises(LinkLost):
        await tag.transceive(b"\xaa")
    async with emulated(emulator, card):
        assert await (await reader.tap(LONG)).transceive(b"\xcc") == b"\xcc\x90\x00"
        await reader.close()


async def test_a_tag_that_is_closed_while_it_is_one_goes_on() -> None:
    path, card = free_path(), Echo()
    reader, emulator = NfcpyReader(path, technologies=("106A",)), NfcpyEmulator(path)
    async with emulated(emulator, card):
        await reader.tap(LONG)
        await emulator.close()
        await emulator.close()
        tag = await reader.tap(LONG)
        assert await tag.transceive(b"\xaa") == b"\xaa\x90\x00"
        await reader.close()
    assert is_free(path)


async def test_another_program_at_the_same_place() -> None:
    path = free_path()
    _, host, port = path.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((host, int(port)))
        emulator = NfcpyEmulator(path)
        for use in (emulator.open, lambda: emulator.emulate(Echo())):
            with pytest.raises(LinkError, match="is in use"):
                await use()
    await emulator.open()
    await emulator.close()
    assert is_free(path)


# --- nfcpy's own reader


async def in_thread(path: str, call: Callable[[Device], R]) -> R:
    """Return what `call` returns for a front-end of nfcpy."""
    frontend, worker = Frontend(path), Worker("nfcpy")
    try:
        return await worker.run(lambda: frontend.call(call), LONG)
    finally:
        await worker.run(frontend.close, LONG)
        worker.close()


def sensed(device: Device) -> RemoteTarget:
    while True:
        if target := device.sense(RemoteTarget("106A")):
            return target


def ndef_by_nfcpy(device: Device) -> tuple[bytes, bytes]:
    """Read and write with all that nfcpy has; return the identifier of the tag, and what was in it."""
    while not (tag := nfc.tag.activate(device, sensed(device))):
        pass
    seen = tag.ndef.octets
    tag.ndef.octets = seen[::-1]
    return tag.identifier, seen


async def test_nfcpy_reads_and_writes_it() -> None:
    path, file = free_path(), StoredNdef(MESSAGE * 100)
    async with emulated(NfcpyEmulator(path), Type4Card(file)):
        first, message = await in_thread(path, ndef_by_nfcpy)
        assert message == MESSAGE * 100
        assert file.message == message[::-1]
        second, message = await in_thread(path, ndef_by_nfcpy)
        assert message == file.message[::-1]
    assert first[0] == second[0] == 0x08
    assert first != second, "a device that is seen twice is not known again by its identifier"


# --- readers that are none


def say(*frames: bytes) -> Callable[[Device], None]:
    """Select the tag and say these frames, whatever comes in answer."""

    def call(device: Device) -> None:
        sensed(device)
        for frame in frames:
            with suppress(nfc.clf.CommunicationError):
                device.exchange(bytearray(frame), 0.02)

    return call


RATS = b"\xe0\x80"


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"\x30\x00"],  # a reader of type 2 tags
        [b"\xe0"],
        [b"\xe0\x8f"],
        [RATS],
        [RATS, RATS],
        [RATS, b"\xff" * 200, b"\x00", b"\x02"],
        [RATS, b"\xd0\x11\x0c"],
        [RATS, b"\xc2", b"\x02\xaa"],
        [RATS, *[b"\x12" + bytes(200)] * 20],
    ],
    ids=repr,
)
async def test_whatever_a_reader_says_the_next_one_is_served(frames: list[bytes]) -> None:
    path, card = free_path(), Echo()
    reader = NfcpyReader(path, technologies=("106A",))
    async with emulated(NfcpyEmulator(path), card):
        await in_thread(path, say(*frames))
        assert await (await reader.tap(LONG)).transceive(b"\xaa") == b"\xaa\x90\x00"
        await reader.close()
    assert card.events[-3:] == ["activate", "aa", "deactivate"]


async def test_a_reader_that_vanishes_in_silence() -> None:
    path, card = free_path(), Echo()
    reader = NfcpyReader(path, technologies=("106A",))

    def vanish(device: Device) -> None:
        say(RATS, b"\x02\xaa")(device)
        device.device.rcvd_data = 0  # nfcpy says good-bye only to whom it has heard

    async with emulated(NfcpyEmulator(path), card):
        await in_thread(path, vanish)
        assert card.is_active.is_set()
        assert await (await reader.tap(LONG)).transceive(b"\xbb") == b"\xbb\x90\x00"
        await reader.close()
    assert card.events == ["activate", "aa", "deactivate", "activate", "bb", "deactivate"]


async def test_what_is_no_frame_at_all() -> None:
    path, card = free_path(), Echo()
    reader = NfcpyReader(path, technologies=("106A",))
    _, host, port = path.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        async with emulated(NfcpyEmulator(path), card):
            tag = await reader.tap(LONG)
            for rubbish in (b"", b"106A zz", b"\xff\xff 00", b"a b c", b"212F 00"):
                sender.sendto(rubbish, (host, int(port)))
                assert await tag.transceive(b"\xaa") == b"\xaa\x90\x00"
            await reader.close()


# --- the drivers of chips, against what stands for them


class Chip:
    """A front-end whose driver answers the selection itself, and then hands over these blocks."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, found: LocalTarget | Exception, *blocks: bytes | Exception
    ) -> None:
        self.found, self.blocks = found, list(blocks)
        self.max_send_data_size, self.max_recv_data_size = 252, 251  # PN531
        self.device, self.said = self, list[bytes | None]()
        self.listened: list[LocalTarget] = []
        self.nothing: bytearray | None = None
        monkeypatch.setattr(Frontend, "_open", lambda _: self)

    def listen(self, target: LocalTarget, timeout: float) -> LocalTarget | None:
        self.listened.append(target)
        if len(self.listened) > 9:
            raise OSError("unplugged")
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def exchange(self, data: bytearray | None, timeout: float) -> bytearray | None:
        self.said.append(None if data is None else bytes(data))
        if timeout == 0:
            return self.nothing
        block = self.blocks.pop(0) if self.blocks else OSError("unplugged")
        if isinstance(block, Exception):
            raise block
        return bytearray(block)

    def sense(self, *targets: object, iterations: int = 1, interval: float = 0.1) -> None:
        raise AssertionError

    def open(self, path: str) -> bool:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


async def test_a_chip_that_keeps_the_request_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """PN53x: what the reader takes is not known, so that the frames are short."""
    found = LocalTarget("106A", tt4_cmd=bytearray(b"\x02" + b"\xaa" * 99))
    chip, card = Chip(monkeypatch, found, b"\xa3", nfc.clf.BrokenLinkError()), Echo()
    with pytest.raises(LinkError):
        await NfcpyEmulator().emulate(card)
    assert chip.said[0] == b"\x12" + b"\xaa" * 61
    assert chip.said[1] == b"\x03" + b"\xaa" * 38 + b"\x90\x00"
    assert card.events[:3] == ["activate", "aa" * 99, "deactivate"]
    assert chip.listened[0].rats_res == bytes.fromhex("05 77 80 80 02"), "frames of 128 bytes, 77 ms"


async def test_a_chip_that_tells_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """RC-S380; and one that cannot send as much as the reader takes."""
    found = LocalTarget("106A", tt4_cmd=bytearray(b"\x0a\x03\xaa"), rats_cmd=bytearray(b"\xe0\x83"))
    chip = Chip(monkeypatch, found, b"\x0b\x03" + bytes(249))
    with pytest.raises(LinkError):
        await NfcpyEmulator().emulate(Echo())
    assert chip.said[0] == b"\x0a\x03\xaa\x90\x00"
    assert chip.said[1] == b"\x1b\x03" + bytes(249) + b"\x90", "chained after 252 bytes"


@pytest.mark.parametrize("nothing", [None, bytearray()], ids=["PN53x", "RC-S380"])
async def test_after_a_good_bye_nothing_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, nothing: bytearray | None
) -> None:
    chip, card = Chip(monkeypatch, LocalTarget("106A", tt4_cmd=bytearray(b"\x02\xaa")), b"\xc2"), Echo()
    chip.nothing = nothing
    with pytest.raises(LinkError):
        await NfcpyEmulator().emulate(card)
    assert chip.said == [b"\x02\xaa\x90\x00", b"\xc2", b"\x02\xaa\x90\x00"]
    assert card.events == ["activate", "aa", "deactivate"] * 2


async def test_a_chip_that_complains_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    found = LocalTarget("106A", tt4_cmd=bytearray(b"\x02\xaa"))
    complaints = [nfc.clf.TransmissionError()] * ERRORS
    silence = [nfc.clf.TimeoutError()] * 100
    chip, card = Chip(monkeypatch, found, b"\x03\xbb", *silence, *complaints, *complaints), Echo()
    with pytest.raises(LinkError):
        await NfcpyEmulator().emulate(card)
    once = ["activate", "aa", "deactivate"]
    assert card.events == ["activate", "aa", "bb", "deactivate", *once, *once]
    answers, quiet = [b"\x02\xaa\x90\x00", b"\x03\xbb\x90\x00"], [None] * (ERRORS - 1)
    assert chip.said == [*answers, *[None] * 100, *quiet, answers[0], *quiet, answers[0]]


async def test_a_reader_that_breaks_the_protocol_of_the_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    chip, card = Chip(monkeypatch, IndexError("bytearray index out of range")), Echo()
    with pytest.raises(LinkError, match="unplugged"):
        await NfcpyEmulator().emulate(card)
    assert len(chip.listened) == 10
    assert not card.events


async def test_a_chip_that_cannot_be_a_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    Chip(monkeypatch, nfc.clf.UnsupportedTargetError("no"))
    emulator = NfcpyEmulator()
    for use in (emulator.open, lambda: emulator.emulate(Echo())):
        with pytest.raises(LinkError, match="cannot be a tag.* PN532, PN533 or RC-S380"):
            await use()
