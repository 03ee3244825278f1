"""The public names, and what importing them costs."""

import subprocess
import sys

import pytest

import oob
from oob.client import Client, Comparison, Pairing, Tap, pair, reach, tap
from oob.device import Device, Page
from oob.errors import OobError
from oob.pairing import Bootstrap, Model, Passcode
from oob.pairing.tag_content import TagContent
from oob.transport.ble_scanner import scan
from oob.transport.bluez_peripheral import bluez_listener
from oob.transport.readers import open_emulator, open_reader
from oob.transport.stacks import together
from oob.transport.tcp import tcp_listener
from oob.transport.tnep_stack import nfc_listener
from tests.e2e.family import ROOT

PUBLIC = {
    "Bootstrap": Bootstrap,
    "Client": Client,
    "Comparison": Comparison,
    "Device": Device,
    "Model": Model,
    "OobError": OobError,
    "Page": Page,
    "Pairing": Pairing,
    "Passcode": Passcode,
    "TagContent": TagContent,
    "Tap": Tap,
    "bluez_listener": bluez_listener,
    "discover": scan,
    "nfc_listener": nfc_listener,
    "open_emulator": open_emulator,
    "open_reader": open_reader,
    "pair": pair,
    "reach": reach,
    "tap": tap,
    "tcp_listener": tcp_listener,
    "together": together,
}


def test_the_public_names() -> None:
    assert sorted(oob.__all__) == sorted(PUBLIC) == sorted(oob._HOMES) == dir(oob)
    for name, value in PUBLIC.items():
        assert getattr(oob, name) is value


def test_there_are_no_others() -> None:
    with pytest.raises(AttributeError, match="no attribute 'unpair'"):
        _ = oob.unpair


@pytest.mark.parametrize("name", ["pair", "tap", "Device", "discover", "bluez_listener", "nfc_listener", "together"])
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
        "nfc",
        "smartcard",
        "dbus_fast",
    )
    code = f"import sys, oob; oob.{name}; print(sorted(set(sys.modules) & {set(extras)}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "[]\n"
