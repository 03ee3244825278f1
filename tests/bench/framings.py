"""Three ways to carry messages over GATT, on the simulated radio, each with both ends.

`ours` is the framing of this library, through genuine bleak. The other two are models of what is widely used, on
bumble's GATT client and server directly, as lean as their sources allow; where those leave a choice, the faster one.

`btp` is the Bluetooth transport protocol of Matter (Matter Core 1.3, section 4.18; in connectedhomeip `BtpEngine.cpp`
and `BLEEndPoint.cpp`): each fragment of the client is a write request, each one of the device an indication, and the
next one waits for the response or the confirmation. On top of that, acknowledgements of its own open a receive window.
They travel with data where there is some. The window is 6 by default, and connectedhomeip does not build below 3.

`write_then_read` is what protocomm of ESP-IDF does (`protocomm_nimble.c`): the client writes its whole message, by the
long write procedure where it does not fit one request, then reads the answer from the same characteristic, by read blob
requests where it is long. An attribute has at most 512 bytes, and so has a message.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Final

from bumble.core import UUID
from bumble.device import Connection, Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address

from oob.errors import LinkError
from oob.framing.gatt import MessageType
from oob.sim.bumble_peripheral import ADVERTISING_INTERVAL, advertising_payload
from oob.sim.radio import SimulatedPeripheral, VirtualRadio
from oob.transport.ble_central import connect
from oob.transport.gatt_profile import RX_UUID, SERVICE_UUID, TX_UUID

Answer = Callable[[bytes], bytes]
"""What the device answers to a message."""
Ask = Callable[[bytes], Awaitable[bytes]]
"""Sends a message and returns the answer; the first time it also does what must be done before."""
Framing = Callable[[VirtualRadio, int, Answer], AbstractAsyncContextManager[Ask]]
"""Connects and discovers, at an ATT MTU."""

MAX_ATTRIBUTE: Final = 512
"""The longest value that `write_then_read` can carry, in bytes."""
_PHONE_MTU: Final = 517
_RESPONSE_LENGTH: Final = 6  # of the handshake response; the request has 9 bytes
_Properties = Characteristic.Properties
_WRITEABLE = Characteristic.Permissions.WRITEABLE
_READABLE = Characteristic.Permissions.READABLE


@asynccontextmanager
async def ours(radio: VirtualRadio, mtu: int, answer: Answer) -> AsyncIterator[Ask]:
    """The framing of this library; its subscription is under way on return."""
    device = await radio.peripheral(mtu=mtu)
    server = asyncio.create_task(_serve(device, answer))
    async with await connect(device.address, backend=radio.client_backend) as link:

        async def ask(message: bytes) -> bytes:
            await link.send(MessageType.HANDSHAKE, message)
            return (await link.receive(60))[1]

        yield ask
    await device.close()
    await server


async def _serve(device: SimulatedPeripheral, answer: Answer) -> None:
    with suppress(LinkError):
        link = await device.accept()
        while True:
            _, message = await link.receive(60)
            await link.send(MessageType.HANDSHAKE, answer(message))


@asynccontextmanager
async def write_then_read(radio: VirtualRadio, mtu: int, answer: Answer) -> AsyncIterator[Ask]:
    """Write the message, read the answer."""
    replies: deque[bytes] = deque(maxlen=1)
    value = CharacteristicValue(
        read=lambda _: replies[0], write=lambda _, message: replies.append(answer(bytes(message)))
    )
    both: Characteristic[bytes] = Characteristic(
        RX_UUID, _Properties.READ | _Properties.WRITE, _READABLE | _WRITEABLE, value
    )
    _, _, (proxy,) = await _connected(radio, mtu, both)

    async def ask(message: bytes) -> bytes:
        await proxy.write_value(message, with_response=True)
        return bytes(await proxy.read_value())

    yield ask


def btp(window: int = 6) -> Framing:
    """Return the framing of Matter with this receive window, in packets."""
    return partial(_btp, window)


@asynccontextmanager
async def _btp(window: int, radio: VirtualRadio, mtu: int, answer: Answer) -> AsyncIterator[Ask]:
    segment = min(mtu - 3, _BtpEnd.MAX_SEGMENT)
    device_end: _BtpEnd
    to_device = CharacteristicValue(write=lambda _, packet: device_end.take(bytes(packet)))
    c1: Characteristic[bytes] = Characteristic(RX_UUID, _Properties.WRITE, _WRITEABLE, to_device)
    c2: Characteristic[bytes] = Characteristic(TX_UUID, _Properties.INDICATE, Characteristic.Permissions(0), b"")
    device, served, (write, indicated) = await _connected(radio, mtu, c1, c2)
    device_end = _BtpEnd(window, segment, lambda packet: device.indicate_subscriber(served, c2, packet))
    phone_end = _BtpEnd(window, segment, lambda packet: write.write_value(packet, with_response=True))
    tasks: list[asyncio.Task[None]] = [asyncio.create_task(_answer(device_end, answer))]
    c2.on(
        Characteristic.EVENT_SUBSCRIPTION,
        lambda *_: tasks.append(asyncio.create_task(device_end.drive(response=bytes(6)))),
    )

    async def ask(message: bytes) -> bytes:
        if len(tasks) == 1:
            await write.write_value(bytes(9), with_response=True)  # the handshake request: versions, MTU, window
            await indicated.subscribe(phone_end.take, prefer_notify=False)
            tasks.append(asyncio.create_task(phone_end.drive()))
        phone_end.send(message)
        return await phone_end.messages.get()

    yield ask
    for task in tasks:
        while not task.done():  # `asyncio.wait_for` of Python 3.11, which bumble uses, may swallow a cancellation
            task.cancel()
            await asyncio.sleep(0)


async def _answer(end: "_BtpEnd", answer: Answer) -> None:
    while True:
        end.send(answer(await end.messages.get()))


class _BtpEnd:
    """One end of a session of Matter's transport protocol, which takes its half of the handshake first."""

    MAX_SEGMENT: Final = 244
    START, CONTINUE, END, ACK = 1, 2, 4, 8

    def __init__(self, window: int, segment: int, put: Callable[[bytes], Awaitable[None]]) -> None:
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self._window, self._segment, self._put = window, segment, put
        self._wake = asyncio.Event()
        self._ready = False
        self._rest, self._starts = b"", False  # of the message that is on its way out
        self._parts = b""  # of the one that is on its way in
        self._sequence = 0  # number of the next packet
        self._in_flight = 0  # packets that the peer has not acknowledged
        self._heard: int | None = None  # number of the last packet that came, if it is to be acknowledged
        self._slots = window  # packets that the peer may still send

    def send(self, message: bytes) -> None:
        """Send a message, once the one before is out."""
        self._rest, self._starts = message, True
        self._wake.set()

    async def drive(self, response: bytes = b"") -> None:
        """Send whatever may be sent, one packet after the other; as the device, first the handshake response."""
        if response:
            self._sequence = self._in_flight = 1
            await self._put(response)
        while True:
            packet = self._next()
            if packet:
                await self._put(packet)
            else:
                self._wake.clear()
                await self._wake.wait()

    def take(self, packet: bytes) -> None:
        """Take a packet; the first one is of the handshake, and only the device's is numbered: 0."""
        flags, rest = packet[0], packet[1:]
        if not self._ready:
            self._ready = True
            if len(packet) == _RESPONSE_LENGTH:
                self._note(0)
            return
        if flags & self.ACK:
            self._in_flight = (self._sequence - 1 - rest[0]) & 0xFF
            rest = rest[1:]
        self._note(rest[0])
        self._parts += rest[3:] if flags & self.START else rest[1:]
        if flags & self.END:
            self.messages.put_nowait(self._parts)
            self._parts = b""

    def _note(self, sequence: int) -> None:
        self._heard = sequence
        self._slots -= 1
        self._wake.set()

    def _next(self) -> bytes:
        """Return the next packet, or nothing. The last place in the peer's window is for acknowledgements."""
        free = self._window - self._in_flight
        if not self._ready or free < (1 if self._heard is not None else 2):
            return b""
        if self._rest:
            return self._packet(self.START if self._starts else self.CONTINUE)
        return self._packet(0) if self._heard is not None and self._slots <= 1 else b""

    def _packet(self, flags: int) -> bytes:
        head = bytes([self._sequence])
        if self._heard is not None:
            flags, head = flags | self.ACK, bytes([self._heard]) + head
            self._heard, self._slots = None, self._window
        if flags & self.START:
            head += len(self._rest).to_bytes(2, "little")
        room = self._segment - 1 - len(head)
        data, self._rest, self._starts = self._rest[:room], self._rest[room:], False
        if data and not self._rest:
            flags |= self.END
        self._sequence = (self._sequence + 1) & 0xFF
        self._in_flight += 1
        return bytes([flags]) + head + data


async def _connected(
    radio: VirtualRadio, mtu: int, *served: Characteristic[bytes]
) -> tuple[Device, Connection, list[CharacteristicProxy[bytes]]]:
    """Serve characteristics on one stack and find them from another; return the first, its connection, and proxies."""
    device, phone = await radio.central(), await radio.central()
    device.gatt_server.max_mtu = mtu
    device.add_service(Service(SERVICE_UUID, list(served)))
    connected: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
    device.once(Device.EVENT_CONNECTION, connected.set_result)
    await device.start_advertising(
        advertising_data=advertising_payload(b""),
        advertising_interval_min=ADVERTISING_INTERVAL,
        advertising_interval_max=ADVERTISING_INTERVAL,
    )
    peer = Peer(await radio.connect(phone, Address(str(device.random_address))))
    await peer.request_mtu(_PHONE_MTU)
    for service in await peer.discover_services([UUID(SERVICE_UUID)]):
        await service.discover_characteristics()
        for proxy in service.characteristics:
            await proxy.discover_descriptors()
            proxy.descriptors_discovered = True  # or bumble asks for them again at the subscription
    proxies = [peer.get_characteristics_by_uuid(characteristic.uuid)[0] for characteristic in served]
    return device, await connected, proxies
