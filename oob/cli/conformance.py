"""`oob conformance`."""

import argparse

from oob.cli.terminal import Terminal
from oob.conformance.result import Outcome
from oob.conformance.vectors import run_file


async def vectors(args: argparse.Namespace, terminal: Terminal) -> int:
    """Run vector files; 1 if any vector failed. One for something that is not implemented counts neither way."""
    counts = dict.fromkeys(Outcome, 0)
    for path in args.files:
        for result in run_file(path):
            outcome = result.outcome
            counts[outcome] += 1
            line = {"file": path.name, "name": result.name, "outcome": outcome.value, "detail": result.detail}
            terminal.result(line)
            terminal.show(f"{outcome.value:14}  {path.name}  {result.name}: {result.detail}")
    terminal.result({outcome.value.replace(" ", "_"): count for outcome, count in counts.items()})
    if counts[Outcome.NOT_APPLICABLE]:
        terminal.show(f"{counts[Outcome.NOT_APPLICABLE]} not applicable: for what this library does not implement")
    terminal.show(f"{counts[Outcome.PASSED]} passed, {counts[Outcome.FAILED]} failed")
    return 1 if counts[Outcome.FAILED] else 0
