"""The figures of a tap: the commands can be counted by hand, and the aim holds in modelled time."""

from oob.sim.virtual_time import run
from tests.bench.nfc import AIM, LATENCIES, STAGES, UP_TO_BINDING, measure_field, pair


def test_the_commands_by_hand() -> None:
    rows = {row["stage"]: row["commands"] for row in measure_field() if row["latency_ms"] == LATENCIES[-1] * 1000}
    # Application, container and file are selected, container and message read; then UPDATE and READ for each message,
    # and where it has more than 244 bytes, as message_3 and the first record of the channel do, NLEN comes by itself.
    assert [rows[stage] for stage in STAGES] == [5, 2, 2 + 4, 5, 1]


def test_the_aim_is_reached_and_a_device_that_takes_its_time_costs_little_more() -> None:
    (taken,) = (
        row["ms"]
        for row in measure_field()
        if (row["stage"], row["latency_ms"]) == (UP_TO_BINDING, LATENCIES[-1] * 1000)
    )
    assert taken <= AIM * 1000
    at_once, slowly = (run(pair(LATENCIES[-1], thinking))[2][3] for thinking in (0.0, 0.1))
    assert slowly - at_once < 2 * 0.1 + 0.02
