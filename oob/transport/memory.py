"""The public in-memory twin of a radio: two links in one process, with every fault that a radio has."""

import asyncio
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Final

from oob.errors import DeviceNotFound, LinkError, UsageError
from oob.framing.gatt import MAX_FRAME, MIN_FRAME, MessageType, control, identify, is_start
from oob.transport.carrier import Inbox, connection_lost, link_closed
from oob.transport.link import FramedLink, Timing

DEFAULT_FRAME: Final = 244
"""Bytes a frame: an ATT MTU of 247, the most common one, less its 3 bytes of header."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the way. Probabilities are per frame, 0 to 1, and need a seeded `Random`."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    """The frame is overtaken by the next one of its burst."""
    delay: float = 0.0
    """Seconds from one end to the other."""
    cut_after: int | None = None
    """The connection is lost after this many frames, counted over both directions."""


class _Wire:
    """One connection: what both directions share."""

    def __init__(self, faults: Faults, random: Random) -> None:
        self.faults = faults
        self.random = random
        self.frames = 0
        self.is_refused = False
        """The device serves another client, and tells this one."""
        self.ends: list[_MemoryCarrier] = []

    @property
    def is_up(self) -> bool:
        return all(end.inbox.error is None for end in self.ends)

    def count(self) -> None:
        """Count a frame, and cut the connection when its time has come. Raises LinkError."""
        if self.frames == self.faults.cut_after:
            self.drop(connection_lost())
            raise connection_lost()
        self.frames += 1

    def drop(self, error: LinkError) -> None:
        for end in self.ends:
            end.inbox.fail(error)


class _MemoryCarrier:
    """One end of a wire."""

    name = "memory"

    def __init__(self, wire: _Wire, max_frame: int) -> None:
        self.max_frame = max_frame
        self.inbox = Inbox()
        self._wire = wire
        self._late: deque[bytes] = deque()  # frames under way, while there is a delay
        self._overtaken: bytes | None = None
        wire.ends.append(self)

    async def send(self, frame: bytes, last: bool) -> None:
        """Put a frame on the wire, or lose it there."""
        if self.inbox.error is not None:
            raise self.inbox.error.with_traceback(None)
        self._wire.count()
        faults, chance = self._wire.faults, self._wire.random.random
        if faults.reorder and not last and self._overtaken is None and chance() < faults.reorder:
            self._overtaken = frame
            return
        copies = 0 if faults.loss and chance() < faults.loss else 1
        if faults.duplicate and chance() < faults.duplicate:
            copies += 1
        for _ in range(copies):
            self._carry(frame)
        if self._overtaken is not None:
            self._carry(self._overtaken)
            self._overtaken = None

    async def receive(self) -> bytes:
        """Return the next frame that survived."""
        return await self.inbox.get()

    async def reconnect(self) -> None:
        """Fail: what is lost here stays lost."""
        raise connection_lost()

    async def close(self) -> None:
        """End the connection for both sides; what is under way still arrives."""
        self.inbox.fail(link_closed())
        self._wire.drop(connection_lost())

    def _carry(self, frame: bytes) -> None:
        if self._wire.is_refused:
            if is_start(frame):
                self.inbox.put(control(MessageType.BUSY, identify(frame)))
            return
        delay = self._wire.faults.delay
        if delay:
            self._late.append(frame)
            # Timers of equal time may fire in any order: each delivers the oldest frame, whichever started it.
            asyncio.get_running_loop().call_later(delay, self._arrive)
        else:
            self._peer.inbox.put(frame)

    def _arrive(self) -> None:
        self._peer.inbox.put(self._late.popleft())

    @property
    def _peer(self) -> "_MemoryCarrier":
        first, second = self._wire.ends
        return second if self is first else first


def _connect(
    max_frame: int, faults: Faults, random: Random | None, timing: Timing | None
) -> tuple[_Wire, FramedLink, FramedLink]:
    if not MIN_FRAME <= max_frame <= MAX_FRAME:
        raise UsageError(f"max_frame {max_frame} is outside {MIN_FRAME} to {MAX_FRAME}")
    if random is None and (faults.loss or faults.duplicate or faults.reorder):
        raise UsageError("faults with a probability need random=", remedy="Pass random.Random(seed)")
    wire = _Wire(faults, random or Random(0))  # noqa: S311 - decides faults of a test carrier, no secret
    client, device = _MemoryCarrier(wire, max_frame), _MemoryCarrier(wire, max_frame)
    return wire, FramedLink(client, initiator=True, timing=timing), FramedLink(device, initiator=False, timing=timing)


def link_pair(
    *,
    max_frame: int = DEFAULT_FRAME,
    loss: float = 0.0,
    duplicate: float = 0.0,
    reorder: float = 0.0,
    delay: float = 0.0,
    cut_after: int | None = None,
    random: Random | None = None,
    timing: Timing | None = None,
) -> tuple[FramedLink, FramedLink]:
    """Return the client's and the device's end of one connection; see `Faults` for the arguments.

    Raises UsageError where a probability is given without a `random` to decide by.
    """
    _, client, device = _connect(max_frame, Faults(loss, duplicate, reorder, delay, cut_after), random, timing)
    return client, device


class MemoryListener:
    """A device in the same process: `connect` gives the client's end of the link that `accept` returns.

    As on the radio, it serves one client; others are told that it is busy.
    """

    def __init__(
        self,
        *,
        max_frame: int = DEFAULT_FRAME,
        faults: Faults | None = None,
        random: Random | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._options = (max_frame, faults or Faults(), random, timing)
        self._links: asyncio.Queue[FramedLink | None] = asyncio.Queue()
        self._active: _Wire | None = None
        self._started = False

    async def start(self) -> None:
        """Let clients connect."""
        self._started = True

    async def advertise(self, tag: bytes | None) -> None:
        """Do nothing: a client has this very object."""

    async def accept(self) -> FramedLink:
        """Wait for the next client. Raises LinkError once closed."""
        link = await self._links.get()
        if link is None:
            self._links.put_nowait(None)
            raise link_closed()
        return link

    async def connect(self) -> FramedLink:
        """Return the client's end of a new link. Raises DeviceNotFound where the listener is not started."""
        if not self._started:
            raise DeviceNotFound("no device listens here", step="connect", remedy="Start the listener first")
        wire, client, device = _connect(*self._options)
        if self._active is not None and self._active.is_up:
            wire.is_refused = True
            return client
        self._active = wire
        self._links.put_nowait(device)
        return client

    async def close(self) -> None:
        """Stop, and drop the client that is connected."""
        self._started = False
        self._links.put_nowait(None)
        if self._active is not None:
            self._active.drop(connection_lost())
