"""The exported objects: what BlueZ may ask of them, and what is refused."""

from typing import Any

import pytest
from dbus_fast.unpack import unpack_variants

from oob.errors import UsageError
from oob.transport.bluez_application import (
    ADVERTISEMENT_INTERFACE,
    CHARACTERISTIC_INTERFACE,
    ROOT,
    RX,
    SERVICE,
    SERVICE_INTERFACE,
    TX,
    Application,
    advertisement,
)
from oob.transport.bluez_bus import OBJECT_MANAGER, PROPERTIES, Incoming, Refusal
from oob.transport.gatt_profile import COMPANY_ID, SERVICE_UUID

PHONE = "/org/bluez/hci0/dev_C0_00_00_00_00_01"
TAGGED = f"{ROOT}/advertisement1"
OPTIONS = {"device": PHONE, "mtu": 517, "link": "LE"}


class Told:
    """An Audience that writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def on_write(self, device: str, value: bytes, mtu: int) -> None:
        self.events.append(("write", device, value, mtu))

    def on_subscribe(self, enabled: bool) -> None:
        self.events.append(("subscribe", enabled))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def application(told: Told) -> Application:
    application = Application(told, lambda path: told.events.append(("release", path)))
    application.advertisements[TAGGED] = advertisement(b"tagtag")
    return application


def call(path: str, interface: str, member: str, signature: str = "", *body: Any) -> Incoming:
    return Incoming(":1.1", path, interface, member, signature, list(body))


def write(value: bytes, options: dict[str, Any], path: str = RX) -> Incoming:
    return call(path, CHARACTERISTIC_INTERFACE, "WriteValue", "aya{sv}", value, options)


def test_every_object_is_managed_and_says_what_it_is(application: Application) -> None:
    reply = application.answer(call(ROOT, OBJECT_MANAGER, "GetManagedObjects"))
    assert reply is not None
    [managed] = unpack_variants(reply[1])
    assert list(managed) == [SERVICE, RX, TX]
    for path, interfaces in managed.items():
        for interface, properties in interfaces.items():
            assert application.answer(call(path, PROPERTIES, "GetAll", "s", interface)) is not None
            for name, value in properties.items():
                one = application.answer(call(path, PROPERTIES, "Get", "ss", interface, name))
                assert one is not None
                assert unpack_variants(one[1]) == [value]


def test_an_advertisement_holds_nothing_that_does_not_fit(application: Application) -> None:
    reply = application.answer(call(TAGGED, PROPERTIES, "GetAll", "s", ADVERTISEMENT_INTERFACE))
    assert reply is not None
    assert unpack_variants(reply[1]) == [
        {
            "Type": "peripheral",
            "ServiceUUIDs": [SERVICE_UUID],
            "Discoverable": True,
            "ManufacturerData": {COMPANY_ID: b"tagtag"},
        }
    ]
    flags, uuid, data = 3, 2 + 16, 2 + 2 + 6
    assert flags + uuid + data == 31
    assert "ManufacturerData" not in advertisement(b"")
    with pytest.raises(UsageError, match="6 bytes"):
        advertisement(b"short")


def test_writes_and_subscriptions_are_handed_on(application: Application, told: Told) -> None:
    assert application.answer(write(bytes(512), OPTIONS)) == ("", [])
    assert application.answer(call(TX, CHARACTERISTIC_INTERFACE, "StartNotify")) == ("", [])
    assert application.answer(call(TX, CHARACTERISTIC_INTERFACE, "StopNotify")) == ("", [])
    assert told.events == [("write", PHONE, bytes(512), 517), ("subscribe", True), ("subscribe", False)]


def test_an_advertisement_that_is_given_up_is_forgotten(application: Application, told: Told) -> None:
    assert application.answer(call(TAGGED, ADVERTISEMENT_INTERFACE, "Release")) == ("", [])
    assert told.events == [("release", TAGGED)]
    assert application.answer(call(TAGGED, ADVERTISEMENT_INTERFACE, "Release")) is None


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (write(b"x", {**OPTIONS, "offset": 1}), "org.bluez.Error.InvalidOffset"),
        (write(b"x", {**OPTIONS, "prepare-authorize": True}), "org.bluez.Error.InvalidOffset"),
        (write(b"", OPTIONS), "org.bluez.Error.InvalidValueLength"),
        (write(b"", {"device": PHONE}), "org.bluez.Error.InvalidValueLength"),
        (write(bytes(21), {**OPTIONS, "mtu": 23}), "org.bluez.Error.InvalidValueLength"),
        (write(bytes(513), OPTIONS), "org.bluez.Error.InvalidValueLength"),
        (write(bytes(513), {"device": PHONE}), "org.bluez.Error.InvalidValueLength"),
        (write(b"x", {"mtu": 517}), "org.bluez.Error.InvalidArguments"),
        (write(b"x", {"device": 7}), "org.bluez.Error.InvalidArguments"),
        (write(b"x", OPTIONS, TX), "org.bluez.Error.NotSupported"),
        (write(b"x", OPTIONS, SERVICE), "org.freedesktop.DBus.Error.UnknownMethod"),
        (call(RX, CHARACTERISTIC_INTERFACE, "StartNotify"), "org.bluez.Error.NotSupported"),
        (call(RX, CHARACTERISTIC_INTERFACE, "StopNotify"), "org.bluez.Error.NotSupported"),
        (call(RX, CHARACTERISTIC_INTERFACE, "WriteValue", "ay", b"x"), "org.freedesktop.DBus.Error.UnknownMethod"),
        (call(TX, CHARACTERISTIC_INTERFACE, "ReadValue", "a{sv}", {}), "org.freedesktop.DBus.Error.UnknownMethod"),
        (call(TX, CHARACTERISTIC_INTERFACE, "AcquireNotify", "a{sv}", {}), "org.freedesktop.DBus.Error.UnknownMethod"),
        (call(TAGGED, CHARACTERISTIC_INTERFACE, "StartNotify"), "org.freedesktop.DBus.Error.UnknownMethod"),
        (call(TAGGED, OBJECT_MANAGER, "GetManagedObjects"), "org.freedesktop.DBus.Error.UnknownMethod"),
        (call(RX, PROPERTIES, "Get", "ss", SERVICE_INTERFACE, "UUID"), "org.freedesktop.DBus.Error.UnknownProperty"),
        (call(RX, PROPERTIES, "Set", "ssv", "x", "y", 1), "org.freedesktop.DBus.Error.UnknownMethod"),
    ],
)
def test_what_is_refused_reaches_nobody(application: Application, told: Told, request_: Incoming, error: str) -> None:
    with pytest.raises(Refusal) as caught:
        application.answer(request_)
    assert caught.value.name == error
    assert told.events == []


def test_other_objects_are_none_of_its_business(application: Application) -> None:
    assert application.answer(call("/", "org.freedesktop.DBus.Peer", "Ping")) is None
    properties = application.answer(call(RX, PROPERTIES, "GetAll", "s", "com.example.Other"))
    assert properties == ("a{sv}", [{}])
