"""The ways from the client to the device of a simulated home: memory, a simulated radio, simulated tags."""

from contextlib import AsyncExitStack
from typing import Final, Protocol

from oob.client import reach, tap
from oob.device import Device
from oob.errors import LinkLost, UsageError
from oob.pairing import Bootstrap, Model
from oob.pairing.tag_content import TagContent
from oob.progress import Report
from oob.sim.field import Field
from oob.sim.radio import VirtualRadio
from oob.sim.tags import SimulatedNtag
from oob.transport.link import Link, Listener
from oob.transport.memory import MemoryListener
from oob.transport.ndef_tag import open_tag
from oob.transport.peripheral import Peripheral
from oob.transport.tnep_stack import nfc_listener

SETTLE: Final = 0.1
"""Seconds of listening for a second device: on a simulated radio it answers at once."""
LOOK = 5.0
"""Seconds for which the device is looked for."""
TAP_WAIT: Final = 5.0
URL: Final = "https://maker.example/d/7"
"""What a phone without an app would open."""


class Way(Protocol):
    """A way that was opened."""

    medium: str
    """What people call it."""

    @property
    def listener(self) -> Listener:
        """The device's end."""
        ...

    @property
    def told(self) -> Bootstrap | None:
        """What a tag told the client at the last `connect`."""
        ...

    async def connect(self) -> Link:
        """Give the client a new link to the device. Raises LinkError."""
        ...


class MemoryWay:
    """Two ends of a queue."""

    medium = "memory"
    told = None

    def __init__(self) -> None:
        self.listener = MemoryListener()

    async def connect(self) -> Link:
        """Give the client a new link to the device."""
        return await self.listener.connect()


class RadioWay:
    """Simulated Bluetooth LE, where a client with a label or tag knows the device by its tag key."""

    medium = "simulated Bluetooth LE"
    told: Bootstrap | None = None

    def __init__(self, radio: VirtualRadio, listener: Peripheral, tag_key: bytes | None) -> None:
        self.listener = listener
        self._radio, self._tag_key = radio, tag_key

    async def connect(self) -> Link:
        """Find the device, and give the client a new link to it."""
        scanner, backend = self._radio.scanner_backend, self._radio.client_backend
        return await reach(tag_key=self._tag_key, timeout=LOOK, settle=SETTLE, scanner=scanner, backend=backend)


class StaticTagWay(RadioWay):
    """A sticker with the device's bootstrap data at `reader`, then simulated Bluetooth LE."""

    medium = "a simulated NTAG213, then simulated Bluetooth LE"

    def __init__(self, radio: VirtualRadio, listener: Peripheral, sticker: SimulatedNtag, report: Report) -> None:
        super().__init__(radio, listener, None)
        self.reader, self._report = Field(chip=sticker), report

    async def connect(self) -> Link:
        """Tap the sticker, and find the device that it names."""
        async with await tap(self.reader, timeout=TAP_WAIT, report=self._report) as tapped:
            self.told = tapped.bootstrap
        self._tag_key = self.told.tag_key
        return await super().connect()


class TapWay:
    """The device's own tag at `reader`, emulated by it, and the handshake through that."""

    medium = "a simulated NFC tag"

    def __init__(self, device: Device, report: Report) -> None:
        self.reader, self._report = Field(), report
        self.listener = nfc_listener(self.reader, lambda: device.tapped(URL))
        self.told: Bootstrap | None = None

    async def connect(self) -> Link:
        """Tap the device; give the client a link through the tag."""
        tapped = await tap(self.reader, timeout=TAP_WAIT, report=self._report)
        self.told = tapped.content.bootstrap
        if tapped.link is None:
            raise LinkLost("the device is no tag any more", step="tap")
        return tapped.link  # which closes the tag; the field is the home's


async def open_way(stack: AsyncExitStack, carrier: str, device: Device, report: Report) -> Way:
    """Return this way to the device; `stack` closes it. Raises UsageError for a model that does not go with it."""
    match carrier:
        case "memory":
            way: Way = MemoryWay()
            await way.listener.start()
        case "nfc":
            way = TapWay(device, report)
            await way.listener.start()
        case _:
            way = await _radio(stack, carrier, device, report)
    stack.push_async_callback(way.listener.close)
    return way


async def _radio(stack: AsyncExitStack, carrier: str, device: Device, report: Report) -> Way:
    radio = await stack.enter_async_context(VirtualRadio())
    listener = await radio.peripheral(tag=None)  # the device says what to advertise
    if carrier == "nfc-static":
        return StaticTagWay(radio, listener, await _sticker(device), report)
    is_carried = device.offer.model in (Model.SECRET, Model.PINNED)
    return RadioWay(radio, listener, device.store.state.tag_key if is_carried else None)


async def _sticker(device: Device) -> SimulatedNtag:
    """Return an NTAG213 to which what the device's label says was written."""
    carried = device.offer.out_of_band() if device.offer.model is Model.SECRET else None
    if not isinstance(carried, Bootstrap):
        remedy = "Choose the model secret, or the carrier nfc"
        raise UsageError("a static tag carries a secret", step="tag", remedy=remedy)
    sticker = SimulatedNtag("NTAG213")
    tag = await open_tag(await Field(chip=sticker).tap(TAP_WAIT))
    await tag.store(TagContent(URL, carried).encode())
    await tag.close()
    return sticker
