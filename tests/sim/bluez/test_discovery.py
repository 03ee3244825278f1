import pytest
from bumble.core import AdvertisingData
from bumble.device import Advertisement
from bumble.hci import Address
from dbus_fast import Variant

from oob.sim.bluez.discovery import Filter, Sessions
from oob.sim.bluez.errors import BluezError
from oob.sim.bumble_peripheral import advertising_payload
from oob.transport.gatt_profile import SERVICE_UUID

NAME = (AdvertisingData.Type.COMPLETE_LOCAL_NAME, b"lamp")


def seen(payload: bytes, rssi: int = -50) -> Advertisement:
    return Advertisement(address=Address("C0:00:00:00:00:01"), rssi=rssi, data_bytes=payload)


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({"Transport": Variant("s", "le")}, True),
        ({"UUIDs": Variant("as", [SERVICE_UUID.upper()])}, True),
        ({"UUIDs": Variant("as", ["0000180d-0000-1000-8000-00805f9b34fb"])}, False),
        ({"RSSI": Variant("n", -50)}, True),
        ({"RSSI": Variant("n", -49)}, False),
        ({"Pattern": Variant("s", "C0:00")}, True),
        ({"Pattern": Variant("s", "lamp")}, False),
    ],
)
def test_what_a_filter_lets_pass(options: dict[str, Variant], passes: bool) -> None:
    chosen = Filter.parse(options)
    assert chosen is not None
    assert chosen.wants(seen(advertising_payload(b""))) is passes


def test_a_pattern_is_the_beginning_of_the_name_too() -> None:
    assert Filter(pattern="la").wants(seen(bytes(AdvertisingData([NAME]))))


@pytest.mark.parametrize(
    "options", [{"Colour": Variant("s", "red")}, {"RSSI": Variant("s", "1")}, {"Transport": Variant("s", "x")}]
)
def test_what_no_filter_may_hold(options: dict[str, Variant]) -> None:
    with pytest.raises(BluezError):
        Filter.parse(options)


def test_an_empty_filter_is_none() -> None:
    assert Filter.parse({}) is None


def test_somebody_must_want_it() -> None:
    sessions = Sessions()
    hidden, shown = seen(bytes(AdvertisingData([NAME]))), seen(advertising_payload(b""))
    assert not sessions.wants(shown)
    sessions.discovering.add(":1.1")
    assert sessions.wants(shown)
    assert not sessions.wants(hidden), "without a filter only what is discoverable counts"
    sessions.filters[":1.1"] = Filter(duplicates=True)
    assert sessions.wants(hidden)
    assert sessions.repeats
