"""The device runtime."""

from oob.device.certifier import Page
from oob.device.device import Confirm, Device

__all__ = ["Confirm", "Device", "Page"]
