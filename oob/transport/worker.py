"""A thread for calls that block, so that a stack that never returns holds up nothing but itself."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from oob.errors import LinkTimeout

T = TypeVar("T")

_Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Worker:
    """Makes blocking calls one after the other, in a daemon thread of its own.

    A call that does not return in its time is left behind with its thread; the next call gets a new one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] | None = None  # of the thread that is at work, if there is one

    async def run(self, call: Callable[[], T], timeout: float) -> T:
        """Return what `call` returns, or raise what it raises. LinkTimeout after `timeout` seconds.

        When cancelled, the call goes on to its end, and the next one waits for that.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        jobs = self._jobs = self._jobs or self._start()
        jobs.put((call, answer, loop))
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            if jobs is self._jobs:
                self.close()
            cause = f"{self._name} did not return within {timeout:g} s"
            raise LinkTimeout(cause, step="reader", remedy="Unplug the reader, and plug it in again") from None

    def close(self) -> None:
        """Let the thread end after the calls that it has. May be called twice; another call starts anew."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None

    def _start(self) -> "SimpleQueue[_Job | None]":
        jobs: SimpleQueue[_Job | None] = SimpleQueue()
        threading.Thread(target=_work, args=(jobs,), name=self._name, daemon=True).start()
        return jobs


def _work(jobs: "SimpleQueue[_Job | None]") -> None:
    while (job := jobs.get()) is not None:
        call, answer, loop = job
        result, error = None, None
        try:
            result = call()
        except Exception as raised:  # whatever it is, it belongs to the caller
            error = raised
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(_settle, answer, result, error)


def _settle(answer: "asyncio.Future[Any]", result: object, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
