"""Association models: what the out-of-band channel proves, and the bootstrap data that it carries."""

from oob.pairing.bootstrap import Bootstrap
from oob.pairing.guesses import Code, Entry, Guesses
from oob.pairing.models import EAD_LABEL, InitiatorModel, Model, Proof, ResponderModel, decode_ead_1
from oob.pairing.passcode import Passcode, PasscodeInitiator, PasscodeResponder
from oob.pairing.secret import SecretInitiator, SecretResponder

__all__ = [
    "EAD_LABEL",
    "Bootstrap",
    "Code",
    "Entry",
    "Guesses",
    "InitiatorModel",
    "Model",
    "Passcode",
    "PasscodeInitiator",
    "PasscodeResponder",
    "Proof",
    "ResponderModel",
    "SecretInitiator",
    "SecretResponder",
    "decode_ead_1",
]
