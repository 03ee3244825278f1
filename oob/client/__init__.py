"""The client runtime: what an app on a phone or laptop calls."""

from oob.client.carried import Carried, Comparison, PresenceAlone, initiator_model, parse_out_of_band
from oob.client.client import Client, pair
from oob.client.nearby import Search, reach
from oob.client.resumed import Resumed
from oob.client.store import Pairing, PairingStore
from oob.client.tapping import Tap, tap

__all__ = [
    "Carried",
    "Client",
    "Comparison",
    "Pairing",
    "PairingStore",
    "PresenceAlone",
    "Resumed",
    "Search",
    "Tap",
    "initiator_model",
    "pair",
    "parse_out_of_band",
    "reach",
    "tap",
]
