import pytest
from bumble import att

from oob.sim.bluez.errors import BluezError, from_att, to_att


def test_names_are_those_of_bluez_or_whole() -> None:
    assert BluezError("Failed", "why").name == "org.bluez.Error.Failed"
    assert BluezError("org.freedesktop.DBus.Error.Failed", "why").name == "org.freedesktop.DBus.Error.Failed"


@pytest.mark.parametrize(
    ("code", "name", "text"),
    [
        (att.ATT_WRITE_NOT_PERMITTED_ERROR, "NotPermitted", "Write not permitted"),
        (att.ATT_INSUFFICIENT_ENCRYPTION_ERROR, "NotPermitted", "Not paired"),
        (att.ATT_INVALID_ATTRIBUTE_LENGTH_ERROR, "InvalidArguments", "Invalid Length"),
        (0x80, "Failed", "Operation failed with ATT error: 0x80"),
        (0x0E, "Failed", "Operation failed with ATT error: 0x0e"),
    ],
)
def test_errors_of_a_device(code: int, name: str, text: str) -> None:
    error = from_att(code)
    assert (error.name, error.text) == (f"org.bluez.Error.{name}", text)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("org.bluez.Error.Failed", "0x81", 0x81),
        ("org.bluez.Error.Failed", "0x05", att.ATT_UNLIKELY_ERROR_ERROR),
        ("org.bluez.Error.Failed", "no number", 0x80),
        ("org.bluez.Error.NotPermitted", "", 0x03),
        ("org.bluez.Error.NotSupported", "", att.ATT_REQUEST_NOT_SUPPORTED_ERROR),
        ("org.freedesktop.DBus.Error.UnknownMethod", "", att.ATT_UNLIKELY_ERROR_ERROR),
    ],
)
def test_errors_of_an_application(name: str, text: str, code: int) -> None:
    assert to_att(name, text, att.ATT_WRITE_NOT_PERMITTED_ERROR) == code
