"""The link model in virtual time: exact times, every mishap, and the same run for the same seed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from bumble.device import Connection, Peer
from bumble.hci import (
    HCI_CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR,
    HCI_CONNECTION_TIMEOUT_ERROR,
    HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR,
    Address,
)

from oob.errors import LinkError
from oob.framing.gatt import MessageType
from oob.sim.air import IMMEDIATE, LinkModel
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.sim.virtual_time import run
from oob.transport.ble_central import connect
from oob.transport.link import FramedLink, Link, Timing
from tests.raw_link import Raw, now, raw_run

INTERVAL = 0.030
MODEL = LinkModel(interval=INTERVAL)
HANDSHAKE = MessageType.HANDSHAKE
PATIENT = Timing(nak=1e6, resend=1e6, send=1e6)
"""A link that recovers nothing itself."""


def intervals(seconds: float) -> float:
    return round(seconds / INTERVAL, 6)


@asynccontextmanager
async def pair(
    radio: VirtualRadio, *, mtu: int = 517, timing: Timing = PATIENT
) -> AsyncIterator[tuple[FramedLink, Link]]:
    """Connect both ends; on return both are idle, and a connection event has just been."""
    device = await radio.peripheral(mtu=mtu, timing=timing)
    async with await connect(device.address, backend=radio.client_backend, timing=timing) as link:
        await link.send(HANDSHAKE, b"hello")
        served = await device.accept()
        await served.receive(10)
        await served.send(HANDSHAKE, b"hello")
        await link.receive(10)
        await asyncio.sleep(MODEL.interval)  # the subscription stands: from now on the last frame is a request
        yield link, served


@pytest.mark.parametrize(
    ("mtu", "payload", "packets", "size", "events"),
    [
        (23, 27, 4, 16, 1),  # one frame of 20 bytes, 27 with the headers of ATT and L2CAP: one packet
        (23, 27, 4, 17, 1),  # two frames
        (23, 27, 4, 200, 3),  # 11 frames, 11 packets
        (23, 27, 1, 200, 11),
        (23, 27, 11, 200, 1),
        (23, 251, 4, 200, 3),  # no two frames share a packet
        (185, 27, 4, 200, 3),  # frames of 182 and 23 bytes: 7 and 2 packets
        (185, 251, 4, 200, 1),
        (247, 251, 4, 240, 1),  # a frame of 244 bytes: 251 with the headers, one packet
        (247, 251, 1, 240, 1),
        (247, 251, 1, 241, 2),
        (517, 27, 4, 508, 5),  # a frame of 512 bytes: 519 with the headers, 20 packets
    ],
)
def test_a_message_takes_the_events_that_its_packets_need(
    mtu: int, payload: int, packets: int, size: int, events: int
) -> None:
    async def main() -> tuple[float, float]:
        async with (
            VirtualRadio(model=replace(MODEL, payload=payload, packets=packets)) as radio,
            pair(radio, mtu=mtu) as (link, served),
        ):
            begin = now()
            sending = asyncio.create_task(link.send(HANDSHAKE, bytes(size)))
            await served.receive(10)
            arrived = now() - begin
            await sending
            return intervals(arrived), intervals(now() - begin)

    # The last frame is a write request, whose response needs one event more.
    assert run(main()) == (events, events + 1)


def test_the_answer_leaves_in_the_next_event_at_the_earliest() -> None:
    async def main() -> float:
        async with VirtualRadio(model=MODEL) as radio, pair(radio, mtu=23) as (link, served):
            begin = now()
            sending = asyncio.create_task(link.send(HANDSHAKE, bytes(200)))
            await served.send(*await served.receive(10))
            await link.receive(10)
            await sending
            return intervals(now() - begin)

    assert run(main()) == 6  # 3 there, 3 back


def test_without_latency_all_passes_at_once() -> None:
    async def main() -> float:
        async with VirtualRadio() as radio, pair(radio, mtu=23) as (link, served):
            begin = now()
            await link.send(HANDSHAKE, bytes(2000))
            await served.send(*await served.receive(10))
            await link.receive(10)
            return now() - begin

    assert run(main()) == 0


@pytest.mark.parametrize("late", [0.0, 0.01, 0.0299])
def test_what_is_sent_between_two_events_waits_for_the_second(late: float) -> None:
    async def main() -> float:
        async with VirtualRadio(model=MODEL) as radio, pair(radio) as (link, served):
            begin = now()
            await asyncio.sleep(late)
            await link.send(HANDSHAKE, b"x")
            await served.receive(10)
            return intervals(now() - begin)

    assert run(main()) == 2  # one for the request, one for its response


def test_a_connection_takes_an_advertisement_and_some_events() -> None:
    async def main() -> tuple[float, float]:
        async with VirtualRadio(model=MODEL) as radio:
            device, phone = await radio.peripheral(), await radio.central()
            await asyncio.sleep(0.005)
            begin = now()
            connection = await radio.connect(phone, Address(device.address))
            requested = now()
            assert await Peer(connection).request_mtu(100) == 100
            return requested - begin, intervals(now() - requested)

    heard, exchanged = run(main())
    assert heard == pytest.approx(0.015)  # one advertisement every 20 ms
    assert exchanged == MODEL.setup + 2


def test_a_lost_packet_is_late_and_never_lost() -> None:
    async def main(packet_loss: float) -> tuple[float, int]:
        model = replace(MODEL, packet_loss=packet_loss, supervision_timeout=10)
        async with (
            VirtualRadio(model=model, random=Random(5)) as radio,
            pair(radio, mtu=23) as (link, served),
        ):
            begin = now()
            for number in range(40):
                sent = bytes([number]) * 150
                await link.send(HANDSHAKE, sent)
                assert await served.receive(100) == (HANDSHAKE, sent)
                await served.send(HANDSHAKE, sent)
                assert await link.receive(100) == (HANDSHAKE, sent)
            return now() - begin, link.bytes_sent

    sound, bad = run(main(0.0)), run(main(0.3))
    assert bad[1] == sound[1]
    assert bad[0] > 1.5 * sound[0]


def test_a_host_loses_as_many_notifications_as_the_model_says() -> None:
    seen = raw_run(replace(MODEL, loss=0.2), lambda raw: raw.notify(2000))
    assert seen == sorted(set(seen))
    assert 0.17 < 1 - len(seen) / 2000 < 0.23


def test_a_host_takes_as_many_twice() -> None:
    seen = raw_run(replace(MODEL, duplication=0.1), lambda raw: raw.notify(2000))
    assert sorted(set(seen)) == list(range(2000))
    assert 0.08 < len(seen) / 2000 - 1 < 0.12
    assert seen == sorted(seen)


def test_a_host_takes_as_many_out_of_turn() -> None:
    seen = raw_run(replace(MODEL, reordering=0.1), lambda raw: raw.notify(2000))
    assert sorted(seen) == list(range(2000))
    late = sum(earlier > later for earlier, later in pairwise(seen))
    assert 0.06 < late / 2000 < 0.12


def test_the_last_one_out_of_turn_comes_an_event_later() -> None:
    async def scene(raw: Raw) -> float:
        arrived = asyncio.Event()
        await raw.tx.subscribe(lambda _: arrived.set())
        begin = now()
        await raw.device.stack.notify(raw.served, b"x")
        await arrived.wait()
        return intervals(now() - begin)

    assert raw_run(replace(MODEL, reordering=1.0), scene) == 2


@pytest.mark.parametrize("model", [MODEL, IMMEDIATE])
def test_write_commands_get_lost_and_requests_never(model: LinkModel, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(raw: Raw) -> tuple[int, int]:
        values: list[bytes] = []
        monkeypatch.setattr(raw.device, "on_write", lambda _peer, value, _mtu: values.append(value))
        for _ in range(200):
            await raw.rx.write_value(b"command", with_response=False)
            await raw.rx.write_value(b"request", with_response=True)
        return values.count(b"command"), values.count(b"request")

    commands, requests = raw_run(replace(model, loss=0.25), scene)
    assert 130 < commands < 170
    assert requests == 200


def test_silence_ends_the_connection_at_both_ends() -> None:
    async def scene(raw: Raw) -> None:
        noted, begin = raw.ends(), now()
        await raw.device.leave()
        await asyncio.sleep(10)
        lost = {end: (reason, round(at - begin, 6)) for end, (reason, at) in noted.items()}
        assert lost == dict.fromkeys(("phone", "device"), (HCI_CONNECTION_TIMEOUT_ERROR, 0.42))

    raw_run(MODEL, scene)


@pytest.mark.parametrize(("seconds", "lost"), [(0.1, False), (0.4, False), (0.5, True)])
def test_a_jam_delays_and_a_long_one_costs_the_connection(seconds: float, lost: bool) -> None:
    async def scene(raw: Raw) -> None:
        noted, begin = raw.ends(), now()
        raw.radio.jam(seconds)
        reading = asyncio.create_task(raw.rx.read_value())
        await asyncio.wait({reading}, timeout=5)
        assert (set(noted) == {"phone", "device"}) is lost
        if lost:
            assert reading.cancelled()
        else:
            assert now() - begin > seconds + INTERVAL

    raw_run(MODEL, scene)


def test_a_short_absence_costs_nothing_but_time() -> None:
    async def main() -> None:
        async with VirtualRadio(model=MODEL) as radio:
            device = await radio.peripheral()
            async with await connect(device.address, backend=radio.client_backend, timing=PATIENT) as link:
                await asyncio.sleep(10 * MODEL.interval)  # it has subscribed
                await device.leave()
                sending = asyncio.create_task(link.send(HANDSHAKE, b"x"))
                await asyncio.sleep(0.3)
                assert not sending.done()
                await device.come_back()
                assert await (await device.accept()).receive(1) == (HANDSHAKE, b"x")
                await sending

    run(main())


def test_a_request_that_nobody_took_fails_after_six_events() -> None:
    async def main() -> None:
        async with VirtualRadio(model=MODEL) as radio:
            device = await radio.peripheral()
            phones = [await radio.central() for _ in range(2)]
            address = Address(device.address)
            first, second = await asyncio.gather(*(phone.connect_le(address) for phone in phones))
            ended: list[tuple[int, float]] = []
            begin = now()
            for end in (first, second):
                end.once(Connection.EVENT_DISCONNECTION, lambda reason: ended.append((reason, now() - begin)))
            await asyncio.sleep(5)
            ((reason, after),) = ended
            assert reason == HCI_CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR
            assert intervals(after) == 6

    run(main())


def test_the_last_words_of_an_end_arrive_before_its_farewell() -> None:
    async def scene(raw: Raw) -> None:
        noted, seen = raw.ends(), list[bytes]()
        await raw.tx.subscribe(lambda value: seen.append(bytes(value)))
        served, begin = raw.served, now()
        for number in range(10):
            await raw.device.stack.notify(served, bytes([number]))
        await raw.device.stack.disconnect(served)
        assert set(noted) == {"device"}
        await asyncio.sleep(1)
        assert seen == [bytes([number]) for number in range(10)]
        assert noted["phone"][0] == HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR
        assert intervals(noted["phone"][1] - begin) == 3  # 11 packets

    raw_run(MODEL, scene)


def test_who_connects_again_at_once_is_not_disconnected_by_its_own_farewell() -> None:
    async def scene(raw: Raw) -> None:
        await raw.connection.disconnect()
        again = await raw.radio.connect(raw.phone, Address(raw.device.address))
        await asyncio.sleep(5)
        assert await Peer(again).request_mtu(100) == 100
        assert raw.served is not None

    raw_run(replace(MODEL, interval=0.1), scene)


async def _serve(device: SimulatedPeripheral) -> None:
    """Echo one message for each client."""
    while True:
        link = await device.accept()
        with suppress(LinkError):
            await link.send(*await link.receive(10))


@asynccontextmanager
async def serving(radio: VirtualRadio) -> AsyncIterator[SimulatedPeripheral]:
    device = await radio.peripheral(mtu=23)
    server = asyncio.create_task(_serve(device))
    yield device
    server.cancel()
    await asyncio.wait({server})


async def _exchange(radio: VirtualRadio, device: SimulatedPeripheral) -> None:
    async with await connect(device.address, backend=radio.client_backend, timeout=10) as link:
        await link.send(HANDSHAKE, bytes(30))
        assert await link.receive(10) == (HANDSHAKE, bytes(30))


async def _talk(radio: VirtualRadio) -> None:
    raw = await Raw.of(radio)
    await raw.tx.subscribe()
    await raw.rx.write_value(b"command", with_response=False)
    await raw.rx.write_value(b"request", with_response=True)
    await raw.device.stack.notify(raw.served, b"notification")
    await asyncio.sleep(1)


@pytest.mark.parametrize("model", [MODEL, IMMEDIATE])
def test_all_connections_can_be_cut_after_every_single_att_pdu(model: LinkModel) -> None:
    async def main(pdus: int | None) -> int:
        async with asyncio.timeout(3600), VirtualRadio(model=model) as radio:
            if pdus is not None:
                radio.cut_after(pdus)
                talking = asyncio.create_task(_talk(radio))
                await asyncio.wait({talking})
                assert talking.cancelled() or talking.exception()
                assert radio.att_pdus == pdus
                assert not any(device.connections for device in radio._devices)
            await _talk(radio)
            return radio.att_pdus

    whole = run(main(None))
    assert whole > 10
    for pdus in range(whole):
        assert run(main(pdus)) == pdus + whole


def test_advertising_goes_on_at_its_interval_and_gets_lost() -> None:
    async def main(packet_loss: float) -> tuple[int, int]:
        model = replace(MODEL, packet_loss=packet_loss)
        async with VirtualRadio(model=model, random=Random(1)) as radio:
            await radio.peripheral(tag=b"tagtag")
            heard: list[float] = []
            await radio.central(lambda _: heard.append(now()))
            await asyncio.sleep(1.001)
            before = len(heard)
            radio.jam(1.0)
            await asyncio.sleep(0.999)
            return before, len(heard) - before

    # Bumble makes up a scan response to each.
    assert run(main(0.0)) == (2 * 50, 0)
    assert 40 < run(main(0.5))[0] < 64


def _trace(seed: int) -> list[tuple[float, int]]:
    model = LinkModel(interval=0.03, packet_loss=0.1, loss=0.1, duplication=0.1, reordering=0.1, supervision_timeout=5)

    async def scene(raw: Raw) -> list[tuple[float, int]]:
        seen: list[tuple[float, int]] = []
        await raw.tx.subscribe(lambda value: seen.append((now(), value[0])))
        for number in range(200):
            await raw.device.stack.notify(raw.served, bytes([number]))
            await asyncio.sleep(0.007)
        await asyncio.sleep(1)
        return seen

    return list(raw_run(model, scene, seed))


def test_the_same_seed_gives_the_same_run() -> None:
    assert _trace(3) == _trace(3)
    assert _trace(3) != _trace(4)


async def test_it_works_in_real_time_too() -> None:
    async with VirtualRadio(model=replace(MODEL, interval=0.01, packet_loss=0.1), random=Random(1)) as radio:
        begin = now()
        async with serving(radio) as device:
            await _exchange(radio, device)
        assert now() - begin > 10 * 0.01
