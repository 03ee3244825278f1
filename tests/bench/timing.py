"""Interleaved timing: every contestant runs once per round, so that a slow spell of the machine hits all alike."""

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter_ns


def interleave(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median duration of each contestant, in microseconds."""
    samples: dict[str, list[int]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()  # caches, lazy imports
    for _ in range(rounds):
        for name, run in contestants.items():
            begin = perf_counter_ns()
            run()
            samples[name].append(perf_counter_ns() - begin)
    return {name: median(values) / 1000 for name, values in samples.items()}
