"""EDHOC (RFC 9528): an authenticated key exchange in four messages, without any I/O."""

from oob.handshake.credentials import Credential, Identity
from oob.handshake.ead import Ead, value_of
from oob.handshake.exporter import Exporter
from oob.handshake.half_open import HalfOpen
from oob.handshake.messages import Refused
from oob.handshake.session import Completed, Event, Failed, Offered, PeerClaimed, PeerVerified, Session, State, refusal
from oob.handshake.suites import METHODS, SUITES, Method, Suite, select_suites

__all__ = [
    "METHODS",
    "SUITES",
    "Completed",
    "Credential",
    "Ead",
    "Event",
    "Exporter",
    "Failed",
    "HalfOpen",
    "Identity",
    "Method",
    "Offered",
    "PeerClaimed",
    "PeerVerified",
    "Refused",
    "Session",
    "State",
    "Suite",
    "refusal",
    "select_suites",
    "value_of",
]
