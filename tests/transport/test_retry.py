"""Trying again, in virtual time: how often, after which pauses, and what is told."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError

from oob.errors import DeviceNotFound, LinkError
from oob.progress import Progress
from oob.transport.bleak_edge import renamed
from oob.transport.retry import LONGEST_PAUSE, MAX_TRIES, persist

Run = Callable[[Coroutine[Any, Any, Any]], Any]

AT_ONCE = BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort-by-local"])
LATER = BleakError("failed to discover services, device disconnected")  # 0.25 s, 0.5 s, 1 s, 2 s
SLOW = BleakError("no connection slot is free")  # 4 s, and never more
AFRESH = BleakDeviceNotFoundError("C0:01", "gone")
NEVER = BleakError("what nobody ever saw")


class Attempts:
    """Fails by each of `errors`, then returns "done"; notes when."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.at: list[float] = []
        self.told: list[str] = []
        self.found_at: list[float] = []

    async def attempt(self) -> str:
        self.at.append(asyncio.get_running_loop().time())
        with renamed("connect"):
            if self.errors:
                raise self.errors.pop(0)
        return "done"

    async def find_again(self) -> None:
        self.found_at.append(asyncio.get_running_loop().time())

    def hear(self, progress: Progress) -> None:
        assert (progress.who, progress.step) == ("client", "retrying")
        self.told.append(progress.detail)

    async def run(self, seconds: float = 100, find: bool = False) -> str:
        find_again = self.find_again if find else None
        return await persist(self.attempt, deadline=seconds, report=self.hear, find_again=find_again)


def test_the_pauses_double(run_virtual: Run) -> None:
    attempts = Attempts(*[LATER] * 4)
    assert run_virtual(attempts.run()) == "done"
    assert attempts.at == [0, 0.25, 0.75, 1.75, 3.75]
    assert [each.partition(":")[0] for each in attempts.told] == ["2 of 5", "3 of 5", "4 of 5", "5 of 5"]
    assert "the connection was lost as soon as it stood" in attempts.told[0]


def test_and_are_bounded(run_virtual: Run) -> None:
    attempts = Attempts(*[SLOW] * 4)
    assert run_virtual(attempts.run()) == "done"
    assert attempts.at == [LONGEST_PAUSE * each for each in range(MAX_TRIES)]


def test_what_passes_at_once_is_tried_again_at_once(run_virtual: Run) -> None:
    attempts = Attempts(*[AT_ONCE] * 4)
    assert run_virtual(attempts.run()) == "done"
    assert attempts.at == [0] * 5


@pytest.mark.parametrize("error", [AT_ONCE, LATER])
def test_after_five_tries_the_last_error_stands(run_virtual: Run, error: Exception) -> None:
    attempts = Attempts(*[error] * 9)
    with pytest.raises(LinkError) as caught:
        run_virtual(attempts.run())
    assert caught.value.__cause__ is error
    assert (len(attempts.at), len(attempts.told)) == (5, 4)


def test_what_does_not_pass_is_tried_once(run_virtual: Run) -> None:
    attempts = Attempts(NEVER)
    with pytest.raises(LinkError, match="what nobody ever saw"):
        run_virtual(attempts.run(find=True))
    assert (len(attempts.at), attempts.told) == (1, [])


@pytest.mark.parametrize(("seconds", "tries"), [(0.25, 1), (0.26, 2), (0.75, 2), (1.8, 4), (3.75, 4), (3.76, 5)])
def test_no_try_begins_after_the_deadline(run_virtual: Run, seconds: float, tries: int) -> None:
    attempts = Attempts(*[LATER] * 9)
    with pytest.raises(LinkError):
        run_virtual(attempts.run(seconds))
    assert len(attempts.at) == tries


def test_a_device_that_is_gone_is_looked_for_again(run_virtual: Run) -> None:
    attempts = Attempts(AFRESH, LATER, AFRESH)
    assert run_virtual(attempts.run(find=True)) == "done"
    assert attempts.found_at == [0, 0.5]
    assert attempts.at == [0, 0, 0.5, 0.5]


def test_and_given_up_where_it_cannot_be(run_virtual: Run) -> None:
    attempts = Attempts(AFRESH)
    with pytest.raises(DeviceNotFound):
        run_virtual(attempts.run())
    assert len(attempts.at) == 1


def test_an_error_of_this_library_is_not_tried_again(run_virtual: Run) -> None:
    attempts = Attempts(LinkError("the link is closed", step="link"))
    with pytest.raises(LinkError, match="closed"):
        run_virtual(attempts.run())
    assert len(attempts.at) == 1
