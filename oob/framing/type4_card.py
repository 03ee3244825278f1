"""A Type 4 tag, from the tag's side: answers APDUs from a capability container and an NDEF file, sans-IO.

The file that a reader reads and the bytes that it writes are apart: what is read is taken as a whole when its beginning
is read, so that length and content always belong together; what is written counts once its length is there.
"""

from typing import Final, Protocol

from oob.framing.ndef import MAX_NDEF
from oob.framing.type4 import AID, CC_FILE, CC_LENGTH, MAX_DATA, OK, WRITE_FORBIDDEN

NDEF_FILE: Final = bytes.fromhex("E104")

_WRONG_LENGTH: Final = bytes.fromhex("6700")
_NOT_ALLOWED: Final = bytes.fromhex("6986")
_SECURITY: Final = bytes.fromhex("6982")
_NOT_FOUND: Final = bytes.fromhex("6A82")
_WRONG_P1P2: Final = bytes.fromhex("6B00")
_NO_SUCH_INS: Final = bytes.fromhex("6D00")
_NO_SUCH_CLA: Final = bytes.fromhex("6E00")
_NLEN: Final = 2


class NdefFile(Protocol):
    """What is in the NDEF file. Nothing here raises."""

    is_writable: bool

    def begin(self) -> None:
        """A reader has selected the tag."""
        ...

    def content(self) -> bytes:
        """Return the message that is there now; called once for each reading from the beginning."""
        ...

    def written(self, message: bytes) -> None:
        """Take a message that was written whole, b"" for none; it may be no NDEF message."""
        ...

    def lock(self) -> bool:
        """Forbid writing, for ever; return whether that can be done."""
        ...

    def end(self) -> None:
        """The reader is gone."""
        ...


class StoredNdef:
    """A file that keeps what was written to it, as a card does."""

    def __init__(self, message: bytes = b"") -> None:
        self.message = message
        self.is_writable = True

    def begin(self) -> None:
        """Do nothing."""

    def content(self) -> bytes:
        """Return the message."""
        return self.message

    def written(self, message: bytes) -> None:
        """Keep the message."""
        self.message = message

    def lock(self) -> bool:
        """Forbid writing; return True."""
        self.is_writable = False
        return True

    def end(self) -> None:
        """Do nothing."""


class Type4Card:
    """The card around a file of `capacity` bytes of NDEF. `process` answers whatever comes."""

    def __init__(self, file: NdefFile, *, capacity: int = MAX_NDEF, max_data: int = MAX_DATA) -> None:
        self._file, self._capacity, self._max_data = file, capacity, max_data
        self._in_application = False
        self._selected = b""
        self._image = b""  # NLEN and the message, as of when the reader began to read
        self._buffer = bytearray(_NLEN + capacity)

    def activate(self) -> None:
        """Begin anew for a reader that has selected the tag."""
        self._in_application, self._selected = False, b""
        self._forget()
        self._file.begin()

    def deactivate(self) -> None:
        """End: the reader is gone."""
        self._forget()
        self._file.end()

    def process(self, command: bytes) -> bytes:
        """Return the response to one APDU, with its status word."""
        if len(command) < 4:
            return _WRONG_LENGTH
        if command[0] != 0:
            return _NO_SUCH_CLA
        match command[1]:
            case 0xA4:
                return self._select(command)
            case 0xB0:
                return self._read(command)
            case 0xD6:
                return self._update(command)
        return _NO_SUCH_INS

    def _select(self, command: bytes) -> bytes:
        how, name = command[2:4], _data(command)
        if how == b"\x04\x00" and name == AID:
            self._in_application, self._selected = True, b""
            return OK
        if how == b"\x00\x0c" and self._in_application and name in (CC_FILE, NDEF_FILE):
            self._selected = name
            return OK
        return _NOT_FOUND

    def _read(self, command: bytes) -> bytes:
        if not self._selected:
            return _NOT_ALLOWED
        if len(command) != 5:
            return _WRONG_LENGTH
        offset, length = int.from_bytes(command[2:4], "big"), command[4] or 256
        if self._selected == CC_FILE:
            image, size = self._container(), CC_LENGTH
        else:
            image, size = self._image_at(offset), len(self._buffer)
        if offset >= size:
            return _WRONG_P1P2
        # Not beyond the message, which spares the air; what is behind it is zeros, for who asks for that alone.
        part = image[offset : offset + length] or bytes(min(length, size - offset))
        return part + OK

    def _update(self, command: bytes) -> bytes:
        if not self._selected:
            return _NOT_ALLOWED
        offset, data = int.from_bytes(command[2:4], "big"), _data(command)
        if not data or len(data) > self._max_data:
            return _WRONG_LENGTH
        if self._selected == CC_FILE:
            return self._update_container(offset, data)
        if not self._file.is_writable:
            return _SECURITY
        if offset + len(data) > len(self._buffer):
            return _WRONG_P1P2
        self._buffer[offset : offset + len(data)] = data
        if offset < _NLEN:
            self._take()
        return OK

    def _take(self) -> None:
        """The length was written: what it covers is a message, and none while it is 0 or more than there is."""
        length = int.from_bytes(self._buffer[:_NLEN], "big")
        self._image = b""
        message = bytes(self._buffer[_NLEN : _NLEN + length]) if length <= self._capacity else b""
        if message:
            self._forget()
        self._file.written(message)

    def _update_container(self, offset: int, data: bytes) -> bytes:
        """Let nothing be done to the container but that writing is forbidden from now on."""
        if offset == CC_LENGTH - 1 and data == bytes((WRITE_FORBIDDEN,)) and self._file.lock():
            return OK
        return _SECURITY

    def _image_at(self, offset: int) -> bytes:
        if offset == 0 or not self._image:
            message = self._file.content()
            self._image = len(message).to_bytes(_NLEN, "big") + message
        return self._image

    def _container(self) -> bytes:
        access = 0 if self._file.is_writable else WRITE_FORBIDDEN
        limits = self._max_data.to_bytes(2, "big") * 2
        file = NDEF_FILE + len(self._buffer).to_bytes(2, "big") + bytes((0, access))
        return CC_LENGTH.to_bytes(2, "big") + b"\x20" + limits + b"\x04\x06" + file

    def _forget(self) -> None:
        """Leave nothing of a message for who comes next."""
        self._image = b""
        self._buffer[:] = bytes(len(self._buffer))


def _data(command: bytes) -> bytes:
    """Return the data of a command with Lc, and perhaps Le; b"" where the lengths do not fit."""
    length = command[4] if len(command) > 4 else 0
    return command[5 : 5 + length] if len(command) in (5 + length, 6 + length) else b""
