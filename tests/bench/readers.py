"""The CPU time of one pairing by a tap of the device's emulated tag, on both stacks of readers.

    python -m tests.bench.readers [--json] [--rounds N]

Issuer, device, client and page share one process, all of whose threads are counted (`time.process_time`), from the tap
to the answer that names the page. `none` is the same pairing without a tag. `nfcpy` has nfcpy on both sides, over its
simulated radio; `PC/SC` has vsmartcard's simulated reader, in a bed, and pcscd's own time is not in it.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import process_time

from oob.pairing import Model
from oob.transport.nfc import Emulator
from oob.transport.nfcpy_emulator import NfcpyEmulator
from tests.e2e.stage import Stage, stage
from tests.e2e.touch import Slot, touch, touchable
from tests.transport.pcsc_bed import Bed, apart, in_bed, what_is_missing
from tests.transport.udp_field import free_path

ROUNDS = "OOB_BENCH_ROUNDS"
"""The variable that tells the process in the bed."""


async def sample(on: Stage, pair: Callable[[], Awaitable[object]], rounds: int) -> float:
    """Return the median of the CPU time of a pairing, in milliseconds."""
    samples = []
    for _ in range(rounds + 1):
        on.device.offer.press()
        begin = process_time()
        await pair()
        samples.append((process_time() - begin) * 1000)
    return round(median(samples[1:]), 1)  # the first one opens connections and fills caches


async def without(directory: Path, rounds: int) -> float:
    """Measure over memory."""
    async with stage(directory, model=Model.SECRET, printed=False) as on:
        return await sample(on, on.pair, rounds)


async def tapped(directory: Path, emulator: Emulator, reader: str, rounds: int) -> float:
    """Measure with a reader."""
    async with touchable(directory, emulator) as on:
        return await sample(on, lambda: touch(on, reader), rounds)


@in_bed
async def in_the_slot(bed: Bed) -> None:
    """Measure with PC/SC, and print the figure."""
    print(await tapped(bed.directory, Slot(), "pcsc", int(os.environ[ROUNDS])))


def with_pcsc(rounds: int) -> float | None:
    """Return the figure from the bed, None where there can be none."""
    if what_is_missing():
        return None
    os.environ[ROUNDS] = str(rounds)
    done = apart(sys.executable, "-m", "tests.transport.pcsc_bed", "tests.bench.readers", in_the_slot.__name__)
    return float(done.stdout) if done.returncode == 0 else None


def measure(rounds: int) -> dict[str, float | None]:
    """Return medians in milliseconds."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        path = free_path()
        return {
            "none": asyncio.run(without(Path(one), rounds)),
            "nfcpy": asyncio.run(tapped(Path(other), NfcpyEmulator(path), path, rounds)),
            "PC/SC": with_pcsc(rounds),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    figures = measure(args.rounds)
    if args.json:
        print(json.dumps(figures))
        return
    for what, figure in figures.items():
        print(f"{what:8} {'not here' if figure is None else f'{figure:6.1f} ms'}")


if __name__ == "__main__":
    main()
