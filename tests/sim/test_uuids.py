import pytest

from oob.sim.uuids import text_of, uuid_of
from oob.transport.gatt_profile import SERVICE_UUID

HEART_RATE = "0000180d-0000-1000-8000-00805f9b34fb"


@pytest.mark.parametrize("text", ["180d", "0x180D", "0x0000180d", HEART_RATE, HEART_RATE.upper()])
def test_a_uuid_has_many_forms(text: str) -> None:
    assert text_of(uuid_of(text)) == HEART_RATE


def test_all_128_bits_are_kept() -> None:
    assert text_of(uuid_of(SERVICE_UUID)) == SERVICE_UUID


@pytest.mark.parametrize("text", ["", "0x", "no uuid", "18 0", HEART_RATE[:-1]])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="UUID|hexadecimal"):
        uuid_of(text)
