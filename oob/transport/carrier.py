"""What a carrier offers to the link above it, and what carriers and those who drive them share."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

from oob.errors import LinkError, LinkLost, PeerError

T = TypeVar("T")

MAX_QUEUED_FRAMES: Final = 512
"""Frames that wait for the reader; a peer that sends more loses them, as on any radio."""


class Carrier(Protocol):
    """Moves single frames: the six things that a radio, a socket or a queue must offer."""

    name: str

    @property
    def max_frame(self) -> int:
        """The longest frame that may be sent now, in bytes, 20 to 512."""
        ...

    async def send(self, frame: bytes, last: bool) -> None:
        """Send one frame; `last` ends a burst, and returns once the peer's stack has it where the carrier can tell."""
        ...

    async def receive(self) -> bytes:
        """Return the next frame. Raises LinkLost once the connection is lost and all that came before was read.

        The link cancels this whenever a wait is over: no frame, nor part of one, may get lost by that.
        """
        ...

    async def reconnect(self) -> None:
        """Reach the same peer anew after a LinkLost; the responder waits to be reached. Raises LinkError."""
        ...

    async def close(self) -> None:
        """Let go of the connection. May be called twice."""
        ...


class Inbox:
    """Frames on their way from a carrier's callbacks to its one reader: bounded, and failing after the last frame."""

    __slots__ = ("_error", "_frames", "_waiter")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._error: LinkError | PeerError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def error(self) -> LinkError | PeerError | None:
        """Why no more frames come, or None."""
        return self._error

    def put(self, frame: bytes) -> None:
        """Queue a frame; it is dropped when the reader is 512 frames behind or the connection is over."""
        if self._error is None and len(self._frames) < MAX_QUEUED_FRAMES:
            self._frames.append(frame)
            self._wake()

    def fail(self, error: LinkError | PeerError) -> None:
        """End the stream: the reader gets what is queued, then `error`. The first error stands."""
        self._error = self._error or error
        self._wake()

    async def get(self) -> bytes:
        """Return the next frame, or raise the error that ended the stream."""
        while not self._frames:
            if self._error is not None:
                raise self._error.with_traceback(None)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._frames.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def connection_lost() -> LinkLost:
    """Return the error for a connection that ended on its own."""
    return LinkLost("connection lost", step="link", remedy="Keep the two within reach of each other and try again")


def link_closed() -> LinkError:
    """Return the error for the use of a link that this end has closed."""
    return LinkError("the link is closed", step="link")


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` beside the block until it is done, but no longer than that; a failure of it is raised there."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})  # not `await task`, which could not tell its cancellation from our own
        if not task.cancelled():
            task.result()


async def finish(task: asyncio.Task[T]) -> T:
    """Return what `task` returns; when cancelled meanwhile, let it come to its end first.

    For what must not stop half-way: a carrier that is being closed, a stack that is being told something.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_heed)  # the cancellation goes first, and another one does not wait
        await asyncio.wait({task})
        raise


def _heed(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()
