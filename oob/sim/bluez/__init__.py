"""A simulated org.bluez: programs for BlueZ, unmodified, on a simulated radio.

It speaks the D-Bus interface of BlueZ 5.66 and later on a private bus. Both roles are there: the BlueZ backend of bleak
scans and connects, and an application that registers its services and advertisements is reached by others.
"""

from oob.sim.bluez.adapter import Settings
from oob.sim.bluez.service import SimulatedBluez, simulated_bluez

__all__ = ["Settings", "SimulatedBluez", "simulated_bluez"]
