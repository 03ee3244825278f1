"""Trying again where the table of failures says so: bounded in number and in time, and never unseen."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from oob.errors import LinkError
from oob.progress import Progress, Report
from oob.transport.bleak_failures import Again, failure_of

T = TypeVar("T")

MAX_TRIES: Final = 5
"""How often something is tried in all; users of bleak report that this is enough (hbldh/bleak#666)."""
LONGEST_PAUSE: Final = 4.0
"""Seconds between two tries, at most."""


async def persist(
    attempt: Callable[[], Awaitable[T]],
    *,
    deadline: float,
    report: Report,
    find_again: Callable[[], Awaitable[None]] | None = None,
) -> T:
    """Return what `attempt` returns; try again after a failure that may pass, until `deadline` of the loop's clock.

    `find_again` looks for the device anew, where that is possible. Raises the LinkError of the last try.
    """
    tries = 1
    while True:
        try:
            return await attempt()
        except LinkError as error:
            again, pause = _reaction(error, tries)
            out_of_time = asyncio.get_running_loop().time() + pause >= deadline
            hopeless = again is Again.NEVER or (again is Again.AFRESH and find_again is None)
            if hopeless or tries == MAX_TRIES or out_of_time:
                raise
            tries += 1
            report(Progress("client", "retrying", f"{tries} of {MAX_TRIES}: {error.cause}"))
        await asyncio.sleep(pause)
        if again is Again.AFRESH and find_again is not None:
            await find_again()


def _reaction(error: LinkError, tries: int) -> tuple[Again, float]:
    """Return what to do after so many tries, and the seconds to wait before."""
    row = failure_of(error.__cause__, error.step)
    if row is None:
        return Again.NEVER, 0.0
    doubled = row.pause * 2 ** (tries - 1)
    return row.again, min(doubled, LONGEST_PAUSE) if row.again is Again.LATER else 0.0
