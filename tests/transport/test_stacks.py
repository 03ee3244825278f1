"""One device on two carriers at once."""

import asyncio
from collections.abc import Hashable

import pytest

from oob.errors import LinkBusy, LinkError
from oob.framing.gatt import MessageType
from oob.framing.ndef import Record, Tnf
from oob.sim.field import Field
from oob.transport.link import FramedLink
from oob.transport.peripheral import MAX_CLIENTS, Clients, Peripheral
from oob.transport.stacks import Stacks, together
from oob.transport.tcp import TcpStack, connect
from oob.transport.tnep_poller import connect as tapped_link
from oob.transport.tnep_poller import tap
from oob.transport.tnep_stack import Greet, nfc_listener, nothing_more

HANDSHAKE = MessageType.HANDSHAKE


class Home:
    """A device on TCP and on simulated NFC."""

    def __init__(self, greet: Greet = nothing_more) -> None:
        self.tcp, self.field = TcpStack("127.0.0.1", 0), Field()
        self.listener = together(Peripheral(self.tcp), nfc_listener(self.field, greet))

    async def start(self) -> None:
        await self.listener.start()
        await self.listener.advertise(b"")
        await asyncio.sleep(0)

    async def by_tcp(self) -> FramedLink:
        return await connect(*self.tcp.address)

    async def by_tap(self) -> FramedLink:
        return await tapped_link(await tap(self.field, 5))


@pytest.mark.parametrize("first", ["tcp", "nfc"])
async def test_whoever_begins_is_served_and_the_other_is_told_that_it_is_busy(first: str) -> None:
    home = Home()
    await home.start()
    links = [await home.by_tcp(), await home.by_tap()]
    one, other = links if first == "tcp" else reversed(links)
    await one.send(HANDSHAKE, b"one")
    device = await home.listener.accept()
    assert await device.receive(5) == (HANDSHAKE, b"one")
    await other.send(HANDSHAKE, b"other")
    with pytest.raises(LinkBusy):
        await other.receive(5)
    await device.send(HANDSHAKE, b"answer")
    assert await one.receive(5) == (HANDSHAKE, b"answer")
    for each in (one, other, device):
        await each.close()
    await home.listener.close()


async def test_a_tap_beside_another_carrier_is_greeted_as_things_are_now() -> None:
    """Not as an earlier tap was, when the device had no owner yet: its owner, who is connected, may stay for hours."""
    secret, url = Record(Tnf.EXTERNAL, b"oob.invalid:b", b"K"), Record(Tnf.WELL_KNOWN, b"U", b"\x04a")
    shown = [url, secret]
    home = Home(lambda: tuple(shown))
    await home.start()
    await (await tap(home.field, 5)).close()
    shown.remove(secret)  # it has an owner now
    owner = await home.by_tcp()
    await owner.send(HANDSHAKE, b"the owner")
    device = await home.listener.accept()
    tapped = await tap(home.field, 5)
    assert tapped.records[:-1] == (url,)
    for each in (tapped, owner, device):
        await each.close()
    await home.listener.close()


async def test_a_tap_takes_the_place_of_a_conversation_whose_client_is_away() -> None:
    home = Home()
    await home.start()
    away, near = await home.by_tcp(), await home.by_tap()
    await away.send(HANDSHAKE, b"away")
    suspended = await home.listener.accept()
    await suspended.receive(5)
    waiting = asyncio.create_task(suspended.receive(5))
    for peer in list(home.tcp._streams):
        await home.tcp.disconnect(peer)
    await asyncio.sleep(0)
    await near.send(HANDSHAKE, b"near")
    device = await home.listener.accept()
    assert await device.receive(5) == (HANDSHAKE, b"near")
    with pytest.raises(LinkError):
        await waiting
    for each in (away, near, device, suspended):
        await each.close()
    await home.listener.close()


async def test_a_crowd_on_one_carrier_needs_nobody_s_place_on_another() -> None:
    home = Home()
    await home.start()
    near = await home.by_tap()
    crowd = [await asyncio.open_connection(*home.tcp.address) for _ in range(2 * MAX_CLIENTS)]
    for reader, _ in crowd[:MAX_CLIENTS]:
        assert await reader.read() == b""
    await near.send(HANDSHAKE, b"near")
    device = await home.listener.accept()
    assert await device.receive(5) == (HANDSHAKE, b"near")
    assert not near._resumptions
    for _, writer in crowd:
        writer.close()
    await near.close()
    await device.close()
    await home.listener.close()


class Broken:
    """A Stack that fails at one of its calls, and counts the others."""

    carrier = "broken"

    def __init__(self, fails: str = "") -> None:
        self.fails, self.calls = fails, list[str]()

    async def _note(self, call: str) -> None:
        if call == self.fails:
            self.calls.append(call)
            raise LinkError(call)
        for _ in range(5):  # it takes longer than to fail
            await asyncio.sleep(0)
        self.calls.append(call)

    async def start(self, clients: Clients) -> None:
        await self._note("start")

    async def advertise(self, tag: bytes | None) -> None:
        await self._note("advertise")

    async def stop(self) -> None:
        await self._note("stop")

    async def notify(self, peer: Hashable, value: bytes) -> None:
        await self._note("notify")

    async def disconnect(self, peer: Hashable) -> None:
        await self._note("disconnect")


async def test_one_that_cannot_start_starts_none() -> None:
    good, bad, last = Broken(), Broken("start"), Broken()
    with pytest.raises(LinkError):
        await Peripheral(Stacks([good, bad, last])).start()
    assert (good.calls, bad.calls, last.calls) == (["start", "stop"], ["start"], [])


async def test_one_that_cannot_advertise_or_stop_keeps_the_others_from_nothing() -> None:
    for call in ("advertise", "stop"):
        bad, good = Broken(call), Broken()
        stacks = Stacks([bad, good])
        with pytest.raises(LinkError):
            await (stacks.advertise(b"") if call == "advertise" else stacks.stop())
        assert good.calls == [call]


async def test_a_peer_of_nobody() -> None:
    stacks = Stacks([Broken()])
    with pytest.raises(LinkError):
        await stacks.notify("stranger", b"x")
    await stacks.disconnect("stranger")
