"""Fuzz one target in this process under atheris: `python -m tests.fuzz.campaign TARGET [option of libFuzzer...]`.

The options are passed on as they are; `tests.fuzz` chooses them. On a finding atheris ends the process.
"""

import sys

import atheris

# What is imported here is instrumented, so that atheris sees which branches an input takes.
with atheris.instrument_imports(include=["oob"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    target = TARGETS[name]

    def run(data: bytes) -> None:
        target(data)  # atheris takes no other result than None

    atheris.Setup([sys.argv[0], *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
