"""The client side, on genuine bleak over a backend that takes notes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError

from oob.errors import DeviceNotFound, LinkError, LinkLost
from oob.framing.gatt import MessageType, control, fragment, identify
from oob.progress import Progress
from oob.transport import ble_central
from oob.transport.ble_central import connect
from oob.transport.ble_scanner import Found
from oob.transport.link import FramedLink
from tests.transport.fake_bleak import FakeClient

Run = Callable[[Coroutine[Any, Any, Any]], Any]

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


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (BleakDBusError("org.bluez.Error.Failed", ["Not connected"]), True),
        (BleakDBusError("org.bluez.Error.Failed", ["Operation failed with ATT error: 0x0e"]), False),
        (BleakDBusError("org.freedesktop.DBus.Error.UnknownObject", ["no such object"]), False),
    ],
    ids=["told a moment later", "stays connected", "its object is gone"],
)
def test_a_write_that_fails_may_mean_that_the_connection_is_lost(
    backend: type[FakeClient], run_virtual: Run, said: BleakError, told: bool
) -> None:
    """BlueZ answers what was under way, and only then tells that the connection has ended."""

    async def main() -> None:
        async with await connect("C0:01", backend=backend) as link:
            backend.fails["write"] = [said]
            if told:
                asyncio.get_running_loop().call_later(0.1, backend.made[0].lose)
            if "ATT error" in str(said):
                with pytest.raises(LinkError, match="ATT error"):
                    await link.send(HANDSHAKE, b"x")
                assert len(backend.made) == 1
            else:
                sending = asyncio.create_task(link.send(HANDSHAKE, b"x"))
                await asyncio.sleep(0.5)
                assert len(backend.made) == 2  # it is reached anew
                sending.cancel()
                await asyncio.wait({sending})

    run_virtual(main())


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
        carrier = carrier_of(link)
        waiting = asyncio.create_task(carrier.receive())
        await asyncio.sleep(0)
        backend.last.lose()
        with pytest.raises(LinkLost, match="connection lost"):
            await waiting
        with pytest.raises(LinkLost, match="connection lost"):
            await carrier.send(b"x", True)

    backend.fails["write"] = BleakError("Not connected")
    async with await connect("C0:01", backend=backend) as link:
        backend.last.connected = False  # the callback is still on its way
        with pytest.raises(LinkLost, match="connection lost"):
            await carrier_of(link).send(b"x", True)


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
    with pytest.raises(DeviceNotFound, match="in time"):
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


# --- trying again


def found(address: str) -> Found:
    return Found(address, b"", -40, BLEDevice(address, None, None))


class Locator:
    """Finds the device at the next of these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.seconds: list[float] = []

    async def __call__(self, timeout: float) -> Found:
        self.seconds.append(timeout)
        if not self.addresses:
            raise DeviceNotFound("the device was not seen", step="discover")
        return found(self.addresses.pop(0))


async def test_each_try_has_a_client_and_an_inbox_of_its_own(backend: type[FakeClient]) -> None:
    """A connection that is lost while its services are looked up must not end the next one."""

    class Losing(FakeClient):
        async def connect(self, pair: bool, **kwargs: Any) -> None:
            try:
                await super().connect(pair, **kwargs)
            except BleakError:
                self.lose()
                raise

    backend = Losing.fresh()
    backend.fails["discover"] = [BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort-by-local"])]
    async with await connect("C0:01", backend=backend) as link:
        await link.send(HANDSHAKE, b"x")
    assert len(backend.made) == count(backend, "disconnect") == 2


def test_a_device_that_is_gone_is_looked_for_and_reached_elsewhere(run_virtual: Run, backend: type[FakeClient]) -> None:
    backend.fails["connect"] = [BleakDeviceNotFoundError("C0:01", "removed")]
    locate = Locator("C0:02")

    async def reach() -> None:
        async with await connect(found("C0:01").handle, backend=backend, locate=locate):
            assert backend.last.address == "C0:02"

    run_virtual(reach())
    assert locate.seconds == [15.0]


def test_a_device_that_does_not_answer_is_looked_for_while_there_is_time(
    run_virtual: Run, backend: type[FakeClient]
) -> None:
    backend.waits["connect"] = asyncio.Event()
    locate = Locator("C0:02", "C0:03")

    async def reach() -> float:
        with pytest.raises(DeviceNotFound):
            await connect(found("C0:01").handle, backend=backend, locate=locate, timeout=15)
        return asyncio.get_running_loop().time()

    assert run_virtual(reach()) == 15
    assert locate.seconds == [5.0]  # after 10 seconds of the first try
    assert [each.address for each in backend.made] == ["C0:01", "C0:02"]


async def test_the_adapter_is_passed_on(backend: type[FakeClient]) -> None:
    for adapter in ("hci1", None):
        await (await connect("C0:01", backend=backend, adapter=adapter)).close()
    assert [each.options["bluez"] for each in backend.made] == [{"adapter": "hci1"}, {}]


# --- reaching it anew


def carrier_of(link: FramedLink) -> Any:
    return link._carrier


async def test_reconnect_replaces_client_inbox_and_subscription(backend: type[FakeClient]) -> None:
    locate, told = Locator("C0:02"), list[Progress]()
    async with await connect("C0:01", backend=backend, locate=locate, report=told.append) as link:
        carrier = carrier_of(link)
        await carrier.send(b"first", True)
        first = backend.last
        waiting = asyncio.create_task(carrier.receive())
        await asyncio.sleep(0)
        first.lose()
        with pytest.raises(LinkError, match="connection lost"):
            await waiting
        await carrier.reconnect()
        second = backend.last
        assert (second.address, second.connected) == ("C0:02", True)
        assert first is not second
        await carrier.send(b"second", True)
        for _ in range(3):
            await asyncio.sleep(0)
        first.notify(bytearray(b"of old"))
        first.lose()
        second.notify(bytearray(b"anew"))
        assert await carrier.receive() == b"anew"
    assert locate.seconds == [pytest.approx(ble_central.RECONNECT_TIMEOUT, abs=1)]
    assert [each.step for each in told] == ["connecting", "reconnecting"]
    assert backend.connections() == 0
    assert count(backend, "disconnect") == 2


async def test_a_connection_that_still_stands_is_ended_first(backend: type[FakeClient]) -> None:
    async with await connect("C0:01", backend=backend) as link:
        await carrier_of(link).reconnect()
        assert backend.connections() == 1
        assert len(backend.made) == 2


def test_reconnect_gives_up_in_time_and_may_be_called_again(run_virtual: Run, backend: type[FakeClient]) -> None:
    async def lose_and_reconnect() -> float:
        loop = asyncio.get_running_loop()
        async with await connect("C0:01", backend=backend) as link:
            backend.last.lose()
            backend.waits["connect"] = asyncio.Event()
            begun = loop.time()
            with pytest.raises(DeviceNotFound):
                await carrier_of(link).reconnect()
            took = loop.time() - begun
            with pytest.raises(LinkError, match="connection lost"):
                await link.send(HANDSHAKE, b"x")
            backend.waits["connect"].set()
            await carrier_of(link).reconnect()
            await carrier_of(link).send(b"x", True)
        return took

    assert run_virtual(lose_and_reconnect()) == ble_central.RECONNECT_TIMEOUT


async def test_reconnect_fails_where_the_device_is_not_found(backend: type[FakeClient]) -> None:
    async with await connect("C0:01", backend=backend, locate=Locator()) as link:
        with pytest.raises(DeviceNotFound, match="not seen"):
            await carrier_of(link).reconnect()
    assert backend.connections() == 0


async def test_reconnect_after_close_and_close_while_it_runs(backend: type[FakeClient]) -> None:
    link = await connect("C0:01", backend=backend)
    carrier = carrier_of(link)
    backend.waits["connect"] = asyncio.Event()
    again = asyncio.create_task(carrier.reconnect())
    for _ in range(9):
        await asyncio.sleep(0)
    await link.close()
    backend.waits["connect"].set()
    with pytest.raises(LinkError, match="closed"):
        await again
    with pytest.raises(LinkError, match="closed"):
        await carrier.reconnect()
    assert backend.connections() == 0
    assert len(backend.made) == 2


# --- cancelled anywhere


async def a_visit(backend: type[FakeClient]) -> None:
    """Connect, subscribe, send, lose the connection, reconnect, send, and close."""
    async with await connect("C0:01", backend=backend, locate=Locator("C0:02", "C0:03")) as link:
        await link.send(HANDSHAKE, bytes(40))
        backend.last.lose()
        carrier = carrier_of(link)
        with pytest.raises(LinkLost):
            await carrier.receive()
        await carrier.reconnect()
        await carrier.send(b"x", True)


@pytest.mark.parametrize("cancellations", [1, 2])
@pytest.mark.parametrize("trouble", [{}, {"connect": [BleakDeviceNotFoundError("C0:01", "gone")]}])
def test_cancelled_anywhere_nothing_is_connected_and_no_task_is_left(
    run_virtual: Run, cancellations: int, trouble: dict[str, list[Exception]]
) -> None:
    async def cancel_after(turns: int) -> bool:
        backend = FakeClient.fresh()
        backend.fails = {what: list(errors) for what, errors in trouble.items()}
        visit = asyncio.create_task(a_visit(backend))
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(cancellations):
            visit.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({visit})
        assert backend.connections() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return visit.cancelled()

    ends = [run_virtual(cancel_after(turns)) for turns in range(100)]
    assert sum(ends) >= 20
    assert not ends[-1]
