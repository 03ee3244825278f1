"""The emulated tag, from the reader's side and from that of the front-end, which fails, hangs and comes back."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import pytest

from oob.errors import LinkError, LinkLost, OobError, UsageError
from oob.framing.gatt import MAX_FRAME, MessageType, control, fragment, identify
from oob.framing.ndef import MAX_NDEF, Record, Tnf, decode, encode
from oob.framing.tnep import NOTHING_NEW
from oob.progress import Progress
from oob.sim.field import Field
from oob.transport import tnep_stack
from oob.transport.link import Timing
from oob.transport.nfc import Card
from oob.transport.nfc_profile import SERVICE, frames_of, record_of
from oob.transport.peripheral import Peripheral
from oob.transport.tnep_poller import connect, tap
from oob.transport.tnep_stack import AGAIN, KEPT, TnepStack, nfc_listener

Run = Callable[[Coroutine[Any, Any, Any]], Any]

HANDSHAKE = MessageType.HANDSHAKE
URL, BOOTSTRAP = Record(Tnf.WELL_KNOWN, b"U", b"\x04a"), Record(Tnf.EXTERNAL, b"oob.invalid:b", b"secret")
SELECT = encode([Record(Tnf.WELL_KNOWN, b"Ts", bytes((len(SERVICE.name),)) + SERVICE.name.encode())])
DESELECT = encode([Record(Tnf.WELL_KNOWN, b"Ts", b"\x00")])
ASK = encode([NOTHING_NEW])


class Notes:
    """Stands for the Peripheral: writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.peers: list[object] = []

    def on_connect(self, peer: object, carrier: str = "") -> None:
        self.peers.append(peer)
        self.told.append(("connect",))

    def on_subscribe(self, peer: object, enabled: bool) -> None:
        self.told.append(("subscribe", enabled))

    def on_write(self, peer: object, value: bytes, longest: int) -> None:
        assert longest == MAX_FRAME
        self.told.append(("write", value))

    def on_disconnect(self, peer: object) -> None:
        assert peer is self.peers[-1]
        self.told.append(("disconnect",))


class Faulty:
    """A front-end that fails so often, then emulates; `fail` makes it fail again."""

    name = "faulty"

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.tries, self.closed = failures, 0, 0
        self.card: Card | None = None
        self._failing: asyncio.Future[None] | None = None

    async def open(self) -> None:
        pass

    async def emulate(self, card: Card) -> None:
        self.tries += 1
        if self.tries <= self.failures:
            raise LinkError("it is gone", step="reader")
        self.card, self._failing = card, asyncio.get_running_loop().create_future()
        try:
            await self._failing
        finally:
            self.card = None

    def fail(self) -> None:
        assert self._failing is not None
        self._failing.set_exception(LinkError("unplugged", step="reader"))

    async def close(self) -> None:
        assert self.card is None  # a front-end is let go of once it emulates no more
        self.closed += 1


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def notes() -> Notes:
    return Notes()


async def started(notes: Notes, emulator: Faulty | None = None, **options: Any) -> TnepStack:
    stack = TnepStack(emulator or Faulty(), **options)
    await stack.start(notes)
    await stack.advertise(b"")
    await settle()
    return stack


async def test_a_tap_is_a_connection_and_selection_a_subscription(notes: Notes) -> None:
    stack = await started(notes, greet=lambda: [URL])
    stack.begin()
    assert decode(stack.content()) == (URL, SERVICE.to_record())
    stack.written(SELECT)
    stack.written(encode([record_of(b"one"), Record(Tnf.EXTERNAL, b"a.example:b", b"no frame"), record_of(b"two")]))
    stack.written(ASK)
    stack.written(DESELECT)
    stack.end()
    stack.end()
    assert notes.told == [
        ("connect",),
        ("subscribe", True),
        ("write", b"one"),
        ("write", b"two"),
        ("write", control(MessageType.CLOSE)),
        ("disconnect",),
    ]
    await stack.stop()


async def test_only_the_tap_that_goes_on_is_told_something(notes: Notes) -> None:
    stack = await started(notes)
    stack.begin()
    stack.written(SELECT)
    former = notes.peers[-1]
    stack.begin()  # another reader, before the field of the first was seen to go
    assert notes.told[-2:] == [("disconnect",), ("connect",)]
    stack.written(SELECT)
    for peer in (former, None, object()):
        with pytest.raises(LinkLost):
            await stack.notify(peer, b"for the first")
        await stack.disconnect(peer)
    await stack.notify(notes.peers[-1], b"for the second")
    stack.written(ASK)
    await stack.notify(notes.peers[-1], b"more")
    assert frames_of(decode(stack.content())) == [b"for the second", b"more"]
    await stack.stop()


async def test_who_is_disconnected_reads_what_was_sent_and_is_refused_then(notes: Notes) -> None:
    stack = await started(notes)
    stack.begin()
    stack.written(SELECT)
    stack.written(ASK)
    await stack.notify(notes.peers[-1], b"the last word")
    await stack.disconnect(notes.peers[-1])
    assert frames_of(decode(stack.content())) == [b"the last word"]
    with pytest.raises(LinkLost):
        await stack.notify(notes.peers[-1], b"too late")
    told = list(notes.told)
    stack.written(encode([record_of(b"more")]))
    assert decode(stack.content())[0].payload == b"\x01"
    stack.end()
    assert notes.told == told
    await stack.stop()


async def test_nobody_locks_it(notes: Notes) -> None:
    stack = await started(notes)
    assert stack.is_writable
    assert not stack.lock()
    await stack.stop()


async def test_each_tap_is_greeted_anew() -> None:
    greetings = iter([Record(Tnf.WELL_KNOWN, b"U", b"\x04a"), Record(Tnf.WELL_KNOWN, b"U", b"\x04b")])
    field = Field()
    listener = nfc_listener(field, lambda: [next(greetings)])
    await listener.start()
    await listener.advertise(b"")
    await asyncio.sleep(0)
    for url in (b"\x04a", b"\x04b"):
        tapped = await tap(field, 5)
        assert [each.payload for each in tapped.records] == [url, SERVICE.to_record().payload]
        await tapped.close()
    await listener.close()


def test_a_tap_that_had_selected_may_come_again_for_30_s(run_virtual: Run) -> None:
    Ending = Callable[[TnepStack, Notes], Awaitable[None]]

    async def main(away: float, ending: Ending, is_kept: bool) -> None:
        notes, count = Notes(), iter(range(9))
        stack = await started(notes, greet=lambda: [URL, Record(Tnf.EXTERNAL, b"a.example:n", bytes((next(count),)))])
        stack.begin()
        first = stack.content()
        await ending(stack, notes)
        stack.end()
        await asyncio.sleep(away)
        stack.begin()
        assert (stack.content() == first) == is_kept
        await stack.stop()

    def says(*messages: bytes) -> Ending:
        async def say(stack: TnepStack, notes: Notes) -> None:
            for message in messages:
                stack.written(message)

        return say

    async def refused(stack: TnepStack, notes: Notes) -> None:
        stack.written(SELECT)
        await stack.disconnect(notes.peers[-1])

    run_virtual(main(0, says(), False))
    run_virtual(main(KEPT - 0.1, says(SELECT), True))
    run_virtual(main(KEPT + 0.1, says(SELECT), False))
    run_virtual(main(0, says(SELECT, DESELECT), False))
    run_virtual(main(0, refused, False))


def test_what_is_kept_is_kept_for_as_long_as_the_conversation_may_be_taken_up(run_virtual: Run) -> None:
    async def main(away: float, is_kept: bool) -> None:
        field, count = Field(), iter(range(9))
        greet = lambda: [Record(Tnf.WELL_KNOWN, b"U", bytes((next(count),)))]  # noqa: E731
        listener = nfc_listener(field, greet, timing=Timing(resume=2 * KEPT))
        await listener.start()
        await asyncio.sleep(0)
        tapped = await tap(field, 5)
        link = await connect(tapped)
        await link.send(HANDSHAKE, b"message_1")
        field.near(False)
        await asyncio.sleep(away)
        field.near()
        again = await tap(field, 5)
        assert (again.records == tapped.records) == is_kept
        await again.close()
        await link.close()
        await listener.close()

    run_virtual(main(2 * KEPT - 0.1, True))
    run_virtual(main(2 * KEPT + 0.1, False))


async def test_everybody_is_shown_the_service_also_who_would_be_refused(notes: Notes) -> None:
    """The refusal says why, and an owner may come; who taps stands at the device anyway."""
    stack = await started(notes, greet=lambda: [URL])
    for tag in (b"", None):
        await stack.advertise(tag)
        stack.begin()
        assert decode(stack.content()) == (URL, SERVICE.to_record())
    await stack.stop()


@pytest.mark.parametrize("greeting", [None, [Record(Tnf.UNKNOWN, payload=bytes(MAX_NDEF - 20))], [URL] * 16])
async def test_a_greeting_that_cannot_be_shown_is_left_out(notes: Notes, greeting: list[Record] | None) -> None:
    reports: list[Progress] = []

    def greet() -> list[Record]:
        if greeting is None:
            raise UsageError("nothing to show")
        return greeting

    stack = await started(notes, greet=greet, report=reports.append)
    stack.begin()
    assert decode(stack.content()) == (SERVICE.to_record(),)
    assert [each.step for each in reports] == ["no greeting"]
    await stack.stop()


# --- the front-end


def test_a_front_end_that_fails_is_tried_again_until_it_comes_back(run_virtual: Run) -> None:
    async def main() -> None:
        notes, emulator, reports = Notes(), Faulty(failures=3), list[Progress]()
        stack = await started(notes, emulator, report=reports.append)
        await asyncio.sleep(2.1 * AGAIN)
        assert emulator.tries == 3
        await asyncio.sleep(AGAIN + 0.1)
        assert emulator.card is not None
        assert [each.step for each in reports] == ["no reader"] * 3
        emulator.card.activate()
        stack.written(SELECT)
        emulator.fail()  # it is unplugged in the middle of a tap
        await settle()
        assert notes.told[-1] == ("disconnect",)
        await asyncio.sleep(AGAIN + 0.1)
        assert emulator.card is not None
        await stack.stop()
        assert (emulator.tries, emulator.closed) == (5, 1)

    run_virtual(main())


def test_stopping_in_every_state(run_virtual: Run) -> None:
    async def main() -> None:
        for failures in (0, 99):  # it emulates, or waits for the next try
            for steps in range(4):
                notes, emulator = Notes(), Faulty(failures)
                stack = TnepStack(emulator)
                if steps > 0:
                    await stack.start(notes)
                    await settle()
                if steps > 1:
                    stack.begin()
                if steps > 2:
                    stack.written(SELECT)
                await stack.stop()
                await stack.stop()
                assert asyncio.all_tasks() == {asyncio.current_task()}
                told = list(notes.told)
                stack.begin()  # the last calls of a stack that is on its way out
                stack.written(SELECT)
                assert isinstance(stack.content(), bytes)
                stack.end()
                assert notes.told == told

    run_virtual(main())


async def test_a_stop_that_is_cancelled_lets_go_all_the_same() -> None:
    emulator = Faulty()
    stack = await started(Notes(), emulator)
    stopping = asyncio.create_task(stack.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait({stopping})
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert (emulator.card, emulator.closed) == (None, 1)


async def test_a_listener_may_be_closed_and_started_again() -> None:
    field = Field()
    listener = nfc_listener(field, lambda: [URL])
    for _ in range(3):
        await listener.start()
        await listener.advertise(b"")
        await settle()
        async with await connect(await tap(field, 5)) as client:
            await client.send(HANDSHAKE, b"q")
            device = await listener.accept()
            assert await device.receive(5) == (HANDSHAKE, b"q")
            await device.send(HANDSHAKE, b"a")
            assert await client.receive(5) == (HANDSHAKE, b"a")
        await listener.close()
        await listener.close()
        with pytest.raises(LinkError, match="hung up"):
            await device.receive(5)
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_ends_the_tap_that_goes_on() -> None:
    field = Field()
    listener = nfc_listener(field)
    await listener.start()
    await listener.advertise(b"")
    await settle()
    tag = await field.tap(5)
    await listener.close()
    with pytest.raises(LinkLost):
        await tag.transceive(bytes(5))


async def test_the_conversation_goes_on_through_the_real_peripheral() -> None:
    """Frames in one NDEF message, and a second message within the same tap, which is a second conversation."""
    stack = TnepStack(Faulty())
    peripheral = Peripheral(stack)
    await peripheral.start()
    await peripheral.advertise(b"")
    stack.begin()
    stack.written(SELECT)
    message = bytes(range(250)) * 4
    stack.written(encode([record_of(each) for each in fragment(HANDSHAKE, identify(message)[0], message, MAX_FRAME)]))
    link = await peripheral.accept()
    assert await link.receive(5) == (HANDSHAKE, message)
    await link.send(HANDSHAKE, message)
    answer = frames_of(decode(stack.content()))
    assert b"".join((answer[0][4:], *(each[1:] for each in answer[1:]))) == message
    await peripheral.close()


class Frontend:
    """An Emulator that fails each time it is opened as it is told, None: it opens, and then goes on for `emulating`."""

    name = "simulated front-end"

    def __init__(self, failures: Iterable[OobError | None], emulating: OobError | None = None) -> None:
        self._failures, self._emulating = iter(failures), emulating
        self.is_through = asyncio.Event()
        self.is_closed = False

    async def open(self) -> None:
        try:
            failure = next(self._failures)
        except StopIteration:
            self.is_through.set()
            failure = None
        if failure is not None:
            raise failure

    async def emulate(self, card: Card) -> None:
        if self._emulating is None or self.is_through.is_set():
            await asyncio.get_running_loop().create_future()
        assert self._emulating is not None
        raise self._emulating

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("error", [UsageError("no nfcpy"), LinkError("no reader", remedy="Plug it in")])
async def test_a_front_end_that_is_of_no_use_is_told_at_the_start(error: OobError) -> None:
    frontend = Frontend([error])
    listener = nfc_listener(frontend)
    with pytest.raises(OobError, match=error.cause):
        await listener.start()
    await listener.close()
    assert frontend.is_closed


async def test_what_fails_later_is_told_once_for_each_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tnep_stack, "AGAIN", 0.0)
    gone = LinkError("it is gone", step="reader", remedy="Plug it in")
    busy = LinkError("it is in use", step="reader")
    told: list[Progress] = []
    frontend = Frontend([None, None, gone, gone, gone, busy, busy, gone, None], emulating=gone)
    listener = nfc_listener(frontend, report=told.append)
    await listener.start()
    async with asyncio.timeout(5):
        await frontend.is_through.wait()
    await listener.close()
    assert [each.detail for each in told] == [str(gone), str(busy), str(gone), str(gone)]
    assert str(gone) == "reader: it is gone. Plug it in"
    assert {(each.who, each.step) for each in told} == {("device", "no reader")}
