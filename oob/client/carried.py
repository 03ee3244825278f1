"""What a person brings to the client: digits, a tag, two screens to compare, or nothing but being there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from oob.errors import UsageError
from oob.pairing import (
    Bootstrap,
    ButtonInitiator,
    CompareInitiator,
    InitiatorModel,
    Model,
    Passcode,
    PasscodeInitiator,
    PinnedInitiator,
    SecretInitiator,
)
from oob.pairing.compare import NONCE_LENGTH

SCALAR_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two screens: `confirm` shows the number "123 456" and the device's name; it returns whether the user says yes."""

    confirm: Callable[[str, str], Awaitable[bool]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PresenceAlone:
    """Somebody presses the device's button. It proves no identity: whoever answers first is taken for the device."""


Carried = Passcode | Bootstrap | Comparison | PresenceAlone


def initiator_model(carried: Carried, random: Callable[[int], bytes], cred_i: bytes = b"") -> InitiatorModel:
    """Return the client's side of the model that fits what a person brought; UsageError if nothing does.

    It serves one handshake under the session credential `cred_i`: for another try the person enters or scans it again.
    """
    match carried:
        case Passcode():
            return PasscodeInitiator(carried, random(SCALAR_LENGTH))
        case Comparison():
            return CompareInitiator(random(NONCE_LENGTH), cred_i)
        case PresenceAlone():
            return ButtonInitiator(accept_presence_alone=True)
        case Bootstrap(secret=bytes(secret)):
            return SecretInitiator(secret, carried.cred_r_hash, carried.dynamic)
    if Model.PINNED in carried.models:
        return PinnedInitiator(carried.cred_r_hash)
    remedy = "Pair by the device's passcode"
    raise UsageError("this tag or code carries no secret", step="bootstrap", remedy=remedy)


def parse_out_of_band(text: str) -> Passcode | Bootstrap:
    """Read what a person typed or pasted; UsageError or PeerError if it is neither a passcode nor a QR code's text."""
    text = text.strip("\r\n")
    return Bootstrap.from_text(text) if text.startswith("OOB:") else Passcode.parse(text)
