"""Deterministic CBOR (RFC 8949, section 4.2.1), bounded on the way in.

What decodes here re-encodes to the same bytes, so transcripts may be computed over either. The data model is the one
of this protocol: integers of 64 bits, byte and text strings, booleans, null, arrays, and maps with plain keys.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import cbor2

from oob.errors import PeerError

MAX_LENGTH = 16384
MAX_DEPTH = 8


def _refuse(*_: object) -> NoReturn:
    raise TypeError("CBOR of this protocol holds no tags")


# cbor2 would build regular expressions, dates and big numbers out of tags; no structure of ours has a tag.
_NO_TAGS = dict.fromkeys(
    (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799), _refuse
)


def encode(value: object) -> bytes:
    """Encode one item deterministically; TypeError for a type outside the data model.

    Done here, since cbor2 only knows the key order of RFC 7049, and sets up an encoder for each of many small items.
    """
    return _ENCODERS[type(value)](value)


def encode_sequence(*values: object) -> bytes:
    """Encode items one after the other as a CBOR sequence (RFC 8742); TypeError as in `encode`."""
    return b"".join([_ENCODERS[type(value)](value) for value in values])


def encode_bytes(value: bytes) -> bytes:
    """Encode a byte string, as `encode` does; of these a key schedule is made."""
    length = len(value)
    return (_BYTES[length] if length < 256 else _head(0x40, length)) + value


def decode(data: bytes) -> Any:  # noqa: ANN401  CBOR is dynamically typed; callers check
    """Decode exactly one deterministically encoded item; PeerError for anything else."""
    values, _ = split_sequence(data)
    if len(values) != 1:
        raise PeerError(f"CBOR: expected 1 item, found {len(values)}")
    return values[0]


def decode_bytes(data: bytes) -> bytes:
    """Decode exactly one byte string, as `decode` does, without a decoder; PeerError for anything else."""
    content = data[_HEAD_LENGTHS.get(data[:1], 1) :]
    if len(data) > MAX_LENGTH or encode_bytes(content) != data:  # so the head was the one that belongs there
        raise PeerError("CBOR: expected one byte string, deterministically encoded")
    return content


def decode_sequence(data: bytes) -> list[Any]:
    """Decode a CBOR sequence of at most 16,384 bytes and 8 levels; PeerError unless it is deterministically encoded."""
    return split_sequence(data)[0]


def split_sequence(data: bytes) -> tuple[list[Any], list[bytes]]:
    """Decode as `decode_sequence` does; return the items, and the bytes of each as it stands in `data`."""
    if len(data) > MAX_LENGTH:
        raise PeerError(f"CBOR of {len(data)} bytes, at most {MAX_LENGTH} are accepted")
    try:
        # The sequence as one array of indefinite length. A break inside, or any other encoding that is not the
        # deterministic one, does not come back out of `encode_sequence`.
        values: list[Any] = cbor2.loads(
            b"\x9f" + data + b"\xff",
            tag_hook=_refuse,
            semantic_decoders=_NO_TAGS,
            max_depth=MAX_DEPTH + 1,
            allow_duplicate_keys=False,
        )
        parts = [_ENCODERS[type(value)](value) for value in values]
    except Exception as error:  # cbor2 lets ValueError, OverflowError and others through on hostile input
        raise PeerError("malformed CBOR") from error
    if b"".join(parts) != data:
        raise PeerError("CBOR is not deterministically encoded")
    return values, parts


# The length of the head of a byte string of 24 bytes and more, by its first byte.
_HEAD_LENGTHS = {b"\x58": 2, b"\x59": 3}
_BYTE = [bytes((byte,)) for byte in range(256)]
_SIMPLE = {False: b"\xf4", True: b"\xf5", None: b"\xf6"}


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return _BYTE[major | number]
    if number < 256:
        return _BYTE[major | 24] + _BYTE[number]
    info, width = (25, 2) if number < 2**16 else (26, 4) if number < 2**32 else (27, 8)
    return _BYTE[major | info] + number.to_bytes(width, "big")


class _Integers(dict[int, bytes]):
    """The encoding of each integer: those that are mostly met, labels for example, stand here, others are made."""

    def __missing__(self, value: int) -> bytes:
        if not -(2**64) <= value < 2**64:
            raise TypeError("CBOR of this protocol holds no integer of more than 64 bits")
        return _head(0x00, value) if value >= 0 else _head(0x20, -1 - value)


_INTEGERS = _Integers()
_INTEGERS.update({number: _INTEGERS[number] for number in range(-24, 256)})
# The heads of the lengths that are mostly met.
_BYTES, _TEXTS, _ARRAYS, _MAPS = ([_head(major, length) for length in range(256)] for major in (0x40, 0x60, 0x80, 0xA0))
encode_int: Callable[[int], bytes] = _INTEGERS.__getitem__
"""Encode an integer, as `encode` does; TypeError for one of more than 64 bits."""


def _encode_text(value: str) -> bytes:
    text = value.encode()
    length = len(text)
    return (_TEXTS[length] if length < 256 else _head(0x60, length)) + text


def _encode_array(value: Sequence[object]) -> bytes:
    length = len(value)
    return (_ARRAYS[length] if length < 256 else _head(0x80, length)) + encode_sequence(*value)


def _encode_map(value: dict[object, object]) -> bytes:
    entries = [_KEYS[type(key)](key) + _ENCODERS[type(item)](item) for key, item in value.items()]
    entries.sort()
    length = len(value)
    return (_MAPS[length] if length < 256 else _head(0xA0, length)) + b"".join(entries)


class _Encoders(dict[type, Callable[[Any], bytes]]):
    """The encoder of each type; a subclass, an enumeration for example, is encoded as the first of its bases here."""

    def __missing__(self, kind: type) -> Callable[[Any], bytes]:
        for base in kind.__mro__:
            if base in self:
                return self[base]
        raise TypeError(f"CBOR of this protocol holds no {kind.__name__} in this place")


_KEYS = _Encoders({bool: _SIMPLE.__getitem__, int: encode_int, bytes: encode_bytes, str: _encode_text})
_ENCODERS = _Encoders(
    _KEYS | {type(None): _SIMPLE.__getitem__, list: _encode_array, tuple: _encode_array, dict: _encode_map}
)
