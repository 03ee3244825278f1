"""The device side of NFC: an emulated Type 4 tag through which frames go to and fro by TNEP.

To `Peripheral` a tap is a connection, and the selection of the service a subscription.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from math import inf
from typing import Final

from oob.errors import OobError
from oob.framing.gatt import MAX_FRAME, MessageType, control
from oob.framing.ndef import Record, encode
from oob.framing.tnep import Event, TnepTag
from oob.framing.type4_card import Type4Card
from oob.progress import Progress, Report, silent
from oob.transport.carrier import connection_lost, finish
from oob.transport.link import Timing
from oob.transport.nfc import Emulator
from oob.transport.nfc_profile import SERVICE, frames_of, record_of
from oob.transport.peripheral import Clients, Peripheral

AGAIN: Final = 1.0
"""Seconds before a front-end that failed is tried again."""
KEPT: Final = Timing().resume
"""Seconds for which a tap that had selected the service, and broke off, finds the greeting as it was."""

Greet = Callable[[], Sequence[Record]]
"""The records that a tap shows beside the service: what anyone may see, such as a URL, and then the bootstrap data.

It is called for each tap, but for those that may go on with a former one: they see what that one saw.
"""


def nothing_more() -> Sequence[Record]:
    """Greet by the service alone."""
    return ()


class TnepStack:
    """A Stack on an emulated tag. A front-end that is unplugged is waited for."""

    carrier = "nfc"
    is_writable = True

    def __init__(
        self, emulator: Emulator, greet: Greet = nothing_more, *, kept: float = KEPT, report: Report = silent
    ) -> None:
        self._emulator, self._greet, self._kept, self._report = emulator, greet, kept, report
        self._tag = TnepTag(SERVICE)
        self._card = Type4Card(self)
        self._greeting: Sequence[Record] = ()  # what the last tap was shown
        self._clients: Clients | None = None
        self._kept_until = 0.0  # by the loop's clock; until then the next tap may go on with the last one
        self._peer: Hashable = None  # names the tap that goes on
        self._task: asyncio.Task[None] | None = None

    async def start(self, clients: Clients) -> None:
        """Be a tag from now on, and report to `clients`. Raises UsageError, LinkError for a front-end of no use."""
        await self._emulator.open()
        self._clients = clients
        self._task = asyncio.create_task(self._emulate())

    async def advertise(self, tag: bytes | None) -> None:
        """Do nothing: who taps stands at the device, and `greet` says what to tell them."""

    async def stop(self) -> None:
        """Be no tag any more, and let go of the front-end, also when cancelled meanwhile."""
        self._clients = None
        await finish(asyncio.create_task(self._let_go()))

    async def _let_go(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        await self._emulator.close()

    async def notify(self, peer: Hashable, value: bytes) -> None:
        """Put one frame into the answer that the reader will read. LinkLost if the tap is over."""
        if peer is None or peer is not self._peer:
            raise connection_lost()
        self._tag.send(record_of(value))

    async def disconnect(self, peer: Hashable) -> None:
        """Answer the reader no more, once it has what was sent to it."""
        if peer is self._peer:
            self._peer, self._kept_until = None, 0.0

    async def _emulate(self) -> None:
        told = ""
        while True:
            try:
                await self._emulator.open()
                told = ""
                await self._emulator.emulate(self._card)
            except OobError as error:
                self.end()
                if str(error) != told:  # it is tried again and again
                    told = str(error)
                    self._report(Progress("device", "no reader", told))
            await asyncio.sleep(AGAIN)

    # --- the file of the emulated card

    def begin(self) -> None:
        """A reader has selected the tag."""
        self.end()
        if self._clients is None:
            return
        # However long somebody is served elsewhere: what was shown before may be nobody's business any more.
        if asyncio.get_running_loop().time() >= self._kept_until:
            self._greeting = self._greeted()
        self._tag.begin([*self._greeting, SERVICE.to_record()])
        self._peer = object()
        self._clients.on_connect(self._peer)

    def _greeted(self) -> Sequence[Record]:
        """Return a new greeting; none where there cannot be one, which must not end the emulation."""
        try:
            greeting = self._greet()
            encode([*greeting, SERVICE.to_record()])
        except OobError as error:
            self._report(Progress("device", "no greeting", str(error)))
            return ()
        return greeting

    def content(self) -> bytes:
        """Return what is to be read now."""
        return self._tag.content()

    def written(self, message: bytes) -> None:
        """Take what the reader wrote."""
        event, records = self._tag.receive(message)
        if self._clients is None or self._peer is None:
            return self._tag.refuse()
        match event:
            case Event.SELECTED:
                self._kept_until = inf
                self._clients.on_subscribe(self._peer, True)
            case Event.RECEIVED:
                for frame in frames_of(records):
                    self._clients.on_write(self._peer, frame, MAX_FRAME)
            case Event.DESELECTED:
                self._kept_until = 0.0
                self._clients.on_write(self._peer, control(MessageType.CLOSE), MAX_FRAME)

    def lock(self) -> bool:
        """Refuse."""
        return False

    def end(self) -> None:
        """The reader is gone."""
        peer, self._peer = self._peer, None
        if peer is not None and self._clients is not None:
            self._kept_until = min(self._kept_until, asyncio.get_running_loop().time() + self._kept)
            self._clients.on_disconnect(peer)


def nfc_listener(
    emulator: Emulator, greet: Greet = nothing_more, *, timing: Timing | None = None, report: Report = silent
) -> Peripheral:
    """Return a Listener for those who tap the emulated tag; `greet` says what they see beside the service.

    Most pass `lambda: device.tapped(url)`, which shows a URL and what to pair by, anew at each tap. `start` raises
    UsageError or LinkError where the front-end cannot be a tag.
    """
    kept = (timing or Timing()).resume
    return Peripheral(TnepStack(emulator, greet, kept=kept, report=report), timing=timing)
