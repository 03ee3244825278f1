import asyncio

import pytest

from oob.errors import LinkError, LinkTimeout, PeerError
from oob.framing.gatt import MessageType
from oob.transport.conversation import ask, expect, part
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


async def answer(agreed: bool, after: asyncio.Event | None = None) -> bool:
    if after is not None:
        await after.wait()
    return agreed


@pytest.mark.parametrize("agreed", [True, False])
async def test_asks_while_it_listens(agreed: bool) -> None:
    ours, theirs = link_pair()
    assert await ask(ours, answer(agreed), 5, lambda _: True) == (agreed, None)
    await theirs.send(MessageType.HANDSHAKE, b"1")
    heard = asyncio.Event()
    assert await ask(ours, answer(agreed, heard), 5, lambda _: heard.set() or True) == (agreed, b"1")  # type: ignore[func-returns-value]


async def test_stops_asking_when_the_peer_says_no() -> None:
    ours, theirs = link_pair()
    await theirs.send(MessageType.HANDSHAKE, b"no")
    assert await ask(ours, answer(True, asyncio.Event()), 5, lambda message: message != b"no") == (False, b"no")


async def test_stops_asking_when_the_link_ends() -> None:
    ours, theirs = link_pair()
    asking = asyncio.create_task(ask(ours, answer(True, asyncio.Event()), 5, lambda _: True))
    await asyncio.sleep(0)
    await theirs.close()
    with pytest.raises(LinkError):
        await asking


async def test_no_answer_is_no() -> None:
    ours, _ = link_pair()
    assert await ask(ours, answer(True, asyncio.Event()), 0.01, lambda _: True) == (False, None)
