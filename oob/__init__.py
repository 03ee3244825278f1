"""Pair with a device within reach, then talk real HTTPS to it.

pairing = await oob.pair("1234 5678", issuer=url, root=root_der, directory=path)   # an app
await oob.Device("Lab printer", path, page).serve(listener)                       # a device
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oob.client import Client, Comparison, Pairing, pair, reach
    from oob.device import Device, Page
    from oob.errors import OobError
    from oob.pairing import Bootstrap, Passcode
    from oob.transport.ble_scanner import scan as discover
    from oob.transport.bluez_peripheral import bluez_listener

__all__ = [
    "Bootstrap",
    "Client",
    "Comparison",
    "Device",
    "OobError",
    "Page",
    "Pairing",
    "Passcode",
    "bluez_listener",
    "discover",
    "pair",
    "reach",
]

_HOMES = {
    "Bootstrap": "oob.pairing",
    "Client": "oob.client",
    "Comparison": "oob.client",
    "Device": "oob.device",
    "OobError": "oob.errors",
    "Page": "oob.device",
    "Pairing": "oob.client",
    "Passcode": "oob.pairing",
    "bluez_listener": "oob.transport.bluez_peripheral",
    "discover": "oob.transport.ble_scanner",
    "pair": "oob.client",
    "reach": "oob.client",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used: who only pairs does not load what devices need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'oob' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), "scan" if name == "discover" else name)
