"""`make bench`: every program of this directory in turn, each as `python -m tests.bench.<name>` would run it."""

import subprocess
import sys
from pathlib import Path

PROGRAMS = sorted(
    path.stem for path in Path(__file__).parent.glob("[!_]*.py") if 'if __name__ == "__main__":' in path.read_text()
)


def main() -> int:
    """Run them; the arguments go to each. Return the first exit code that is not 0."""
    codes = []
    for program in PROGRAMS:
        print(f"== {program}", flush=True)
        codes.append(subprocess.run([sys.executable, "-m", f"tests.bench.{program}", *sys.argv[1:]]).returncode)  # noqa: S603
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
