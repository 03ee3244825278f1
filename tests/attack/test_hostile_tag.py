"""A tag that answers what no honest one does: the client ends in bounded time and memory, and the next tap works."""

import itertools
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from oob.errors import LinkError, LinkLost, OobError, PeerError
from oob.framing.gatt import MAX_FRAME, MessageType, control, fragment, nak, resume
from oob.framing.ndef import MAX_NDEF, Record, Tnf, encode
from oob.framing.tnep import Service
from oob.framing.type4 import OK
from oob.framing.type4_card import Type4Card
from oob.sim.field import Field, FieldModel, FieldTag
from oob.sim.virtual_time import run
from oob.transport.carrier import beside
from oob.transport.nfc import Card
from oob.transport.nfc_profile import SERVICE
from tests.e2e.tapping import tapping

BOUND = 20.0
"""Seconds of one try with a tag that stays: a reading, an exchange, and a wait for a message."""
BOUND_WITH_LOSSES = 600.0
"""Seconds where it leaves, at most: eight taps that break off, each taken up at the last moment, after a whole wait."""
MEMORY = 2 << 20
"""Bytes that the client may need besides, at most."""
HANDSHAKE = MessageType.HANDSHAKE
SUCCESS = Record(Tnf.WELL_KNOWN, b"Te", b"\x00")


def frames(*values: bytes) -> bytes:
    return encode([SUCCESS, *(Record(Tnf.UNKNOWN, payload=value) for value in values)])


class File:
    """An honest NDEF file that shows the service, selects it, and then answers what the liar says."""

    is_writable = True

    def __init__(self, answers: Iterator[bytes], service: Service | Record = SERVICE) -> None:
        self._greeting = encode([service.to_record() if isinstance(service, Service) else service])
        self._answers, self._written = answers, 0

    def begin(self) -> None:
        self._written = 0

    def content(self) -> bytes:
        if self._written < 2:
            return (self._greeting, frames())[self._written]
        return next(self._answers, b"")

    def written(self, message: bytes) -> None:
        self._written += bool(message)

    def lock(self) -> bool:
        return False

    def end(self) -> None:
        pass


def saying(service: Service | Record = SERVICE) -> Callable[[Callable[[Random], Iterator[bytes]]], "Liar"]:
    """Make a liar of what it answers, once the service was selected."""

    def make(answers: Callable[[Random], Iterator[bytes]]) -> Liar:
        def liar(random: Random) -> Card:
            return Type4Card(File(answers(random), service))

        liar.__name__ = answers.__name__
        return liar

    return make


Liar = Callable[[Random], Card]


class Apdus:
    """A card whose answers to APDUs are spoiled, from a command of each tap on."""

    def __init__(self, spoil: Callable[[bytes, bytes], bytes], after: int) -> None:
        self._card = Type4Card(File(itertools.repeat(frames())))
        self._spoil, self._after, self._count = spoil, after, 0

    def activate(self) -> None:
        self._count = 0
        self._card.activate()

    def process(self, command: bytes) -> bytes:
        self._count += 1
        response = self._card.process(command)
        return response if self._count <= self._after else self._spoil(command, response)

    def deactivate(self) -> None:
        self._card.deactivate()


# --- after the selection


@saying()
def busy_for_ever(_: Random) -> Iterator[bytes]:
    return itertools.repeat(b"")


@saying(Service(SERVICE.name, wait_int=63, extensions=15))
def busy_for_ever_and_slow(_: Random) -> Iterator[bytes]:
    return itertools.repeat(b"")


@saying()
def nothing_yet_for_ever(_: Random) -> Iterator[bytes]:
    return itertools.repeat(frames())


@saying()
def garbage(random: Random) -> Iterator[bytes]:
    while True:
        yield random.randbytes(random.randrange(1, 300))


@saying()
def garbage_in_frames(random: Random) -> Iterator[bytes]:
    while True:
        yield frames(*(random.randbytes(random.randrange(300)) for _ in range(10)))


@saying()
def other_status(_: Random) -> Iterator[bytes]:
    return itertools.repeat(encode([Record(Tnf.WELL_KNOWN, b"Te", b"\x03")]))


@saying()
def no_status(_: Random) -> Iterator[bytes]:
    return itertools.repeat(encode([Record(Tnf.UNKNOWN, payload=b"x")]))


@saying()
def ended(_: Random) -> Iterator[bytes]:
    return itertools.repeat(encode([Record(Tnf.WELL_KNOWN, b"Te", b"\x01")]))


@saying()
def empty_frames(_: Random) -> Iterator[bytes]:
    return itertools.repeat(frames(b"", b"", b""))


@saying()
def long_frames(_: Random) -> Iterator[bytes]:
    return itertools.repeat(frames(bytes(MAX_FRAME + 1)))


@saying()
def longest_frames(_: Random) -> Iterator[bytes]:
    return itertools.repeat(frames(bytes(MAX_NDEF - 20)))


@saying()
def flood_of_frames(random: Random) -> Iterator[bytes]:
    for msgid in itertools.cycle(range(256)):
        yield frames(*fragment(HANDSHAKE, msgid, random.randbytes(2000), 200))


@saying()
def flood_of_naks(_: Random) -> Iterator[bytes]:
    for msgid in itertools.cycle(range(256)):
        yield frames(*[nak(msgid, range(128), 200)] * 15)


@saying()
def other_records(random: Random) -> Iterator[bytes]:
    while True:
        yield encode([SUCCESS, *(Record(Tnf.EXTERNAL, b"example.com:x", random.randbytes(200)) for _ in range(15))])


@saying()
def the_former_answer(_: Random) -> Iterator[bytes]:
    former = frames(*fragment(HANDSHAKE, 7, bytes(230), MAX_FRAME))
    return itertools.repeat(former)


@saying()
def resumptions(_: Random) -> Iterator[bytes]:
    return itertools.repeat(
        frames(resume(bytes(8), True), resume(bytes(8), False), control(MessageType.BUSY, bytes(8)))
    )


@saying()
def a_thousand_records(_: Random) -> Iterator[bytes]:
    status, one = encode([SUCCESS])[1:], b"\x15\x00\x01x"
    return itertools.repeat(b"\x91" + status + one * 998 + b"\x55" + one[1:])


@saying()
def a_message_that_changes_between_two_reads(random: Random) -> Iterator[bytes]:
    while True:
        yield frames(*(random.randbytes(200) for _ in range(random.randrange(1, 12))))


# --- in what it shows


@saying(Record(Tnf.WELL_KNOWN, b"Tp", b"\x20" + SERVICE.to_record().payload[1:]))
def another_version(_: Random) -> Iterator[bytes]:
    return iter(())


@saying(Service("urn:nfc:sn:handover"))
def another_service(_: Random) -> Iterator[bytes]:
    return iter(())


@saying(Service(SERVICE.name, max_message=20))
def takes_20_bytes(_: Random) -> Iterator[bytes]:
    return iter(())


# --- in single APDUs


def spoiled(name: str, spoil: Callable[[Random], Callable[[bytes, bytes], bytes]]) -> Iterator[Liar]:
    for after in (0, 1, 2, 4, 5, 6, 8, 10):

        def liar(random: Random, after: int = after) -> Card:
            return Apdus(spoil(random), after)

        liar.__name__ = f"{name} after {after}"
        yield liar


SPOILED: dict[str, Callable[[Random], Callable[[bytes, bytes], bytes]]] = {
    "nothing": lambda _: lambda command, response: b"",
    "one byte": lambda _: lambda command, response: b"\x90",
    "no data": lambda _: lambda command, response: OK,
    "half the data": lambda _: lambda command, response: response[: len(response) // 2] + OK,
    "three bytes at a time": lambda _: lambda command, response: response[:3] + OK,
    "more than was asked for": lambda _: lambda command, response: bytes(255) + OK,
    "64 KiB": lambda _: lambda command, response: bytes(65535) + OK,
    "a status word": lambda random: lambda command, response: random.randbytes(2),
    "warnings": lambda _: lambda command, response: response[:-2] + b"\x62\x82",
    "more to come": lambda _: lambda command, response: b"\x61\xff",
    "noise": lambda random: lambda command, response: random.randbytes(random.randrange(260)) + OK,
    "the longest length": lambda _: lambda command, response: b"\xff\xff" + response[2:],
    "a length that fits no content": lambda _: lambda command, response: b"\x10\xfe" + response[2:],
}

LIARS: list[Liar] = [
    *(busy_for_ever, busy_for_ever_and_slow, nothing_yet_for_ever, garbage, garbage_in_frames, other_status, no_status),
    *(ended, empty_frames, long_frames, longest_frames, flood_of_frames, flood_of_naks, other_records, resumptions),
    *(
        the_former_answer,
        a_thousand_records,
        a_message_that_changes_between_two_reads,
        another_version,
        another_service,
    ),
    takes_20_bytes,
    *itertools.chain.from_iterable(itertools.starmap(spoiled, SPOILED.items())),
]
SAID: dict[Liar, str] = {
    busy_for_ever: "the tag stayed busy",
    busy_for_ever_and_slow: "not done within 5 s",
    nothing_yet_for_ever: "did not answer within 10 s",
    long_frames: "a frame of 513 bytes",
    longest_frames: "a frame of 513 bytes",
    other_records: "did not answer within 10 s",
    a_thousand_records: "more than 16 records",
    another_version: "of a version or mode that is not known here",
    takes_20_bytes: "the tag takes 20",
}
"""What some errors must say."""


class Tearing(Field):
    """Breaks each tap off after so many commands."""

    def __init__(self, after: int) -> None:
        super().__init__(FieldModel(0.015))
        self._after = after

    async def tap(self, timeout: float) -> FieldTag:
        self.torn_after = self._after
        return await super().tap(timeout)


@pytest.mark.parametrize("latency", [0.0, 0.015])
@pytest.mark.parametrize("after", [0, 3, 5, 7, 9, 11, 13])
def test_a_tag_that_leaves_each_time(after: int, latency: float) -> None:
    """And shows a service with other waiting times whenever it comes back."""
    services = (Service(SERVICE.name, time, 15, 600 + time) for time in itertools.cycle(range(9)))

    class Changing(File):
        def begin(self) -> None:
            super().begin()
            self._greeting = encode([next(services).to_record()])

    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with tapping(Path(directory)) as both:
                field = Tearing(after)
                field.model = FieldModel(latency)
                async with beside(field.emulate(Type4Card(Changing(itertools.repeat(frames()))))):
                    error = await both.fail(field)
                assert isinstance(error, LinkLost)
                assert both.loop.time() < BOUND_WITH_LOSSES
                await both.check_next()

    run(main())


@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.__name__)
def test_a_client_ends_in_time_and_the_next_tap_works(liar: Liar) -> None:
    async def main() -> tuple[OobError, float]:
        with tempfile.TemporaryDirectory() as directory:
            async with tapping(Path(directory)) as both:
                loop, field = both.loop, Field(FieldModel(0.015, air=True))
                async with beside(field.emulate(liar(Random(5)))):
                    begin = loop.time()
                    tracemalloc.start()
                    error = await both.fail(field)
                    _, peak = tracemalloc.get_traced_memory()
                    tracemalloc.stop()
                    taken = loop.time() - begin
                    assert peak < MEMORY
                await both.check_next()
                return error, taken

    error, taken = run(main())
    assert isinstance(error, (LinkError, PeerError)) or error.exit_code == 2, error
    assert SAID.get(liar, "") in str(error)
    assert taken < BOUND
