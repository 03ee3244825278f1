"""Running a procedure against what answers commands."""

from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import TypeVar

from oob.errors import LinkLost, PeerError, UsageError
from oob.framing.procedure import Procedure, TagMemory, TagType
from oob.framing.type2 import open_type2
from oob.framing.type3 import open_type3
from oob.framing.type4 import open_type4
from oob.sim.tags import SimulatedChip

T = TypeVar("T")
LIMIT = 1000
"""Commands, more than any procedure may give."""
OPEN: dict[TagType, Callable[[], Procedure[TagMemory]]] = {
    TagType.TYPE_2: open_type2,
    TagType.TYPE_3: open_type3,
    TagType.TYPE_4: open_type4,
}


def drive(procedure: Procedure[T], answer: Callable[[bytes], bytes]) -> T:
    """Return the procedure's result; what `answer` raises comes through."""
    with closing(procedure):
        try:
            command = next(procedure)
            for _ in range(LIMIT):
                command = procedure.send(answer(command))
        except StopIteration as done:
            result: T = done.value
            return result
    raise AssertionError("the procedure goes on for ever")


def opened(chip: SimulatedChip) -> TagMemory:
    chip.activate()
    return drive(OPEN[chip.type](), chip.process)


def read(chip: SimulatedChip) -> bytes:
    """Return the message, as somebody reads it who comes anew."""
    return drive(opened(chip).read(), chip.process)


def write(chip: SimulatedChip, message: bytes) -> None:
    drive(opened(chip).write(message), chip.process)


def lock(chip: SimulatedChip) -> None:
    drive(opened(chip).lock(), chip.process)


def torn_writes(make: Callable[[], SimulatedChip], old: bytes, new: bytes) -> list[bytes]:
    """Tear the write of `new` over `old` after each command; return what the tag held each time, in order.

    After each tear, the next write must work.
    """
    seen: list[bytes] = []
    for commands in range(LIMIT):
        chip = make()
        write(chip, old)
        chip.torn_after = commands
        try:
            write(chip, new)
            return seen
        except LinkLost:
            chip.torn_after = None
        seen.append(read(chip))
        write(chip, new[::-1])
        assert read(chip) == new[::-1]
    raise AssertionError("the write never ends")


def mutated(honest: Callable[[bytes], bytes], random: Random) -> Callable[[bytes], bytes]:
    """Answer as the chip does, but for one response in twenty."""

    def answer(command: bytes) -> bytes:
        response = bytearray(honest(command))
        match random.randrange(80):
            case 0 if response:
                response[random.randrange(len(response))] ^= 1 << random.randrange(8)
            case 1:
                del response[random.randrange(len(response) + 1) :]
            case 2:
                response += random.randbytes(random.randrange(300))
            case 3 if response:
                response[random.randrange(len(response))] = random.choice((0, 1, 2, 3, 0xFE, 0xFF))
        return bytes(response)

    return answer


def fuzz(make: Callable[[], SimulatedChip], rounds: int, seed: int) -> int:
    """Open, read, write, lock and read tags that lie. Return how many of these were refused; nothing else may come."""
    random, refused = Random(seed), 0
    for _ in range(rounds):
        answer = mutated((chip := make()).process, random)
        try:
            memory = drive(OPEN[chip.type](), answer)
            drive(memory.read(), answer)
            drive(memory.write(b"x" * 60), answer)
            drive(memory.lock(), answer)
            drive(memory.read(), answer)
        except (PeerError, UsageError):
            refused += 1
    return refused
