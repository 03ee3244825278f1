"""The profile of NFC: the TNEP service, and the records in which frames go through a tag (docs/spec/tnep.md)."""

from collections.abc import Sequence
from typing import Final

from oob.framing.gatt import MAX_FRAME
from oob.framing.ndef import Record, Tnf
from oob.framing.tnep import Service

SERVICE: Final = Service("urn:nfc:xsn:oob.invalid:pair", wait_int=8, extensions=7)
"""The pairing service. The reader waits 2 ms before it reads, about what a small device takes for a message.

The domain is provisional: docs/decisions/0016.
"""


def record_of(frame: bytes) -> Record:
    """Return the record in which a frame goes through a tag: of unknown type, since the service says what it is."""
    return Record(Tnf.UNKNOWN, payload=frame)


def frames_of(records: Sequence[Record]) -> list[bytes]:
    """Return the frames among the records; one that is too long is cut, still too long, and not kept in full."""
    return [each.payload[: MAX_FRAME + 1] for each in records if each.tnf is Tnf.UNKNOWN]
