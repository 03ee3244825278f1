"""Association models: what the out-of-band channel proves, and the bootstrap data that it carries."""

from oob.pairing.bootstrap import TAG_KEY_LENGTH, Bootstrap
from oob.pairing.compare import CompareInitiator, CompareResponder
from oob.pairing.guesses import Code, Entry, Guesses
from oob.pairing.models import EAD_LABEL, InitiatorModel, Model, Proof, ResponderModel, decode_ead_1
from oob.pairing.passcode import Passcode, PasscodeInitiator, PasscodeResponder
from oob.pairing.resumed import ResumedInitiator, ResumedResponder
from oob.pairing.secret import SecretInitiator, SecretResponder
from oob.pairing.unproven import ButtonInitiator, PinnedInitiator, UnprovenResponder

__all__ = [
    "EAD_LABEL",
    "TAG_KEY_LENGTH",
    "Bootstrap",
    "ButtonInitiator",
    "Code",
    "CompareInitiator",
    "CompareResponder",
    "Entry",
    "Guesses",
    "InitiatorModel",
    "Model",
    "Passcode",
    "PasscodeInitiator",
    "PasscodeResponder",
    "PinnedInitiator",
    "Proof",
    "ResponderModel",
    "ResumedInitiator",
    "ResumedResponder",
    "SecretInitiator",
    "SecretResponder",
    "UnprovenResponder",
    "decode_ead_1",
]
