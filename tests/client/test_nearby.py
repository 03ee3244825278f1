import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bleak.exc import BleakDeviceNotFoundError

from oob.client import Search, nearby, reach
from oob.client.nearby import HINTED
from oob.discovery import NONCE_LENGTH, advertised_tag
from oob.errors import AuthenticationError, DeviceNotFound, LinkBusy, LinkError, LinkTimeout, OobError, PeerError
from oob.framing.gatt import MessageType
from oob.progress import Progress
from oob.sim.radio import VirtualRadio
from oob.sim.virtual_time import run
from oob.transport.gatt_profile import SERVICE_UUID
from oob.transport.link import FramedLink, Link, Timing
from oob.transport.peripheral import Peripheral
from oob.transport.tcp import TcpStack
from tests.transport.fake_bleak import FakeClient, FakeScanner

KEY = bytes(range(16))
OURS = [SERVICE_UUID]


@pytest.fixture
async def radio() -> AsyncIterator[VirtualRadio]:
    async with VirtualRadio() as radio:
        yield radio


async def near(radio: VirtualRadio, *, tag_key: bytes | None = None, address: str | None = None) -> Link:
    scanner, backend = radio.scanner_backend, radio.client_backend
    return await reach(tag_key=tag_key, address=address, timeout=1.0, settle=0.1, scanner=scanner, backend=backend)


def tag_of(key: bytes) -> bytes:
    return advertised_tag(key, os.urandom(NONCE_LENGTH))


async def test_the_only_device(radio: VirtualRadio) -> None:
    await radio.peripheral()
    await (await near(radio)).close()


async def test_no_device(radio: VirtualRadio) -> None:
    with pytest.raises(DeviceNotFound, match=r"not seen within 1 s\. Check that it is on"):
        await near(radio)


async def test_never_the_first_of_several(radio: VirtualRadio) -> None:
    devices = [await radio.peripheral() for _ in range(3)]
    with pytest.raises(LinkError, match="several devices offer pairing") as caught:
        await near(radio)
    assert caught.value.exit_code == 3
    assert "Choose one by its address" in caught.value.remedy
    assert all(each.address in caught.value.cause for each in devices)
    assert all(not each._connections for each in devices)


async def test_one_of_several_by_its_address(radio: VirtualRadio) -> None:
    _, meant, _ = [await radio.peripheral() for _ in range(3)]
    link = await near(radio, address=meant.address.lower())
    assert len(meant._connections) == 1
    await link.close()


async def test_one_of_several_by_its_tag(radio: VirtualRadio) -> None:
    keys = [os.urandom(16) for _ in range(3)]
    devices = [await radio.peripheral(tag=tag_of(key)) for key in keys]
    link = await near(radio, tag_key=keys[1])
    assert [len(each._connections) for each in devices] == [0, 1, 0]
    await link.close()


@pytest.mark.parametrize("meant", [{"tag_key": bytes(16)}, {"address": "C0:00:00:00:00:77"}])
async def test_another_than_the_one_that_is_meant(radio: VirtualRadio, meant: dict[str, object]) -> None:
    await radio.peripheral(tag=tag_of(os.urandom(16)))
    with pytest.raises(DeviceNotFound, match="another device was"):
        await near(radio, **meant)  # type: ignore[arg-type]


def test_listens_on_for_a_second(tmp_path: Path) -> None:
    assert nearby.SETTLE >= 1


# --- over fakes, in virtual time


class Fakes:
    """A place with these devices, as (address, key of the tag or None, signal strength)."""

    def __init__(self, *devices: tuple[str, bytes | None, int]) -> None:
        shows = [(address, None if key is None else tag_of(key), OURS) for address, key, _ in devices]
        self.scanner, self.client = FakeScanner.fresh(*shows), FakeClient.fresh()
        self.scanner.rssi = {address: rssi for address, _, rssi in devices}
        self.told: list[Progress] = []

    def search(self, **meant: Any) -> Search:
        return Search(scanner=self.scanner, backend=self.client, report=self.told.append, **meant)

    @property
    def tried(self) -> list[str]:
        return [each.address for each in self.client.made]

    def check_nothing_is_left(self) -> None:
        assert (self.scanner.scans(), self.client.connections()) == (0, 0)


def in_virtual_time(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def watched() -> Any:
        result = await work()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return run(watched())


def test_several_are_listed_by_their_signal() -> None:
    place = Fakes(("C0:01", None, -80), ("C0:02", None, -40), ("C0:03", KEY, -60))
    with pytest.raises(LinkError) as caught:
        in_virtual_time(lambda: place.search().reach())
    assert caught.value.cause == "several devices offer pairing: C0:02 (-40 dBm), C0:03 (-60 dBm), C0:01 (-80 dBm)"
    assert place.tried == []
    assert place.scanner.calls == ["start", "stop"]  # no gap in which one could turn up unheard


def test_a_crowd_is_cut_short() -> None:
    place = Fakes(*[(f"C0:{n:02}", None, -n) for n in range(20)])
    with pytest.raises(LinkError) as caught:
        in_virtual_time(lambda: place.search().reach())
    assert caught.value.cause.endswith("C0:07 (-7 dBm) and 12 more")


def test_the_only_one_is_reached_after_a_second_of_listening() -> None:
    place = Fakes(("C0:01", None, -40))

    async def reach_it() -> float:
        await (await place.search().reach()).close()
        return asyncio.get_running_loop().time()

    assert in_virtual_time(reach_it) == nearby.SETTLE
    place.check_nothing_is_left()


def test_each_step_is_told() -> None:
    place = Fakes(("C0:01", KEY, -40))
    place.client.fails["connect"] = [BleakDeviceNotFoundError("C0:01", "gone")]

    async def reach_it() -> None:
        await (await place.search(tag_key=KEY).reach()).close()

    in_virtual_time(reach_it)
    assert [(each.step, each.detail) for each in place.told] == [
        ("scanning", "for 20 s at most"),
        ("found", "C0:01 (-40 dBm)"),
        ("connecting", "C0:01"),
        ("retrying", "2 of 5: no such device in range (gone)"),
    ]
    assert {each.who for each in place.told} == {"client"}


def test_the_adapter_serves_for_all() -> None:
    place = Fakes(("C0:01", None, -40))

    async def reach_it() -> None:
        await (await place.search(adapter="hci1").reach()).close()

    in_virtual_time(reach_it)
    assert [each.options["bluez"] for each in place.scanner.made] == [{"adapter": "hci1"}]
    assert [each.options["bluez"] for each in place.client.made] == [{"adapter": "hci1"}]


def test_one_that_cannot_be_reached_gives_way_to_another_with_its_tag() -> None:
    place = Fakes(("C0:01", KEY, -40), ("C0:02", bytes(16), -40), ("C0:03", KEY, -80))
    place.client.fails["connect"] = [BleakDeviceNotFoundError("C0:01", "not connectable")] * 2

    async def reach_it() -> None:
        await (await place.search(tag_key=KEY).reach()).close()

    in_virtual_time(reach_it)
    assert place.tried == ["C0:01", "C0:03", "C0:01"]
    place.check_nothing_is_left()


def test_one_that_was_reached_is_looked_for_wherever_it_is_now() -> None:
    place = Fakes(("C0:01", KEY, -40))

    async def lose_it() -> float:
        link = await place.search(tag_key=KEY).reach()
        assert isinstance(link, FramedLink)
        carrier: Any = link._carrier
        place.client.last.lose()
        await carrier.reconnect()
        place.client.last.lose()
        place.scanner.shows = [("C0:77", tag_of(KEY), OURS)]
        await carrier.reconnect()
        await link.close()
        return asyncio.get_running_loop().time()

    assert in_virtual_time(lose_it) == 0
    assert place.tried == ["C0:01", "C0:01", "C0:77"]
    place.check_nothing_is_left()


STRANGE = AuthenticationError("a proof did not verify", step="message_2", remedy="Pair again")


def test_a_stranger_is_not_tried_twice_and_the_error_tells_of_it() -> None:
    place = Fakes(("C0:01", KEY, -40), ("C0:02", KEY, -50))

    async def meet_strangers(devices: int) -> None:
        search = place.search(tag_key=KEY)
        for _ in range(devices):
            await (await search.reach()).close()
            assert search.go_on(STRANGE)
        await search.reach()

    with pytest.raises(AuthenticationError) as caught:
        in_virtual_time(lambda: meet_strangers(2))
    assert place.tried == ["C0:01", "C0:02"]
    assert caught.value.cause == (
        "2 devices have the right tag, and none is the one that is meant: a proof did not verify"
    )
    assert next(each.detail for each in place.told if each.step == "another").startswith("C0:01 has the tag")
    place.scanner.shows.pop()
    with pytest.raises(AuthenticationError) as caught:
        in_virtual_time(lambda: meet_strangers(1))
    assert caught.value is STRANGE


def test_no_more_than_three_strangers_are_tried() -> None:
    place = Fakes(*[(f"C0:0{n}", KEY, -40) for n in range(9)])

    async def meet_strangers() -> None:
        search = place.search(tag_key=KEY)
        while True:
            await (await search.reach()).close()
            assert search.go_on(LinkTimeout("no answer", step="link"))

    with pytest.raises(LinkTimeout, match="3 devices have the right tag"):
        in_virtual_time(meet_strangers)
    assert len(place.tried) == nearby.MAX_STRANGERS == 3


@pytest.mark.parametrize("meant", [{}, {"address": "C0:01"}])
def test_without_a_tag_nobody_else_is_tried(meant: dict[str, str]) -> None:
    place = Fakes(("C0:01", KEY, -40))

    async def reach_it() -> bool:
        search = place.search(**meant)
        await (await search.reach()).close()
        return search.go_on(STRANGE)

    assert not in_virtual_time(reach_it)


@pytest.mark.parametrize("meant", [{}, {"tag_key": KEY}])
@pytest.mark.parametrize("cancellations", [1, 2])
def test_cancelled_anywhere_nothing_scans_nothing_is_connected(meant: dict[str, bytes], cancellations: int) -> None:
    async def cancel_after(turns: int) -> bool:
        place = Fakes(("C0:01", KEY, -40))
        place.client.fails["connect"] = [BleakDeviceNotFoundError("C0:01", "gone")]

        async def visit() -> None:
            link = await place.search(settle=0, **meant).reach()
            try:
                await link.send(MessageType.HANDSHAKE, b"x")
            finally:
                await link.close()

        visiting = asyncio.create_task(visit())
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(cancellations):
            visiting.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({visiting})
        place.check_nothing_is_left()
        return visiting.cancelled()

    assert sum(in_virtual_time(lambda n=turns: cancel_after(n)) for turns in range(60)) >= 25  # type: ignore[misc]


# --- hints


@asynccontextmanager
async def listening() -> AsyncIterator[str]:
    stack = TcpStack("127.0.0.1", 0)
    listener = Peripheral(stack)
    await listener.start()
    yield ":".join(map(str, stack.address))
    await listener.close()


async def test_the_first_hint_at_which_a_device_answers() -> None:
    async with listening() as dead:
        pass
    told: list[Progress] = []
    async with listening() as here:
        link = await Search(hints=("lamp.local", "8.8.8.8:443", dead, here), report=told.append).reach()
        assert link.carrier == "tcp"
        await link.close()
    assert [(each.step, each.detail.replace(" port ", ":")) for each in told] == [
        ("not followed", "lamp.local"),
        ("not followed", "8.8.8.8:443"),
        ("connecting", dead),
        ("connecting", here),
    ]


@pytest.mark.parametrize(("timing", "used"), [(None, HINTED), (Timing(resume=1.0), Timing(resume=1.0))])
async def test_what_answers_at_a_hint_is_not_waited_for_as_a_device_is(
    monkeypatch: pytest.MonkeyPatch, timing: Timing | None, used: Timing
) -> None:
    async def connect(host: str, port: int, *, timing: Timing | None) -> Timing | None:
        return timing

    monkeypatch.setattr("oob.transport.tcp.connect", connect)
    told: object = await Search(hints=("127.0.0.1:1",), timing=timing).reach()
    assert told == used
    assert used.resume < Timing().resume


async def test_what_a_hint_led_to_gives_way_to_the_device_nearby(radio: VirtualRadio) -> None:
    await radio.peripheral(tag=tag_of(KEY))
    scanner, backend = radio.scanner_backend, radio.client_backend
    told: list[Progress] = []
    async with listening() as here:
        search = Search(tag_key=KEY, hints=(here,), timeout=1.0, scanner=scanner, backend=backend, report=told.append)
        await (await search.reach()).close()
        assert search.go_on(STRANGE)
        detail = f"what answers at {here} did not prove to be the device that is meant"
        assert told[-1] == Progress("client", "another", detail)
        link = await search.reach()
        assert link.carrier == "ble"
        await link.close()


@pytest.mark.parametrize(
    ("error", "is_told"),
    [
        (STRANGE, True),
        (LinkBusy("it serves another client", step="link"), True),
        (PeerError("a frame of 21331 bytes", step="link"), False),
        (LinkTimeout("no answer", step="link"), False),
    ],
)
async def test_why_a_device_refused_says_more_than_that_nobody_is_near(
    radio: VirtualRadio, error: OobError, is_told: bool
) -> None:
    async with listening() as here:
        search = Search(hints=(here,), timeout=0.01, scanner=radio.scanner_backend, backend=radio.client_backend)
        await (await search.reach()).close()
        assert search.go_on(error)
        with pytest.raises(type(error) if is_told else DeviceNotFound) as caught:
            await search.reach()
        assert (caught.value is error) == is_told
