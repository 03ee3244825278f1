"""The driver loop: what it survives, and when it gives up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any

import pytest

from oob.errors import LinkBusy, LinkError, LinkTimeout, PeerError, UsageError
from oob.framing.gatt import MessageType, fragment, nak
from oob.transport.link import FramedLink, Inbox, Link, Timing, finish
from oob.transport.memory import link_pair

Run = Callable[[Coroutine[Any, Any, Any]], Any]
HANDSHAKE = MessageType.HANDSHAKE


class Wire:
    """A carrier whose other end is the test."""

    name = "test"
    max_frame = 20

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.inbox = Inbox()
        self.stuck = False

    async def send(self, frame: bytes, last: bool) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        self.sent.append(frame)

    async def receive(self) -> bytes:
        return await self.inbox.get()

    async def close(self) -> None:
        self.inbox.fail(LinkError("closed"))


async def serve(link: FramedLink, answer: Callable[[bytes], bytes] = bytes) -> None:
    """Answer every message until the connection ends."""
    try:
        while True:
            kind, message = await link.receive(1000)
            await link.send(kind, answer(message))
    except LinkError:
        await link.close()


async def with_server(link: FramedLink, work: Awaitable[None]) -> None:
    server = asyncio.create_task(serve(link))
    try:
        await work
    finally:
        await link.close()
        await server


@pytest.mark.parametrize("max_frame", [20, 182, 244, 512])
@pytest.mark.parametrize(
    "faults",
    [
        {"loss": 0.05},
        {"duplicate": 0.2},
        {"reorder": 0.3},
        {"loss": 0.05, "duplicate": 0.05, "reorder": 0.1, "delay": 0.03},
        {"loss": 0.3, "delay": 0.03},
    ],
    ids=lambda faults: "-".join(faults),
)
def test_300_exchanges_of_4_messages_survive(run_virtual: Run, max_frame: int, faults: dict[str, Any]) -> None:
    async def exchange(seed: int) -> None:
        random = Random(seed)
        client, device = link_pair(max_frame=max_frame, random=random, **faults)

        async def converse() -> None:
            for kind in (MessageType.HANDSHAKE, MessageType.CHANNEL):
                message = random.randbytes(random.randrange(700))
                await client.send(kind, message)
                assert await client.receive(60) == (kind, message)

        await with_server(device, converse())

    async def main() -> None:
        for seed in range(300):
            await exchange(seed)

    run_virtual(main())


def test_links_are_links() -> None:
    client, device = link_pair()
    assert isinstance(client, Link)
    assert isinstance(device, Link)
    assert client.carrier == "memory"


def test_bytes_are_counted_with_their_framing(run_virtual: Run) -> None:
    async def main() -> None:
        client, device = link_pair(max_frame=20)
        await client.send(HANDSHAKE, bytes(100))
        await device.receive(1)
        assert client.bytes_sent == device.bytes_received == 100 + 4 + 5
        assert client.bytes_received == device.bytes_sent == 0

    run_virtual(main())


def test_a_slow_answer_is_waited_for_and_given_once(run_virtual: Run) -> None:
    """A person may take a minute to say yes: the request is repeated meanwhile, and answered once."""

    async def main() -> None:
        client, device = link_pair(delay=0.03)
        answered = []

        async def consent() -> None:
            _, message = await device.receive(1)
            await asyncio.sleep(60)
            answered.append(message)
            await device.send(HANDSHAKE, b"yes")
            with pytest.raises(LinkTimeout):
                await device.receive(5)

        person = asyncio.create_task(consent())
        await client.send(HANDSHAKE, b"ok?")
        assert await client.receive(90) == (HANDSHAKE, b"yes")
        assert answered == [b"ok?"]
        await person

    run_virtual(main())


def test_silence_ends_at_the_deadline(run_virtual: Run) -> None:
    async def main() -> None:
        client, _ = link_pair()
        start = asyncio.get_running_loop().time()
        await client.send(HANDSHAKE, b"anyone?")
        with pytest.raises(LinkTimeout, match="did not answer within 7 s"):
            await client.receive(7)
        assert asyncio.get_running_loop().time() - start == pytest.approx(7)

    run_virtual(main())


def test_repetition_is_bounded(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=True, timing=Timing(retries=3))
        await link.send(HANDSHAKE, b"x")
        with pytest.raises(LinkTimeout):
            await link.receive(1000)
        assert len(wire.sent) == 1 + 3

    run_virtual(main())


def test_a_message_that_stops_half_way_is_asked_for_and_named(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=False)
        frames = fragment(HANDSHAKE, 0, bytes(100), 20)
        wire.inbox.put(frames[0])
        wire.inbox.put(frames[2])
        with pytest.raises(LinkTimeout, match="stopped in the middle"):
            await link.receive(1)
        assert set(wire.sent) == {nak(0, [1, 3, 4, 5], 20)}

    run_virtual(main())


def test_a_nak_brings_only_the_frames_that_it_names(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=True)
        await link.send(HANDSHAKE, bytes(range(100)))
        frames = list(wire.sent)
        wire.sent.clear()
        wire.inbox.put(nak(0, [2, 4, 99], 20))
        wire.inbox.put(nak(7, [1], 20))
        with pytest.raises(LinkTimeout):
            await link.receive(0.5)
        assert wire.sent == [frames[2], frames[4]]

    run_virtual(main())


def test_a_repeated_request_brings_the_cached_reply(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=False)
        request = fragment(HANDSHAKE, 0, b"request", 20)[0]
        wire.inbox.put(request)
        await link.receive(1)
        wire.inbox.put(request)
        with pytest.raises(LinkTimeout):
            await link.receive(1)
        assert wire.sent == []  # no reply yet: nothing to repeat
        await link.send(HANDSHAKE, b"reply")
        wire.inbox.put(request)
        with pytest.raises(LinkTimeout):
            await link.receive(1)
        assert wire.sent == 2 * fragment(HANDSHAKE, 0, b"reply", 20)
        following = fragment(HANDSHAKE, 1, b"following", 20)[0]
        wire.inbox.put(following)
        await link.receive(1)
        wire.inbox.put(following)
        with pytest.raises(LinkTimeout):
            await link.receive(1)
        assert len(wire.sent) == 2  # the reply to an earlier request is none to this one

    run_virtual(main())


def test_busy_means_busy_to_a_client_and_a_fault_to_a_device(run_virtual: Run) -> None:
    async def main() -> None:
        for initiator, error in ((True, LinkBusy), (False, PeerError)):
            wire = Wire()
            wire.inbox.put(fragment(MessageType.BUSY, 0, b"", 20)[0])
            with pytest.raises(error):
                await FramedLink(wire, initiator=initiator).receive(1)

    run_virtual(main())


def test_garbage_is_the_peers_fault(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        wire.inbox.put(b"\x00garbage")
        with pytest.raises(PeerError):
            await FramedLink(wire, initiator=False).receive(1)

    run_virtual(main())


def test_a_carrier_that_takes_nothing_ends_at_a_deadline(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        wire.stuck = True
        with pytest.raises(LinkTimeout, match="did not leave within 10 s"):
            await FramedLink(wire, initiator=True).send(HANDSHAKE, b"x")

    run_virtual(main())


def test_too_long_a_message_is_refused_before_anything_is_sent(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        with pytest.raises(UsageError):
            await FramedLink(wire, initiator=True).send(HANDSHAKE, bytes(5000))
        assert wire.sent == []

    run_virtual(main())


def test_a_closed_link_says_so(run_virtual: Run) -> None:
    async def main() -> None:
        async with link_pair()[0] as link:
            pass
        await link.close()
        with pytest.raises(LinkError, match="closed"):
            await link.send(HANDSHAKE, b"x")
        with pytest.raises(LinkError, match="closed"):
            await link.receive(1)

    run_virtual(main())


async def test_a_message_that_is_repeated_arrives_once() -> None:
    client, device = link_pair(max_frame=20)
    await client.send(HANDSHAKE, bytes(100))
    await client.repeat()
    assert client.bytes_sent == 2 * sum(map(len, fragment(HANDSHAKE, 0, bytes(100), 20)))
    assert await device.receive(1) == (HANDSHAKE, bytes(100))
    with pytest.raises(LinkTimeout):
        await device.receive(0.01)
    await device.send(HANDSHAKE, b"answer")
    assert await client.receive(1) == (HANDSHAKE, b"answer")
    sent = client.bytes_sent
    await client.repeat()
    assert client.bytes_sent == sent


async def test_frames_of_any_kind_can_be_sent() -> None:
    client, device = link_pair()
    await client.send_frames([b"\x80\x00\xff\xff"])
    with pytest.raises(PeerError, match="65535 bytes"):
        await device.receive(1)


async def test_an_inbox_is_bounded_and_fails_after_its_last_frame() -> None:
    inbox = Inbox()
    for _ in range(2000):
        inbox.put(b"x")
    inbox.fail(LinkError("first"))
    inbox.fail(LinkError("second"))
    for _ in range(512):
        assert await inbox.get() == b"x"
    with pytest.raises(LinkError, match="first"):
        await inbox.get()


async def test_clean_up_goes_on_when_cancelled() -> None:
    done, release = [], asyncio.Event()

    async def clean() -> None:
        await release.wait()
        done.append(True)

    waiting = asyncio.create_task(finish(asyncio.create_task(clean())))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done
