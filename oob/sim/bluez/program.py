"""A program on the bus that has registered something, as the stand-in calls it."""

import asyncio
from typing import Any, Final

from dbus_fast import Message, MessageFlag, MessageType, unpack_variants
from dbus_fast.aio import MessageBus

from oob.sim.bluez.errors import BluezError

ANSWER_TIMEOUT: Final = 25.0
"""Seconds that a program has to answer: D-Bus's own default."""


class Program:
    """A program, by its unique name on the bus."""

    def __init__(self, bus: MessageBus, name: str) -> None:
        self._bus = bus
        self._name = name

    async def ask(
        self, path: str, interface: str, member: str, signature: str = "", body: list[Any] | None = None
    ) -> Any:  # noqa: ANN401  whatever it returns
        """Call a method and return what it returns, variants unpacked. Raises BluezError for its error or silence."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                reply = await self._bus.call(self._message(path, interface, member, signature, body or []))
        except (EOFError, OSError) as error:  # TimeoutError included
            raise BluezError("org.freedesktop.DBus.Error.NoReply", str(error)) from error
        if reply.message_type is MessageType.ERROR:
            raise BluezError(reply.error_name or "Failed", str(reply.body[0]) if reply.body else "")
        return unpack_variants(reply.body[0]) if reply.body else None

    def tell(self, path: str, interface: str, member: str, signature: str = "", body: list[Any] | None = None) -> None:
        """Call a method and expect no answer. What is told one after the other arrives in that order."""
        message = self._message(path, interface, member, signature, body or [])
        message.flags = MessageFlag.NO_REPLY_EXPECTED
        if self._bus.connected:
            self._bus.send(message)

    def _message(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> Message:
        return Message(self._name, path, interface, member, signature=signature, body=body)
