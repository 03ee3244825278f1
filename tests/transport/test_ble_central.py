"""The client side, on genuine bleak over a backend that takes notes."""

import asyncio

import pytest
from bleak.exc import BleakDeviceNotFoundError, BleakError

from oob.errors import DeviceNotFound, LinkError
from oob.framing.gatt import MessageType, control, fragment, identify
from oob.transport import ble_central
from oob.transport.ble_central import connect
from tests.transport.fake_bleak import FakeClient

HANDSHAKE = MessageType.HANDSHAKE


@pytest.fixture
def backend() -> type[FakeClient]:
    return FakeClient.fresh()


def count(backend: type[FakeClient], what: str) -> int:
    return [call[0] for call in backend.calls].count(what)


async def test_commands_and_for_the_last_frame_a_request(backend: type[FakeClient]) -> None:
    async with await connect("C0:01", backend=backend) as link:
        await link.send(HANDSHAKE, bytes(60))
    frames = fragment(HANDSHAKE, identify(bytes(60))[0], bytes(60), 20)
    writes = [call[1:] for call in backend.calls if call[0] == "write"]
    assert writes[:-1] == [(frame, frame is frames[-1]) for frame in frames]
    assert writes[-1] == (control(MessageType.CLOSE), True)
    assert count(backend, "disconnect") == 1


async def test_message_1_does_not_wait_for_the_subscription(backend: type[FakeClient]) -> None:
    backend.waits["subscribe"] = asyncio.Event()
    async with await connect("C0:01", backend=backend) as link:
        await link.send(HANDSHAKE, b"first")
        assert count(backend, "write") == 1
        backend.waits["subscribe"].set()
        waiting = asyncio.create_task(link.receive(1))
        await asyncio.sleep(0)
        backend.last.notify(bytearray(fragment(HANDSHAKE, identify(b"first")[0] + 1, b"second", 20)[0]))
        assert await waiting == (HANDSHAKE, b"second")


@pytest.mark.parametrize(("size", "cap"), [(7, 20), (20, 20), (182, 182), (514, 512), (65535, 512)])
async def test_frames_follow_the_mtu_as_it_is_when_they_are_sent(
    backend: type[FakeClient], size: int, cap: int
) -> None:
    async with await connect("C0:01", backend=backend) as link:
        backend.size = size
        await link.send(HANDSHAKE, bytes(1000))
    assert max(len(call[1]) for call in backend.calls if call[0] == "write") == cap


async def test_a_lost_connection_has_one_name(backend: type[FakeClient]) -> None:
    async with await connect("C0:01", backend=backend) as link:
        waiting = asyncio.create_task(link.receive(5))
        await asyncio.sleep(0)
        backend.last.lose()
        with pytest.raises(LinkError, match="connection lost"):
            await waiting
        with pytest.raises(LinkError, match="connection lost"):
            await link.send(HANDSHAKE, b"x")

    backend.fails["write"] = BleakError("Not connected")
    async with await connect("C0:01", backend=backend) as link:
        backend.last.connected = False  # the callback is still on its way
        with pytest.raises(LinkError, match="connection lost"):
            await link.send(HANDSHAKE, b"x")


async def test_a_write_that_the_device_refuses_says_so(backend: type[FakeClient]) -> None:
    backend.fails["write"] = BleakError("write not permitted")
    async with await connect("C0:01", backend=backend) as link:
        with pytest.raises(LinkError, match="write not permitted"):
            await link.send(HANDSHAKE, b"x")


async def test_a_subscription_that_fails_ends_the_link(backend: type[FakeClient]) -> None:
    backend.fails["subscribe"] = BleakError("no more handles")
    async with await connect("C0:01", backend=backend) as link:
        with pytest.raises(LinkError, match="no more handles"):
            await link.receive(5)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (BleakDeviceNotFoundError("C0:01"), DeviceNotFound),
        (TimeoutError(), DeviceNotFound),
        (BleakError("br-connection-canceled"), LinkError),
        (OSError("no bus"), LinkError),
    ],
)
async def test_after_a_failed_connect_nothing_stays_connected(
    backend: type[FakeClient], error: Exception, ours: type[LinkError]
) -> None:
    backend.fails["connect"] = error
    with pytest.raises(ours):
        await connect("C0:01", backend=backend)
    assert count(backend, "disconnect") == 1


async def test_after_a_timeout_or_a_cancelled_connect_nothing_stays_connected(backend: type[FakeClient]) -> None:
    backend.waits["connect"] = asyncio.Event()
    with pytest.raises(DeviceNotFound, match=r"within 0\.01 s"):
        await connect("C0:01", backend=backend, timeout=0.01)
    connecting = asyncio.create_task(connect("C0:01", backend=backend))
    await asyncio.sleep(0.01)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert count(backend, "disconnect") == count(backend, "connect") == 2


async def test_a_cancelled_close_still_disconnects(backend: type[FakeClient]) -> None:
    backend.waits["disconnect"] = asyncio.Event()
    link = await connect("C0:01", backend=backend)
    closing = asyncio.create_task(link.close())
    await asyncio.sleep(0.01)
    closing.cancel()
    await asyncio.sleep(0)
    backend.waits["disconnect"].set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not backend.last.connected
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_disconnect_that_fails_or_hangs_does_not(
    backend: type[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.fails["disconnect"] = BleakError("busy")
    await (await connect("C0:01", backend=backend)).close()
    monkeypatch.setattr(ble_central, "DISCONNECT_TIMEOUT", 0.01)
    backend.waits["disconnect"] = asyncio.Event()
    await (await connect("C0:01", backend=backend)).close()
