"""Runs coroutines in virtual time, and looks that they leave no task behind."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from oob.sim.virtual_time import run


@pytest.fixture
def run_virtual() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Return a function that runs a coroutine in virtual time, and fails if it leaves a task behind."""

    async def watched(main: Coroutine[Any, Any, Any]) -> Any:
        result = await main
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return lambda main: run(watched(main))
