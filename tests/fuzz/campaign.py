"""Fuzz one target in this process under atheris: `python -m tests.fuzz.campaign TARGET [option of libFuzzer...]`.

The options are passed on as they are; `tests.fuzz` chooses them. On a finding atheris ends the process.
"""

import sys
from random import Random

import atheris

# What is imported here is instrumented, so that atheris sees which branches an input takes.
with atheris.instrument_imports(include=["oob"]):
    from tests.fuzz.mutation import changed_sequence
    from tests.fuzz.targets import TARGETS


def mutate(data: bytes, limit: int, seed: int) -> bytes:
    """Change an input of at most `limit` bytes as libFuzzer does or, where it is CBOR, half the times an item in it."""
    random = Random(seed)
    changed = changed_sequence(data, random) if random.random() < 0.5 else None
    return changed if changed and len(changed) <= limit else bytes(atheris.Mutate(data, limit))


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    target = TARGETS[name]

    def run(data: bytes) -> None:
        target(data)  # atheris takes no other result than None

    atheris.Setup([sys.argv[0], *options], run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
