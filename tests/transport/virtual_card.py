"""A virtual card in the slot of vsmartcard's reader: answers what its driver, vpcd, asks for pcscd over TCP.

The card is any `oob.transport.nfc.Card`; it is called in the event loop's thread. Each message of vpcd has its length
in front, 2 bytes; a message of one byte is no APDU, but about the power of the card, or a request for its ATR.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final, Self

from oob.transport.nfc import Card

PORT: Final = 0x8C7B
"""Where vpcd waits for the card in its first slot."""
TYPE_4_ATR: Final = bytes.fromhex("3B8180018080")
"""Of a Type 4A tag with one historical byte (PC/SC, part 3, section 3.1.3.2.3.1)."""

_OFF: Final = 0
_ATR: Final = 4


def storage_atr(standard: int, name: int) -> bytes:
    """Return the ATR of a storage card (PC/SC, part 3, section 3.1.3.2.3.2)."""
    atr = bytes.fromhex("3B8F8001804F0CA000000306") + bytes((standard,)) + name.to_bytes(2) + bytes(4)
    check = 0
    for byte in atr[1:]:
        check ^= byte
    return atr + bytes((check,))


NTAG_ATR: Final = storage_atr(0x03, 0x0003)


class Storage:
    """A Type 2 tag as its reader shows it: in pseudo-APDUs, not in the tag's own commands."""

    def __init__(self, tag: Card) -> None:
        self._tag = tag

    def activate(self) -> None:
        self._tag.activate()

    def process(self, command: bytes) -> bytes:
        if command[:3] == b"\xff\xb0\x00" and command[4:] == b"\x10":
            data = self._tag.process(b"\x30" + command[3:4])
            return data + b"\x90\x00" if len(data) == 16 else b"\x63\x00"
        if command[:3] == b"\xff\xd6\x00" and command[4:5] == b"\x04":
            is_done = self._tag.process(b"\xa2" + command[3:4] + command[5:]) == b"\x0a"
            return b"\x90\x00" if is_done else b"\x63\x00"
        return b"\x6a\x81"

    def deactivate(self) -> None:
        self._tag.deactivate()


class VirtualCard:
    """A card that is in the slot inside the block; pcscd looks every 0.4 s whether there is one."""

    def __init__(self, card: Card, atr: bytes = TYPE_4_ATR, port: int = PORT) -> None:
        self._card, self._atr, self._port = card, atr, port
        self.is_mute = False
        """Whether APDUs go unanswered; it still tells its ATR, as a card that is there does."""
        self.apdus = 0
        """APDUs that were answered."""

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.remove()

    async def remove(self) -> None:
        """Take the card out of the slot."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._serving

    async def _serve(self) -> None:
        connection: socket.socket = self._writer.get_extra_info("socket")
        with suppress(asyncio.IncompleteReadError):  # taken out, or pcscd has ended
            while True:
                length = int.from_bytes(await self._reader.readexactly(2))
                # vpcd sends length and content apart: without it, Nagle waits 40 ms for the delayed acknowledgement.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                self._answer(await self._reader.readexactly(length))
        self._card.deactivate()

    def _answer(self, message: bytes) -> None:
        if len(message) == 1:
            answer = self._control(message[0])
        elif self.is_mute:
            return
        else:
            self.apdus += 1
            answer = self._card.process(message)
        if answer is not None:
            self._writer.write(len(answer).to_bytes(2) + answer)

    def _control(self, code: int) -> bytes | None:
        if code == _ATR:
            return self._atr
        if code == _OFF:
            self._card.deactivate()
        else:  # power on, reset
            self._card.activate()
        return None
