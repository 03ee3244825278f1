"""Stickers that were copied, rewritten or swapped: what the client makes of them, and what its result says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from oob.client import Pairing
from oob.device import Device
from oob.errors import AuthenticationError, DeviceNotFound, OobError
from oob.pairing import Bootstrap, Model
from oob.pairing.claims import explain
from oob.pairing.tag_content import TagContent
from oob.sim import ways
from oob.sim.field import Field
from oob.sim.home import Home, home
from oob.sim.page import DemoPage
from oob.sim.tags import SimulatedNtag
from oob.sim.ways import StaticTagWay
from oob.storage import private_directory
from oob.transport.ndef_tag import open_tag


async def sticker(content: TagContent) -> SimulatedNtag:
    """Write an NTAG215, as whoever has one in hand can."""
    chip = SimulatedNtag("NTAG215")
    await (await open_tag(await Field(chip=chip).tap(1))).store(content.encode())
    return chip


async def content_of(chip: SimulatedNtag) -> TagContent:
    return TagContent.decode(await (await open_tag(await Field(chip=chip).tap(1))).read())


async def pair(running: Home, chip: SimulatedNtag) -> Pairing:
    """Tap this sticker in place of the device's own, and pair."""
    assert isinstance(running.way, StaticTagWay)
    running.way.reader.place(chip)
    link = await running.connect()
    try:
        return await running.client.pair(link, running.carried())
    finally:
        await link.close()


@asynccontextmanager
async def seen(tmp_path: Path) -> AsyncIterator[tuple[Home, TagContent]]:
    """Have a device with a sticker, and what that says."""
    async with home(tmp_path, carrier="nfc-static") as running:
        carried = running.device.offer.out_of_band()
        assert isinstance(carried, Bootstrap)
        yield running, TagContent("https://maker.example/d/7", carried)


@pytest.fixture
async def other(tmp_path: Path) -> Bootstrap:
    """What the sticker of another device says, which is not here."""
    directory = private_directory(tmp_path / "other")
    page = DemoPage("Other", directory)
    carried = Device("Other", directory, page, model=Model.SECRET).offer.out_of_band()
    await page.close()
    assert isinstance(carried, Bootstrap)
    return carried


async def authorised(running: Home) -> int:
    audit = asdict(await running.issuer.store.audit())
    return sum(audit[each] for each in ("bindings", "accounts", "certificates"))


async def test_a_copied_sticker_pairs_and_the_result_says_that_it_could_be_one(tmp_path: Path) -> None:
    async with seen(tmp_path) as (running, content):
        copy = await sticker(content)
        assert await content_of(copy) == content
        pairing = await pair(running, copy)
    assert (pairing.status, pairing.strength, pairing.dynamic) == ("ready", "secret-static", False)
    assert "so does whoever has read or copied it" in explain(pairing.strength, dynamic=pairing.dynamic)


async def test_a_sticker_that_calls_its_secret_fresh_is_contradicted(tmp_path: Path) -> None:
    """Where something is to be bound, by the device's signature; where not, the result does not say so."""
    async with seen(tmp_path) as (running, content):
        assert content.bootstrap is not None
        rewritten = await sticker(replace(content, bootstrap=replace(content.bootstrap, dynamic=True)))
        with pytest.raises(AuthenticationError, match="contradicts the bootstrap data"):
            await pair(running, rewritten)
        assert await authorised(running) == 0
        assert running.device.store.state.pairings == ()
        link = await running.connect()
        met = await running.client.meet(link, running.carried())
        await link.close()
        assert (met.strength, met.dynamic) == ("secret-static", False)
        assert (await pair(running, await sticker(content))).status == "ready"  # the next tap works


async def test_a_rewritten_url_is_shown_and_nothing_goes_there(tmp_path: Path) -> None:
    callers: list[object] = []

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername"))
        writer.close()

    trap = await asyncio.start_server(called, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{trap.sockets[0].getsockname()[1]}/phish"
    async with seen(tmp_path) as (running, content):
        pairing = await pair(running, await sticker(replace(content, url=url)))
    trap.close()
    assert pairing.status == "ready"
    assert url not in repr(pairing)
    assert callers == []


@pytest.mark.parametrize("what", ["cred_r_hash", "secret", "tag_key"])
async def test_a_sticker_with_something_of_another_device_binds_nothing(
    tmp_path: Path, other: Bootstrap, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "LOOK", 0.5)
    async with seen(tmp_path / "home") as (running, content):
        assert content.bootstrap is not None
        mixed = replace(content.bootstrap, **{what: getattr(other, what)})
        with pytest.raises(OobError) as caught:
            await pair(running, await sticker(replace(content, bootstrap=mixed)))
        assert isinstance(caught.value, DeviceNotFound if what == "tag_key" else AuthenticationError)
        assert await authorised(running) == 0
        assert (await pair(running, await sticker(content))).status == "ready"  # the next tap works


async def test_a_swapped_sticker_pairs_with_the_device_that_it_names_and_no_other(
    tmp_path: Path, other: Bootstrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "LOOK", 0.5)
    async with seen(tmp_path / "home") as (running, content):
        with pytest.raises(DeviceNotFound):  # it is not here: the lamp is not taken for it
            await pair(running, await sticker(TagContent(content.url, other)))
        assert await authorised(running) == 0
