"""The driver loop: what it survives, and when it gives up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any

import pytest

from oob.errors import LinkBusy, LinkError, LinkLost, LinkTimeout, PeerError, UsageError
from oob.framing.gatt import MessageType, control, fragment, identify, nak, resume
from oob.transport.carrier import Inbox
from oob.transport.link import FramedLink, Link, Timing
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

    async def reconnect(self) -> None:
        raise LinkError("gone")

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
        msgid = frames[0][1]
        wire.inbox.put(nak(msgid + 1, [1], 20))
        wire.inbox.put(nak(msgid, [2, 4, 99], 20))
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
        assert wire.sent == 2 * fragment(HANDSHAKE, 1, b"reply", 20)
        following = fragment(HANDSHAKE, 2, b"following", 20)[0]
        wire.inbox.put(following)
        await link.receive(1)
        wire.inbox.put(following)
        with pytest.raises(LinkTimeout):
            await link.receive(1)
        assert len(wire.sent) == 2  # the reply to an earlier request is none to this one

    run_virtual(main())


def test_busy_is_for_the_client_whose_frame_it_names(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=True)
        await link.send(HANDSHAKE, b"me")
        wire.inbox.put(control(MessageType.BUSY, identify(b"somebody else's frame")))
        with pytest.raises(LinkTimeout):
            await link.receive(0.5)
        wire.inbox.put(control(MessageType.BUSY, identify(wire.sent[0])))
        with pytest.raises(LinkBusy):
            await link.receive(1)

    run_virtual(main())


@pytest.mark.parametrize("type", [MessageType.BUSY, MessageType.RESUME, MessageType.CLOSE])
def test_what_steers_the_client_is_a_fault_where_a_device_hears_it(run_virtual: Run, type: MessageType) -> None:
    async def main() -> None:
        wire = Wire()
        wire.inbox.put(control(type))
        with pytest.raises(PeerError):
            await FramedLink(wire, initiator=False).receive(1)

    run_virtual(main())


def test_what_is_meant_for_another_client_is_not_taken_for_an_answer(run_virtual: Run) -> None:
    """Notifications of BlueZ reach every client; the msgids of two conversations begin at different numbers."""

    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=True)
        await link.send(HANDSHAKE, b"me")
        mine = wire.sent[0][1]
        for msgid in (mine + 5 & 0xFF, mine, mine - 1 & 0xFF):
            for frame in fragment(HANDSHAKE, msgid, bytes(100), 20):
                wire.inbox.put(frame)
        for other in (resume(bytes(8), True), nak(mine + 9 & 0xFF, [0], 20)):
            wire.inbox.put(other)
        for frame in fragment(HANDSHAKE, mine + 1 & 0xFF, bytes(range(100)), 20):
            wire.inbox.put(frame)
        assert await link.receive(5) == (HANDSHAKE, bytes(range(100)))

    run_virtual(main())


def test_a_client_that_is_not_told_the_mtu_learns_it_from_the_first_answer(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=True)
        await link.send(HANDSHAKE, bytes(100))
        assert max(map(len, wire.sent)) == 20
        for frame in fragment(HANDSHAKE, wire.sent[0][1] + 1 & 0xFF, bytes(300), 182):
            wire.inbox.put(frame)
        await link.receive(1)
        wire.sent.clear()
        await link.send(HANDSHAKE, bytes(300))
        assert list(map(len, wire.sent)) == [182, 123]

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


class Air(Wire):
    """A carrier that can be lost and reached again; `script` says what the peer answers to each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = 0
        self.script: list[bytes | LinkLost | None] = []

    async def send(self, frame: bytes, last: bool) -> None:
        if self.inbox.error is not None:
            raise self.inbox.error
        await super().send(frame, last)
        if last and self.script:
            match self.script.pop(0):
                case bytes() as answer:
                    self.inbox.put(answer)
                case LinkLost() as error:
                    self.inbox.fail(error)

    async def reconnect(self) -> None:
        self.reached += 1
        self.inbox = Inbox()


def answer_to(request: bytes, reply: bytes) -> bytes:
    return fragment(HANDSHAKE, identify(request)[0] + 1 & 0xFF, reply, 20)[0]


LOST = LinkLost("connection lost", step="link")
ID = identify(b"request")
REQUEST = fragment(HANDSHAKE, ID[0], b"request", 20)[0]
REPLY = answer_to(b"request", b"reply")


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        ([LOST, resume(ID, True), REPLY], [REQUEST, resume(ID), REQUEST]),
        ([LOST, resume(ID, False), REPLY], [REQUEST, resume(ID), REQUEST]),
        ([LOST, None, resume(ID, True), REPLY], [REQUEST, resume(ID), resume(ID), REQUEST]),
        (
            [LOST, control(MessageType.BUSY, identify(resume(ID))), resume(ID, True), REPLY],
            [REQUEST, resume(ID), resume(ID), REQUEST],
        ),
        ([LOST, LOST, LOST, resume(ID, True), REPLY], [REQUEST, resume(ID), resume(ID), resume(ID), REQUEST]),
        ([LOST, resume(ID, True), LOST, resume(ID, True), REPLY], [REQUEST, *2 * [resume(ID), REQUEST]]),
        ([LOST, resume(bytes(8), False), resume(ID, True), REPLY], [REQUEST, resume(ID), resume(ID), REQUEST]),
    ],
    ids=["goes on", "begins anew", "RESUME lost", "old connection", "lost again", "lost later", "another's answer"],
)
def test_a_client_takes_the_conversation_up_again(
    run_virtual: Run, script: list[bytes | LinkLost | None], sent: list[bytes]
) -> None:
    async def main() -> None:
        air = Air()
        air.script = list(script)
        link = FramedLink(air, initiator=True)
        await link.send(HANDSHAKE, b"request")
        assert await link.receive(5) == (HANDSHAKE, b"reply")
        assert air.sent == sent
        assert air.reached == script.count(LOST)

    run_virtual(main())


def test_a_device_that_gave_up_an_answered_conversation_ends_it(run_virtual: Run) -> None:
    async def main() -> None:
        air = Air()
        air.script = [REPLY, LOST, resume(ID, False)]
        link = FramedLink(air, initiator=True)
        await link.send(HANDSHAKE, b"request")
        await link.receive(1)
        await link.send(HANDSHAKE, b"more")
        with pytest.raises(LinkLost):
            await link.receive(5)
        assert asyncio.get_running_loop().time() == 0

    run_virtual(main())


@pytest.mark.parametrize("answer", [control(MessageType.BUSY, identify(resume(ID))), resume(bytes(8), False)])
def test_a_client_that_waits_for_its_own_former_connection_asks_once_a_second(run_virtual: Run, answer: bytes) -> None:
    """Also where it only hears what others are told."""

    async def main() -> None:
        air = Air()
        air.script = [LOST, answer, answer, answer, resume(ID, True), REPLY]
        link = FramedLink(air, initiator=True)
        await link.send(HANDSHAKE, b"request")
        assert await link.receive(5) == (HANDSHAKE, b"reply")
        assert asyncio.get_running_loop().time() == pytest.approx(3)

    run_virtual(main())


def test_losses_are_survived_8_times(run_virtual: Run) -> None:
    async def main() -> None:
        air = Air()
        air.script = [LOST for _ in range(100)]
        link = FramedLink(air, initiator=True)
        await link.send(HANDSHAKE, b"request")
        with pytest.raises(LinkLost):
            await link.receive(5)
        assert air.reached == 8

    run_virtual(main())


def test_a_wait_stands_still_while_there_is_no_connection_and_30_s_at_most(run_virtual: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for away, survives in ((29, True), (31, False)):
            air = Air()
            air.script = [LOST, resume(ID, True), REPLY]

            async def reconnect(air: Air = air, away: float = away) -> None:
                await asyncio.sleep(away)
                await Air.reconnect(air)

            air.reconnect = reconnect  # type: ignore[method-assign]
            link = FramedLink(air, initiator=True)
            begin = loop.time()
            await link.send(HANDSHAKE, b"request")
            if survives:
                assert await link.receive(5) == (HANDSHAKE, b"reply")
            else:
                with pytest.raises(LinkLost):
                    await link.receive(5)
                assert loop.time() - begin == pytest.approx(30)

    run_virtual(main())


def test_a_device_whose_reply_was_cut_off_sends_it_whole_when_the_client_is_back(run_virtual: Run) -> None:
    async def main() -> None:
        air = Air()
        link = FramedLink(air, initiator=False)
        air.inbox.put(REQUEST)
        await link.receive(1)
        assert link.id == ID
        air.inbox.fail(LOST)
        await link.send(HANDSHAKE, bytes(40))
        assert air.sent == fragment(HANDSHAKE, ID[0] + 1, bytes(40), 20)
        assert air.reached == 1

    run_virtual(main())


def test_a_device_that_heard_no_whole_message_gives_up_at_once(run_virtual: Run) -> None:
    async def main() -> None:
        air = Air()
        air.inbox.fail(LOST)
        with pytest.raises(LinkLost):
            await FramedLink(air, initiator=False).receive(5)
        assert air.reached == 0

    run_virtual(main())


def test_a_cancelled_resumption_is_taken_up_by_the_next_wait(run_virtual: Run) -> None:
    async def main() -> None:
        air = Air()
        air.script = [LOST]
        link = FramedLink(air, initiator=True)
        await link.send(HANDSHAKE, b"request")
        waiting = asyncio.create_task(link.receive(100))
        await asyncio.sleep(2.5)  # RESUME goes out, again and again, unanswered
        waiting.cancel()
        await asyncio.wait({waiting})
        air.script = [resume(ID, True), REPLY]
        assert await link.receive(5) == (HANDSHAKE, b"reply")

    run_virtual(main())


def test_a_device_stays_until_its_last_message_got_through(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=False)
        wire.inbox.put(REQUEST)
        await link.receive(1)
        await link.send(HANDSHAKE, b"reply")
        closing = asyncio.create_task(link.close())
        await asyncio.sleep(1)
        wire.inbox.put(REQUEST)  # the client has not heard it
        await asyncio.sleep(1)
        assert wire.sent == 2 * [REPLY]
        wire.inbox.fail(LOST)
        await closing

    run_virtual(main())


@pytest.mark.parametrize(("answered", "stays"), [(False, 0), (True, 8)])
def test_a_device_stays_8_s_at_most_and_only_after_words_of_its_own(
    run_virtual: Run, answered: bool, stays: float
) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=False)
        wire.inbox.put(REQUEST)
        await link.receive(1)
        if answered:
            await link.send(HANDSHAKE, b"reply")
        await link.close()
        assert asyncio.get_running_loop().time() == pytest.approx(stays)

    run_virtual(main())


@pytest.mark.parametrize("asked", ["the whole", "a part"])
def test_a_flood_of_requests_brings_no_flood_of_answers(run_virtual: Run, asked: str) -> None:
    """Each would otherwise cost the radio, and the queue of a stack, a whole message of up to 4 KiB."""

    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=False)
        wire.inbox.put(REQUEST)
        await link.receive(1)
        await link.send(HANDSHAKE, bytes(2000))
        reply = list(wire.sent)
        wire.sent.clear()
        for _ in range(100):
            wire.inbox.put(REQUEST if asked == "the whole" else nak(ID[0] + 1, range(len(reply)), 132))
        with pytest.raises(LinkTimeout):
            await link.receive(0.15)
        assert wire.sent == reply
        wire.inbox.put(REQUEST)
        with pytest.raises(LinkTimeout):
            await link.receive(0.15)
        assert wire.sent == 2 * reply

    run_virtual(main())


def test_a_client_does_not_stay(run_virtual: Run) -> None:
    """It alone knows that it has all that it wanted."""

    async def main() -> None:
        link = FramedLink(Wire(), initiator=True)
        await link.send(HANDSHAKE, b"anyone?")
        await link.close()
        assert asyncio.get_running_loop().time() == 0

    run_virtual(main())


@pytest.mark.parametrize("how", ["in vain", "lost"])
def test_a_device_whose_client_is_gone_does_not_stay(run_virtual: Run, how: str) -> None:
    async def main() -> None:
        air = Air()

        async def reconnect() -> None:
            await asyncio.sleep(100)

        air.reconnect = reconnect  # type: ignore[method-assign]
        link = FramedLink(air, initiator=False)
        air.inbox.put(REQUEST)
        await link.receive(1)
        if how == "lost":
            air.inbox.fail(LOST)
            with pytest.raises(LinkLost):
                await link.send(HANDSHAKE, b"reply")
        else:
            await link.send(HANDSHAKE, b"reply")
            with pytest.raises(LinkTimeout):
                await link.receive(30)
        await link.close()
        assert asyncio.get_running_loop().time() == pytest.approx(30)

    run_virtual(main())


def test_whoever_is_back_repeats_at_once(run_virtual: Run) -> None:
    async def main() -> None:
        loop, air = asyncio.get_running_loop(), Air()
        air.script = [LOST, resume(ID, True), REPLY]
        client = FramedLink(air, initiator=True)
        await client.send(HANDSHAKE, b"request")
        assert await client.receive(5) == (HANDSHAKE, b"reply")
        assert loop.time() == 0

        air = Air()
        device = FramedLink(air, initiator=False)
        for frame in (REQUEST, REQUEST):
            air.inbox.put(frame)
        await device.receive(1)
        await device.send(HANDSHAKE, b"reply")
        reading = asyncio.create_task(device.receive(5))
        for _ in range(5):
            await asyncio.sleep(0)
        air.inbox.fail(LOST)
        while not air.reached:
            await asyncio.sleep(0)
        air.inbox.put(REQUEST)
        for _ in range(5):
            await asyncio.sleep(0)
        assert air.sent == 3 * [REPLY]
        assert loop.time() == 0
        reading.cancel()
        await asyncio.wait({reading})

    run_virtual(main())


def test_a_request_is_repeated_ever_more_seldom(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=True)
        await link.send(HANDSHAKE, b"anyone?")
        waiting = asyncio.create_task(link.receive(100))
        for seconds, sent in ((0.9, 1), (0.2, 2), (1.8, 2), (0.2, 3), (3.8, 3), (0.2, 4), (24, 7)):
            await asyncio.sleep(seconds)
            assert len(wire.sent) == sent
        waiting.cancel()
        await asyncio.wait({waiting})

    run_virtual(main())


def test_a_device_goes_by_the_mtu_that_its_stack_tells(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=False)
        wire.inbox.put(fragment(HANDSHAKE, 0, bytes(100), 182)[0])
        await link.receive(1)
        await link.send(HANDSHAKE, bytes(100))
        assert max(map(len, wire.sent)) == 20

    run_virtual(main())


def test_a_device_that_gave_up_once_and_was_answered_stays_as_any_other(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()
        link = FramedLink(wire, initiator=False)
        with pytest.raises(LinkTimeout):
            await link.receive(1)
        wire.inbox.put(REQUEST)
        await link.receive(1)
        await link.send(HANDSHAKE, b"reply")
        await link.close()
        assert asyncio.get_running_loop().time() == pytest.approx(1 + 8)

    run_virtual(main())


def test_a_device_that_is_told_to_stop_does_not_stay(run_virtual: Run) -> None:
    async def main() -> None:
        wire = Wire()

        async def work() -> None:
            async with FramedLink(wire, initiator=False) as link:
                wire.inbox.put(REQUEST)
                await link.receive(1)
                await link.send(HANDSHAKE, b"reply")
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await asyncio.sleep(0.5)
        working.cancel()
        await asyncio.wait({working})
        assert working.cancelled()
        assert asyncio.get_running_loop().time() == pytest.approx(0.5)

    run_virtual(main())
