"""Pair with a device within reach, then talk real HTTPS to it.

pairing = await oob.pair("1234 5678", issuer=url, root=root_der, directory=path)   # an app, over Bluetooth LE
async with await oob.tap() as tap:                                                # an app, by NFC
    pairing = await oob.pair(tap, issuer=url, root=root_der, directory=path)
await oob.Device("Lab printer", path, page).serve(listener)                       # a device
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oob.client import Client, Comparison, Pairing, Tap, pair, reach, tap
    from oob.device import Device, Page
    from oob.errors import OobError
    from oob.pairing import Bootstrap, Model, Passcode
    from oob.pairing.tag_content import TagContent
    from oob.transport.ble_scanner import scan as discover
    from oob.transport.bluez_peripheral import bluez_listener
    from oob.transport.readers import open_emulator, open_reader
    from oob.transport.stacks import together
    from oob.transport.tcp import tcp_listener
    from oob.transport.tnep_stack import nfc_listener

__all__ = [
    "Bootstrap",
    "Client",
    "Comparison",
    "Device",
    "Model",
    "OobError",
    "Page",
    "Pairing",
    "Passcode",
    "TagContent",
    "Tap",
    "bluez_listener",
    "discover",
    "nfc_listener",
    "open_emulator",
    "open_reader",
    "pair",
    "reach",
    "tap",
    "tcp_listener",
    "together",
]

_HOMES = {
    "Bootstrap": "oob.pairing",
    "Client": "oob.client",
    "Comparison": "oob.client",
    "Device": "oob.device",
    "Model": "oob.pairing",
    "OobError": "oob.errors",
    "Page": "oob.device",
    "Pairing": "oob.client",
    "Passcode": "oob.pairing",
    "TagContent": "oob.pairing.tag_content",
    "Tap": "oob.client",
    "bluez_listener": "oob.transport.bluez_peripheral",
    "discover": "oob.transport.ble_scanner",
    "nfc_listener": "oob.transport.tnep_stack",
    "open_emulator": "oob.transport.readers",
    "open_reader": "oob.transport.readers",
    "pair": "oob.client",
    "reach": "oob.client",
    "tap": "oob.client",
    "tcp_listener": "oob.transport.tcp",
    "together": "oob.transport.stacks",
}


def __dir__() -> list[str]:
    """Return the public names, which help() and completion show."""
    return __all__


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used: who only pairs does not load what devices need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'oob' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), "scan" if name == "discover" else name)
