"""Each fuzz target over its corpus, what is cut off from it, and bytes at random: the part of fuzzing that is quick."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import changed_sequence
from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import TARGETS

NAMES = sorted(TARGETS)
SEEDS = seeds()


def inputs() -> list[Path]:
    return [path for name in NAMES for path in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize("path", inputs(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_corpus(path: Path) -> None:
    """What is valid is taken: else fuzzing would begin, and end, at the first check."""
    taken = TARGETS[path.parent.name](path.read_bytes())
    assert taken or not path.name.startswith("valid-"), "run `python -m tests.fuzz.seeds` after a change of the format"


def test_each_target_has_a_corpus() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == NAMES == sorted(SEEDS)
    assert sum(path.stat().st_size for path in inputs()) < 50_000


@pytest.mark.parametrize("name", NAMES)
def test_truncations(name: str) -> None:
    for seed in SEEDS[name]:
        for length in range(0, len(seed), 1 + len(seed) // 60):
            TARGETS[name](seed[:length])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_random_bytes(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(st.binary(max_size=200)))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_damage(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS[name]))
    start = data.draw(st.integers(0, len(seed)))
    stop = data.draw(st.integers(start, min(start + 4, len(seed))))
    TARGETS[name](seed[:start] + data.draw(st.binary(max_size=4)) + seed[stop:])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100)
@given(data=st.data(), random=st.randoms(use_true_random=False))
def test_another_item(name: str, data: st.DataObject, random: Random) -> None:
    changed = changed_sequence(data.draw(st.sampled_from(SEEDS[name])), random)
    if changed is not None:
        TARGETS[name](changed)
