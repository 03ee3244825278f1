import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from oob.binding import Ready
from oob.client import Pairing, PairingStore, Search, client, pair
from oob.device import device
from oob.discovery import advertised_tag
from oob.errors import (
    AuthenticationError,
    IssuanceError,
    LinkError,
    LinkTimeout,
    OobError,
    PeerError,
    StorageError,
    UsageError,
)
from oob.framing.gatt import MessageType
from oob.handshake.messages import Error
from oob.issuance import Authority
from oob.issuance.http import HttpClient, Response
from oob.pairing import Bootstrap, Model, Passcode
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.transport.link import Link
from oob.transport.memory import MemoryListener, link_pair
from tests.client.test_store import READY
from tests.e2e.stage import Stage, stage, wrong

TAG = Bootstrap(version=1, models=(Model.SECRET,), cred_r_hash=bytes(32), secret=bytes(16), tag_key=bytes(16), name="")


async def test_keeps_each_stage_of_a_pairing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        kept: dict[str, list[str]] = {}

        def look(who: str, step: str) -> None:
            if who == "client":
                kept[step] = [each.status for each in on.client.store.all()]

        on.on_step = look
        pairing = await on.pair()
        assert kept == {"session": [], "message_3": [], "agreed": [], "bound": ["bound"], "ready": ["ready"]}
        assert on.client.store.all() == [pairing]
        assert pairing.names == ("lamp.home.example",)
        assert (pairing.bits, pairing.mutual, pairing.name) == (23, True, "Lamp")


async def test_pairs_over_a_link_and_closes_it(tmp_path: Path) -> None:
    memory = MemoryListener()
    async with stage(tmp_path, listener=memory, connect=memory.connect) as on:
        code = on.device.offer.out_of_band()
        assert isinstance(code, Passcode)
        link = await memory.connect()
        directory = tmp_path / "other"
        pairing = await pair(code.display(), issuer=on.switch.url, root=on.root, directory=directory, link=link)
        assert PairingStore(directory).all() == [pairing]
        with pytest.raises(Exception, match="closed"):
            await link.send(MessageType.HANDSHAKE, b"")


@pytest.mark.parametrize(
    ("code", "root", "kind"),
    [("12", None, UsageError), ("OOB:", None, PeerError), ("0000 0000", b"no certificate", StorageError)],
)
async def test_closes_the_link_also_when_it_is_called_wrongly(
    tmp_path: Path, code: str, root: bytes | None, kind: type[Exception]
) -> None:
    made = Authority.create(tmp_path / "a", dns_zones=["home.example"], now=1.7e9).root_der
    ours, theirs = link_pair()
    with pytest.raises(kind):
        await pair(code, issuer="https://127.0.0.1:1/", root=root or made, directory=tmp_path, link=ours)
    with pytest.raises(Exception, match="connection lost"):
        await theirs.receive(1)


async def test_a_directory_that_is_none(tmp_path: Path) -> None:
    made = Authority.create(tmp_path / "a", dns_zones=["home.example"], now=1.7e9).root_der
    (tmp_path / "file").touch()
    ours, _ = link_pair()
    with pytest.raises(StorageError, match="file"):
        await pair("00000000", issuer="https://x/", root=made, directory=tmp_path / "file", link=ours)


async def test_a_code_is_for_one_try(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        error = await on.fail(wrong(on.device.offer.out_of_band()))
        assert isinstance(error, AuthenticationError)
        assert str(error) == (
            "message_3: the device refused: the code is wrong or used up, or the device could not go on. "
            "Read the code, and what else the device shows, again"
        )
        assert on.steps.count(("device", "guess counted")) == 1
        assert on.client.store.all() == []


async def test_an_answer_that_got_lost_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path) as on:
        lose(monkeypatch, arrives=True)
        assert (await on.pair()).status == "ready"


async def test_a_submission_that_got_lost_is_not_taken_for_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path) as on:
        lose(monkeypatch, arrives=False)
        error = await on.fail()
        assert (type(error), error.cause) == (IssuanceError, "the connection broke")
        assert [each.status for each in on.client.store.all()] == ["agreed"]
        monkeypatch.undo()
        on.device.offer.press()
        assert (await on.pair()).status == "ready"


def lose(monkeypatch: pytest.MonkeyPatch, *, arrives: bool) -> None:
    """Lose the connection around POST /bindings."""
    genuine = HttpClient.request

    async def request(self: HttpClient, method: str, url: str, **options: Any) -> Response:
        if not url.endswith("/bindings"):
            return await genuine(self, method, url, **options)
        if arrives:
            await genuine(self, method, url, **options)
        raise IssuanceError("the connection broke", step="issuance")

    monkeypatch.setattr(HttpClient, "request", request)


async def test_a_wrong_root_is_refused(tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "a", dns_zones=["home.example"], ip_networks=["127.0.0.0/8"], now=1.7e9)
    async with stage(tmp_path) as on:
        on.client = client.Client(on.switch.url, other.root_der, tmp_path / "client")
        error = await on.fail()
        on.client.close()
        assert error.exit_code == 5
        assert "not vouched for by the root certificate" in error.cause
        assert ("device", "message_2") not in on.steps


async def test_a_device_without_its_certificate_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path) as on:

        async def no_page(*_: object) -> tuple[str, str]:
            raise StorageError("cannot write x: the disk is full", step="storage")

        monkeypatch.setattr(on.page, "publish", no_page)
        error = await on.fail()
        assert isinstance(error, IssuanceError)
        assert (error.step, error.cause) == (
            "storage",
            "the device got no certificate: cannot write x: the disk is full",
        )
        assert [each.status for each in on.client.store.all()] == ["bound"]


@pytest.mark.parametrize(
    "url", ["https://router.home.example/", "https://lamp.home.example.evil.example/", "https://[/"]
)
async def test_a_page_under_anothers_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    async with stage(tmp_path) as on:
        genuine = on.page.publish

        async def publish(tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
            return url, (await genuine(tls_pem, names))[1]

        monkeypatch.setattr(on.page, "publish", publish)
        error = await on.fail()
        assert isinstance(error, PeerError)
        assert "not under its own name" in error.cause
        assert [each.status for each in on.client.store.all()] == ["bound"]


async def test_gives_up_on_a_device_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MESSAGE_WAIT", 0.05)
    async with stage(tmp_path) as on:
        ours, theirs = link_pair()
        code = on.device.offer.out_of_band()
        with pytest.raises(LinkTimeout, match=r"within 0\.05 s"):
            await on.client.pair(ours, code)
        await ours.close()
        await theirs.close()


async def test_gives_up_on_a_device_that_gets_no_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ISSUANCE_WAIT", 0.05)
    async with stage(tmp_path) as on:
        _hold(on, monkeypatch)
        assert isinstance(await on.fail(), LinkTimeout)


def _hold(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def obtain(*_: object) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(on.device.certifier, "obtain", obtain)


def test_a_client_waits_longer_than_a_device_tries() -> None:
    from oob.issuance.acme_client import DEADLINE

    assert client.ISSUANCE_WAIT > DEADLINE
    assert device.PROCEED_WAIT > 0


async def answer(link: Link, kind: MessageType, message: bytes) -> None:
    await link.receive(5)
    await link.send(kind, message)


async def test_a_device_that_sends_garbage(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        for garbage in (b"", b"\x00" * 50, b"\xff" * 50):
            ours, theirs = link_pair()
            answering = asyncio.create_task(answer(theirs, MessageType.HANDSHAKE, garbage))
            with pytest.raises(PeerError):
                await on.client.pair(ours, on.device.offer.out_of_band())
            await ours.close()
            await answering


async def test_a_page_instead_of_a_handshake(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        ours, theirs = link_pair()
        answering = asyncio.create_task(answer(theirs, MessageType.CHANNEL, b"x"))
        with pytest.raises(PeerError, match="a channel message where a handshake message belongs"):
            await on.client.pair(ours, on.device.offer.out_of_band())
        await ours.close()
        await answering


def test_a_page_is_under_one_of_its_names() -> None:
    ready = Ready("https://lamp.home.example:8443/", bytes(32), "127.0.0.1:8443")
    assert client._checked(ready, READY) is ready


# --- several devices with the right tag


class Stranger:
    """A device that repeats a tag that it heard, and is met first."""

    def __init__(self, stage: Stage, radio: VirtualRadio, meant: SimulatedPeripheral) -> None:
        self.stage, self.radio, self.meant = stage, radio, meant
        self.carried = stage.device.offer.out_of_band()
        self.messages = 0
        stage.on_step = self.on_step
        self.coming: asyncio.Task[None] | None = None

    async def serve(self, answer: bytes) -> None:
        """Answer each message with this; b"" for none."""
        assert isinstance(self.carried, Bootstrap)
        assert self.carried.tag_key is not None
        await self.meant.advertise(advertised_tag(self.carried.tag_key, b"new"))
        await self.meant.leave()
        peripheral = await self.radio.peripheral(tag=advertised_tag(self.carried.tag_key, b"old"))
        while True:
            link = await peripheral.accept()
            with suppress(LinkError):  # the client lets go
                while True:
                    kind, _ = await link.receive(5)
                    self.messages += 1
                    if answer:
                        await link.send(kind, answer)

    def on_step(self, who: str, step: str) -> None:
        if step == "another":
            self.coming = asyncio.create_task(self.meant.come_back())

    async def pair(self) -> Pairing:
        assert isinstance(self.carried, Bootstrap)
        search = Search(
            tag_key=self.carried.tag_key,
            timeout=5,
            scanner=self.radio.scanner_backend,
            backend=self.radio.client_backend,
            report=self.stage.report,
        )
        return await self.stage.client.pair_nearby(search, self.carried, names=("lamp",))


@asynccontextmanager
async def stranger(directory: Path, answer: bytes) -> AsyncIterator[Stranger]:
    async with VirtualRadio() as radio:
        meant = await radio.peripheral()
        async with stage(directory, listener=meant, model=Model.SECRET) as on:
            one = Stranger(on, radio, meant)
            serving = asyncio.create_task(one.serve(answer))
            yield one
            serving.cancel()
            await asyncio.wait({serving})
            if one.coming is not None:
                await one.coming


@pytest.mark.parametrize("answer", [b"", b"\x02garbage", Error(1, "no").encode()], ids=["mute", "garbage", "refusal"])
async def test_a_stranger_with_the_right_tag_gives_way_to_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    if not answer:
        monkeypatch.setattr(client, "MESSAGE_WAIT", 1.0)
    async with stranger(tmp_path, answer) as one:
        pairing = await one.pair()
        assert (pairing.device, pairing.status) == (one.stage.key, "ready")
        assert one.messages >= 1
        assert ("client", "another") in one.stage.steps


async def test_a_stranger_alone_is_an_error(tmp_path: Path) -> None:
    async with stranger(tmp_path, b"\x02garbage") as one:
        one.stage.on_step = lambda *_: None
        with pytest.raises(PeerError) as caught:
            await one.pair()
        assert caught.value.step == "error"
        assert ("client", "message_3") not in one.stage.steps


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"\x00", b""], ids=["ssh", "mute", "hangs up"])
async def test_a_hint_to_something_else_gives_way_to_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    async def be_something_else(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        if said:
            await reader.read()
        writer.close()

    if len(said) == 1:
        monkeypatch.setattr(client, "MESSAGE_WAIT", 0.5)
    async with VirtualRadio() as radio, stage(tmp_path, listener=await radio.peripheral(), model=Model.SECRET) as on:
        server = await asyncio.start_server(be_something_else, "127.0.0.1", 0)
        on.device.offer.hints = (f"127.0.0.1:{server.sockets[0].getsockname()[1]}",)
        carried = on.device.offer.out_of_band()
        assert isinstance(carried, Bootstrap)
        scanner, backend = radio.scanner_backend, radio.client_backend
        search = Search(tag_key=carried.tag_key, hints=carried.hints, timeout=5, scanner=scanner, backend=backend)
        pairing = await on.client.pair_nearby(search, carried, names=("lamp",))
        assert (pairing.device, pairing.status) == (on.key, "ready")
        server.close()


class OneLink(Search):
    """Reaches one device, and must not be asked for another."""

    def __init__(self, connect: Callable[[], Awaitable[Link]]) -> None:
        super().__init__(tag_key=bytes(16))
        self._connect = connect

    async def reach(self) -> Link:
        return await self._connect()

    def go_on(self, error: OobError) -> bool:
        raise AssertionError("a second device would be tried")


async def test_a_wrong_code_is_not_tried_on_another_device(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        with pytest.raises(AuthenticationError, match="the code is wrong"):
            await on.client.pair_nearby(OneLink(on.connect), wrong(on.device.offer.out_of_band()))


async def test_a_device_that_proved_itself_is_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lose(*_: object) -> bytes:
        raise LinkError("connection lost", step="link")

    monkeypatch.setattr(client.Client, "_last", lose)
    async with stage(tmp_path, model=Model.SECRET) as on:
        with pytest.raises(LinkError, match="connection lost"):
            await on.client.pair_nearby(OneLink(on.connect), on.device.offer.out_of_band())
