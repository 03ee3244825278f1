"""A reader that writes to an emulated tag what no honest one does: the device keeps its memory and its time."""

import asyncio
import gc
import itertools
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from oob.framing.gatt import MAX_MESSAGE, MessageType, fragment, nak, resume
from oob.framing.ndef import MAX_NDEF, Record, Tnf, encode
from oob.framing.tnep import PROTOCOL_ERROR
from oob.framing.type4 import AID, CC_FILE, MAX_DATA, OK
from oob.framing.type4_card import NDEF_FILE
from oob.pairing import Model
from oob.sim.field import Field, FieldModel, FieldTag
from oob.sim.virtual_time import run
from oob.transport.nfc_profile import SERVICE
from tests.e2e.tapping import Tapping, tapping

MEMORY = 1 << 20
"""Bytes that the device may need besides, at most."""
COUNT = 20_000
"""Commands of an attack."""
MODELS = [Model.PASSCODE, Model.SECRET]

Attack = Callable[[Random], Iterator[bytes | None]]
"""The commands, one after the other; None: the tag is tapped anew."""


def select(file: bytes) -> bytes:
    return b"\x00\xa4\x00\x0c\x02" + file


def update(offset: int, data: bytes) -> bytes:
    return b"\x00\xd6" + offset.to_bytes(2, "big") + bytes((len(data),)) + data


def read(offset: int, length: int = MAX_DATA) -> bytes:
    return b"\x00\xb0" + offset.to_bytes(2, "big") + bytes((length,))


def chosen(name: str) -> bytes:
    return encode([Record(Tnf.WELL_KNOWN, b"Ts", bytes((len(name),)) + name.encode())])


def said(*frames: bytes) -> bytes:
    return encode([Record(Tnf.UNKNOWN, payload=each) for each in frames])


def written(message: bytes) -> Iterator[bytes]:
    """Write as an honest reader does."""
    data = len(message).to_bytes(2, "big") + message
    if len(data) <= MAX_DATA:
        yield update(0, data)
        return
    yield update(0, bytes(2))
    yield from (update(at, data[at : at + MAX_DATA]) for at in range(2, len(data), MAX_DATA))
    yield update(0, data[:2])


OPEN = [b"\x00\xa4\x04\x00\x07" + AID + b"\x00", select(NDEF_FILE)]
SELECT = next(written(chosen(SERVICE.name)))


def random_apdus(random: Random) -> Iterator[bytes | None]:
    while True:
        yield random.randbytes(random.randrange(262))


def damaged_apdus(random: Random) -> Iterator[bytes | None]:
    honest = [*OPEN, SELECT, read(0), select(CC_FILE), read(0, 15), *written(said(bytes(300)))]
    while True:
        command = bytearray(random.choice(honest))
        for _ in range(random.randrange(3)):
            command[random.randrange(len(command))] = random.randrange(256)
        yield bytes(command[: random.randrange(len(command) + 1) if random.random() < 0.1 else None])


def writes_everywhere(random: Random) -> Iterator[bytes | None]:
    while True:
        yield from OPEN
        for file in (CC_FILE, NDEF_FILE):
            yield select(file)
            for offset in itertools.chain(range(20), range(0, 0x10000, 97), range(MAX_NDEF - 9, MAX_NDEF + 9)):
                yield update(offset, random.randbytes(random.randrange(1, 250)))
                yield read(offset, random.randrange(256))


def writes_and_never_reads(random: Random) -> Iterator[bytes | None]:
    yield from (*OPEN, SELECT)
    while True:
        yield from written(said(*(resume(random.randbytes(8)) for _ in range(15))))


def asks_for_repetitions_and_never_reads(_: Random) -> Iterator[bytes | None]:
    yield from (*OPEN, SELECT)
    message = fragment(MessageType.HANDSHAKE, 1, b"\xff" * 100, 512)
    while True:
        yield from written(said(*message, *[nak(2, range(128), 200)] * 12))


def never_ends(random: Random) -> Iterator[bytes | None]:
    yield from (*OPEN, SELECT, update(0, bytes(2)))
    while True:
        yield update(random.randrange(2, MAX_NDEF - 300), random.randbytes(MAX_DATA))


def frames_that_never_end(random: Random) -> Iterator[bytes | None]:
    yield from (*OPEN, SELECT)
    while True:
        yield from written(said(*(random.randbytes(1) + bytes(200) for _ in range(15))))
        yield read(0)


def selects_and_deselects(_: Random) -> Iterator[bytes | None]:
    yield from OPEN
    while True:
        yield SELECT
        yield from written(chosen(""))
        yield read(0)


def speaks_and_deselects(random: Random) -> Iterator[bytes | None]:
    yield from OPEN
    while True:
        yield SELECT
        yield from written(said(*fragment(MessageType.HANDSHAKE, 0, random.randbytes(100), 512)))
        yield from written(chosen(""))


def the_longest_message(random: Random) -> Iterator[bytes | None]:
    yield from (*OPEN, SELECT)
    for msgid in itertools.cycle(range(256)):
        yield from written(said(*fragment(MessageType.HANDSHAKE, msgid, random.randbytes(MAX_MESSAGE), 512)))
        yield read(0)


def longest_records(_: Random) -> Iterator[bytes | None]:
    yield from (*OPEN, SELECT)
    while True:
        yield from written(said(bytes(MAX_NDEF - 6)))
        yield read(0)


def taps(_: Random) -> Iterator[bytes | None]:
    while True:
        yield None


def taps_and_selects(_: Random) -> Iterator[bytes | None]:
    while True:
        yield from (*OPEN, SELECT, None)


def taps_and_speaks(random: Random) -> Iterator[bytes | None]:
    while True:
        yield from (*OPEN, SELECT)
        yield from written(said(*fragment(MessageType.HANDSHAKE, 0, random.randbytes(100), 512)))
        yield None


def reads_for_ever(_: Random) -> Iterator[bytes | None]:
    yield from (*OPEN, SELECT)
    while True:
        yield read(0)


ATTACKS: list[Attack] = [
    *(random_apdus, damaged_apdus, writes_everywhere, writes_and_never_reads, asks_for_repetitions_and_never_reads),
    *(never_ends, frames_that_never_end, selects_and_deselects, speaks_and_deselects, the_longest_message),
    *(longest_records, taps, taps_and_selects, taps_and_speaks, reads_for_ever),
]


async def attack(both: Tapping, commands: Iterator[bytes | None]) -> None:
    """Play an attack; whatever comes, the tag answers with a status word."""
    tag = await both.field.tap(5)
    for command in commands:
        if command is None:
            tag = await both.field.tap(5)
        else:
            response = await tag.transceive(command)
            assert len(response) >= 2, command.hex()
    await tag.close()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name.lower())
@pytest.mark.parametrize("attacker", ATTACKS, ids=lambda attacker: attacker.__name__)
def test_the_device_keeps_its_memory_and_serves_the_next_one(attacker: Attack, model: Model) -> None:
    faults: list[object] = []
    count = COUNT if attacker in (random_apdus, damaged_apdus) else COUNT // 10

    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            field = Field(FieldModel(0.001))
            async with tapping(Path(directory), model=model, field=field) as both:
                both.loop.set_exception_handler(lambda _, context: faults.append(context))
                await attack(both, itertools.islice(attacker(Random(1)), 100))  # what is loaded once
                tasks = len(asyncio.all_tasks())
                gc.collect()
                tracemalloc.start()
                await attack(both, itertools.islice(attacker(Random(2)), count))
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                assert peak < MEMORY
                assert len(asyncio.all_tasks()) <= tasks + 3
                assert len(vars(both.listener)["_connections"]) <= 1
                await both.check_next()
                assert {step for who, step in both.steps if who == "device"} >= {"done"}

    run(main())
    gc.collect()
    assert faults == []


async def opened(field: Field, *commands: bytes | None) -> FieldTag:
    """Tap, open the file, and send commands, none of which is refused."""
    tag = await field.tap(5)
    for command in (*OPEN, *filter(None, commands)):
        assert (await tag.transceive(command)).endswith(OK)
    return tag


async def everything(tag: FieldTag) -> bytes:
    """Read all there is, at every offset."""
    found = b""
    for file, length in ((CC_FILE, 15), (NDEF_FILE, MAX_NDEF + 2)):
        await tag.transceive(select(file))
        for offset in range(0, length, 50):
            found += (await tag.transceive(read(offset, 60)))[:-2] + b"|"
    return found


def test_a_reader_reads_nothing_that_another_one_wrote_or_was_answered() -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with tapping(Path(directory)) as both:
                secret = b"what the first reader has written, in full and in part"
                whole = said(*fragment(MessageType.HANDSHAKE, 1, secret, 512))
                first = await opened(both.field, SELECT, *written(whole), update(1000, secret))
                await asyncio.sleep(0.1)
                assert secret not in await everything(first)  # nor does it see its own
                answer = (await first.transceive(read(0)))[14:-2]
                assert answer.endswith(b"refused")
                second = await opened(both.field)
                seen = await everything(second)
                assert secret[:10] not in seen
                assert answer[-8:] not in seen

    run(main())


def test_a_reader_cannot_finish_what_another_one_began_to_write() -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with tapping(Path(directory)) as both:
                message = chosen(SERVICE.name)
                length = len(message).to_bytes(2, "big")
                tag = await opened(both.field, update(2, message), update(0, length), read(0))
                assert (await tag.transceive(read(0)))[-3:-2] == b"\x00"  # selected
                await opened(both.field, update(2, message))
                tag = await opened(both.field, update(0, length))
                assert (await tag.transceive(read(0)))[-3:-2] == bytes((PROTOCOL_ERROR,))

    run(main())


def test_what_waits_for_a_reader_that_never_reads_is_bounded() -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with tapping(Path(directory), field=Field(FieldModel(0.001))) as both:
                await attack(both, itertools.islice(writes_and_never_reads(Random(1)), 2000))
                await opened(both.field, *itertools.islice(writes_and_never_reads(Random(1)), 2, 2000))
                stack = vars(vars(both.listener)["stack"])
                assert len(vars(stack["_tag"])["_queue"]) == 64

    run(main())
