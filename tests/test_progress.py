import dataclasses

import pytest

from oob.progress import Progress, silent


def test_a_step_is_a_value() -> None:
    step = Progress("client", "bound")
    assert step == Progress("client", "bound", "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.who = "device"  # type: ignore[misc]
    assert silent(step) is None  # type: ignore[func-returns-value]
