"""Blocking calls under a deadline."""

import asyncio
import threading

import pytest

from oob.errors import LinkTimeout
from oob.transport.worker import Worker


async def test_what_a_call_returns_and_raises() -> None:
    worker = Worker("the reader")
    assert await worker.run(lambda: 6 * 7, 5) == 42
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0, 5)
    worker.close()


async def test_calls_are_made_one_after_the_other_in_one_thread() -> None:
    worker = Worker("the reader")
    threads = await asyncio.gather(*(worker.run(threading.get_ident, 5) for _ in range(5)))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()
    thread = await worker.run(threading.current_thread, 5)
    assert thread.daemon  # or the program could not end while a call hangs
    worker.close()
    worker.close()
    thread.join(5)
    assert not thread.is_alive()


async def test_a_call_that_never_returns_is_left_behind() -> None:
    worker, free = Worker("the reader"), threading.Event()
    with pytest.raises(LinkTimeout, match="the reader did not return"):
        await worker.run(free.wait, 0.02)
    assert await worker.run(lambda: "next", 5) == "next"
    free.set()
    worker.close()


async def test_a_call_that_is_given_up_ends_before_the_next_one_begins() -> None:
    worker, free, order = Worker("the reader"), threading.Event(), list[str]()
    unheeded: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheeded.append(context))

    def slow() -> None:
        free.wait(5)
        order.append("first")

    first = asyncio.create_task(worker.run(slow, 5))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(worker.run(lambda: order.append("second"), 5))
    await asyncio.sleep(0)
    free.set()
    await second
    assert first.cancelled()
    assert order == ["first", "second"]
    assert unheeded == []
    worker.close()
