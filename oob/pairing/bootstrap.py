"""Bootstrap data: what a tag, a QR code or a label tells a client about a device (docs/spec/bootstrap.cddl).

One CBOR map with integer keys. It comes from whoever wrote the tag: nothing in it is trusted, and `secret` proves only
that somebody read it. It is taken from a tag or a camera, never from a link that a web page opens.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from oob import cbor
from oob.errors import PeerError, UsageError
from oob.pairing import base45
from oob.pairing.models import Model
from oob.pairing.secret import check_cred_r_hash, check_secret

VERSION: Final = 1
PREFIX: Final = "OOB:"
MAX_LENGTH: Final = 492
"""In bytes: what an NTAG215 holds, and more than the longest values need."""
TAG_KEY_LENGTH: Final = 16
"""Bytes of a tag key, which a paired client is told, too."""
MAX_NAME: Final = 32
MAX_HINTS: Final = 4
MAX_HINT: Final = 64

_STEP: Final = "bootstrap"


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What a client learns out of band; UsageError if a value is out of its range.

    `models` are those that this very tag or label enables, the device's favourite first; `cred_r_hash` is SHA-256 of
    CRED_R, cut to 16 to 32 bytes; `secret` is K, 16 to 32 bytes, present exactly when `models` has SECRET; `tag_key`
    resolves the rotating tag in the advertisement, 16 bytes; `dynamic` says that the device made K for this tap;
    `name` is the product's, at most 32 bytes of UTF-8; `hints` are at most 4 addresses or DNS-SD names, 64 bytes each.
    """

    version: int
    models: tuple[Model, ...]
    cred_r_hash: bytes
    secret: bytes | None = field(default=None, repr=False)
    tag_key: bytes | None = field(default=None, repr=False)
    dynamic: bool = False
    name: str = ""
    hints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check lengths and that the values go together."""
        if self.version != VERSION:
            raise UsageError("the bootstrap data are of another version", step=_STEP, remedy="Update this program")
        if not self.models or len(set(self.models)) != len(self.models) or not set(self.models) <= _OFFERED:
            raise UsageError("bootstrap data name each model once, and at least one", step=_STEP)
        check_cred_r_hash(self.cred_r_hash)
        if (self.secret is not None) != (Model.SECRET in self.models):
            raise UsageError("bootstrap data hold a secret exactly when they offer the model secret", step=_STEP)
        if self.secret is not None:
            check_secret(self.secret)
        elif self.dynamic:
            raise UsageError("only a secret can be dynamic", step=_STEP)
        if self.tag_key is not None and len(self.tag_key) != TAG_KEY_LENGTH:
            raise UsageError("a tag key has 16 bytes", step=_STEP)
        self._check_texts()

    def _check_texts(self) -> None:
        _check_text(self.name, MAX_NAME)
        if len(self.hints) > MAX_HINTS:
            raise UsageError(f"bootstrap data hold at most {MAX_HINTS} hints", step=_STEP)
        for hint in self.hints:
            _check_text(hint, MAX_HINT)
            if not hint or " " in hint or not hint.isascii():
                raise UsageError("a hint is an address or a name, in ASCII", step=_STEP)

    def encode(self) -> bytes:
        """Return the deterministic CBOR form; what is empty or false is left out."""
        values: dict[int, object] = {key: getattr(self, name) for key, (name, _) in _FIELDS.items()}
        values[_MODELS] = [int(model) for model in self.models]
        values[_HINTS] = list(self.hints)
        return cbor.encode({key: value for key, value in values.items() if value})

    @classmethod
    def decode(cls, data: bytes) -> "Bootstrap":
        """Read the CBOR form; PeerError for anything that `encode` would not have written."""
        try:
            value = cls(**_named(cbor.decode(data)))
        except UsageError as error:
            raise PeerError(error.cause, step=_STEP, remedy=error.remedy) from error
        # Catches what a default hides: "dynamic": false, an empty name, `true` as a key.
        if value.encode() != data:
            raise PeerError("bootstrap data are not in their shortest form", step=_STEP)
        return value

    def to_text(self) -> str:
        """Return the form for QR codes and labels: "OOB:" and base45, all in the alphanumeric set. It holds K."""
        return PREFIX + base45.encode(self.encode())

    @classmethod
    def from_text(cls, text: str) -> "Bootstrap":
        """Read the form for QR codes and labels; PeerError for anything else, a link in particular."""
        if not text.startswith(PREFIX) or len(text) > len(PREFIX) + 2 * MAX_LENGTH:
            raise PeerError("this is no pairing code", step=_STEP, remedy='It starts with "OOB:"')
        return cls.decode(base45.decode(text.removeprefix(PREFIX)))


_FIELDS: Final[dict[int, tuple[str, type]]] = {
    0: ("version", int),
    1: ("models", list),
    2: ("cred_r_hash", bytes),
    3: ("secret", bytes),
    4: ("tag_key", bytes),
    5: ("dynamic", bool),
    6: ("name", str),
    7: ("hints", list),
}
_MODELS, _HINTS = 1, 7
_OFFERED: Final = frozenset(Model) - {Model.RESUMED}


def _named(item: Any) -> dict[str, Any]:  # noqa: ANN401  CBOR is dynamically typed
    if not isinstance(item, dict) or not item.keys() <= _FIELDS.keys() or not {0, 1, 2} <= item.keys():
        raise PeerError("malformed bootstrap data", step=_STEP)
    named = {_FIELDS[key][0]: value for key, value in item.items()}
    if any(type(value) is not _FIELDS[key][1] for key, value in item.items()):
        raise PeerError("bootstrap data hold a value of the wrong type", step=_STEP)
    named["models"] = tuple([_model(number) for number in named["models"]])
    named["hints"] = tuple(named.get("hints", ()))
    if not all(isinstance(hint, str) for hint in named["hints"]):
        raise PeerError("bootstrap data hold a value of the wrong type", step=_STEP)
    return named


def _model(number: Any) -> Model:  # noqa: ANN401
    if type(number) is not int or number not in _OFFERED:
        raise PeerError("bootstrap data name an unknown model", step=_STEP)
    return Model(number)


def _check_text(text: str, limit: int) -> None:
    # What a stranger wrote is shown to a person: no control characters, no line breaks.
    if not text.isprintable() or len(text.encode()) > limit:
        raise UsageError(f"a text in bootstrap data is printable and has at most {limit} bytes", step=_STEP)
