"""The device runtime."""

from oob.device.device import Device, Page
from oob.device.offer import PasscodeOffer, SecretOffer

__all__ = ["Device", "Page", "PasscodeOffer", "SecretOffer"]
