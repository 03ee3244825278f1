"""Frames over TCP, on loopback."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from oob.errors import DeviceNotFound, LinkBusy, LinkError, LinkLost, PeerError
from oob.framing.gatt import MessageType
from oob.transport import frame_stream, tcp
from oob.transport.peripheral import MAX_CLIENTS, Peripheral
from oob.transport.tcp import TcpStack, connect, local_address, tcp_listener

HANDSHAKE = MessageType.HANDSHAKE


@pytest.fixture
def stack() -> TcpStack:
    return TcpStack("127.0.0.1", 0)


@pytest.fixture
async def listener(stack: TcpStack) -> AsyncIterator[Peripheral]:
    listener = Peripheral(stack)
    await listener.start()
    yield listener
    await listener.close()


async def test_messages_go_both_ways(stack: TcpStack, listener: Peripheral) -> None:
    client = await connect(*stack.address)
    await client.send(HANDSHAKE, b"first")
    device = await listener.accept()
    assert await device.receive(5) == (HANDSHAKE, b"first")
    for length in (0, 1, 511, 512, 4000):
        await device.send(MessageType.CHANNEL, b"x" * length)
        assert await client.receive(5) == (MessageType.CHANNEL, b"x" * length)
        await client.send(HANDSHAKE, bytes(length))
        assert await device.receive(5) == (HANDSHAKE, bytes(length))
    assert client.carrier == device.carrier == "tcp"
    await client.close()
    await device.close()


async def test_a_lost_connection_is_taken_up_on_another(stack: TcpStack, listener: Peripheral) -> None:
    client = await connect(*stack.address)
    await client.send(HANDSHAKE, b"first")
    device = await listener.accept()
    await device.receive(5)
    await device.send(HANDSHAKE, b"second")
    assert await client.receive(5) == (HANDSHAKE, b"second")
    for peer in list(stack._streams):
        await stack.disconnect(peer)
    await client.send(HANDSHAKE, b"third")
    answering = asyncio.create_task(client.receive(5))
    assert await device.receive(5) == (HANDSHAKE, b"third")
    await device.send(HANDSHAKE, b"fourth")
    assert await answering == (HANDSHAKE, b"fourth")
    await client.close()
    await device.close()


async def test_a_second_client_is_told_that_the_device_is_busy(stack: TcpStack, listener: Peripheral) -> None:
    first, second = await connect(*stack.address), await connect(*stack.address)
    await first.send(HANDSHAKE, b"first")
    device = await listener.accept()
    await second.send(HANDSHAKE, b"second")
    with pytest.raises(LinkBusy):
        await second.receive(5)
    for each in (first, second, device):
        await each.close()


async def test_nobody_there_and_an_address_in_use(stack: TcpStack, listener: Peripheral) -> None:
    other = TcpStack(*stack.address)
    assert other.address == stack.address
    with pytest.raises(LinkError, match=r"cannot listen at 127.0.0.1 port \d+: .*in use"):
        await Peripheral(other).start()
    address = stack.address
    await listener.close()
    with pytest.raises(DeviceNotFound, match="no device answers at 127.0.0.1"):
        await connect(*address)


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
async def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(LinkError, match="cannot listen at .*: .*label"):
        await tcp_listener(host, 1).start()
    with pytest.raises(DeviceNotFound):
        await connect(host, 1)


async def test_silent_and_hostile_clients_are_dropped(
    stack: TcpStack, listener: Peripheral, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "IDLE", 0.05)
    for sent in (b"", b"\x00", b"\xff\xff" + bytes(600), b"\x00\x00", b"\x00\x03\x80\x00\x00"):
        reader, writer = await asyncio.open_connection(*stack.address)
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()
    client = await connect(*stack.address)
    await client.send(HANDSHAKE, b"honest")
    await client.close()


async def test_no_more_connections_than_there_are_places(stack: TcpStack, listener: Peripheral) -> None:
    streams = [await asyncio.open_connection(*stack.address) for _ in range(3 * MAX_CLIENTS)]
    for reader, _ in streams[: 2 * MAX_CLIENTS]:
        assert await reader.read() == b""
    assert len(stack._streams) == MAX_CLIENTS
    for _, writer in streams:
        writer.close()


async def test_a_flood_of_frames_leaves_the_others_their_turns(
    stack: TcpStack, listener: Peripheral, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_turn, loop, turns = Counter[int](), asyncio.get_running_loop(), 0

    def count() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(count)

    monkeypatch.setattr(listener, "on_write", lambda *_: in_turn.update([turns]))
    _, writer = await asyncio.open_connection(*stack.address)
    count()
    writer.write(b"\x00\x01\x01" * 1000)
    async with asyncio.timeout(5):
        while in_turn.total() < 1000:
            await asyncio.sleep(0)
    assert max(in_turn.values()) == 1
    writer.close()


async def test_who_connects_at_the_last_moment_is_not_left_hanging(stack: TcpStack, listener: Peripheral) -> None:
    accepted = asyncio.Event()
    served = stack._on_connection

    def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served(reader, writer)
        for task in stack._tasks:
            task.cancel()  # as `stop` does
        accepted.set()

    stack._on_connection = on_connection  # type: ignore[method-assign]
    await listener.close()
    await listener.start()
    reader, writer = await asyncio.open_connection(*stack.address)
    await accepted.wait()
    await listener.close()
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_who_connects_after_the_end_is_sent_away(stack: TcpStack, listener: Peripheral) -> None:
    await listener.close()
    one, other = socket.socketpair()
    with other:
        reader, writer = await asyncio.open_connection(sock=one)
        stack._on_connection(reader, writer)
        assert writer.is_closing()
        assert (stack._streams, stack._tasks) == ({}, set())
        await writer.wait_closed()


async def test_nothing_is_left_of_who_went_or_was_dropped(stack: TcpStack, listener: Peripheral) -> None:
    for _ in range(3):
        _, writer = await asyncio.open_connection(*stack.address)
        writer.close()
        await writer.wait_closed()
    _, staying = await asyncio.open_connection(*stack.address)
    async with asyncio.timeout(5):
        while len(stack._tasks) != 1 or len(stack._streams) != 1:
            await asyncio.sleep(0)
    await listener.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert stack._streams == {}
    staying.close()


async def test_a_client_that_is_gone_is_told_nothing_and_a_slow_one_is_waited_for(stack: TcpStack) -> None:
    sent: list[tuple[bytes, bool]] = []

    class Stream(frame_stream.FrameStream):
        def __init__(self) -> None:
            pass

        async def send(self, frame: bytes, last: bool) -> None:
            sent.append((frame, last))

    stack._streams["here"] = Stream()
    await stack.notify("here", b"x")
    assert sent == [(b"x", True)]
    with pytest.raises(LinkLost):
        await stack.notify("gone", b"x")


async def test_a_client_that_reads_nothing_holds_up_nothing(
    stack: TcpStack, listener: Peripheral, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_stream, "GOODBYE", 0.01)
    for closes in (False, True):
        _, writer = await asyncio.open_connection(*stack.address)
        while not stack._streams:
            await asyncio.sleep(0)
        stream = next(iter(stack._streams.values()))
        for _ in range(16):
            while not stream._writer.transport.get_write_buffer_size():
                await stream.send(bytes(512), last=False)
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await (listener.close() if closes else stack.disconnect(next(iter(stack._streams))))
        assert not stream._writer.transport.get_write_buffer_size()  # nor is anything kept for it
        writer.close()


async def test_a_client_that_reads_gets_all_that_was_sent_before_the_end(stack: TcpStack, listener: Peripheral) -> None:
    reader, writer = await asyncio.open_connection(*stack.address)
    while not stack._streams:
        await asyncio.sleep(0)
    peer, stream = next(iter(stack._streams.items()))
    for _ in range(8000):  # more than the kernel takes at once
        await stream.send(bytes(512), last=False)
    assert stream._writer.transport.get_write_buffer_size()
    _, received = await asyncio.gather(stack.disconnect(peer), reader.read())
    assert len(received) == 8000 * 514
    writer.close()


async def test_the_longest_frame_and_one_beyond() -> None:
    reader = asyncio.StreamReader()
    stream = frame_stream.FrameStream(reader, None)  # type: ignore[arg-type]
    reader.feed_data(b"\x02\x00" + b"x" * 512 + b"\x02\x01")
    assert await stream.receive() == b"x" * 512
    with pytest.raises(PeerError, match="513 bytes"):  # before any of it came
        await asyncio.wait_for(stream.receive(), 5)


async def test_the_end_of_a_burst_waits_for_room() -> None:
    class Full:
        def write(self, data: bytes) -> None: ...

        async def drain(self) -> None:
            raise ConnectionResetError

    stream = frame_stream.FrameStream(asyncio.StreamReader(), Full())  # type: ignore[arg-type]
    await stream.send(b"x", last=False)
    with pytest.raises(LinkLost):
        await stream.send(b"x", last=True)


async def test_frames_after_the_end_are_not_sent(stack: TcpStack, listener: Peripheral) -> None:
    carrier = tcp._TcpCarrier(*stack.address)
    for use in (carrier.send(b"x", True), carrier.receive()):
        with pytest.raises(LinkLost):
            await use


@pytest.mark.parametrize(
    ("hint", "address"),
    [
        ("192.168.1.7:4433", ("192.168.1.7", 4433)),
        ("[fe80::1]:4433", ("fe80::1", 4433)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("lamp.local:4433", None),
        ("192.168.1.7", None),
        ("192.168.1.7:0", None),
        ("192.168.1.7:65536", None),
        ("192.168.1.7:٣", None),
        ("", None),
    ],
)
def test_what_a_hint_says(hint: str, address: tuple[str, int] | None) -> None:
    assert local_address(hint) == address


@pytest.mark.parametrize(
    "hint",
    [
        *("8.8.8.8:53", "[2001:4860:4860::8888]:443", "[2002:808:808::1]:1", "[2001:0:808:808::1]:5", "100.64.0.1:8"),
        *("0.0.0.0:80", "0.1.2.3:4", "224.0.0.1:80", "255.255.255.255:9", "[::]:1", "[ff02::1]:5"),
        *("[::ffff:8.8.8.8]:443", "[::ffff:127.0.0.1]:22", "[::127.0.0.1]:22", "[64:ff9b::a00:1]:1"),
        *("127.1:22", "0x7f.1:22", "2130706433:22", "0177.0.0.1:22", "[[::1]]:7"),
    ],
)
def test_a_hint_that_points_out_of_the_house(hint: str) -> None:
    assert local_address(hint) is None


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("127.0.0.0 127.255.255.255", "126.255.255.255 128.0.0.0"),
        ("10.0.0.0 10.255.255.255", "9.255.255.255 11.0.0.0"),
        ("172.16.0.0 172.31.255.255", "172.15.255.255 172.32.0.0"),
        ("192.168.0.0 192.168.255.255", "192.167.255.255 192.169.0.0"),
        ("169.254.0.0 169.254.255.255", "169.253.255.255 169.255.0.0"),
        ("[::1]", "[::] [::2]"),
        ("[fe80::] [febf:ffff::]", "[fe7f:ffff::] [fec0::]"),
        ("[fc00::] [fdff:ffff::]", "[fbff:ffff::] [fe00::]"),
    ],
)
def test_the_house_ends_where_its_networks_do(inside: str, outside: str) -> None:
    assert all(local_address(f"{host}:1") for host in inside.split())
    assert not any(local_address(f"{host}:1") for host in outside.split())


async def test_a_hint_that_no_resolver_takes() -> None:
    address = local_address("[fe80::1%a..b]:1")
    assert address is not None
    with pytest.raises(DeviceNotFound):
        await connect(*address)
