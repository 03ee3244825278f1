import asyncio
import time

import pytest

from oob.sim.virtual_time import run


def test_a_day_takes_no_time_and_timers_keep_their_order() -> None:
    async def main() -> tuple[float, ...]:
        loop = asyncio.get_running_loop()

        async def at(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return loop.time()

        return await asyncio.gather(at(86_400), at(1), at(3600))

    begin = time.monotonic()
    assert run(main()) == pytest.approx((86_400, 1, 3600))
    assert time.monotonic() - begin < 60


def test_who_waits_for_nothing_is_told() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="deadlock"):
        run(main())
