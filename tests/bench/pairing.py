"""A whole pairing with its certificate on loopback, without radio latency: handshake, binding, ACME, page.

    python -m tests.bench.pairing [--json] [--rounds N]

Issuer, device and client share one process and one event loop; TLS, HTTP and SQLite are the real ones, the link is
memory. The clock runs from the opening of the session to the answer that names the page.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from oob.sim.demo import Stopwatch
from oob.sim.home import home


async def measure(rounds: int) -> dict[str, float]:
    """Return medians in milliseconds."""
    samples: dict[str, list[float]] = {"handshake and binding": [], "certificate and page": [], "pair, whole": []}
    with tempfile.TemporaryDirectory() as name:
        watch = Stopwatch()
        async with home(Path(name), carrier="memory", report=watch) as running:
            for number in range(rounds + 1):
                running.device.offer.press()  # a displayed code is for one pairing
                link = await running.connect()
                begin = perf_counter()
                await running.client.pair(link, running.device.offer.out_of_band(), names=("lamp",))
                whole = (perf_counter() - begin) * 1000
                await link.close()
                if number:  # the first one opens connections and fills caches
                    samples["handshake and binding"].append(watch.between("session", "agreed"))
                    samples["certificate and page"].append(watch.between("bound", "ready"))
                    samples["pair, whole"].append(whole)
    return {what: round(median(values), 1) for what, values in samples.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    figures = asyncio.run(measure(args.rounds))
    if args.json:
        print(json.dumps(figures))
        return
    for what, figure in figures.items():
        print(f"{what:24} {figure:6.1f} ms")


if __name__ == "__main__":
    main()
