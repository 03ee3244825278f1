"""What carriers share: the queue between callbacks and the one reader, and what must not stop half-way."""

import asyncio
import gc

import pytest

from oob.errors import LinkError, LinkLost
from oob.transport.carrier import Inbox, beside, connection_lost, finish


async def test_an_inbox_is_bounded_and_fails_after_its_last_frame() -> None:
    inbox = Inbox()
    for _ in range(2000):
        inbox.put(b"x")
    inbox.fail(LinkError("first"))
    inbox.fail(LinkError("second"))
    for _ in range(512):
        assert await inbox.get() == b"x"
    with pytest.raises(LinkError, match="first"):
        await inbox.get()


async def test_clean_up_goes_on_when_cancelled() -> None:
    done, release = [], asyncio.Event()

    async def clean() -> None:
        await release.wait()
        done.append(True)

    waiting = asyncio.create_task(finish(asyncio.create_task(clean())))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done


async def test_who_is_cancelled_twice_does_not_wait_and_its_failure_is_heeded() -> None:
    unheeded: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheeded.append(context))
    release = asyncio.Event()

    async def fail() -> None:
        await release.wait()
        raise connection_lost()

    waiting = asyncio.create_task(finish(asyncio.create_task(fail())))
    for _ in range(2):
        await asyncio.sleep(0)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    for _ in range(3):
        await asyncio.sleep(0)
    del waiting
    gc.collect()
    assert unheeded == []


async def test_nothing_comes_after_the_end() -> None:
    inbox = Inbox()
    inbox.put(b"before")
    inbox.fail(connection_lost())
    inbox.put(b"after")
    assert await inbox.get() == b"before"
    with pytest.raises(LinkLost):
        await inbox.get()


async def test_what_runs_beside_a_block_ends_with_it() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside(work()):
        await began.wait()
    assert ended.is_set()


async def test_a_failure_beside_a_block_is_raised_at_its_end() -> None:
    async def work() -> None:
        raise LinkError("gone")

    done = asyncio.Event()

    async def block() -> None:
        async with beside(work()):
            await asyncio.sleep(0)
            done.set()

    with pytest.raises(LinkError, match="gone"):
        await block()
    assert done.is_set()
