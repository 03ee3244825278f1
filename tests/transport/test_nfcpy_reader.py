"""nfcpy as a reader, over UDP: tags of each type, honest and hostile, and readers that are not there."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from oob.errors import DeviceNotFound, LinkError, LinkLost, LinkTimeout, OobError, PeerError
from oob.framing.iso_dep import Ats, Command, IsoDepTarget
from oob.framing.procedure import TagType
from oob.sim.tags import SimulatedFelica, SimulatedNtag
from oob.transport.ndef_tag import open_tag
from oob.transport.nfc import Tag
from oob.transport.nfcpy_edge import ReaderAbsent
from oob.transport.nfcpy_frontend import Frontend
from oob.transport.nfcpy_reader import NfcpyReader
from tests.transport.udp_field import as_type_3, free_path, tag_at, type_a, type_f

LONG = 30.0
MESSAGE = b"\xd1\x01\x60T\x02en" + b"x" * 93
ATS = Ats(256, 11).encode()


class Echo:
    """A Type 4A tag that returns each command with 9000h."""

    def __init__(self, ats: bytes = ATS) -> None:
        self.ats = ats

    def __call__(self, frame: bytes) -> bytes | None:
        if frame[0] == 0xE0:
            self.target = IsoDepTarget.selected_by(frame)
            return self.ats
        said = self.target.receive(frame)
        return self.target.respond(said.apdu + b"\x90\x00") if isinstance(said, Command) else said


def hostile(*blocks: bytes) -> Callable[[bytes], bytes | None]:
    """Return a Type 4A tag that is selected and then says these blocks, the last one for ever."""
    left = list(blocks)

    def answer(frame: bytes) -> bytes | None:
        if frame[0] == 0xE0:
            return ATS
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


async def outcome(tag: Tag, command: bytes = b"\x00\xb0\x00\x00\x10") -> bytes | type[OobError]:
    try:
        return await tag.transceive(command)
    except OobError as error:
        return type(error)


async def test_a_type_4_tag() -> None:
    path = free_path()
    reader = NfcpyReader(path)
    with tag_at(path, type_a(0x20), Echo()):
        tag = await reader.tap(LONG)
        assert tag.type is TagType.TYPE_4
        for command in (b"\x00\xa4\x04\x00", bytes(range(256)) * 3):
            assert await tag.transceive(command) == command + b"\x90\x00"
        await reader.close()
    assert reader.name.endswith("IP-Stack")


async def test_a_tag_that_stays_is_found_again() -> None:
    path = free_path()
    reader = NfcpyReader(path)
    with tag_at(path, type_a(0x20), Echo()):
        first = await reader.tap(LONG)
        await first.close()
        await first.close()
        with pytest.raises(LinkLost):
            await first.transceive(b"\x00\xa4\x04\x00")
        second = await reader.tap(LONG)
        assert await second.transceive(b"hello") == b"hello\x90\x00"
        third = await reader.tap(LONG)
        with pytest.raises(LinkLost):
            await second.transceive(b"hello")
        await second.close()
        assert await third.transceive(b"hello") == b"hello\x90\x00", "it was not held by the second"
        await reader.close()
        await reader.close()
        fourth = await reader.tap(LONG)
        assert await fourth.transceive(b"hello") == b"hello\x90\x00", "closing is no end"
        await reader.close()


async def test_a_type_2_tag() -> None:
    """A tag that refuses a command is asleep after that, until it is selected again."""
    pages = {b"\x30\x00": bytes(range(16)), b"\xa2\x04abcd": b"\x0a", b"\x30\xff": b"\x00"}
    path = free_path()
    reader = NfcpyReader(path, technologies=("106A",))
    with tag_at(path, type_a(0x00), pages.get):
        tag = await reader.tap(LONG)
        assert tag.type is TagType.TYPE_2
        assert await tag.transceive(b"\x30\x00") == bytes(range(16))
        assert await tag.transceive(b"\xa2\x04abcd") == b"\x0a"
        with pytest.raises(LinkLost):
            await tag.transceive(b"\x60")  # no answer at all
        assert await tag.transceive(b"\x30\x00") == bytes(range(16))
        assert await tag.transceive(b"\x30\xff") == b"\x00"
        await reader.close()


@pytest.mark.parametrize("name", ["NTAG213", "NTAG216"])
async def test_a_message_on_a_type_2_tag(name: str) -> None:
    path, chip = free_path(), SimulatedNtag(name)
    reader = NfcpyReader(path, technologies=("106A",))
    with tag_at(path, type_a(0x00), chip.process):
        held = await reader.tap(LONG)
        tag = await open_tag(held)
        await tag.store(MESSAGE)
        await tag.lock()
        assert await held.transceive(b"\xa2\x04" + bytes(4)) != b"\x0a"
        assert await tag.read() == MESSAGE, "it refused, and was waked"
        await reader.close()


async def test_a_message_on_a_type_3_tag() -> None:
    path = free_path()
    reader = NfcpyReader(path)
    with tag_at(path, type_f(), as_type_3(SimulatedFelica())):
        tag = await open_tag(await reader.tap(LONG))
        assert tag.type is TagType.TYPE_3
        await tag.store(MESSAGE)
        await tag.close()
        again = await open_tag(await reader.tap(LONG))
        assert await again.read() == MESSAGE
        await reader.close()


@pytest.mark.parametrize(
    "said",
    [b"", b"\x01", b"\x02\x07", b"\x0c\x07" + bytes(10), b"\x0c\x09" + SimulatedFelica.idm + b"aa"],
)
async def test_a_type_3_tag_that_is_none(said: bytes) -> None:
    path = free_path()
    reader = NfcpyReader(path, technologies=("212F",))
    with tag_at(path, type_f(), lambda _: said):
        tag = await reader.tap(LONG)
        with pytest.raises((LinkLost, PeerError)):
            await tag.transceive(b"\x06\x01\x0b\x00\x01\x80\x00")
        await reader.close()


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ((b"\x02" + b"\x90\x00",), b"\x90\x00"),
        ((b"\x02",), b""),
        ((b"\x03\x90\x00",), PeerError),  # the number of another block
        ((b"\xa2",), PeerError),  # an ACK for what was complete
        ((b"\xc2",), PeerError),
        ((b"\xf2",), PeerError),  # more time, but how much?
        ((b"\xff" * 200,), PeerError),
        ((b"\x12aa", b"\x12aa"), PeerError),  # a part twice
        ((b"\xf2\x00",), LinkLost),  # no time at all
    ],
)
async def test_a_type_4_tag_that_breaks_the_protocol(
    blocks: tuple[bytes, ...], expected: bytes | type[OobError]
) -> None:
    """Whatever a tag says, the next one is read."""
    path = free_path()
    reader = NfcpyReader(path, technologies=("106A",))
    with tag_at(path, type_a(0x20), hostile(*blocks)):
        assert await outcome(await reader.tap(LONG)) == expected
    with tag_at(path, type_a(0x20), Echo()):
        assert await outcome(await reader.tap(LONG), b"next") == b"next\x90\x00"
        await reader.close()


@pytest.mark.parametrize("ats", [b"\x01", b"\x02\x08", b"\x03\x28\xb0"])
async def test_an_answer_to_select_that_says_little(ats: bytes) -> None:
    """nfcpy itself would fail for these, which the standard allows."""
    path = free_path()
    reader = NfcpyReader(path, technologies=("106A",))
    with tag_at(path, type_a(0x20), Echo(ats)):
        assert (await reader.tap(LONG)).type is TagType.TYPE_4
        await reader.close()


@pytest.mark.parametrize("ats", [b"", b"\x00", b"\x05\x78\x80", b"\xff" * 20])
async def test_an_answer_to_select_that_is_none(ats: bytes) -> None:
    path = free_path()
    reader = NfcpyReader(path, technologies=("106A",))
    with tag_at(path, type_a(0x20), lambda _: ats), pytest.raises(DeviceNotFound, match="no tag came"):
        await reader.tap(0.3)
    await reader.close()


async def test_no_tag() -> None:
    reader = NfcpyReader(free_path())
    with pytest.raises(DeviceNotFound, match=r"no tag came within 0\.1 s"):
        await reader.tap(0.1)
    await reader.close()


async def test_a_tap_that_is_given_up_leaves_the_reader_usable() -> None:
    path = free_path()
    reader = NfcpyReader(path)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.tap(LONG)
    with tag_at(path, type_a(0x20), Echo()):
        assert (await reader.tap(LONG)).type is TagType.TYPE_4
        await reader.close()


# --- readers that are not there, against what stands for a front-end


class Plug:
    """What becomes of each look, in turn; the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: OobError | None) -> None:
        self.looks, self.seen = list(looks), 0
        monkeypatch.setattr(Frontend, "sense", self.sense)

    def sense(self, _: Frontend, technology: str) -> None:
        self.seen += 1
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if look is not None:
            raise look


async def test_a_reader_that_was_there_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oob.transport.nfcpy_reader._ABSENT_PAUSE", 0.001)
    plug = Plug(monkeypatch, None, *[ReaderAbsent("it was unplugged")] * 20, None)
    with pytest.raises(DeviceNotFound):
        await NfcpyReader(technologies=("106A",)).tap(0.3)
    assert plug.seen > 22
    Plug(monkeypatch, None, ReaderAbsent("it was unplugged"))
    with pytest.raises(ReaderAbsent):
        await NfcpyReader(technologies=("106A",)).tap(0.05)


async def test_a_reader_that_is_not_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plug = Plug(monkeypatch, ReaderAbsent("there is none"))
    with pytest.raises(ReaderAbsent):
        await NfcpyReader().tap(LONG)
    assert plug.seen == 1


async def test_a_reader_that_cannot_be_used_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oob.transport.nfcpy_reader._ABSENT_PAUSE", 0.001)
    plug = Plug(monkeypatch, LinkError("held by the kernel"))
    with pytest.raises(LinkError, match="held by the kernel"):
        await NfcpyReader().tap(LONG)
    assert plug.seen == 8


async def test_a_reader_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    free, used = threading.Event(), list[Frontend]()

    def sense(frontend: Frontend, technology: str) -> None:
        used.append(frontend)
        free.wait(LONG)

    monkeypatch.setattr(Frontend, "sense", sense)
    reader = NfcpyReader(last_resort=0.05, technologies=("106A",))
    with pytest.raises(LinkTimeout):
        await reader.tap(LONG)
    free.set()
    with pytest.raises(DeviceNotFound):
        await reader.tap(0)
    await reader.close()
    assert used[0] is not used[1], "the thread that hangs keeps the first"
