"""`make fuzz`: coverage-guided fuzzing of every decoder, each for a bounded time.

    python -m tests.fuzz [--seconds N] [--json] [TARGET...]

Each target has a process of its own, which starts from `tests/fuzz/corpus/<target>/` and from what former runs found
interesting, kept in `build/fuzz/corpus/<target>/`. An input that makes a decoder raise any but its own errors, hang
or fill the memory is saved in `build/fuzz/findings/`, and the exit code is 1; it is 2 where atheris is not installed.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.fuzz.targets import TARGETS

FOLDER: Final = Path("build") / "fuzz"
CORPUS: Final = Path(__file__).parent / "corpus"
HANG_SECONDS: Final = 10
"""For one input: far above the slowest target, and reached only by an endless loop."""
MEMORY: Final = 1024
"""In MiB."""
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_COVERED = re.compile(r"\bcov: (\d+)")
_SAVED = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True)
class Outcome:
    """How a target fared: inputs tried, branches seen, the file with what broke it ("" if nothing did), and why."""

    target: str
    executions: int
    coverage: int
    finding: str
    report: str

    @property
    def sound(self) -> bool:
        """Whether nothing was found, and something was tried."""
        return not self.report


def command(target: str, seconds: int) -> list[str]:
    """Return the command that fuzzes one target."""
    own, findings = FOLDER / "corpus" / target, FOLDER / "findings"
    own.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds,
        "timeout": HANG_SECONDS,
        "rss_limit_mb": MEMORY,
        "artifact_prefix": f"{findings / target}-",
        "print_final_stats": 1,
    }
    flags = [f"-{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "tests.fuzz.campaign", target, *flags, str(own), str(CORPUS / target)]


def outcome(target: str, code: int, log: str) -> Outcome:
    """Read what libFuzzer and atheris wrote."""
    runs, covered, saved = (pattern.findall(log) for pattern in (_RUNS, _COVERED, _SAVED))
    failed = code != 0 or not runs
    report = "\n".join(log.splitlines()[-60:]) if failed else ""
    return Outcome(
        target,
        int(runs[-1]) if runs else 0,
        max(map(int, covered), default=0),
        saved[-1] if saved else "",
        report or ("no report" if failed else ""),
    )


def fuzz(target: str, seconds: int) -> Outcome:
    """Fuzz one target for so many seconds."""
    done = subprocess.run(  # noqa: S603
        command(target, seconds), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    return outcome(target, done.returncode, done.stdout + done.stderr)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="fuzz every decoder for a bounded time")
    parser.add_argument("--seconds", type=int, default=10, metavar="N", help="for each target (10)")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all, or some of: {', '.join(TARGETS)}")
    chosen = parser.parse_args(given)
    if unknown := [name for name in chosen.targets if name not in TARGETS]:
        parser.error(f"no such target: {', '.join(unknown)}")
    if chosen.seconds < 1:  # libFuzzer takes 0 for no limit
        parser.error("--seconds is at least 1")
    return chosen


def show(result: Outcome) -> None:
    """Print a line, and after it what went wrong."""
    verdict = "ok" if result.sound else "FAILED"
    line = f"{result.target:20} {result.executions:9,} inputs {result.coverage:6} branches  {verdict}"
    print(line, flush=True)
    if not result.sound:
        print(result.report, flush=True)
    if result.finding:
        print(f"the input: {result.finding}\n{Path(result.finding).read_bytes()!r}", flush=True)


def main() -> int:
    """Fuzz; return the exit code."""
    chosen = arguments()
    if find_spec("atheris") is None:
        print(
            "atheris is not installed: `make fuzz` installs it, on Linux on x86-64 for which it is published",
            file=sys.stderr,
        )
        return 2
    sound = True
    for target in chosen.targets or TARGETS:
        result = fuzz(target, chosen.seconds)
        print(json.dumps(asdict(result)), flush=True) if chosen.json else show(result)
        sound &= result.sound
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
