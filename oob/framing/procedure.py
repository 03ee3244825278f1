"""Conversations with a tag, sans-IO: generators that yield commands and are sent the responses."""

from collections.abc import Generator
from enum import Enum
from typing import Protocol, TypeVar

from oob.errors import UsageError

T = TypeVar("T")

Procedure = Generator[bytes, bytes, T]
"""Yields a command, is sent the tag's response to it, and returns a T in the end. Raises PeerError, UsageError.

Bounded whatever the tag says: each response is checked, and no length that a tag claims makes it go on for ever.
"""


class TagType(Enum):
    """The kinds of NFC Forum tags that are read, and what their commands and responses are here."""

    TYPE_2 = 2
    """NTAG and the like. READ 30h and WRITE A2h as on the air, without CRC; an ACK is the byte 0Ah."""
    TYPE_3 = 3
    """FeliCa Lite-S. The command code and what follows the IDm; of the response, what follows the IDm."""
    TYPE_4 = 4
    """ISO/IEC 7816-4 APDUs. A response ends with the status word."""


class TagMemory(Protocol):
    """The NDEF message in a tag's memory, as each type of tag keeps it."""

    @property
    def capacity(self) -> int:
        """The longest NDEF message that fits, in bytes."""
        ...

    @property
    def is_writable(self) -> bool:
        """Whether the tag lets a message be written."""
        ...

    def read(self) -> Procedure[bytes]:
        """Return the NDEF message, b"" for none. PeerError for what no such tag answers."""
        ...

    def write(self, message: bytes) -> Procedure[None]:
        """Write a message so that one which is torn off leaves an empty tag. UsageError where it does not fit."""
        ...

    def lock(self) -> Procedure[None]:
        """Make the tag read-only, for ever. UsageError for a tag that this library cannot lock."""
        ...


def require_room(memory: TagMemory, message: bytes) -> None:
    """Raise UsageError for a tag that is read-only, or whose capacity the message exceeds."""
    if not memory.is_writable:
        raise UsageError("the tag is read-only", step="tag", remedy="Use another tag")
    if excess := max(0, len(message) - memory.capacity):
        cause = f"a message of {len(message)} bytes, {excess} too many for this tag"
        raise UsageError(cause, step="tag", remedy="Leave something out, or use a larger tag")
