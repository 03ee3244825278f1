"""UUIDs as BlueZ and bleak write and read them."""

import uuid

from bumble.core import UUID


def text_of(value: UUID) -> str:
    """Return a UUID as they write it: 128 bits, lower case, with dashes."""
    return str(uuid.UUID(bytes=value.uuid_128_bytes[::-1]))


def uuid_of(text: str) -> UUID:
    """Read a UUID of 128, 32 or 16 bits, the short ones also after 0x (`bt_string_to_uuid`). Raises ValueError."""
    return UUID(text.removeprefix("0x"))
