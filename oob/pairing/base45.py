"""Base45 (RFC 9285), strict: what decodes here encodes to the same text."""

from typing import Final

from oob.errors import PeerError

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def encode(data: bytes) -> str:
    """Return 3 characters for each 2 bytes, 2 for an odd last one."""
    text = ""
    for start in range(0, len(data), 2):
        chunk = data[start : start + 2]
        value = int.from_bytes(chunk, "big")
        for _ in range(len(chunk) + 1):
            value, digit = divmod(value, 45)
            text += ALPHABET[digit]
    return text


def decode(text: str) -> bytes:
    """Return the bytes; PeerError for another character, a wrong length or a group that stands for too much."""
    data = b""
    for start in range(0, len(text), 3):
        digits = [ALPHABET.find(character) for character in text[start : start + 3]]
        value = sum(digit * 45**place for place, digit in enumerate(digits))
        if len(digits) == 1 or -1 in digits or value >> 8 * (len(digits) - 1):
            raise PeerError("malformed base45 text", step="bootstrap")
        data += value.to_bytes(len(digits) - 1, "big")
    return data
