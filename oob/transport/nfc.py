"""What an NFC reader, a tag in its field and an emulated tag offer; nfcpy, PC/SC and memory each do it in their way."""

from typing import Final, Protocol

from oob.errors import DeviceNotFound, LinkLost
from oob.framing.procedure import TagType

COMMAND_WAIT: Final = 1.0
"""Seconds that a tag has for one response, whatever waiting time extensions it asks for."""


class Tag(Protocol):
    """A tag in the field of a reader. It is used by one task at a time."""

    type: TagType

    async def transceive(self, command: bytes) -> bytes:
        """Return the tag's response to one command, in the form that `TagType` says.

        Raises LinkLost when the tag has left the field, or did not answer within `COMMAND_WAIT`; LinkError when the
        reader is gone. When cancelled, the reader is free again within `COMMAND_WAIT`.
        """
        ...

    async def close(self) -> None:
        """Let go of the tag. May be called twice."""
        ...


class Reader(Protocol):
    """A reader that waits for tags, one at a time."""

    name: str
    """What people call it; no serial number."""

    async def tap(self, timeout: float) -> Tag:
        """Return the tag that is in the field, or comes within `timeout` seconds.

        Raises DeviceNotFound for none, LinkError with a remedy where there is no reader, or it cannot be used. A reader
        that is unplugged meanwhile is waited for, too.
        """
        ...

    async def close(self) -> None:
        """Switch the field off and let go of the reader. May be called twice."""
        ...


class Card(Protocol):
    """An emulated Type 4A tag, as the stack that emulates it sees it. All calls come from the event loop's thread."""

    def activate(self) -> None:
        """Begin anew: a reader has selected the tag."""
        ...

    def process(self, command: bytes) -> bytes:
        """Return the response to one APDU. Raises nothing, whatever comes."""
        ...

    def deactivate(self) -> None:
        """End: the reader or its field is gone."""
        ...


class Emulator(Protocol):
    """A front-end that can be a tag."""

    name: str

    async def open(self) -> None:
        """Take the front-end; does nothing where it is taken. Raises UsageError, LinkError where it cannot be a tag."""
        ...

    async def emulate(self, card: Card) -> None:
        """Be this tag for one reader after the other, until cancelled. Raises LinkError where that cannot be done."""
        ...

    async def close(self) -> None:
        """Let go of the front-end. May be called twice."""
        ...


def tag_lost() -> LinkLost:
    """Return the error for a tag that has left the field, or does not answer any more."""
    return LinkLost("the tag is gone", step="tap", remedy="Hold the two together until it is done")


def no_tag(timeout: float) -> DeviceNotFound:
    """Return the error for a reader that saw no tag within `timeout` seconds."""
    return DeviceNotFound(f"no tag came within {timeout:g} s", step="tap", remedy="Hold the tag flat to the reader")
