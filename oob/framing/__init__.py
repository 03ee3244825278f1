"""Carrier unit <-> message, sans-IO."""

from oob.framing.gatt import MAX_FRAME, MAX_MESSAGE, MIN_FRAME, Message, MessageType, Reassembler, fragment, nak

__all__ = ["MAX_FRAME", "MAX_MESSAGE", "MIN_FRAME", "Message", "MessageType", "Reassembler", "fragment", "nak"]
