"""Cases that are played against a device, whoever made it: what it answers, what it refuses, what it counts."""

import os
from collections.abc import AsyncIterator, Callable
from typing import Final

from oob.conformance.bench import ISSUER, Bench, Connect, Fault, OutOfBand, Renew
from oob.conformance.openings import OPENINGS, Case
from oob.conformance.result import NotApplicable, Result
from oob.conformance.sessions import SESSIONS
from oob.errors import LinkError, OobError

CASES: Final = (*OPENINGS, *SESSIONS)


async def check_device(
    connect: Connect,
    out_of_band: OutOfBand,
    *,
    renew: Renew | None = None,
    wait: float = 15.0,
    issuer: str = ISSUER,
    random: Callable[[int], bytes] = os.urandom,
) -> AsyncIterator[Result]:
    """Judge a device case by case, in the order of CASES.

    `connect` opens a fresh link to it; `out_of_band` is its passcode or the content of its QR code; `renew` gets
    another once that is used up, None if there is none. `wait` is in seconds: for each answer, and for the device to
    give up a client that falls silent. `issuer` is the one that the session context names, for a device that takes only
    some. Raises UsageError if the out-of-band data fit no model, LinkError if the device cannot be reached at the
    beginning; whatever happens later becomes a result.
    """
    bench = Bench(connect, out_of_band, renew=renew, wait=wait, issuer=issuer, random=random)
    bench.model()
    await bench.reach_once()
    for case in CASES:
        yield await _judge(case, bench)


async def _judge(case: Case, bench: Bench) -> Result:
    try:
        return Result(case.name, True, await case.run(bench))
    except NotApplicable as reason:
        return Result(case.name, True, str(reason), applicable=False)
    except (Fault, LinkError) as error:
        return Result(case.name, False, str(error))
    except OobError as error:
        return Result(case.name, False, f"the device sent what cannot be used: {error}")
    except Exception as error:  # a device may send anything; what that brings up is its failure
        return Result(case.name, False, f"the device sent what cannot be used: {type(error).__name__}")
