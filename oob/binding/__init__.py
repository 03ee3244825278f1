"""What a handshake binds: session context, binding statement, countersignature and the protected channel."""

from oob.binding.channel import Channel, channel_pair
from oob.binding.context import SessionContext
from oob.binding.exchange import CONTEXT_LABEL, Agreement, Claim, InitiatorExchange, ResponderExchange
from oob.binding.pairing_key import PairingKey
from oob.binding.records import Proceed, Ready, Record, Unable, decode_record
from oob.binding.statement import (
    EXPORTER_LABEL,
    Binding,
    BindingStatement,
    Receipt,
    countersign,
    sign_binding,
    verify_binding,
    verify_countersignature,
)

__all__ = [
    "CONTEXT_LABEL",
    "EXPORTER_LABEL",
    "Agreement",
    "Binding",
    "BindingStatement",
    "Channel",
    "Claim",
    "InitiatorExchange",
    "PairingKey",
    "Proceed",
    "Ready",
    "Receipt",
    "Record",
    "ResponderExchange",
    "SessionContext",
    "Unable",
    "channel_pair",
    "countersign",
    "decode_record",
    "sign_binding",
    "verify_binding",
    "verify_countersignature",
]
