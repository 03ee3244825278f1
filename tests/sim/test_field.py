"""The simulated NFC field."""

import pytest

from oob.sim.field import FieldModel


@pytest.mark.parametrize(("size", "bytes_on_air"), [(0, 6), (253, 259), (254, 263)])
def test_a_command_takes_its_bytes_at_106_kbit_s_and_the_host_its_time(size: int, bytes_on_air: int) -> None:
    seconds = 0.005 + 2 * 86e-6 + bytes_on_air * 9 / 106_000
    assert FieldModel(0.005, air=True).seconds(bytes(size), b"") == pytest.approx(seconds)


def test_without_the_air_a_command_takes_the_host_alone() -> None:
    assert FieldModel(0.015).seconds(bytes(250), bytes(250)) == 0.015
