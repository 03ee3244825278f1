"""Which advertisements an adapter reports: the discovery sessions of its clients, and their filters."""

from dataclasses import dataclass
from typing import Any, Final, Self

from bumble.device import Advertisement
from dbus_fast import Variant

from oob.sim.bluez.advertised import DISCOVERABLE, device_properties, flags_of
from oob.sim.bluez.errors import invalid_arguments

FILTERS: Final = {
    "UUIDs": "as",
    "RSSI": "n",
    "Pathloss": "q",
    "Transport": "s",
    "DuplicateData": "b",
    "Discoverable": "b",
    "Pattern": "s",
}
"""What a filter can hold, and the D-Bus signature of each; Pathloss and Discoverable have no effect here."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What one client wants to hear of (`SetDiscoveryFilter` of org.bluez.Adapter1)."""

    uuids: frozenset[str] = frozenset()
    rssi: int | None = None
    pattern: str = ""
    duplicates: bool = False

    @classmethod
    def parse(cls, options: dict[str, Variant]) -> Self | None:
        """Read a filter; None for an empty one. Raises BluezError for what no filter may hold."""
        for name, value in options.items():
            if FILTERS.get(name) != value.signature:
                raise invalid_arguments()
        given: dict[str, Any] = {name: value.value for name, value in options.items()}
        if given.get("Transport", "auto") not in ("auto", "le", "bredr"):
            raise invalid_arguments()
        if not given:
            return None
        return cls(
            frozenset(text.lower() for text in given.get("UUIDs", ())),
            given.get("RSSI"),
            given.get("Pattern", ""),
            given.get("DuplicateData", False),
        )

    def wants(self, seen: Advertisement) -> bool:
        """Whether an advertisement passes (`is_filter_match` in src/adapter.c)."""
        values = device_properties(seen.data)
        if self.uuids and self.uuids.isdisjoint(values["UUIDs"].value if "UUIDs" in values else ()):
            return False
        if self.rssi is not None and seen.rssi < self.rssi:
            return False
        named = (seen.address.to_string(with_type_qualifier=False), values["Name"].value if "Name" in values else "")
        return any(each.startswith(self.pattern) for each in named)


class Sessions:
    """The clients that are discovering, and the filters that were set, each by the client's name on the bus."""

    def __init__(self) -> None:
        self.discovering: set[str] = set()
        self.filters: dict[str, Filter] = {}

    @property
    def repeats(self) -> bool:
        """Whether somebody wants to hear the same data again and again."""
        return any(self.filters[each].duplicates for each in self.discovering if each in self.filters)

    def wants(self, seen: Advertisement) -> bool:
        """Whether somebody wants to hear of this. Without a filter, only what is discoverable is of interest."""
        return any(self._wanted_by(client, seen) for client in self.discovering)

    def _wanted_by(self, client: str, seen: Advertisement) -> bool:
        chosen = self.filters.get(client)
        if chosen is None:
            return bool((flags_of(seen.data) or 0) & DISCOVERABLE)
        return chosen.wants(seen)
