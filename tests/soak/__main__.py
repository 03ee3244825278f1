"""`make soak`: the right secret is accepted, each time, whatever bytes keys and nonces begin with.

    python -m tests.soak [--runs N] [--seed N] [--json]

Both ends of a pairing run in memory, N times for each model. The seed decides all keys and nonces, so that a run can be
repeated; the exit code is 1 if a single run was refused.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from time import perf_counter

from tests.soak.inputs import Dealer
from tests.soak.runs import Tally, soak

SHOWN = 5


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="pair again and again, in memory")
    parser.add_argument("--runs", type=int, default=10_000, metavar="N", help="for each model (10,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="decides all keys and nonces (1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each model")
    chosen = parser.parse_args(given)
    if chosen.runs < 1:
        parser.error("--runs is at least 1")
    return chosen


def show(tally: Tally, seconds: float) -> None:
    """Print the outcome of a model."""
    accepted = tally.runs - len(tally.refused)
    print(f"{tally.model}: {accepted:,} of {tally.runs:,} accepted, {len(tally.refused):,} refused ({seconds:.0f} s)")
    for kind, count in sorted(tally.zeros.items()):
        print(f"  zero in {kind:28} {count:7,} runs")
    for reason in tally.refused[:SHOWN]:
        print(f"  REFUSED {reason}")
    sys.stdout.flush()


def main(given: Sequence[str] | None = None) -> int:
    """Soak; return the exit code."""
    chosen = arguments(given)
    refused, begin = 0, perf_counter()
    for tally in soak(Dealer(chosen.seed), chosen.runs):
        end = perf_counter()
        if chosen.json:
            print(json.dumps({**vars(tally), "seed": chosen.seed, "seconds": round(end - begin, 1)}), flush=True)
        else:
            show(tally, end - begin)
        refused += len(tally.refused)
        begin = end
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
