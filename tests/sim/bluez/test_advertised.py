from typing import Any

import pytest
from bumble.core import AdvertisingData

from oob.sim.bluez.advertised import device_properties, payload
from oob.sim.bumble_peripheral import advertising_payload
from oob.transport.gatt_profile import COMPANY_ID, SERVICE_UUID

HEART_RATE = "0000180d-0000-1000-8000-00805f9b34fb"
PERIPHERAL: dict[str, Any] = {"Type": "peripheral", "ServiceUUIDs": [SERVICE_UUID], "Discoverable": True}


def shown(properties: dict[str, Any], *, discoverable: bool = False) -> dict[str, Any]:
    """Advertise, and read that as the other side does."""
    found = AdvertisingData.from_bytes(payload(properties, "hci", discoverable=discoverable))
    return {name: value.value for name, value in device_properties(found).items()}


def test_this_librarys_advertisement_is_the_same_by_either_way() -> None:
    assert payload(PERIPHERAL, "hci", discoverable=False)[3:] == advertising_payload(b"")[3:]
    tagged = {**PERIPHERAL, "ManufacturerData": {COMPANY_ID: b"tagtag"}}
    assert payload(tagged, "hci", discoverable=False) == advertising_payload(b"tagtag")


def test_everything_arrives() -> None:
    made = shown(
        {
            "Type": "peripheral",
            "ServiceUUIDs": ["180d", HEART_RATE.replace("180d", "180f")],
            "ServiceData": {"180d": b"\1"},
            "LocalName": "me",
        }
    )
    assert made["UUIDs"][0] == HEART_RATE
    assert made["ServiceData"][HEART_RATE].value == b"\1"
    assert made["Name"] == made["Alias"] == "me"
    assert "AdvertisingFlags" not in made


@pytest.mark.parametrize(
    ("properties", "discoverable", "flags"),
    [
        ({"Type": "peripheral", "Discoverable": True}, False, b"\x06"),
        ({"Type": "peripheral", "Discoverable": False}, True, b"\x04"),
        ({"Type": "peripheral"}, False, None),
        ({"Type": "peripheral"}, True, b"\x06"),
        ({"Type": "broadcast"}, True, None),
        ({"Type": "broadcast", "Discoverable": False}, True, None),
    ],
)
def test_the_flags(properties: dict[str, Any], discoverable: bool, flags: bytes | None) -> None:
    assert shown(properties, discoverable=discoverable).get("AdvertisingFlags") == flags


def test_a_name_without_room_is_left_to_the_scan_response() -> None:
    assert "Name" not in shown({**PERIPHERAL, "LocalName": "a lamp in the hall"})
    assert shown({"Type": "peripheral", "Includes": ["local-name"]})["Name"] == "hci"


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"Type": "broadcast", "Discoverable": True}, "cannot be discoverable"),
        ({"Type": "peripheral", "ManufacturerData": {COMPANY_ID: bytes(28)}}, "32 bytes"),
        ({"Type": "peripheral", "ServiceUUIDs": ["no uuid"]}, "UUID"),
    ],
)
def test_what_cannot_be_advertised(properties: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        payload(properties, "hci", discoverable=False)
