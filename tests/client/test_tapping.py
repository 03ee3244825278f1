"""A tap as an app sees it: a sticker, the device's own tag, and tags that tell nothing of use."""

import asyncio
from pathlib import Path

import pytest

from oob.client import pair, tap
from oob.errors import DeviceNotFound, LinkLost, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.framing.ndef import Record, Tnf, encode
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.pairing import Bootstrap, Model
from oob.pairing.tag_content import BOOTSTRAP_TYPE, TagContent
from oob.progress import Progress, Report
from oob.sim.field import Field
from oob.sim.home import home
from oob.sim.virtual_time import run
from oob.sim.ways import StaticTagWay, TapWay
from oob.transport.carrier import beside
from oob.transport.nfc import Reader
from oob.transport.nfc_profile import SERVICE
from oob.transport.tnep_poller import REST
from oob.transport.tnep_stack import nfc_listener

URL = "https://maker.example/d/7"
SECRET = b"sixteen letters."
BOOTSTRAP = Bootstrap(1, (Model.SECRET,), bytes(32), SECRET, bytes(16), name="Lamp")
CONTENT = TagContent(URL, BOOTSTRAP)


async def test_a_sticker_tells_what_to_pair_by_and_nothing_goes_through_it() -> None:
    field, told = Field(), list[Progress]()
    async with (
        beside(field.emulate(Type4Card(StoredNdef(CONTENT.encode())))),
        await tap(field, timeout=5, report=told.append) as tapped,
    ):
        assert (tapped.content, tapped.bootstrap, tapped.link) == (CONTENT, BOOTSTRAP, None)
    assert told[-1] == Progress("client", "tapped", "Lamp")
    assert SECRET.decode() not in repr(tapped)
    assert SECRET.hex() not in repr(tapped)


async def test_the_handshake_goes_through_the_tag_of_a_device() -> None:
    field = Field()
    listener = nfc_listener(field, CONTENT.records)
    await listener.start()
    await asyncio.sleep(0)
    async with await tap(field, timeout=5) as tapped:
        assert tapped.bootstrap == BOOTSTRAP
        link = tapped.link
        assert link is not None
        await link.send(MessageType.HANDSHAKE, b"message_1")
        assert await (await listener.accept()).receive(5) == (MessageType.HANDSHAKE, b"message_1")
        await link.close()
    await listener.close()


@pytest.mark.parametrize("commands", range(7))
async def test_a_tag_that_leaves_too_early_is_tapped_again(commands: int) -> None:
    field, told = Field(), list[Progress]()
    listener = nfc_listener(field, CONTENT.records)
    await listener.start()
    await asyncio.sleep(0)
    field.torn_after = commands
    async with await tap(field, timeout=5, report=told.append) as tapped:
        assert tapped.link is not None
    assert [each.step for each in told].count("tap again") == 1
    await listener.close()


@pytest.mark.parametrize(
    ("is_device", "remedy"), [(True, "Pair by the device's passcode"), (False, "Tap the tag of the device")]
)
async def test_a_tag_that_tells_nothing_to_pair_by(is_device: bool, remedy: str) -> None:
    field = Field()
    listener = nfc_listener(field)
    await listener.start()
    if not is_device:
        await listener.close()
        listening = asyncio.create_task(field.emulate(Type4Card(StoredNdef())))
    await asyncio.sleep(0)
    async with await tap(field, timeout=5) as tapped:
        with pytest.raises(UsageError) as caught:
            _ = tapped.bootstrap
    assert caught.value.remedy == remedy
    if is_device:
        await listener.close()
    else:
        listening.cancel()
        await asyncio.wait({listening})


def test_a_tag_that_refuses_each_selection_is_not_tapped_for_ever() -> None:
    class Refusing(StoredNdef):
        def written(self, message: bytes) -> None:
            self.refused = True

        def content(self) -> bytes:
            refusal = encode([Record(Tnf.WELL_KNOWN, b"Te", b"\x01")])
            return refusal if self.refused else encode([SERVICE.to_record()])

        def begin(self) -> None:
            self.refused = False

    async def main() -> float:
        field = Field()
        async with beside(field.emulate(Type4Card(Refusing()))):
            with pytest.raises(LinkLost, match="ended the exchange"):
                async with asyncio.timeout(600):
                    await tap(field, timeout=5)
        return asyncio.get_running_loop().time()

    assert run(main()) <= 5


@pytest.mark.parametrize("message", [b"\x00", encode([Record(Tnf.EXTERNAL, BOOTSTRAP_TYPE, b"\xa0")])])
async def test_a_tag_that_is_malformed_lets_go_of_the_reader(message: bytes) -> None:
    field = Field()
    async with beside(field.emulate(Type4Card(StoredNdef(message)))):
        with pytest.raises(PeerError):
            await tap(field, timeout=5)
        async with beside(asyncio.sleep(0)):
            pass


async def test_a_reader_that_was_opened_for_the_tap_is_closed_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(Field):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    field = Counted()
    monkeypatch.setattr("oob.client.tapping.open_reader", lambda reader: field)
    with pytest.raises(DeviceNotFound):
        await tap("usb", timeout=0.01)
    assert field.closed == 1
    async with beside(field.emulate(Type4Card(StoredNdef(CONTENT.encode())))):
        async with await tap(None, timeout=5):
            assert field.closed == 1
        assert field.closed == 2
        await (await tap(field, timeout=5)).close()
        assert field.closed == 2


async def test_a_tap_that_is_closed_lets_go_of_the_tag() -> None:
    class Card(Type4Card):
        let_go = 0

        def deactivate(self) -> None:
            super().deactivate()
            self.let_go += 1

    field, card = Field(), Card(StoredNdef(CONTENT.encode()))
    async with beside(field.emulate(card)):
        tapped = await tap(field, timeout=5)
        assert card.let_go == 0
        await tapped.close()
        assert card.let_go == 1


def test_taps_that_break_off_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[float] = []

    async def read(reader: Reader, timeout: float, *, report: Report) -> None:
        left.append(timeout)
        await asyncio.sleep(min(3, timeout))

    async def leave(*_: object) -> None:
        await asyncio.sleep(1)
        raise LinkLost("it shows something new")

    monkeypatch.setattr("oob.client.tapping.read_tag", read)
    monkeypatch.setattr("oob.client.tapping._held", leave)
    with pytest.raises(LinkLost, match="something new"):
        run(tap(Field(), timeout=10))
    assert left == pytest.approx([10, 6 - REST, 2 - 2 * REST])


@pytest.mark.parametrize("carrier", ["nfc", "nfc-static"])
async def test_pairing_by_a_tap(tmp_path: Path, carrier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with home(tmp_path, carrier=carrier) as running:
        if isinstance(running.way, StaticTagWay):
            link = await running.connect()  # in place of genuine Bluetooth LE
            monkeypatch.setattr("oob.client.client.Search.reach", lambda self: asyncio.sleep(0, link))
        assert isinstance(running.way, TapWay | StaticTagWay)
        async with await tap(running.way.reader, timeout=5) as tapped:
            pairing = await pair(
                tapped,
                issuer=running.issuer.directory_url,
                root=running.issuer.authority.root_der,
                directory=tmp_path / "app",
            )
        assert (pairing.status, pairing.dynamic) == ("ready", carrier == "nfc")
