"""What a device must not forget: its key, what it offers, the guesses made at it, its pairings and its certificate.

Two files, each replaced as a whole: `identity.key` is written once; `device.cbor` holds the rest, so that a guess that
is taken back and the owner that it admitted change together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from oob import cbor
from oob.cose import CoseKey
from oob.crypto import Algorithm, SigningKey
from oob.errors import PeerError, StorageError, UsageError
from oob.handshake import Credential, Identity
from oob.pairing import Guesses, Passcode
from oob.storage import find, private_directory, write_atomic

VERSION = 2
MAX_PAIRINGS = 16
KEY_LENGTH = 32
IDENTITY_FILE, STATE_FILE = "identity.key", "device.cbor"
_Record = TypeVar("_Record", "Owner", "Paired", "DeviceState")
_REMEDY = "Restore it, or delete its directory to begin as a new device"


@dataclass(frozen=True, slots=True)
class Paired:
    """A client that is paired and may come again: an owner.

    `id` is the thumbprint of its first session key, 32 bytes, `label` what an owner calls it, `key` the PRK of the
    pairing (`PairingKey`), 32 bytes; empty for one that was not mutual, which is never resumed.
    """

    id: bytes
    label: str
    model: str
    strength: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom the certificate was got for: `id` is that of the pairing, `context` the session context as received,
    `session` the thumbprint of the session key, 32 bytes.

    `root` is the issuer's root certificate in DER, empty before the client brought it.
    """

    context: bytes
    session: bytes
    model: str
    strength: str
    root: bytes = b""
    id: bytes = b""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """Everything but the identity key.

    `passcode` and `secret` are what is offered now, None where not. A client joins `pairings` and becomes `owner`, the
    one whose issuer the certificate is from, when it says through the protected channel that the issuer accepted the
    binding.
    """

    passcode: str | None = field(default=None, repr=False)
    guesses: Guesses | None = None
    secret: bytes | None = field(default=None, repr=False)
    tag_key: bytes | None = field(default=None, repr=False)
    pairings: tuple[Paired, ...] = ()
    owner: Owner | None = None
    certificate: bytes | None = field(default=None, repr=False)
    """TLS key and chain in PEM, in one piece so that they always fit."""

    def encode(self) -> bytes:
        """Return the CBOR map to be stored."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        values["guesses"] = self.guesses.to_dict() if self.guesses else None
        values["owner"] = _plain(self.owner) if self.owner is not None else None
        values["pairings"] = [_plain(paired) for paired in self.pairings]
        return cbor.encode({"version": VERSION, **values})

    @classmethod
    def decode(cls, data: bytes) -> "DeviceState":
        """Take up what `encode` returned; StorageError for anything else."""
        try:
            values = cbor.decode(data)
            if values.pop("version") != VERSION:
                raise StorageError("it was written by another release", remedy="Update this program")
            guesses = values["guesses"]
            values["guesses"] = Guesses.from_dict(guesses) if guesses is not None else None
            owner = values["owner"]
            values["owner"] = _checked(Owner(**owner)) if owner is not None else None
            values["pairings"] = tuple([_checked(Paired(**paired)) for paired in values["pairings"]])
            state = _checked(cls(**values))
            if state.passcode is not None:
                Passcode(state.passcode)
            return state
        except (PeerError, UsageError, TypeError, KeyError, AttributeError) as error:
            raise StorageError("it is damaged", remedy=_REMEDY) from error


class DeviceStore:
    """The device's directory.

    `key` is the device identity key, which `identity` dresses with the device's name; `state` is what is on disk.
    """

    def __init__(self, directory: Path, name: str, random: Callable[[int], bytes]) -> None:
        self._directory = private_directory(directory)
        self.key = self._load_key(random)
        self.identity = Identity(Credential.of_key(CoseKey.of(self.key), subject=name), self.key)
        self.state = self._load_state()

    def update(self, **changes: Any) -> DeviceState:  # noqa: ANN401
        """Replace fields of the state, durably before this returns. Raises StorageError, with nothing changed."""
        state = replace(self.state, **changes)
        encoded = state.encode()
        if len(encoded) > cbor.MAX_LENGTH:  # it could be written, and never read again
            raise StorageError(f"a state of {len(encoded)} bytes is too long", step="storage")
        write_atomic(self._directory / STATE_FILE, encoded)
        self.state = state
        return state

    def _load_key(self, random: Callable[[int], bytes]) -> SigningKey:
        path = self._directory / IDENTITY_FILE
        private = find(path)
        if private is None:
            key = SigningKey.generate(Algorithm.ES256, random)
            write_atomic(path, key.to_bytes())
            return key
        try:
            if len(private) != KEY_LENGTH:  # a truncated key would be another one, and just as valid
                raise ValueError("length")
            return SigningKey.from_bytes(Algorithm.ES256, private)
        except ValueError as error:
            raise StorageError(f"cannot use {path}: it is damaged", step="storage", remedy=_REMEDY) from error

    def _load_state(self) -> DeviceState:
        path = self._directory / STATE_FILE
        stored = find(path)
        try:
            return DeviceState() if stored is None else DeviceState.decode(stored)
        except StorageError as error:
            remedy = error.remedy or _REMEDY
            raise StorageError(f"cannot use {path}: {error.cause}", step="storage", remedy=remedy) from error


def _checked(record: _Record) -> _Record:
    """Return the record if every field has its type, None included; TypeError otherwise."""
    for item in fields(record):
        kind = tuple if item.name == "pairings" else cast(type, item.type)
        if not isinstance(getattr(record, item.name), kind):
            raise TypeError(item.name)
    return record


def _plain(record: Owner | Paired) -> dict[str, Any]:
    return {item.name: getattr(record, item.name) for item in fields(record)}
