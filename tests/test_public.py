"""The public names, and what importing them costs."""

import subprocess
import sys

import pytest

import oob
from oob.client import Client, Comparison, Pairing, pair, reach
from oob.device import Device, Page
from oob.errors import OobError
from oob.pairing import Bootstrap, Passcode
from oob.transport.ble_scanner import scan
from oob.transport.bluez_peripheral import bluez_listener
from tests.e2e.family import ROOT

PUBLIC = {
    "Bootstrap": Bootstrap,
    "Client": Client,
    "Comparison": Comparison,
    "Device": Device,
    "OobError": OobError,
    "Page": Page,
    "Pairing": Pairing,
    "Passcode": Passcode,
    "bluez_listener": bluez_listener,
    "discover": scan,
    "pair": pair,
    "reach": reach,
}


def test_the_public_names() -> None:
    assert sorted(oob.__all__) == sorted(PUBLIC) == sorted(oob._HOMES)
    for name, value in PUBLIC.items():
        assert getattr(oob, name) is value


def test_there_are_no_others() -> None:
    with pytest.raises(AttributeError, match="no attribute 'unpair'"):
        _ = oob.unpair


@pytest.mark.parametrize("name", ["pair", "Device", "discover", "bluez_listener"])
def test_the_core_install_is_enough(name: str) -> None:
    """An app that only pairs needs cryptography, cbor2 and pynacl: no extra is loaded until it is used."""
    extras = (
        "PIL",
        "segno",
        "zxingcpp",
        "bleak",
        "bumble",
        "rich",
        "starlette",
        "uvicorn",
        "sqlalchemy",
        "websockets",
        "dbus_fast",
    )
    code = f"import sys, oob; oob.{name}; print(sorted(set(sys.modules) & {set(extras)}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "[]\n"
