"""The GATT operations of a simulated central.

Bumble does not survive the cancellation of one while the device may still answer, and tells it nothing of the end of
the connection. So each goes on by itself until its answer, or until the whole lot is closed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Operations:
    """The operations over one connection. `lost` makes the error for one that its end cuts off."""

    def __init__(self, lost: Callable[[], Exception]) -> None:
        self._lost = lost
        self._running: set[asyncio.Task[Any]] = set()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, operation: Coroutine[Any, Any, T]) -> T:
        """Return what an operation returns. Raises what `lost` makes once the connection has ended."""
        if self._ended.done():
            operation.close()
            raise self._lost()
        task = asyncio.create_task(operation)
        self._running.add(task)
        task.add_done_callback(self._forget)
        either: set[asyncio.Future[Any]] = {task, self._ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() or task.cancelled():
            raise self._lost()
        return task.result()

    def end(self) -> None:
        """Note that the connection has ended. To be called once."""
        self._ended.set_result(None)

    async def close(self) -> None:
        """Cancel what is still going on, and wait for its end. The stack must be gone by then."""
        while self._running:
            # Again and again: `asyncio.wait_for` of Python 3.11 may swallow a cancellation.
            for operation in self._running:
                operation.cancel()
            await asyncio.sleep(0)

    def _forget(self, operation: asyncio.Task[Any]) -> None:
        self._running.discard(operation)
        if not operation.cancelled():
            operation.exception()  # whoever waited has it, if anyone did
