import pytest

from oob.errors import LinkTimeout, PeerError
from oob.framing.gatt import MessageType
from oob.transport.conversation import expect, part
from oob.transport.memory import link_pair


async def test_returns_the_message_that_is_expected() -> None:
    ours, theirs = link_pair()
    await theirs.send(MessageType.HANDSHAKE, b"1")
    assert await expect(ours, MessageType.HANDSHAKE, 1) == b"1"


async def test_refuses_another() -> None:
    ours, theirs = link_pair()
    await theirs.send(MessageType.CHANNEL, b"1")
    with pytest.raises(PeerError, match="a channel message where a handshake message belongs"):
        await expect(ours, MessageType.HANDSHAKE, 1)


async def test_waits_no_longer_than_it_should() -> None:
    ours, _ = link_pair()
    with pytest.raises(LinkTimeout):
        await expect(ours, MessageType.HANDSHAKE, 0.01)


async def test_parts_with_an_error_message_if_there_is_one() -> None:
    ours, theirs = link_pair()
    await part(ours, None)
    await part(ours, b"error")
    assert await theirs.receive(1) == (MessageType.HANDSHAKE, b"error")


async def test_parts_in_silence_when_the_peer_is_gone() -> None:
    ours, theirs = link_pair()
    await theirs.close()
    await part(ours, b"error")
