import asyncio

import pytest

from oob.sim.operations import Operations


class Lost(Exception):
    pass


async def test_an_operation_returns_and_raises_what_it_does() -> None:
    async def fine() -> int:
        return 7

    async def failing() -> int:
        raise ZeroDivisionError

    operations = Operations(Lost)
    assert await operations.run(fine()) == 7
    with pytest.raises(ZeroDivisionError):
        await operations.run(failing())


async def test_the_end_of_the_connection_ends_what_waits_and_what_comes() -> None:
    operations = Operations(Lost)
    waiting = asyncio.create_task(operations.run(asyncio.Event().wait()))
    await asyncio.sleep(0)
    operations.end()
    with pytest.raises(Lost):
        await waiting
    with pytest.raises(Lost):
        await operations.run(asyncio.Event().wait())
    await operations.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_one_that_nobody_waits_for_goes_on_until_all_are_closed() -> None:
    answer, seen = asyncio.Event(), []

    async def ask(name: str) -> None:
        await answer.wait()
        seen.append(name)

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    operations = Operations(Lost)
    callers = [asyncio.create_task(operations.run(work)) for work in (ask("a"), stubborn())]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    answer.set()
    await asyncio.sleep(0)
    assert seen == ["a"]
    await operations.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
