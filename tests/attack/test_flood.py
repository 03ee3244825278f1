"""A flood of message_1 from ever new peers: what a device keeps of it, and whether an honest peer still gets through.

Defence: handshake/half_open.py. Time is a number here; no test waits.
"""

import pytest

from oob.errors import PeerError
from tests.bench.flood import AIR, Flood

MESSAGES, PER_SECOND, LIMIT, MAX_BYTES, GRACE = 5_000, 200.0, 16, 64 * 1024, 0.5


def flood(honest: bool, grace: float = GRACE) -> Flood:
    limits = {"limit": LIMIT, "max_bytes": MAX_BYTES, "grace": grace, "max_age": 2.0}
    made = Flood(MESSAGES, per_second=PER_SECOND, honest=honest, **limits)
    made.run()
    return made


def test_what_a_device_keeps_is_bounded() -> None:
    """Neither the table nor the work: whoever is refused costs no curve operation. Defence: `_leaving`."""
    run = flood(honest=False)
    assert run.peak_sessions == LIMIT
    assert 0 < run.peak_charged <= MAX_BYTES
    assert run.admitted + run.refused == MESSAGES
    assert run.admitted <= LIMIT * (MESSAGES / PER_SECOND / GRACE + 1)


def test_honest_peers_pair_in_the_midst_of_it() -> None:
    """They are refused at times and try again; once admitted, a place is safe until its peer is through."""
    run = flood(honest=True)
    assert len(run.tries) > 5
    assert 1 < max(run.tries) < 60
    assert run.peak_sessions == LIMIT


def test_without_grace_the_flood_would_wash_it_out() -> None:
    """Why a newcomer may not simply take the oldest place: message_3 would come too late, always."""
    assert LIMIT / PER_SECOND < AIR
    with pytest.raises(PeerError, match="no half-open session"):
        flood(honest=True, grace=0.0)
