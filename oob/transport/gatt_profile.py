"""The GATT profile: one service, two characteristics, and an advertisement that fits a legacy ADV packet.

    ADV_IND, 31 bytes (Bluetooth Core Supplement, part A):
      3  Flags
     18  Complete List of 128-bit Service UUIDs: SERVICE_UUID
     10  Manufacturer Specific Data: COMPANY_ID, advertised tag of 6 bytes

A tag in 128-bit service data would take 26 bytes beside the service UUID, and a scan response may never arrive.
"""

from typing import Final

SERVICE_UUID: Final = "3f348d78-935c-4f53-b007-23fccaf0e150"
"""The service that a device advertises and serves."""
RX_UUID: Final = "3f348d79-935c-4f53-b007-23fccaf0e150"
"""Client to device: write, and write without response."""
TX_UUID: Final = "3f348d7a-935c-4f53-b007-23fccaf0e150"
"""Device to client: notify."""
COMPANY_ID: Final = 0xFFFF
"""Company identifier of the tag: the one that is reserved for tests, provisional until one is assigned."""
TAG_LENGTH: Final = 6
"""Bytes of an advertised tag, all that a legacy ADV packet has left."""
ATT_HEADER: Final = 3
"""Bytes of an ATT write or notification before its value (Bluetooth Core, volume 3, part F, section 3.4.5)."""
