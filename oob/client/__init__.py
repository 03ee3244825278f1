"""The client runtime."""

from oob.client.client import Client, initiator_model, pair, parse_out_of_band
from oob.client.nearby import reach
from oob.client.store import Pairing, PairingStore

__all__ = ["Client", "Pairing", "PairingStore", "initiator_model", "pair", "parse_out_of_band", "reach"]
