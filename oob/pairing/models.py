"""The association models and what they have in common: the calls, the tags and the order of the steps.

A model object serves one handshake. Each step is taken once and in order, a failed step ends the object: two messages
under one ephemeral key would give an attacker a second guess.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from typing import Final, Protocol

from oob import cbor
from oob.crypto import equal, hmac_sha256
from oob.errors import AuthenticationError, PeerError, UsageError

EAD_LABEL: Final = 32769
"""Label of the critical EAD item of all messages: of the private range (RFC 9528, section 10.5), provisional."""
PROFILE: Final = "oob-1"
"""Name of this protocol in every MAC and in the channel identifier of CPace."""
TAG_LENGTH: Final = 16
"""Length of T_R and T_I in bytes: HMAC-SHA-256 truncated to 128 bits, no weaker than the shortest secret."""
KEY_LENGTH: Final = 32


class Model(IntEnum):
    """An association model; the value is its id in EAD_1 and in bootstrap data."""

    PINNED = 1
    """The bootstrap data name the device; the client is anyone."""
    SECRET = 2
    """Both ends know a secret of at least 128 bits, and the client knows the hash of the device's credential."""
    PASSCODE = 3
    """The person types 8 digits that the device shows or that stand on it."""
    COMPARE = 4
    """The person compares 6 digits on two screens."""
    BUTTON = 5
    """Somebody pressed a button on the device: presence alone."""
    RESUMED = 6
    """Both ends hold the secret that an earlier pairing left: no association model, but told apart in the same way."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a model has proven once its last check has passed; before that it is a promise.

    `strength` is the name that goes into the binding statement. An attacker who stays on the radio succeeds once in
    2**`bits` online tries; `bits` never stands for offline work, which no model allows; 0 where nothing is proven.
    `dynamic`: what was carried out of band was made for this pairing; what is static, somebody may have read long ago.
    `mutual`: each end has proven itself to the other. `confirmed`: a person said yes to this very pairing, on the
    device at least.
    """

    model: Model
    strength: str
    bits: int
    dynamic: bool
    mutual: bool
    confirmed: bool

    def told(self, dynamic: bool) -> "Proof":
        """Take the device's word, in its signed statement, on whether its passcode was made for this pairing.

        AuthenticationError where it contradicts what the client knows, which is so in every other model.
        """
        if dynamic is self.dynamic:
            return self
        if self.model is not Model.PASSCODE:
            raise AuthenticationError("the device contradicts the bootstrap data on what was proven", step="message_4")
        return replace(self, dynamic=dynamic)

    def untold(self) -> "Proof":
        """Take what is left where the device signed no statement: that a secret is fresh is the word of its tag alone.

        Whoever had a tag in hand can have written it, for a secret that is printed.
        """
        return proof_of(Model.SECRET, dynamic=False) if self.model is Model.SECRET else self


PROOFS: Final = (
    Proof(Model.PINNED, "pinned", 128, dynamic=False, mutual=False, confirmed=False),
    Proof(Model.SECRET, "secret-dynamic", 128, dynamic=True, mutual=True, confirmed=False),
    Proof(Model.SECRET, "secret-static", 128, dynamic=False, mutual=True, confirmed=False),
    Proof(Model.PASSCODE, "passcode", 23, dynamic=True, mutual=True, confirmed=False),
    Proof(Model.PASSCODE, "passcode", 23, dynamic=False, mutual=True, confirmed=False),
    Proof(Model.COMPARE, "compare", 19, dynamic=True, mutual=True, confirmed=True),
    Proof(Model.BUTTON, "button", 0, dynamic=True, mutual=False, confirmed=True),
    Proof(Model.RESUMED, "resumed", 128, dynamic=False, mutual=True, confirmed=False),
)
"""All that is ever claimed. Bits are rounded down: a passcode is one of 10**7 (its check digit adds none), a comparison
number one of 10**6."""
MUTUAL_PROOFS: Final = frozenset(proof for proof in PROOFS if proof.mutual)
"""Those that an issuer takes. A statement repeats one of them word for word: what a device says of its own strength
decides nothing."""


@cache
def proof_of(model: Model, *, dynamic: bool) -> Proof:
    """Return what a model proves; UsageError where it is never so."""
    for proof in PROOFS:
        if (proof.model, proof.dynamic) == (model, dynamic):
            return proof
    raise UsageError(f"the model {model.name.lower()} is never {'dynamic' if dynamic else 'static'}", step="pairing")


class InitiatorModel(Protocol):
    """The client's side of a model. The calls come in this order, once each; UsageError otherwise.

    `th_*` are the transcript hashes (32 bytes), `cred_*` the encoded credentials, as in EDHOC.
    """

    @property
    def model(self) -> Model:
        """The model."""

    @property
    def proof(self) -> Proof:
        """What it proves after `check_4`."""

    def ead_1(self, g_x: bytes) -> bytes:
        """Return the value of the critical EAD item of message_1."""

    def check_2(self, value: bytes, th_2: bytes, cred_r: bytes) -> None:
        """Check the value in EAD_2, b"" if absent. Raises AuthenticationError or PeerError."""

    def ead_3(self, th_3: bytes, cred_i: bytes) -> bytes:
        """Return the value for EAD_3."""

    def check_4(self, value: bytes, th_4: bytes) -> None:
        """Check the value in EAD_4, b"" if absent. Raises AuthenticationError or PeerError."""

    def channel_secret(self) -> bytes:
        """Return the secret that enters the channel key, 32 bytes, or b"" in a model that has none.

        UsageError before `check_4` has passed.
        """


class ResponderModel(Protocol):
    """The device's side of a model. The calls come in this order, once each; UsageError otherwise."""

    @property
    def model(self) -> Model:
        """The model."""

    @property
    def proof(self) -> Proof:
        """What it proves after `check_3`."""

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Check the value in EAD_1, b"" if absent. Raises AuthenticationError, also for another model, or PeerError."""

    def ead_2(self, th_2: bytes, cred_r: bytes) -> bytes:
        """Return the value for EAD_2. Raises PeerError where that shows the peer's value to be bad."""

    def check_3(self, value: bytes, th_3: bytes, cred_i: bytes) -> None:
        """Check the value in EAD_3, b"" if absent. Raises AuthenticationError or PeerError."""

    def ead_4(self, th_4: bytes) -> bytes:
        """Return the value for EAD_4, b"" for none."""

    def channel_secret(self) -> bytes:
        """Return the secret that enters the channel key, 32 bytes, or b"" in a model that has none.

        UsageError before `check_3` has passed, and in `compare` before `ead_4`: until then no user said yes.
        """


class Steps:
    """The order of the steps of one run."""

    def __init__(self, *names: str) -> None:
        self._left = self._next = names

    def take(self, name: str) -> "Steps":
        """Take the next step, which must be `name`; UsageError otherwise. If its body fails, no step is left."""
        if not self._left or self._left[0] != name:
            raise UsageError(f"{name} is out of order: each step is taken once", step="pairing")
        # Put back only on success: no exception, of whatever kind, leaves a way to try the step again.
        self._next, self._left = self._left[1:], ("failed",)
        return self

    def __enter__(self) -> None:
        """Begin the step's body."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Move on to the next step if the body succeeded."""
        if kind is None:
            self._left = self._next

    def require_past(self, name: str) -> None:
        """Raise UsageError unless the step `name` has passed."""
        if name in self._left or self._left == ("failed",):
            raise UsageError(f"there is no channel secret before {name} has passed", step="pairing")


def prf(key: bytes, model: Model, label: str, *fields: bytes) -> bytes:
    """Return 32 bytes: HMAC-SHA-256 over the CBOR sequence ("oob-1 <label>", model id, fields...)."""
    return hmac_sha256(key, b"".join([_domain(label, model), *map(cbor.encode_bytes, fields)]))


@cache  # a handful of pairs, all public
def _domain(label: str, model: Model) -> bytes:
    return cbor.encode_sequence(f"{PROFILE} {label}", int(model))


def tag(key: bytes, model: Model, label: str, *fields: bytes) -> bytes:
    """Return a tag of 16 bytes, the head of `prf`."""
    return prf(key, model, label, *fields)[:TAG_LENGTH]


def check_equal(received: bytes, expected: bytes, step: str) -> None:
    """Compare in constant time; AuthenticationError, in the same words whatever differs."""
    if not equal(received, expected):
        raise AuthenticationError(
            "the out-of-band proof does not verify",
            step=step,
            remedy="Check that this is the device in front of you, then read or enter its code again",
        )


def encode_ead_1(model: Model, value: bytes) -> bytes:
    """Encode the value of EAD_1: a CBOR sequence of model id and byte string."""
    return cbor.encode_sequence(int(model), value)


def decode_ead_1(data: bytes) -> tuple[Model, bytes]:
    """Split the value of EAD_1 into model and byte string; PeerError if malformed or of an unknown model."""
    match cbor.decode_sequence(data):
        # In Python, True equals 1.
        case [int() as number, bytes() as value] if number in _MODELS and not isinstance(number, bool):
            return _MODELS[number], value
    raise PeerError("EAD_1 names no known association model", step="message_1")


def expect_ead_1(data: bytes, model: Model) -> bytes:
    """Return the byte string in EAD_1; AuthenticationError if it is of another model than the one that is armed."""
    named, value = decode_ead_1(data)
    if named is not model:
        raise AuthenticationError(
            f"the client asks for the model {named.name.lower()}, this device is armed for {model.name.lower()}",
            step="message_1",
            remedy="Pair in the way that the device offers now",
        )
    return value


_MODELS = {model.value: model for model in Model}
