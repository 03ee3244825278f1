"""Frames in a stream of bytes: each is preceded by its length in two bytes, big endian."""

import asyncio
from typing import Final

from oob.errors import PeerError
from oob.framing.gatt import MAX_FRAME
from oob.transport.carrier import connection_lost

GOODBYE: Final = 1.0
"""Seconds that the peer gets to take what was sent, once the connection is to end."""


class FrameStream:
    """One end of a connection: the frames of a carrier."""

    max_frame = MAX_FRAME

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._length: int | None = None  # of the frame whose body is awaited: `receive` may be cancelled at any await

    async def send(self, frame: bytes, last: bool) -> None:
        """Write one frame, and wait for room at the end of a burst. Raises LinkLost."""
        try:
            self._writer.write(len(frame).to_bytes(2, "big") + frame)
            if last:
                await self._writer.drain()
        except OSError as error:
            raise connection_lost() from error

    async def receive(self) -> bytes:
        """Return the next frame. Raises LinkLost, PeerError for one above 512 bytes."""
        try:
            if self._length is None:
                self._length = int.from_bytes(await self._reader.readexactly(2), "big")
            if self._length > MAX_FRAME:
                raise PeerError(f"a frame of {self._length} bytes", step="link")
            frame = await self._reader.readexactly(self._length)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise connection_lost() from error
        self._length = None
        return frame

    async def close(self) -> None:
        """End the connection, within 1 s: a peer that reads nothing must not keep it."""
        self._writer.close()
        try:
            async with asyncio.timeout(GOODBYE):
                await self._writer.wait_closed()
        except OSError:
            return  # the peer was faster, or slower than it may be
        finally:
            self._writer.transport.abort()
