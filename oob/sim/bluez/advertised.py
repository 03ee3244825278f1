"""What an advertisement says, as properties of org.bluez.Device1; and the other way round."""

from collections.abc import Iterable
from typing import Any, Final

from bumble.core import AdvertisingData
from dbus_fast import Variant

from oob.sim.bluez.objects import Values
from oob.sim.uuids import text_of, uuid_of

_Type = AdvertisingData.Type
_SERVICES: Final = (
    _Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    _Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    _Type.COMPLETE_LIST_OF_32_BIT_SERVICE_CLASS_UUIDS,
    _Type.INCOMPLETE_LIST_OF_32_BIT_SERVICE_CLASS_UUIDS,
    _Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    _Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)
_SERVICE_DATA: Final = (_Type.SERVICE_DATA_16_BIT_UUID, _Type.SERVICE_DATA_32_BIT_UUID, _Type.SERVICE_DATA_128_BIT_UUID)
_LENGTHS: Final = (2, 4, 16)  # bytes of a UUID, in the order of the kinds above
DISCOVERABLE: Final = 0x03
"""The bits of the flags that say limited or general discoverable."""
GENERAL_DISCOVERABLE: Final = 0x02
NO_BREDR: Final = 0x04
LEGACY_LENGTH: Final = 31
"""Bytes that a legacy advertisement holds."""


def device_properties(found: AdvertisingData) -> Values:
    """Return the properties of org.bluez.Device1 that an advertisement sets; only those that it has."""
    names = _all(found, (_Type.COMPLETE_LOCAL_NAME, _Type.SHORTENED_LOCAL_NAME))
    uuids = [text_of(uuid) for listed in _all(found, _SERVICES) for uuid in listed]
    makers = {company: Variant("ay", bytes(data)) for company, data in _all(found, (_Type.MANUFACTURER_SPECIFIC_DATA,))}
    services = {text_of(uuid): Variant("ay", bytes(data)) for uuid, data in _all(found, _SERVICE_DATA)}
    flags = flags_of(found)
    values: Values = {}
    if names:
        values |= {"Name": Variant("s", names[0]), "Alias": Variant("s", names[0])}
    if uuids:
        values["UUIDs"] = Variant("as", uuids)
    if makers:
        values["ManufacturerData"] = Variant("a{qv}", makers)
    if services:
        values["ServiceData"] = Variant("a{sv}", services)
    if flags is not None:
        values["AdvertisingFlags"] = Variant("ay", bytes([flags]))
    return values


def flags_of(found: AdvertisingData) -> int | None:
    """Return the flags of an advertisement; None where it has none."""
    value = found.get(_Type.FLAGS, raw=True)
    return value[0] if value else None


def _all(found: AdvertisingData, kinds: Iterable[AdvertisingData.Type]) -> list[Any]:
    return [value for kind in kinds for value in found.get_all(kind)]


def payload(properties: dict[str, Any], name: str, *, discoverable: bool) -> bytes:
    """Return the advertisement for an org.bluez.LEAdvertisement1, given its properties, at most 31 bytes.

    `name` and `discoverable` are those of the adapter. Raises ValueError for what does not fit, and for a broadcast
    that is to be discoverable (`parse_advertisement` in src/advertising.c).
    """
    parts = [*_flags(properties, discoverable), *_uuids(properties.get("ServiceUUIDs", ()))]
    for company, data in properties.get("ManufacturerData", {}).items():
        parts.append((_Type.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little") + bytes(data)))
    for text, data in properties.get("ServiceData", {}).items():
        uuid = bytes(uuid_of(text).uuid_bytes)
        parts.append((_SERVICE_DATA[_LENGTHS.index(len(uuid))], uuid + bytes(data)))
    made = bytes(AdvertisingData(parts))
    if len(made) > LEGACY_LENGTH:
        raise ValueError(f"{len(made)} bytes of advertising data, of {LEGACY_LENGTH}")
    shown = properties.get("LocalName", name if "local-name" in properties.get("Includes", ()) else "")
    named = bytes(AdvertisingData([*parts, (_Type.COMPLETE_LOCAL_NAME, shown.encode())]))
    # BlueZ puts the name into the scan response, which the simulated radio does not deliver: so here if there is room.
    return named if shown and len(named) <= LEGACY_LENGTH else made


def _flags(properties: dict[str, Any], discoverable: bool) -> list[tuple[int, bytes]]:
    """Return the flags, if any (`parse_discoverable` and `get_adv_flags` in src/advertising.c)."""
    broadcast = properties["Type"] == "broadcast"
    wanted = properties.get("Discoverable")
    if wanted is None:
        wanted = None if broadcast or not discoverable else True
    elif broadcast and wanted:
        raise ValueError("a broadcast cannot be discoverable")
    if wanted is None or broadcast:
        return []
    return [(_Type.FLAGS, bytes([(GENERAL_DISCOVERABLE if wanted else 0) | NO_BREDR]))]


def _uuids(texts: Iterable[str]) -> list[tuple[int, bytes]]:
    by_length: dict[int, bytes] = {}
    for text in texts:
        raw = bytes(uuid_of(text).uuid_bytes)
        by_length[len(raw)] = by_length.get(len(raw), b"") + raw
    return [(_SERVICES[2 * _LENGTHS.index(length)], raw) for length, raw in by_length.items()]
