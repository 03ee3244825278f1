"""The NDEF message of a tag in the field, whatever type the tag is of and whichever stack reads it."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Final, TypeVar

from oob.errors import LinkTimeout, PeerError
from oob.framing.procedure import Procedure, TagMemory, TagType
from oob.framing.type2 import open_type2
from oob.framing.type3 import open_type3
from oob.framing.type4 import open_type4
from oob.transport.nfc import Tag

S = TypeVar("S")
T = TypeVar("T")

TAG_WAIT: Final = 10.0
"""Seconds for all commands of one reading or writing."""

_OPEN: Final[dict[TagType, Callable[[], Procedure[TagMemory]]]] = {
    TagType.TYPE_2: open_type2,
    TagType.TYPE_3: open_type3,
    TagType.TYPE_4: open_type4,
}


class NdefTag:
    """A tag whose memory is known. Methods raise LinkLost (the tag is gone), LinkTimeout, PeerError, UsageError."""

    def __init__(self, tag: Tag, memory: TagMemory) -> None:
        self._tag, self._memory = tag, memory

    @property
    def type(self) -> TagType:
        """The type of the tag."""
        return self._tag.type

    @property
    def capacity(self) -> int:
        """The longest message that fits, in bytes."""
        return self._memory.capacity

    @property
    def is_writable(self) -> bool:
        """Whether a message may be written."""
        return self._memory.is_writable

    async def read(self) -> bytes:
        """Return the message, b"" for none."""
        return await drive(self._memory.read(), self._tag.transceive)

    async def write(self, message: bytes) -> None:
        """Write a message, b"" for none; the tag is taken at its word."""
        await drive(self._memory.write(message), self._tag.transceive)

    async def store(self, message: bytes) -> None:
        """Write a message and read it back. PeerError where the tag has kept something else."""
        await self.write(message)
        if await self.read() != message:
            raise PeerError("the tag did not keep what was written", step="tag", remedy="Write it again")

    async def lock(self) -> None:
        """Make the tag read-only, for ever."""
        await drive(self._memory.lock(), self._tag.transceive)

    async def close(self) -> None:
        """Let go of the tag. May be called twice."""
        await self._tag.close()


async def open_tag(tag: Tag) -> NdefTag:
    """Find the NDEF memory of a tag. Raises UsageError or PeerError where it has none, LinkLost, LinkTimeout."""
    return NdefTag(tag, await drive(_OPEN[tag.type](), tag.transceive))


async def drive(steps: Generator[S, bytes, T], take: Callable[[S], Awaitable[bytes]], seconds: float = TAG_WAIT) -> T:
    """Take the steps of a generator, send it what each brought, and return its result; LinkTimeout after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            step = next(steps)
            while True:
                step = steps.send(await take(step))
    except StopIteration as stop:
        result: T = stop.value
        return result
    except TimeoutError:
        remedy = "Take it away and hold it to the reader again, or use another tag"
        raise LinkTimeout(f"the tag was not done within {seconds:g} s", step="tag", remedy=remedy) from None
    finally:
        steps.close()
