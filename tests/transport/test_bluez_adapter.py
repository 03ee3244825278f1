"""Which adapter is taken, and what is said of those that will not do."""

from typing import Any

import pytest

from oob.errors import LinkError
from oob.transport.bluez_adapter import ADAPTER, ADVERTISING_MANAGER, GATT_MANAGER, choose

Interfaces = dict[str, dict[str, Any]]


def adapter(*without: str, **properties: Any) -> Interfaces:
    known = {"Address": "00:11:22:33:44:5A", "Powered": True, **properties}
    return {
        name: each
        for name, each in {ADAPTER: known, GATT_MANAGER: {}, ADVERTISING_MANAGER: {}}.items()
        if name not in without
    }


def bluez(*adapters: Interfaces) -> dict[str, Interfaces]:
    return {"/org/bluez": {}} | {f"/org/bluez/hci{i}": each for i, each in enumerate(adapters)}


@pytest.mark.parametrize("wanted", ["hci1", "HCI1", "00:11:22:33:44:66", "00:11:22:33:44:5a"])
def test_one_is_wanted_by_name_or_address(wanted: str) -> None:
    objects = bluez(adapter(Address="00:00:00:00:00:00"), adapter())
    if wanted.endswith("66"):
        with pytest.raises(LinkError):
            choose(objects, wanted)
    else:
        assert choose(objects, wanted) == "/org/bluez/hci1"


def test_else_it_is_the_first_that_will_do() -> None:
    objects = bluez(adapter(Powered=False), adapter(ADVERTISING_MANAGER), adapter(), adapter())
    assert choose(objects, None) == "/org/bluez/hci2"


@pytest.mark.parametrize(
    ("objects", "wanted", "cause", "remedy"),
    [
        (bluez(), None, "there is no Bluetooth adapter", "rfkill list"),
        (bluez(), "hci0", "there is no Bluetooth adapter", "Plug one in"),
        (bluez(adapter(), adapter()), "hci7", "no Bluetooth adapter hci7", "that are there: hci0, hci1"),
        (bluez(adapter(Powered=False)), None, "hci0 is switched off", "bluetoothctl power on"),
        (bluez(adapter(Powered=False), adapter()), "hci0", "hci0 is switched off", "rfkill unblock bluetooth"),
        (bluez(adapter(Powered=False, PowerState="off-blocked")), None, "hci0 is blocked", "Run: rfkill unblock"),
        (bluez(adapter(GATT_MANAGER)), None, r"cannot be a peripheral \(no GattManager1\)", "BlueZ 5.48"),
        (bluez(adapter(GATT_MANAGER, ADVERTISING_MANAGER)), None, "and no LEAdvertisingManager1", "another adapter"),
        (bluez(adapter(Roles=["central"])), None, "hci0 cannot be a peripheral", "another adapter"),
    ],
)
def test_what_is_wrong_is_named_with_what_mends_it(
    objects: dict[str, Interfaces], wanted: str | None, cause: str, remedy: str
) -> None:
    with pytest.raises(LinkError, match=cause) as caught:
        choose(objects, wanted)
    assert remedy in caught.value.remedy
    assert caught.value.step == "listen"


def test_a_role_among_others_will_do() -> None:
    assert choose(bluez(adapter(Roles=["central", "peripheral"])), None) == "/org/bluez/hci0"
