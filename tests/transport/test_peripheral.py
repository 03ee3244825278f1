"""The device side, driven by a stack that only takes notes."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

import pytest

from oob.errors import LinkError, LinkLost, LinkTimeout, PeerError
from oob.framing.gatt import MessageType, control, fragment, identify, resume
from oob.transport.link import FramedLink, Timing
from oob.transport.peripheral import Clients, Peripheral

HANDSHAKE = MessageType.HANDSHAKE


class Notes:
    """A Stack that writes down what it is asked to do."""

    carrier = "ble"

    def __init__(self) -> None:
        self.running = False
        self.advertised: list[bytes | None] = []
        self.notified: list[tuple[Hashable, bytes]] = []
        self.disconnected: list[Hashable] = []
        self.deaf: set[Hashable] = set()  # who cannot be notified

    async def start(self, clients: Clients) -> None:
        self.running = True

    async def advertise(self, tag: bytes | None) -> None:
        self.advertised.append(tag)

    async def stop(self) -> None:
        self.running = False

    async def notify(self, peer: Hashable, value: bytes) -> None:
        if peer in self.deaf:
            raise LinkError("Bluetooth is gone", step="link")
        self.notified.append((peer, value))

    async def disconnect(self, peer: Hashable) -> None:
        self.disconnected.append(peer)


@pytest.fixture
async def stack() -> Notes:
    return Notes()


@pytest.fixture
async def peripheral(stack: Notes) -> Peripheral:
    peripheral = Peripheral(stack)
    await peripheral.start()
    return peripheral


def write(peripheral: Peripheral, peer: str, message: bytes, longest: int = 20) -> None:
    for frame in fragment(HANDSHAKE, 0, message, longest):
        peripheral.on_write(peer, frame, longest)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_advertised_is_told_to_the_stack(peripheral: Peripheral, stack: Notes) -> None:
    for tag in (b"tagtag", b"", None):
        await peripheral.advertise(tag)
    assert stack.advertised == [b"tagtag", b"", None]


async def test_a_reply_waits_for_the_subscription(peripheral: Peripheral, stack: Notes) -> None:
    peripheral.on_connect("a")
    write(peripheral, "a", bytes(50))
    link = await peripheral.accept()
    assert await link.receive(1) == (HANDSHAKE, bytes(50))
    reply = asyncio.create_task(link.send(HANDSHAKE, b"reply"))
    await settle()
    assert stack.notified == []
    peripheral.on_subscribe("a", True)
    await reply
    assert stack.notified == [("a", fragment(HANDSHAKE, 1, b"reply", 20)[0])]


@pytest.mark.parametrize(("room", "longest"), [(20, 20), (182, 182), (514, 512)])
async def test_frames_fit_the_connection(peripheral: Peripheral, stack: Notes, room: int, longest: int) -> None:
    peripheral.on_connect("a")
    peripheral.on_subscribe("a", True)
    write(peripheral, "a", b"x", longest)
    peripheral.on_write("a", b"\x01x", room)
    link = await peripheral.accept()
    await link.send(HANDSHAKE, bytes(1000))
    assert max(len(value) for _, value in stack.notified) == longest


async def test_only_the_first_writer_is_served(peripheral: Peripheral, stack: Notes) -> None:
    for peer in ("silent", "a", "b"):
        peripheral.on_connect(peer)
    write(peripheral, "a", b"a")
    for _ in range(100):
        write(peripheral, "b", bytes(50))
    peripheral.on_subscribe("b", True)
    await settle()
    refused = fragment(HANDSHAKE, 0, bytes(50), 20)[0]
    peripheral.on_write("b", b"\x01stray", 20)  # begins nothing
    await settle()
    assert stack.notified == [("b", control(MessageType.BUSY, identify(refused)))]

    link = await peripheral.accept()
    await link.close()
    assert stack.disconnected == ["a"]
    write(peripheral, "b", b"b")
    assert await (await peripheral.accept()).receive(1) == (HANDSHAKE, b"b")


async def test_who_could_not_be_told_once_is_told_the_next_time(
    peripheral: Peripheral, stack: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(peer: Hashable, value: bytes) -> None:
        raise LinkError("the bus is slow", step="link")

    for peer in ("a", "b"):
        peripheral.on_connect(peer)
        peripheral.on_subscribe(peer, True)
    write(peripheral, "a", b"a")
    with monkeypatch.context() as patch:
        patch.setattr(stack, "notify", fail)
        write(peripheral, "b", b"b")
        await settle()
    write(peripheral, "b", b"b")
    await settle()
    assert [peer for peer, _ in stack.notified] == ["b"]


@pytest.mark.parametrize("value", [b"", bytes(21)], ids=["empty", "too long"])
async def test_an_impossible_write_costs_the_writer_its_place(
    peripheral: Peripheral, stack: Notes, value: bytes
) -> None:
    peripheral.on_connect("bad")
    write(peripheral, "bad", b"hello")
    link = await peripheral.accept()
    peripheral.on_write("bad", value, 20)
    await link.receive(1)
    with pytest.raises(PeerError):
        await link.receive(1)
    await settle()
    assert stack.disconnected == ["bad"]
    write(peripheral, "bad", b"again")  # on its way while the connection ends

    peripheral.on_connect("good")
    write(peripheral, "good", b"hi")
    assert await (await peripheral.accept()).receive(1) == (HANDSHAKE, b"hi")


async def test_garbage_is_noticed_by_the_reader_and_the_next_client_is_served(peripheral: Peripheral) -> None:
    peripheral.on_connect("bad")
    for _ in range(2000):
        peripheral.on_write("bad", b"\x00garbage", 20)
    link = await peripheral.accept()
    with pytest.raises(PeerError):
        await link.receive(1)
    await link.close()
    peripheral.on_connect("good")
    write(peripheral, "good", b"hi")
    assert await (await peripheral.accept()).receive(1) == (HANDSHAKE, b"hi")


async def test_a_lost_client_is_noticed_while_reading_and_while_sending(stack: Notes) -> None:
    peripheral = Peripheral(stack, timing=Timing(resume=0.01))
    await peripheral.start()
    for action in ("receive", "send"):
        peripheral.on_connect("a")
        write(peripheral, "a", b"x")
        link = await peripheral.accept()
        await link.receive(1)
        waiting = asyncio.create_task(link.receive(60) if action == "receive" else link.send(HANDSHAKE, b"y"))
        await settle()
        peripheral.on_disconnect("a")
        with pytest.raises(LinkError, match="connection lost"):
            await waiting
        await link.close()


async def test_a_client_that_left_before_it_was_accepted_is_forgotten(peripheral: Peripheral) -> None:
    peripheral.on_connect("a")
    write(peripheral, "a", b"a")
    peripheral.on_disconnect("a")
    peripheral.on_connect("b")
    write(peripheral, "b", b"b")
    assert await (await peripheral.accept()).receive(1) == (HANDSHAKE, b"b")


async def test_silent_clients_cannot_keep_others_out(peripheral: Peripheral, stack: Notes) -> None:
    peripheral.on_connect("active")
    write(peripheral, "active", b"x")
    for i in range(20):
        peripheral.on_connect(i)
    await settle()
    assert stack.disconnected == list(range(17))  # four may stay
    assert await (await peripheral.accept()).receive(1) == (HANDSHAKE, b"x")


async def test_closing_ends_everything(peripheral: Peripheral, stack: Notes) -> None:
    peripheral.on_connect("a")
    write(peripheral, "a", b"a")
    link = await peripheral.accept()
    peripheral.on_connect("b")
    write(peripheral, "b", b"b")  # BUSY waits for a subscription that never comes
    waiting = asyncio.create_task(peripheral.accept())
    await settle()
    await peripheral.close()
    await peripheral.close()
    with pytest.raises(LinkError, match="closed"):
        await waiting
    await link.receive(1)
    with pytest.raises(LinkError, match="closed"):
        await link.receive(1)
    assert not stack.running
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_strangers_to_the_stack_are_ignored(peripheral: Peripheral, stack: Notes) -> None:
    peripheral.on_write("who", b"\x80\x00\x00\x01x", 20)
    peripheral.on_subscribe("who", True)
    peripheral.on_disconnect("who")
    assert stack.notified == stack.disconnected == []
    assert peripheral._active is None


async def test_a_frame_of_one_byte_is_none_that_costs_the_place(peripheral: Peripheral, stack: Notes) -> None:
    peripheral.on_connect("a")
    peripheral.on_write("a", b"\x01", 20)
    await settle()
    assert stack.disconnected == []


async def test_who_is_dropped_is_not_waited_for(peripheral: Peripheral, stack: Notes) -> None:
    for peer in ("a", "b"):
        peripheral.on_connect(peer)
        write(peripheral, peer, b"x")
    await settle()
    assert len(peripheral._tasks) == 1  # BUSY, until "b" subscribes
    peripheral.on_write("b", b"", 20)
    await settle()
    assert stack.disconnected == ["b"]
    assert peripheral._tasks == set()


async def test_an_unsubscribed_client_is_waited_for_again(peripheral: Peripheral, stack: Notes) -> None:
    peripheral.on_connect("a")
    write(peripheral, "a", b"a")
    peripheral.on_subscribe("a", True)
    peripheral.on_subscribe("a", False)
    link = await peripheral.accept()
    reply = asyncio.create_task(link.send(HANDSHAKE, b"r"))
    await settle()
    assert stack.notified == []
    peripheral.on_subscribe("a", True)
    await reply


def said(stack: Notes, peer: str) -> list[bytes]:
    return [value for to, value in stack.notified if to == peer]


async def talk(peripheral: Peripheral, message: bytes = b"message 1") -> tuple[FramedLink, bytes]:
    """Let client "a" send one message; return the device's link and the id of the conversation."""
    peripheral.on_connect("a")
    peripheral.on_subscribe("a", True)
    write(peripheral, "a", message)
    link = await peripheral.accept()
    assert await link.receive(1) == (HANDSHAKE, message)
    return link, identify(message)


def come_back(peripheral: Peripheral, peer: str, id: bytes) -> None:
    peripheral.on_connect(peer)
    peripheral.on_subscribe(peer, True)
    peripheral.on_write(peer, resume(id), 20)


async def test_a_client_takes_its_conversation_up_from_another_address(peripheral: Peripheral, stack: Notes) -> None:
    link, id = await talk(peripheral)
    await link.send(HANDSHAKE, b"lost")
    peripheral.on_disconnect("a")
    waiting = asyncio.create_task(link.receive(60))
    come_back(peripheral, "b", id)
    await settle()
    assert said(stack, "b") == [resume(id, True)]
    write(peripheral, "b", b"message 1")  # unanswered, as far as the client knows
    await settle()
    assert said(stack, "b")[1:] == fragment(HANDSHAKE, 1, b"lost", 20)
    for frame in fragment(HANDSHAKE, 2, b"message 3", 20):
        peripheral.on_write("b", frame, 20)
    assert await waiting == (HANDSHAKE, b"message 3")
    await link.close()
    assert stack.disconnected == ["b"]


async def test_what_is_taken_up_has_the_frames_of_the_new_connection(peripheral: Peripheral, stack: Notes) -> None:
    link, id = await talk(peripheral)
    peripheral.on_disconnect("a")
    peripheral.on_connect("b")
    peripheral.on_subscribe("b", True)
    peripheral.on_write("b", resume(id), 182)
    await link.send(HANDSHAKE, bytes(1000))
    assert max(map(len, said(stack, "b"))) == 182


async def test_a_reply_that_the_loss_cut_off_waits_for_the_client(peripheral: Peripheral, stack: Notes) -> None:
    link, id = await talk(peripheral)
    peripheral.on_disconnect("a")
    sending = asyncio.create_task(link.send(HANDSHAKE, b"reply"))
    await settle()
    assert not sending.done()
    come_back(peripheral, "b", id)
    await sending
    assert sorted(said(stack, "b")) == sorted([resume(id, True), *fragment(HANDSHAKE, 1, b"reply", 20)])


async def test_a_connection_lost_as_soon_as_it_was_taken_up_is_waited_for_again(
    peripheral: Peripheral, stack: Notes
) -> None:
    """Before the link gets its turn: as far as it can see, nobody had come."""
    link, id = await talk(peripheral)
    peripheral.on_disconnect("a")
    waiting = asyncio.create_task(link.receive(60))
    await settle()
    come_back(peripheral, "b", id)
    peripheral.on_disconnect("b")
    await settle()
    come_back(peripheral, "c", id)
    for frame in fragment(HANDSHAKE, identify(b"message 1")[0] + 1, b"message 3", 20):
        peripheral.on_write("c", frame, 20)
    assert await waiting == (HANDSHAKE, b"message 3")


async def test_an_unknown_conversation_is_not_taken_up(peripheral: Peripheral, stack: Notes) -> None:
    come_back(peripheral, "b", bytes(8))
    await settle()
    _, id = await talk(peripheral)
    come_back(peripheral, "c", bytes(8))
    await settle()
    assert said(stack, "b") == said(stack, "c") == [resume(bytes(8), False)]
    assert id != bytes(8)


async def test_a_conversation_that_goes_on_cannot_be_stolen(peripheral: Peripheral, stack: Notes) -> None:
    """Whoever hears the radio knows its id; while its connection stands, that is worth nothing."""
    link, id = await talk(peripheral)
    come_back(peripheral, "thief", id)
    await settle()
    assert said(stack, "thief") == [control(MessageType.BUSY, identify(resume(id)))]
    await link.send(HANDSHAKE, b"reply")
    assert said(stack, "a") == fragment(HANDSHAKE, 1, b"reply", 20)


async def test_a_repeated_resume_is_answered_again(peripheral: Peripheral, stack: Notes) -> None:
    _, id = await talk(peripheral)
    peripheral.on_disconnect("a")
    come_back(peripheral, "b", id)
    await settle()
    peripheral.on_write("b", resume(id), 20)
    await settle()
    assert said(stack, "b") == 2 * [resume(id, True)]


async def test_who_is_away_keeps_nobody_out(peripheral: Peripheral, stack: Notes) -> None:
    link, id = await talk(peripheral)
    peripheral.on_disconnect("a")
    waiting = asyncio.create_task(link.receive(60))
    await settle()
    peripheral.on_connect("b")
    peripheral.on_write("b", b"\x01stray", 20)  # begins nothing
    await settle()
    assert not waiting.done()
    write(peripheral, "b", b"b")
    assert await (await peripheral.accept()).receive(1) == (HANDSHAKE, b"b")
    await settle()
    assert waiting.done()
    with pytest.raises(LinkLost):
        await waiting
    come_back(peripheral, "a", id)
    await settle()
    assert said(stack, "a") == [resume(id, False)]


async def test_a_client_that_says_goodbye_is_not_waited_for(peripheral: Peripheral) -> None:
    link, _ = await talk(peripheral)
    waiting = asyncio.create_task(link.receive(60))
    peripheral.on_write("a", control(MessageType.CLOSE), 20)
    with pytest.raises(LinkError, match="hung up"):
        await waiting


async def test_a_goodbye_of_others_changes_nothing(peripheral: Peripheral, stack: Notes) -> None:
    link, _ = await talk(peripheral)
    peripheral.on_connect("b")
    peripheral.on_write("b", control(MessageType.CLOSE), 20)
    await link.send(HANDSHAKE, b"reply")
    assert said(stack, "a") == fragment(HANDSHAKE, 1, b"reply", 20)


@pytest.mark.parametrize("request_", [control(MessageType.RESUME, bytes(7)), b"\x83\x00\x00\x09" + bytes(8), b"\x83"])
async def test_a_malformed_resume_costs_the_connection(peripheral: Peripheral, stack: Notes, request_: bytes) -> None:
    peripheral.on_connect("b")
    peripheral.on_write("b", request_, 20)
    await settle()
    assert stack.disconnected == ["b"]


def test_a_conversation_is_kept_for_30_s(run_virtual: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def main() -> None:
        for away, answer in ((29.9, True), (30.1, False)):
            stack = Notes()
            peripheral = Peripheral(stack)
            await peripheral.start()
            link, id = await talk(peripheral)
            peripheral.on_disconnect("a")
            await asyncio.sleep(away)
            come_back(peripheral, "b", id)
            await settle()
            assert said(stack, "b") == [resume(id, answer)]
            if not answer:
                with pytest.raises(LinkLost):
                    await link.receive(60)
            await peripheral.close()

    run_virtual(main())


async def test_a_reply_fits_the_connection_on_which_it_leaves(peripheral: Peripheral, stack: Notes) -> None:
    """The phone comes back with a smaller MTU, and the reply that was cut off leaves before it wrote any more."""
    peripheral.on_connect("a")
    write(peripheral, "a", b"message 1", 244)
    link = await peripheral.accept()
    await link.receive(1)
    reply = asyncio.create_task(link.send(HANDSHAKE, bytes(range(200))))  # waits for a subscription
    await settle()
    peripheral.on_disconnect("a")
    await settle()
    come_back(peripheral, "b", identify(b"message 1"))
    await reply
    assert said(stack, "b") == [resume(identify(b"message 1"), True), *fragment(HANDSHAKE, 1, bytes(range(200)), 20)]


async def test_a_loss_that_nobody_waited_through_is_noticed_all_the_same(peripheral: Peripheral, stack: Notes) -> None:
    """The device is at work while its client goes and comes back: what it sends then goes by the new connection."""
    peripheral.on_connect("a")
    peripheral.on_subscribe("a", True)
    write(peripheral, "a", b"message 1", 244)
    link = await peripheral.accept()
    await link.receive(1)
    await link.send(HANDSHAKE, bytes(range(200)))
    peripheral.on_disconnect("a")
    come_back(peripheral, "b", identify(b"message 1"))
    await settle()
    write(peripheral, "b", b"message 1")  # it had not heard the reply
    with pytest.raises(LinkTimeout):
        await link.receive(0.01)
    assert said(stack, "b")[1:] == fragment(HANDSHAKE, 1, bytes(range(200)), 20)


async def test_a_notification_that_cannot_be_sent_counts_as_a_lost_connection(
    peripheral: Peripheral, stack: Notes
) -> None:
    """A stack may know that it cannot send before it tells that the client is gone."""
    link, id = await talk(peripheral)
    stack.deaf = {"a"}
    reply = asyncio.create_task(link.send(HANDSHAKE, b"reply"))
    await settle()
    assert not reply.done()
    assert stack.disconnected == ["a"]
    peripheral.on_disconnect("a")
    come_back(peripheral, "b", id)
    await reply
    assert said(stack, "b") == [resume(id, True), *fragment(HANDSHAKE, 1, b"reply", 20)]


async def test_an_answer_that_could_not_be_sent_is_not_the_last_one(peripheral: Peripheral, stack: Notes) -> None:
    unheard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    _, id = await talk(peripheral)
    stack.deaf = {"b"}
    come_back(peripheral, "b", id)
    await settle()
    gc.collect()  # the task that failed, if nobody looked at it
    assert unheard == []
    stack.deaf = set()
    peripheral.on_write("b", resume(id), 20)
    await settle()
    assert said(stack, "b") == [control(MessageType.BUSY, identify(resume(id)))]


async def test_whoever_comes_while_it_closes_is_not_met_again_after_the_next_start(stack: Notes) -> None:
    peripheral = Peripheral(stack)
    await peripheral.start()
    await peripheral.close()
    peripheral.on_connect("late")
    write(peripheral, "late", b"late")
    await peripheral.start()
    peripheral.on_connect("a")
    write(peripheral, "a", b"a")
    assert await (await peripheral.accept()).receive(1) == (HANDSHAKE, b"a")


async def test_a_last_word_that_the_loss_cut_off_is_said_when_the_client_is_back(
    peripheral: Peripheral, stack: Notes
) -> None:
    link, id = await talk(peripheral)
    await link.send(HANDSHAKE, b"last")
    closing = asyncio.create_task(link.close())
    await settle()
    peripheral.on_disconnect("a")
    await settle()
    come_back(peripheral, "b", id)
    write(peripheral, "b", b"message 1")
    await settle()
    assert said(stack, "b") == [resume(id, True), *fragment(HANDSHAKE, 1, b"last", 20)]
    peripheral.on_write("b", control(MessageType.CLOSE), 20)
    await closing


async def test_a_length_that_is_agreed_on_later_counts_from_the_next_write_on(
    peripheral: Peripheral, stack: Notes
) -> None:
    link, _ = await talk(peripheral)
    for frame in fragment(HANDSHAKE, 2, bytes(100), 182):
        peripheral.on_write("a", frame, 182)
    await link.receive(1)
    await link.send(HANDSHAKE, bytes(200))
    assert said(stack, "a") == fragment(HANDSHAKE, 3, bytes(200), 182)


async def test_nobody_is_accepted_who_left_before_a_whole_message_was_read(peripheral: Peripheral) -> None:
    peripheral.on_connect("a")
    write(peripheral, "a", b"a")
    peripheral.on_disconnect("a")
    accepting = asyncio.create_task(peripheral.accept())
    await settle()
    assert not accepting.done()
    accepting.cancel()
    await asyncio.wait({accepting})


async def test_a_notification_that_fails_late_does_not_cost_the_next_connection_of_that_name(
    peripheral: Peripheral, stack: Notes
) -> None:
    link, id = await talk(peripheral)
    failing = asyncio.Event()

    async def fail(peer: Hashable, value: bytes) -> None:
        del stack.notify
        await failing.wait()
        raise LinkError("gone", step="link")

    stack.notify = fail  # type: ignore[method-assign]
    reply = asyncio.create_task(link.send(HANDSHAKE, b"reply"))
    await settle()
    peripheral.on_disconnect("a")
    come_back(peripheral, "a", id)
    await settle()
    failing.set()
    await reply
    assert stack.disconnected == []
    assert said(stack, "a") == [resume(id, True), *fragment(HANDSHAKE, 1, b"reply", 20)]


async def test_whoever_left_is_told_nothing(peripheral: Peripheral, stack: Notes) -> None:
    await talk(peripheral)
    peripheral.on_connect("b")
    write(peripheral, "b", b"b")  # BUSY waits for a subscription
    await settle()
    peripheral.on_disconnect("b")
    await settle()
    assert stack.notified == []


async def test_a_stack_that_does_not_disconnect_does_not_hold_up_the_end(peripheral: Peripheral, stack: Notes) -> None:
    async def hang(peer: Hashable) -> None:
        await asyncio.Event().wait()

    stack.disconnect = hang  # type: ignore[method-assign]
    peripheral.on_connect("a")
    peripheral.on_write("a", b"", 20)
    await settle()
    async with asyncio.timeout(5):
        await peripheral.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_comes_back_in_the_middle_of_its_first_message_waits_for_its_former_connection(
    peripheral: Peripheral, stack: Notes
) -> None:
    """Else it would begin anew, and hear that the device serves another client: itself."""
    message = bytes(50)
    first, *rest = fragment(HANDSHAKE, 0, message, 20)
    peripheral.on_connect("a")
    peripheral.on_write("a", first, 20)
    come_back(peripheral, "b", identify(message))
    await settle()
    assert said(stack, "b") == [control(MessageType.BUSY, identify(resume(identify(message))))]
    peripheral.on_disconnect("a")
    peripheral.on_write("b", resume(identify(message)), 20)
    await settle()
    assert said(stack, "b")[1:] == [resume(identify(message), False)]
    for frame in (first, *rest):
        peripheral.on_write("b", frame, 20)
    assert await (await peripheral.accept()).receive(1) == (HANDSHAKE, message)
