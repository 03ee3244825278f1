"""The errors that BlueZ answers with: names and texts as of its src/error.c, src/gatt-client.c and src/device.c."""

from typing import Final

from bumble import att

_PREFIX: Final = "org.bluez.Error."


class BluezError(Exception):
    """An error reply. `name` is a D-Bus error name; the text goes with it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name if "." in name else _PREFIX + name
        self.text = text


def failed(text: str) -> BluezError:
    """The general failure; `text` says which."""
    return BluezError("Failed", text)


def not_ready() -> BluezError:
    """The adapter is powered off."""
    return BluezError("NotReady", "Resource Not Ready")


def in_progress() -> BluezError:
    """The same is already being done."""
    return BluezError("InProgress", "In Progress")


def does_not_exist() -> BluezError:
    """What the call names is not there."""
    return BluezError("DoesNotExist", "Does Not Exist")


def already_exists() -> BluezError:
    """What the call would create is already there."""
    return BluezError("AlreadyExists", "Already Exists")


def not_supported() -> BluezError:
    """The object cannot do this."""
    return BluezError("NotSupported", "Operation is not supported")


def not_permitted(text: str) -> BluezError:
    """Refused; `text` says what."""
    return BluezError("NotPermitted", text)


def invalid_arguments(text: str = "Invalid arguments in method call") -> BluezError:
    """The call makes no sense."""
    return BluezError("InvalidArguments", text)


ABORTED: Final = "le-connection-abort-by-local"
"""The text of a connection that could not be established, since BlueZ 5.62."""
CANCELLED: Final = "br-connection-canceled"
"""The text of a Connect that a Disconnect ended."""
NOT_CONNECTED: Final = "Not connected"
"""The text of a GATT operation without a connection."""

_OF_ATT: Final[dict[int, tuple[str, str]]] = {
    att.ATT_READ_NOT_PERMITTED_ERROR: ("NotPermitted", "Read not permitted"),
    att.ATT_WRITE_NOT_PERMITTED_ERROR: ("NotPermitted", "Write not permitted"),
    att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR: ("NotPermitted", "Not paired"),
    att.ATT_INSUFFICIENT_ENCRYPTION_ERROR: ("NotPermitted", "Not paired"),
    att.ATT_INSUFFICIENT_ENCRYPTION_KEY_SIZE_ERROR: ("NotPermitted", "Not paired"),
    att.ATT_INVALID_OFFSET_ERROR: ("InvalidArguments", "Invalid offset"),
    att.ATT_INVALID_ATTRIBUTE_LENGTH_ERROR: ("InvalidArguments", "Invalid Length"),
    att.ATT_INSUFFICIENT_AUTHORIZATION_ERROR: ("NotAuthorized", "Operation Not Authorized"),
    att.ATT_REQUEST_NOT_SUPPORTED_ERROR: ("NotSupported", "Operation is not supported"),
}
_TO_ATT: Final = {
    "NotSupported": att.ATT_REQUEST_NOT_SUPPORTED_ERROR,
    "NotAuthorized": att.ATT_INSUFFICIENT_AUTHORIZATION_ERROR,
    "InvalidValueLength": att.ATT_INVALID_ATTRIBUTE_LENGTH_ERROR,
    "InvalidOffset": att.ATT_INVALID_OFFSET_ERROR,
}
_FIRST_APPLICATION_ERROR: Final = 0x80
_LAST_APPLICATION_ERROR: Final = 0x9F


def from_att(code: int) -> BluezError:
    """Return the error reply for an ATT error (`create_gatt_dbus_error` in src/gatt-client.c)."""
    if code in _OF_ATT:
        return BluezError(*_OF_ATT[code])
    return failed(f"Operation failed with ATT error: 0x{code:02x}")


def to_att(name: str, text: str, not_permitted: int) -> int:
    """Return the ATT error for an application's error reply (`dbus_error_to_att_ecode` in src/gatt-database.c)."""
    kind = name.removeprefix(_PREFIX)
    if kind == "NotPermitted":
        return not_permitted
    if kind != "Failed":
        return _TO_ATT.get(kind, att.ATT_UNLIKELY_ERROR_ERROR)
    try:
        code = int(text, 0)
    except ValueError:
        return _FIRST_APPLICATION_ERROR
    return code if _FIRST_APPLICATION_ERROR <= code <= _LAST_APPLICATION_ERROR else att.ATT_UNLIKELY_ERROR_ERROR
