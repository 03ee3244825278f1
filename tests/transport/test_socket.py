import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oob.errors import DeviceNotFound, LinkError, LinkTimeout, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.transport.socket import SocketListener, connect


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[SocketListener]:
    listener = SocketListener(tmp_path / "s")
    await listener.start()
    yield listener
    await listener.close()


async def test_messages_go_both_ways(listener: SocketListener, tmp_path: Path) -> None:
    client = await connect(tmp_path / "s")
    device = await listener.accept()
    for length in (0, 1, 511, 512, 4000):
        await client.send(MessageType.HANDSHAKE, bytes(length))
        assert await device.receive(1) == (MessageType.HANDSHAKE, bytes(length))
        await device.send(MessageType.CHANNEL, b"x" * length)
        assert await client.receive(1) == (MessageType.CHANNEL, b"x" * length)
    assert client.carrier == device.carrier == "socket"
    assert client.bytes_sent == device.bytes_received > 5000
    await client.close()
    with pytest.raises(LinkError, match="connection lost"):
        await device.receive(1)
    await device.close()


async def test_only_its_user_may_connect(listener: SocketListener, tmp_path: Path) -> None:
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    mask = os.umask(0)
    os.umask(mask)
    assert mask != 0o177


async def test_a_wait_that_is_over_loses_no_part_of_a_frame(listener: SocketListener, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    device = await listener.accept()
    frame = b"\x80\x00\x00\x03abc"
    head = len(frame).to_bytes(2, "big")
    for part in (head[:1], head[1:], frame[:4]):
        writer.write(part)
        with pytest.raises(LinkTimeout):
            await device.receive(0.01)
    writer.write(frame[4:])
    assert await device.receive(1) == (MessageType.HANDSHAKE, b"abc")
    await device.close()
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    "garbage", [b"\x00\x00", b"\x00\x01\x00", b"\xff\xff" + bytes(65535), b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_garbage_ends_a_connection_and_no_more(listener: SocketListener, tmp_path: Path, garbage: bytes) -> None:
    _, writer = await asyncio.open_unix_connection(tmp_path / "s")
    device = await listener.accept()
    writer.write(garbage)
    writer.close()
    with pytest.raises((PeerError, LinkError)):
        await device.receive(1)
    await device.close()
    await test_messages_go_both_ways(listener, tmp_path)


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="no device listens at .*none. Start it, or check"):
        await connect(tmp_path / "none")


async def test_a_socket_of_a_dead_device_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    listener = SocketListener(tmp_path / "s")
    await listener.start()
    await test_messages_go_both_ways(listener, tmp_path)
    await listener.close()
    await listener.close()
    assert not (tmp_path / "s").exists()


async def test_a_socket_of_a_living_device_is_not(listener: SocketListener, tmp_path: Path) -> None:
    second = SocketListener(tmp_path / "s")
    with pytest.raises(LinkError, match="another device listens"):
        await second.start()
    await second.close()
    assert (tmp_path / "s").exists()


async def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(UsageError, match="is no socket"):
        await SocketListener(tmp_path / "s").start()
    assert (tmp_path / "s").read_text() == "precious"


@pytest.mark.parametrize("name", ["no/directory/s", "x" * 200])
async def test_an_impossible_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(LinkError, match="cannot listen at .*Choose another path") as caught:
        await SocketListener(tmp_path / name).start()
    assert "None" not in caught.value.cause


async def test_closing_drops_who_waits(tmp_path: Path) -> None:
    listener = SocketListener(tmp_path / "s")
    await listener.start()
    client = await connect(tmp_path / "s")
    await asyncio.sleep(0.01)
    await listener.close()
    with pytest.raises(LinkError):
        await client.receive(1)
    for _ in range(2):
        with pytest.raises(LinkError, match="closed"):
            await listener.accept()
    await client.close()
