"""Two turns of phrase that both runtimes use over any link."""

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
