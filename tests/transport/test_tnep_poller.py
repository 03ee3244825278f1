"""A link through a tag, from the client's side: taps that break off, tags that have nothing yet, other tags."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from oob.errors import DeviceNotFound, LinkError, LinkLost, LinkTimeout, OobError, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.framing.ndef import Record, Tnf
from oob.framing.procedure import TagType
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.sim.field import Field, FieldModel, FieldTag
from oob.transport.carrier import beside
from oob.transport.link import FramedLink, Timing
from oob.transport.nfc import Card, tag_lost
from oob.transport.peripheral import Peripheral
from oob.transport.tnep_poller import ASK, EXCHANGE_WAIT, GOODBYE, MAX_ASK, REST, RETAP, connect, tap
from oob.transport.tnep_stack import nfc_listener

Run = Callable[[Coroutine[Any, Any, Any]], Any]

HANDSHAKE = MessageType.HANDSHAKE
URL = Record(Tnf.WELL_KNOWN, b"U", b"\x04maker.example/d/1")


async def offered(field: Field) -> Peripheral:
    listener = nfc_listener(field, lambda: [URL])
    await listener.start()
    await listener.advertise(b"")
    await asyncio.sleep(0)
    return listener


async def linked(field: Field) -> FramedLink:
    return await connect(await tap(field, 5))


async def test_messages_of_every_size_go_to_and_fro() -> None:
    field = Field()
    listener = await offered(field)
    client = await linked(field)
    await client.send(HANDSHAKE, b"q")
    device = await listener.accept()
    assert await device.receive(5) == (HANDSHAKE, b"q")
    await device.send(HANDSHAKE, b"a")
    assert await client.receive(5) == (HANDSHAKE, b"a")
    for size in (100, 508, 509, 1000, 4096):
        await client.send(HANDSHAKE, b"q" * size)
        assert await device.receive(5) == (HANDSHAKE, b"q" * size)
        await device.send(HANDSHAKE, b"a" * size)
        assert await client.receive(5) == (HANDSHAKE, b"a" * size)
    assert client.carrier == device.carrier == "nfc"
    await client.close()
    await listener.close()


async def test_what_is_tapped_is_read_before_anything_goes_through_it() -> None:
    field = Field()
    listener = await offered(field)
    tapped = await tap(field, 5)
    assert tapped.records[0] == URL
    assert tapped.service is not None
    await tapped.close()
    await listener.close()


@pytest.mark.parametrize("loses_response", [False, True])
async def test_a_tap_that_breaks_off_goes_on_with_the_next(loses_response: bool) -> None:
    field = Field()
    listener = await offered(field)
    client = await linked(field)
    field.torn_after, field.loses_response = 6, loses_response
    await client.send(HANDSHAKE, b"q" * 700)
    device = await listener.accept()
    answering = asyncio.create_task(device.receive(5))
    receiving = asyncio.create_task(client.receive(5))
    assert await answering == (HANDSHAKE, b"q" * 700)
    await device.send(HANDSHAKE, b"a" * 700)
    assert await receiving == (HANDSHAKE, b"a" * 700)
    await client.close()
    await listener.close()


async def test_no_tag_and_another_tag() -> None:
    field = Field()
    with pytest.raises(DeviceNotFound, match="no tag came"):
        await tap(field, 0.01)
    async with beside(field.emulate(Type4Card(StoredNdef()))):
        tapped = await tap(field, 5)
        assert (tapped.records, tapped.service) == ((), None)
        with pytest.raises(UsageError, match="only tells how to pair"):
            await connect(tapped)
        await tapped.close()


async def test_after_the_end_nothing_is_sent() -> None:
    field = Field()
    listener = await offered(field)
    client = await linked(field)
    await client.send(HANDSHAKE, b"q")
    device = await listener.accept()
    await device.receive(5)
    await client.close()
    await client.close()
    with pytest.raises(LinkError):
        await client.send(HANDSHAKE, b"q")
    with pytest.raises(LinkError, match="hung up"):
        await device.receive(5)
    await listener.close()


async def test_a_device_that_hangs_up_is_not_waited_for() -> None:
    field = Field()
    listener = await offered(field)
    client = await linked(field)
    await client.send(HANDSHAKE, b"q")
    device = await listener.accept()
    await device.receive(5)
    await device.send(HANDSHAKE, b"a")
    await client.receive(5)
    await client.send(HANDSHAKE, b"q")
    await device.receive(5)
    await device.close()
    with pytest.raises(LinkError, match="has ended the exchange"):
        await client.receive(5)
    await client.close()
    await listener.close()


# --- the moments at which something can happen


class Watched(Field):
    """A field that knows which taps were not let go of."""

    def __init__(self, model: FieldModel | None = None) -> None:
        super().__init__(model)
        self.held: set[FieldTag] = set()

    async def tap(self, timeout: float) -> FieldTag:
        field, tag = self, await super().tap(timeout)

        class WatchedTag(FieldTag):
            async def close(self) -> None:
                await super().close()
                field.held.discard(self)

        watched = WatchedTag(self, vars(tag)["_tap"], tag.type)
        self.held.add(watched)
        return watched


async def echo(listener: Peripheral) -> None:
    """Be a device that repeats each message, until the listener closes."""
    while True:
        try:
            link = await listener.accept()
        except LinkError:
            return
        async with link:
            with suppress(LinkError, PeerError):
                while True:
                    await link.send(*await link.receive(60))


MOMENTS = [step * 0.0003 for step in range(250)]
"""Seconds after which something happens to a visit, which takes less in all."""


async def a_visit(field: Watched, met: list[FramedLink]) -> None:
    """Tap, connect, send, receive, lose the tap in the middle of an answer, go on, and close."""
    async with await linked(field) as client:
        met.append(client)
        for message in (b"q", b"q" * 700, b"q"):
            if len(message) == 1:
                field.torn_after = 1
            await client.send(HANDSHAKE, message)
            assert await client.receive(5) == (HANDSHAKE, message)


@pytest.mark.parametrize("cancellations", [1, 2])
def test_cancelled_anywhere_no_tag_is_held_and_no_task_is_left(run_virtual: Run, cancellations: int) -> None:
    unheeded: list[object] = []

    async def cancel_after(seconds: float) -> bool:
        field = Watched(FieldModel(0.001))
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheeded.append(context))
        listener = await offered(field)
        async with beside(echo(listener)):
            visit = asyncio.create_task(a_visit(field, []))
            await asyncio.sleep(seconds)
            for _ in range(cancellations):
                visit.cancel()
                await asyncio.sleep(0)
            await asyncio.wait({visit})
            if cancellations > 1:
                await asyncio.sleep(GOODBYE)  # who insists does not wait for the goodbye, which goes on
            assert field.held == set()
            async with await linked(field) as client:  # and the next one is served
                await client.send(HANDSHAKE, b"q")
                await client.receive(5)
            await listener.close()
        assert field.held == set()
        return visit.cancelled()

    ends = [run_virtual(cancel_after(seconds)) for seconds in MOMENTS]
    assert 100 < sum(ends) < len(MOMENTS)
    assert unheeded == []


def test_closed_anywhere_the_other_task_ends_and_no_tag_is_held(run_virtual: Run) -> None:
    async def close_after(seconds: float) -> bool:
        field, met = Watched(FieldModel(0.001)), list[FramedLink]()
        listener = await offered(field)
        async with beside(echo(listener)):
            visit = asyncio.create_task(a_visit(field, met))
            await asyncio.sleep(seconds)
            for link in met:
                await link.close()
            await asyncio.wait({visit})
            assert field.held == set()
            await listener.close()
        if not met:
            return False  # it was not connected yet
        error = visit.exception()
        assert error is None or isinstance(error, LinkError)
        return error is not None

    ends = [run_virtual(close_after(seconds)) for seconds in MOMENTS]
    assert 100 < sum(ends) < len(MOMENTS)


def carrier_of(link: FramedLink) -> Any:
    return vars(link)["_carrier"]


def test_reconnect_after_close_and_close_while_it_runs(run_virtual: Run) -> None:
    async def main() -> None:
        field = Watched(FieldModel(0.01))
        listener = await offered(field)
        client = await linked(field)
        field.near(False)
        again = asyncio.create_task(carrier_of(client).reconnect())
        await asyncio.sleep(5)
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0)
        field.near()
        await closing
        with pytest.raises(LinkError, match="closed"):
            await again
        commands = field.commands
        with pytest.raises(LinkError, match="closed"):
            await carrier_of(client).reconnect()
        assert field.commands == commands  # no tag is asked for it
        assert field.held == set()
        await listener.close()

    run_virtual(main())


def test_a_tag_that_does_not_come_back_is_given_up_in_time_and_may_come_later(run_virtual: Run) -> None:
    async def main() -> None:
        loop, field = asyncio.get_running_loop(), Watched()
        listener = await offered(field)
        async with beside(echo(listener)):
            client = await linked(field)
            field.near(False)
            begin = loop.time()
            with pytest.raises(LinkLost):
                await client.send(HANDSHAKE, b"q")
            assert loop.time() - begin == pytest.approx(RETAP)
            field.near()
            await client.send(HANDSHAKE, b"q")
            assert await client.receive(5) == (HANDSHAKE, b"q")
            await client.close()
            await listener.close()

    run_virtual(main())


def test_the_window_is_that_of_the_link(run_virtual: Run) -> None:
    async def main() -> None:
        loop, field = asyncio.get_running_loop(), Watched()
        listener = await offered(field)
        client = await connect(await tap(field, 5), timing=Timing(resume=2))
        field.near(False)
        with pytest.raises(LinkLost):
            await client.send(HANDSHAKE, b"q")
        assert loop.time() == pytest.approx(2, abs=0.1)
        await client.close()
        await listener.close()

    run_virtual(main())


def test_the_device_is_asked_while_somebody_waits_and_not_else(run_virtual: Run) -> None:
    async def main() -> None:
        field = Watched(FieldModel(0.001))
        listener = await offered(field)
        client = await linked(field)
        await client.send(HANDSHAKE, b"q")
        device = await listener.accept()
        await device.receive(5)
        with pytest.raises(LinkTimeout):
            await client.receive(0.9)
        await asyncio.sleep(1)
        commands = field.commands
        await asyncio.sleep(60)
        assert field.commands == commands
        waiting = asyncio.create_task(client.receive(5))
        await asyncio.sleep(0.5)
        assert field.commands > commands
        await device.send(HANDSHAKE, b"late")
        assert await waiting == (HANDSHAKE, b"late")
        await client.close()
        await listener.close()

    run_virtual(main())


def test_the_device_is_asked_again_after_a_while_and_not_at_once(run_virtual: Run) -> None:
    async def main() -> None:
        loop, field, asked = asyncio.get_running_loop(), Field(), list[float]()
        listener = await offered(field)
        client = await linked(field)
        await client.send(HANDSHAKE, b"q")
        device = await listener.accept()
        await device.receive(5)
        carrier = carrier_of(client)
        exchange = carrier._exchange

        async def noted(frames: list[bytes]) -> None:
            if not frames:
                asked.append(loop.time())
            await exchange(frames)

        carrier._exchange = noted
        begin = loop.time()
        with pytest.raises(LinkTimeout):
            await client.receive(2)
        pauses = [after - before for before, after in pairwise([begin, *asked])]
        assert ASK <= pauses[0] < 2 * ASK <= pauses[1] < 3 * ASK
        assert MAX_ASK <= max(pauses) < 1.5 * MAX_ASK
        await client.close()
        await listener.close()

    run_virtual(main())


def test_a_send_that_is_cancelled_has_still_left(run_virtual: Run) -> None:
    """An exchange comes to its end: what the tag had to say is not lost."""

    async def main() -> None:
        field = Watched(FieldModel(0.1))
        listener = await offered(field)
        client = await linked(field)
        sending = asyncio.create_task(client.send(HANDSHAKE, b"q"))
        await asyncio.sleep(0.05)
        sending.cancel()
        device = await listener.accept()
        assert await device.receive(5) == (HANDSHAKE, b"q")
        await device.send(HANDSHAKE, b"a")
        await asyncio.wait({sending})
        assert sending.cancelled()
        assert await client.receive(0.01) == (HANDSHAKE, b"a")
        await client.close()
        await listener.close()

    run_virtual(main())


# --- tags that cannot be used


async def test_what_is_no_ndef_tag() -> None:
    class Stone:
        def activate(self) -> None: ...
        def deactivate(self) -> None: ...
        def process(self, command: bytes) -> bytes:
            return b"\x6a\x82"

    field, stone = Watched(), Stone()
    card: Card = stone
    async with beside(field.emulate(card)):
        with pytest.raises(PeerError, match="no NDEF application"):
            await tap(field, 5)
        assert field.held == set()


def test_a_tag_that_leaves_too_early_is_waited_for_again(run_virtual: Run) -> None:
    async def main() -> None:
        loop, field, said = asyncio.get_running_loop(), Watched(FieldModel(0.01)), list[str]()
        listener = await offered(field)
        for after in range(5):
            field.torn_after = after
            tapped = await tap(field, 5, report=lambda progress: said.append(progress.step))
            assert tapped.service is not None
            await tapped.close()
        assert said == ["waiting for a tap", "tap again"] * 5
        begin = loop.time()
        field.near(False)
        with pytest.raises(DeviceNotFound, match="within 3 s"):
            await tap(field, 3)
        assert loop.time() - begin == pytest.approx(3)
        assert field.held == set()
        await listener.close()

    run_virtual(main())


def test_a_tag_that_never_stays_is_given_up_in_time(run_virtual: Run) -> None:
    class Fleeting:
        name, type, taps = "simulated", TagType.TYPE_4, 0

        async def tap(self, timeout: float) -> "Fleeting":
            self.taps += 1
            return self

        async def transceive(self, command: bytes) -> bytes:
            await asyncio.sleep(0.01)
            raise tag_lost()

        async def close(self) -> None: ...

    async def main() -> None:
        reader = Fleeting()
        with pytest.raises(LinkLost):
            await tap(reader, 3)
        assert 3 - REST - 0.01 <= asyncio.get_running_loop().time() <= 3
        assert reader.taps < 3 / REST

    run_virtual(main())


async def test_a_tag_that_left_since_it_was_read_is_to_be_read_again() -> None:
    field = Watched()
    listener = await offered(field)
    tapped = await tap(field, 5)
    field.part()
    with pytest.raises(LinkLost):
        await connect(tapped)
    assert field.held == set()
    await (await linked(field)).close()
    await listener.close()


def test_a_tag_that_is_slow_at_everything_is_given_up_in_time(run_virtual: Run) -> None:
    async def main() -> None:
        loop, field = asyncio.get_running_loop(), Watched()
        listener = await offered(field)
        client = await linked(field)
        field.model = FieldModel(4.0)
        begin = loop.time()
        with pytest.raises(LinkTimeout, match="not done within"):
            await client.send(HANDSHAKE, b"q")
        assert loop.time() - begin == pytest.approx(EXCHANGE_WAIT)
        with pytest.raises(OobError):
            await client.receive(5)
        await client.close()
        assert loop.time() - begin < EXCHANGE_WAIT + 5
        assert field.held == set()
        await listener.close()

    run_virtual(main())


def test_another_tag_is_waited_out(run_virtual: Run) -> None:
    async def main() -> None:
        field, greetings = Watched(), [URL]
        listener = nfc_listener(field, lambda: list(greetings))
        await listener.start()
        await listener.advertise(b"")
        await asyncio.sleep(0)
        async with beside(echo(listener)):
            said: list[str] = []
            client = await connect(await tap(field, 5), report=lambda progress: said.append(progress.detail))
            vars(listener.stack)["_kept_until"] = 0.0
            greetings[:] = [Record(Tnf.WELL_KNOWN, b"U", b"\x04other.example/d/1")]
            field.part()
            sending = asyncio.create_task(client.send(HANDSHAKE, b"q"))
            await asyncio.sleep(0.25)
            assert not sending.done()
            greetings[:] = [URL]
            await sending
            assert said == ["the tap broke off", "this is another tag than before, or it shows something new"]
            assert await client.receive(5) == (HANDSHAKE, b"q")
            await client.close()
            await listener.close()

    run_virtual(main())
