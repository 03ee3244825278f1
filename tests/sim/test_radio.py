"""Genuine bleak over the simulated radio: both directions, every MTU, every failure, and nothing left behind."""

import asyncio
import time
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDeviceNotFoundError, BleakError

from oob.errors import DeviceNotFound, LinkBusy, LinkError, UsageError
from oob.framing.gatt import MessageType
from oob.sim.bumble_peripheral import advertising_payload
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.sim.virtual_time import run
from oob.transport.ble_central import connect
from oob.transport.ble_scanner import Found, find, scan
from oob.transport.gatt_profile import RX_UUID, SERVICE_UUID, TX_UUID
from oob.transport.link import FramedLink, Timing
from tests.sim.echoing import echo

HANDSHAKE, CHANNEL = MessageType.HANDSHAKE, MessageType.CHANNEL


SOON = Timing(resume=0.1)
"""So that a connection that is lost for good is given up soon."""


async def link_to(
    radio: VirtualRadio, device: SimulatedPeripheral, timeout: float = 2.0, timing: Timing | None = None
) -> FramedLink:
    return await connect(device.address, backend=radio.client_backend, timeout=timeout, timing=timing)


@pytest.mark.parametrize("mtu", [23, 100, 185, 247, 517])
async def test_messages_pass_both_ways_at_every_mtu(radio: VirtualRadio, mtu: int) -> None:
    device = await radio.peripheral(mtu=mtu)
    server = asyncio.create_task(echo(device))
    async with await link_to(radio, device) as link:
        for kind, message in ((HANDSHAKE, b"x"), (CHANNEL, bytes(range(256)) * 8), (HANDSHAKE, b"")):
            await link.send(kind, message)
            assert await link.receive(5) == (kind, message[::-1])
        frames = 2048 // (min(mtu - 3, 512) - 1)
        assert link.bytes_sent >= 2049 + frames
        assert link.bytes_received == link.bytes_sent
    await device.close()
    await server


async def test_scanning_finds_devices_with_their_tags(radio: VirtualRadio) -> None:
    first, second = await radio.peripheral(tag=b"tag--1"), await radio.peripheral()
    found: dict[str, Found] = {}
    async for sighting in scan(0.3, backend=radio.scanner_backend):
        found[sighting.address] = sighting
        if len(found) == 2:
            break
    assert found[first.address].tag == b"tag--1"
    assert found[second.address].tag == b""
    assert found[first.address].rssi < 0


async def test_a_new_tag_is_reported_and_an_old_one_only_once(radio: VirtualRadio) -> None:
    device = await radio.peripheral(tag=b"tag--1")
    tags = []
    async for sighting in scan(0.3, backend=radio.scanner_backend):
        tags.append(sighting.tag)
        await device.advertise(b"tag--2")
    assert tags == [b"tag--1", b"tag--2"]


async def test_find_and_connect_by_handle(radio: VirtualRadio, device: SimulatedPeripheral) -> None:
    found = await find(lambda found: found.tag == b"tagtag", 2, backend=radio.scanner_backend)
    async with await connect(found.handle, backend=radio.client_backend) as link:
        await link.send(HANDSHAKE, b"abc")
        assert await link.receive(1) == (HANDSHAKE, b"cba")


async def test_a_device_that_is_not_there_is_not_found_in_time(radio: VirtualRadio) -> None:
    await radio.peripheral()
    start = time.monotonic()
    with pytest.raises(DeviceNotFound, match="another device was"):
        await find(lambda found: found.tag == b"nobody", 0.2, backend=radio.scanner_backend)
    with pytest.raises(DeviceNotFound):
        await connect("C0:FF:FF:FF:FF:FF", backend=radio.client_backend, timeout=0.2)
    assert time.monotonic() - start < 1.0


async def test_a_device_that_left_after_it_was_found_is_not_found(radio: VirtualRadio) -> None:
    device = await radio.peripheral()
    found = await find(lambda _: True, 2, backend=radio.scanner_backend)
    await device.leave()
    with pytest.raises(DeviceNotFound):
        await connect(found.handle, backend=radio.client_backend, timeout=0.2)
    await device.come_back()
    async with await connect(found.handle, backend=radio.client_backend, timeout=2):
        pass


async def test_a_second_client_is_told_that_the_device_is_busy(
    radio: VirtualRadio, device: SimulatedPeripheral
) -> None:
    async with await link_to(radio, device) as first, await link_to(radio, device) as second:
        await first.send(HANDSHAKE, b"1")
        await first.receive(1)
        await second.send(HANDSHAKE, bytes(1000))
        with pytest.raises(LinkBusy):
            await second.receive(1)
        await first.send(HANDSHAKE, b"still served")
        await first.receive(1)
    async with await link_to(radio, device) as third:
        await third.send(HANDSHAKE, b"3")
        assert await third.receive(1) == (HANDSHAKE, b"3")


async def test_clients_that_connect_at_the_same_moment_all_get_through(
    radio: VirtualRadio, device: SimulatedPeripheral
) -> None:
    links = await asyncio.gather(*(link_to(radio, device) for _ in range(3)))
    for link in links:
        await link.send(HANDSHAKE, b"me")
        assert await link.receive(1) == (HANDSHAKE, b"em")
        await link.close()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("writes", [0, 1, 3])
async def test_a_link_dropped_in_the_middle_of_a_message(radio: VirtualRadio, writes: int) -> None:
    device = await radio.peripheral(mtu=23)
    server = asyncio.create_task(echo(device))
    device.drop_after(writes)
    async with await link_to(radio, device) as link:
        await exchange(link)
        await exchange(link)
    await device.close()
    await server


async def exchange(link: FramedLink) -> None:
    await link.send(HANDSHAKE, bytes(100))
    await link.receive(5)


async def test_a_link_dropped_while_waiting(radio: VirtualRadio) -> None:
    device = await radio.peripheral()
    async with await link_to(radio, device) as link:
        await link.send(HANDSHAKE, b"x")
        waiting = asyncio.create_task(link.receive(5))
        served = await device.accept()
        await served.receive(1)
        await device.drop()
        await served.send(HANDSHAKE, b"y")
        assert await waiting == (HANDSHAKE, b"y")


async def test_a_device_takes_no_conversation_up_that_it_has_closed(radio: VirtualRadio) -> None:
    device = await radio.peripheral(timing=Timing(linger=0.01))
    async with await link_to(radio, device) as link:
        await link.send(HANDSHAKE, b"x")
        served = await device.accept()
        await served.receive(1)
        await served.send(HANDSHAKE, b"y")
        assert await link.receive(1) == (HANDSHAKE, b"y")
        await served.close()
        with pytest.raises(LinkError, match="connection lost"):
            await link.send(HANDSHAKE, b"z")


async def test_a_device_hangs_up_after_its_last_words(radio: VirtualRadio) -> None:
    device = await radio.peripheral(mtu=23, timing=Timing(linger=0.2))
    async with await link_to(radio, device, timing=SOON) as link:
        await link.send(HANDSHAKE, b"x")
        served = await device.accept()
        await served.receive(1)
        await served.send(HANDSHAKE, bytes(2400))
        await served.close()
        assert await link.receive(1) == (HANDSHAKE, bytes(2400))
        with pytest.raises(LinkError, match="connection lost"):
            await link.receive(1)
        with pytest.raises(LinkError, match="connection lost"):
            await link.send(HANDSHAKE, b"y")


@pytest.mark.parametrize("how", ["leave", "switch_off"])
async def test_a_device_that_goes_away_half_way(radio: VirtualRadio, how: str) -> None:
    device = await radio.peripheral(timing=SOON)
    async with await link_to(radio, device, timing=SOON) as link:
        await link.send(HANDSHAKE, b"x")
        served = await device.accept()
        assert await served.receive(1) == (HANDSHAKE, b"x")
        await getattr(device, how)()
        start = time.monotonic()
        with pytest.raises(LinkError, match="connection lost"):
            await link.receive(5)
        with pytest.raises(LinkError, match="connection lost|closed"):
            await served.receive(5)
        await served.close()
        assert time.monotonic() - start < 1.0
    if how == "leave":
        await device.come_back()
    else:
        device = await radio.peripheral(device.address)
    async with await link_to(radio, device) as link:
        await link.send(HANDSHAKE, b"y")
        assert await (await device.accept()).receive(1) == (HANDSHAKE, b"y")


async def test_a_write_that_nobody_answers_ends_with_the_connection(radio: VirtualRadio) -> None:
    device = await radio.peripheral()
    async with await link_to(radio, device, timing=SOON) as link:
        await device.leave()
        start = time.monotonic()
        with pytest.raises(LinkError, match="connection lost"):
            await exchange(link)
        assert time.monotonic() - start < 1.0


async def test_a_cancelled_connect_leaves_the_radio_clean(radio: VirtualRadio, device: SimulatedPeripheral) -> None:
    cancelled = 0
    for turns in range(0, 400, 3):
        connecting = asyncio.create_task(link_to(radio, device))
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        try:
            await (await connecting).close()
        except asyncio.CancelledError:
            cancelled += 1
        assert set(radio._devices) == {device._device}
    assert cancelled > 10
    async with await link_to(radio, device) as link:
        await link.send(HANDSHAKE, b"ab")
        assert await link.receive(1) == (HANDSHAKE, b"ba")


async def reached_anew(link: FramedLink) -> FramedLink:
    """Reconnect below a link, and return another one over the same carrier, which begins from scratch."""
    carrier: Any = link._carrier
    await carrier.reconnect()
    return FramedLink(carrier, initiator=True)


async def visit(radio: VirtualRadio, device: SimulatedPeripheral) -> None:
    """Find, connect, exchange a message, lose the connection, reach the device anew, exchange another, and close."""
    found = await find(lambda found: found.tag == b"tagtag", 2, backend=radio.scanner_backend)

    async def locate(timeout: float) -> Found:
        return await find(lambda found: found.tag == b"tagtag", timeout, backend=radio.scanner_backend)

    async with await connect(found.handle, backend=radio.client_backend, locate=locate) as link:
        await exchange(link)
        await device.drop()
        await exchange(await reached_anew(link))


async def visits_cut_short(turns: int) -> tuple[int, int]:
    """Cancel a visit at each millisecond and `turns` of the loop later; return how many, and how many were cut."""
    async with VirtualRadio() as radio:
        device = await radio.peripheral(tag=b"tagtag")
        server = asyncio.create_task(echo(device))
        cut = total = 0
        while cut == total:
            visiting = asyncio.create_task(visit(radio, device))
            await asyncio.wait({visiting}, timeout=total / 1000)
            for _ in range(turns):
                await asyncio.sleep(0)
            visiting.cancel()
            await asyncio.wait({visiting})
            assert set(radio._devices) == {device._device}
            cut += visiting.cancelled()
            total += 1
        visiting.result()
        await device.close()
        await server
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return total, cut


@pytest.mark.parametrize("turns", [0, 5, 10, 20, 40, 80, 160])
def test_a_visit_cancelled_anywhere_leaves_the_radio_clean(turns: int) -> None:
    total, cut = run(visits_cut_short(turns))
    assert cut == total - 1 > 20


async def test_a_lost_device_is_reached_anew_under_its_new_address(
    radio: VirtualRadio, device: SimulatedPeripheral
) -> None:
    first = device.address

    async def locate(timeout: float) -> Found:
        return await find(lambda found: found.tag == b"tag--2", timeout, backend=radio.scanner_backend)

    async with await connect(first, backend=radio.client_backend, locate=locate) as link:
        await exchange(link)
        await device.advertise(b"tag--2")
        await device.drop()
        link_anew = await reached_anew(link)
        assert device.address != first
        await exchange(link_anew)


async def test_a_device_without_the_service_is_refused(
    radio: VirtualRadio, device: SimulatedPeripheral, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oob.transport.ble_central.TX_UUID", SERVICE_UUID)
    with pytest.raises(LinkError, match="pairing service"):
        await link_to(radio, device)
    assert set(radio._devices) == {device._device}


async def test_the_device_sees_what_a_genuine_bleak_client_does(radio: VirtualRadio) -> None:
    device = await radio.peripheral(mtu=100)
    ended = asyncio.Event()
    client = BleakClient(device.address, lambda _: ended.set(), timeout=2, backend=radio.client_backend)
    async with client:
        assert client.mtu_size == 100
        rx, tx = client.services.get_characteristic(RX_UUID), client.services.get_characteristic(TX_UUID)
        assert rx is not None
        assert tx is not None
        assert sorted(rx.properties) == ["write", "write-without-response"]
        assert tx.properties == ["notify"]
        assert rx.max_write_without_response_size == 97
        assert bytes(await client.read_gatt_char("00002a00-0000-1000-8000-00805f9b34fb")) == b"Bumble"
        with pytest.raises(BleakError, match="pair"):
            await client.pair()
        values: asyncio.Queue[bytes] = asyncio.Queue()
        await client.start_notify(tx, lambda _, value: values.put_nowait(bytes(value)))
        await client.write_gatt_char(rx, b"\x80\x00\x00\x01x", response=True)
        link = await device.accept()
        await link.receive(1)
        await link.send(HANDSHAKE, b"y")
        assert await values.get() == b"\x80\x01\x00\x01y"
        await client.stop_notify(tx)
        await device.drop()
        await asyncio.wait_for(ended.wait(), 1)
        assert not client.is_connected
        with pytest.raises(BleakError, match="disconnected"):
            await client.write_gatt_char(rx, b"x", response=True)
    with pytest.raises(BleakDeviceNotFoundError):
        await BleakClient("C0:FF:FF:FF:FF:FF", timeout=0.1, backend=radio.client_backend).connect()
    seen = await BleakScanner.discover(0.1, return_adv=True, backend=radio.scanner_backend)
    assert seen[device.address][1].service_uuids == [SERVICE_UUID]


def test_the_advertisement_fits_a_legacy_packet() -> None:
    assert len(advertising_payload(b"sixlen")) == 31
    assert len(advertising_payload(b"")) == 21
    with pytest.raises(UsageError):
        advertising_payload(b"eightlen")


async def test_nothing_is_printed_or_logged(
    radio: VirtualRadio,
    device: SimulatedPeripheral,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with await link_to(radio, device) as link:
        await link.send(HANDSHAKE, b"x")
        await link.receive(1)
        await device.switch_off()
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith(("bumble", "bleak"))] == []


async def test_a_new_tag_comes_with_a_new_address_once_nobody_is_connected(
    radio: VirtualRadio, device: SimulatedPeripheral
) -> None:
    first = device.address
    async with await link_to(radio, device) as link:
        await device.advertise(b"tag--2")
        assert device.address == first
        await link.send(HANDSHAKE, b"ab")
        assert await link.receive(1) == (HANDSHAKE, b"ba")
    found = await find(lambda found: found.address != first, 2, backend=radio.scanner_backend)
    assert (found.address, found.tag) == (device.address, b"tag--2")
    async with await link_to(radio, device) as link:
        await link.send(HANDSHAKE, b"ab")
        assert await link.receive(1) == (HANDSHAKE, b"ba")


async def test_a_device_that_advertises_nothing_is_neither_seen_nor_connectable(
    radio: VirtualRadio, device: SimulatedPeripheral
) -> None:
    await device.advertise(None)
    with pytest.raises(DeviceNotFound):
        await find(lambda _: True, 0.1, backend=radio.scanner_backend)
    with pytest.raises(DeviceNotFound):
        await link_to(radio, device, 0.2)
    await device.advertise(b"tag--2")
    async with await link_to(radio, device) as link:
        await link.send(HANDSHAKE, b"ab")
        assert await link.receive(1) == (HANDSHAKE, b"ba")
