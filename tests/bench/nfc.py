"""What a pairing costs through a tag: commands, bytes and time on a simulated field, and CPU.

    python -m tests.bench.nfc [--json] [--rounds N]

The field is simulated: the air at 106 kbit/s, so many milliseconds at the host for each command, and virtual time,
which counts these alone and no computation. The clock starts as the tag comes into the field. The messages are those
of a real run: passcode, both public keys by value, session context and binding; "channel" are the two records of the
protected channel. The tag shows a URL and the bootstrap data of the model `secret`.

CPU is that of both ends together, in this process and real time, over the field and over memory: medians of `--rounds`.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from statistics import median
from time import process_time
from typing import Any, Final

from oob.framing.gatt import MessageType
from oob.framing.ndef import Record, Tnf
from oob.pairing import Bootstrap, Model
from oob.pairing.tag_content import BOOTSTRAP_TYPE
from oob.sim.field import Field, FieldModel
from oob.sim.virtual_time import run
from oob.transport.carrier import beside
from oob.transport.link import FramedLink
from oob.transport.memory import link_pair
from oob.transport.tnep_poller import connect, tap
from oob.transport.tnep_stack import nfc_listener
from tests.bench.radio import pairing_messages
from tests.e2e.test_bad_radio import be_client, be_device
from tests.exchange import SECRET, Run

LATENCIES: Final = (0.005, 0.015)
"""Seconds at the host for each command: a reader on USB under load, at best and at worst."""
THINKING: Final = 0.1
"""Seconds that a slow device takes for each answer."""
AIM: Final = 0.5
"""Seconds that tap, handshake and binding should not exceed at the larger latency."""
STAGES: Final = ("tap and read", "select", "handshake and binding", "channel", "deselect")
UP_TO_BINDING: Final = "up to the binding"
SLOWLY: Final = f"the same, {THINKING * 1000:g} ms an answer"
HANDSHAKE: Final = MessageType.HANDSHAKE

Mark = tuple[int, int, int, float]
"""Commands, their bytes, bytes on the air, and seconds so far."""


def greeting() -> list[Record]:
    """Return what a tap shows beside the service."""
    bootstrap = Bootstrap(1, (Model.SECRET,), bytes(32), SECRET, SECRET, True, "Lamp")
    url = Record(Tnf.WELL_KNOWN, b"U", b"\x04maker.example/d/1")
    return [url, Record(Tnf.EXTERNAL, BOOTSTRAP_TYPE, bootstrap.encode())]


async def pair(latency: float, thinking: float = 0.0) -> list[Mark]:
    """Pair once, with a device that takes so many seconds for each answer; return how things stood after each stage."""
    field, pairs, loop = Field(FieldModel(latency, air=True)), pairing_messages(), asyncio.get_running_loop()
    marks: list[Mark] = []

    def mark() -> None:
        marks.append((field.commands, field.bytes, field.air_bytes, loop.time()))

    listener = nfc_listener(field, greeting)
    await listener.start()
    await listener.advertise(b"")

    async def serve() -> None:
        async with await listener.accept() as link:
            for _, reply in pairs:
                await link.receive(10)
                await asyncio.sleep(thinking)
                await link.send(HANDSHAKE, reply)

    async with beside(serve()):
        tapped = await tap(field, 5)
        mark()
        link = await connect(tapped)
        mark()
        for number, (request, reply) in enumerate(pairs):
            await link.send(HANDSHAKE, request)
            assert await link.receive(10) == (HANDSHAKE, reply)
            if number:
                mark()
        await link.close()
        mark()
    await listener.close()
    return marks


def measure_field() -> list[dict[str, Any]]:
    """Return a row for each latency and stage, for what the aim is about, and for a device that takes its time."""
    rows = []
    for latency in LATENCIES:
        start: Mark = (0, 0, 0, 0.0)
        marks, slow = ([start, *run(pair(latency, thinking))] for thinking in (0.0, THINKING))
        spans = [(name, marks[at], marks[at + 1]) for at, name in enumerate(STAGES)]
        spans += [("in all", start, marks[-1]), (UP_TO_BINDING, start, marks[3]), (SLOWLY, start, slow[3])]
        for name, begin, end in spans:
            commands, size, air, seconds = (after - before for before, after in zip(begin, end, strict=True))
            row = {"stage": name, "commands": commands, "bytes": size, "air_bytes": air}
            rows.append({"latency_ms": latency * 1000, **row, "ms": round(seconds * 1000, 1)})
    return rows


Use = Callable[[FramedLink, Callable[[], Awaitable[FramedLink]]], Awaitable[None]]
"""What is done with a client's link and what accepts the device's."""


async def over_memory(use: Use) -> None:
    """Join the two ends by memory."""
    client, device = link_pair()

    async def accept() -> FramedLink:
        return device

    await use(client, accept)


async def over_field(use: Use) -> None:
    """Join the two ends by a field that takes no time."""
    field = Field()
    listener = nfc_listener(field, greeting)
    await listener.start()
    await listener.advertise(b"")
    client = await connect(await tap(field, 5))
    await use(client, listener.accept)
    await client.close()
    await listener.close()


def cpu(join: Callable[[Use], Awaitable[None]]) -> float:
    """Return the CPU milliseconds of one pairing, both ends, which `join` joins."""
    pairing = Run.of("passcode")

    async def use(client: FramedLink, accept: Callable[[], Awaitable[FramedLink]]) -> None:
        async def serve() -> None:
            await be_device(await accept(), pairing)

        async with beside(serve()):
            await be_client(client, pairing)

    async def main() -> float:
        begin = process_time()
        await join(use)
        return (process_time() - begin) * 1000

    return run(main())


def measure_cpu(rounds: int) -> dict[str, float]:
    """Return medians, in milliseconds, one after the other in each round."""
    samples: dict[str, list[float]] = {"through the tag": [], "memory": []}
    for number in range(rounds + 1):
        for values, join in zip(samples.values(), (over_field, over_memory), strict=True):
            value = cpu(join)
            if number:  # the first one fills caches
                values.append(value)
    return {name: round(median(values), 1) for name, values in samples.items()}


def report(rows: Sequence[dict[str, Any]], cpu_ms: dict[str, float]) -> Iterator[str]:
    """Yield the lines of the table, and what became of the aim."""
    yield "simulated, virtual time: the air at 106 kbit/s and the host's latency, no computation"
    yield f"{'latency':>8}  {'stage':26} commands  bytes  on the air       ms"
    for row in rows:
        yield (
            f"{row['latency_ms']:5.0f} ms  {row['stage']:26} {row['commands']:8} {row['bytes']:6} "
            f"{row['air_bytes']:11} {row['ms']:8.1f}"
        )
    (taken,) = (row["ms"] for row in rows if (row["stage"], row["latency_ms"]) == (UP_TO_BINDING, LATENCIES[-1] * 1000))
    yield f"aim at {LATENCIES[-1] * 1000:g} ms: {AIM * 1000:g} ms, {'reached' if taken <= AIM * 1000 else 'MISSED'}"
    for name, value in cpu_ms.items():
        yield f"CPU of a pairing with its channel, both ends, {name}: {value:.1f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=50, help="pairings whose CPU is measured (50)")
    arguments = parser.parse_args()
    rows, cpu_ms = measure_field(), measure_cpu(arguments.rounds)
    if arguments.json:
        print(json.dumps({"simulated": True, "rows": rows, "cpu_ms": cpu_ms}))
        return
    print("\n".join(report(rows, cpu_ms)))


if __name__ == "__main__":
    main()
