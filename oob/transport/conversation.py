"""Turns of phrase that both runtimes use over any link."""

import asyncio
from collections.abc import Awaitable, Callable

from oob.errors import LinkError, PeerError
from oob.framing.gatt import MessageType
from oob.transport.link import Link


async def expect(link: Link, type: MessageType, timeout: float) -> bytes:
    """Return the peer's next message, which must be of `type`. Raises LinkTimeout, LinkError, PeerError."""
    received, message = await link.receive(timeout)
    if received is not type:
        raise PeerError(f"a {received.name.lower()} message where a {type.name.lower()} message belongs", step="link")
    return message


async def part(link: Link, parting: bytes | None) -> None:
    """Send the error message that ends a handshake, if there is one; a failure to is not worth a second error."""
    if parting is not None:
        try:
            await link.send(MessageType.HANDSHAKE, parting)
        except LinkError:
            return


async def ask(
    link: Link, question: Awaitable[bool], timeout: float, goes_on: Callable[[bytes], bool]
) -> tuple[bool, bytes | None]:
    """Wait for a person's answer while listening to the peer; return it, with the message that came meanwhile, if any.

    The answer is no after `timeout` seconds, or when a message came after which it does not go on. Raises LinkError,
    PeerError as soon as the link ends: nobody is asked in vain.
    """
    asking = asyncio.ensure_future(question)
    reading = asyncio.ensure_future(expect(link, MessageType.HANDSHAKE, 2 * timeout))
    try:
        async with asyncio.timeout(timeout):
            await asyncio.wait({asking, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not goes_on(reading.result()):
                return False, reading.result()
            return await asking, reading.result() if reading.done() else None
    except TimeoutError:
        return False, None
    finally:
        for task in (asking, reading):
            task.cancel()
        await asyncio.wait({asking, reading})
