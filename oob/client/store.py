"""What a client must not forget: each pairing, from the moment that the device's binding verified.

One file a device, named by the thumbprint of its key, replaced as a whole; an attempt has a file of its own until the
device has its certificate.
"""

from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from oob import cbor
from oob.binding import Channel, PairingKey
from oob.errors import PeerError, StorageError
from oob.storage import find, private_directory, remove, write_atomic

VERSION = 3
DIRECTORY = "pairings"


@dataclass(frozen=True, slots=True)
class Pairing:
    """A device, proven to be the one within reach, and what followed.

    `device` is the COSE thumbprint of its identity key, `cred_r_hash` the SHA-256 of its credential (32 bytes each),
    `name` what it calls itself. What was proven: `model` and `strength`, `bits` the odds of an online attacker (one in
    2**bits a try), `dynamic` whether what was carried was made for this pairing, `mutual` whether both ends proved
    themselves, `confirmed` whether a person said yes to it. `key` is the PRK of the pairing, 32 bytes, for `export` and
    for coming again. `status` is "met" (nothing was to be bound), "agreed" (the binding is signed), "bound" (the issuer
    took it) or "ready" (the page is certified); `url`, `address` ("host:port", or "") and `leaf_hash` (SHA-256 of the
    certificate) are known when it is ready, and so is `tag_key`, 16 bytes, by which it is found again in a crowd (empty
    if it has none). `channel` is that of this very connection; it is not stored.
    """

    device: bytes
    cred_r_hash: bytes
    name: str
    model: str
    strength: str
    bits: int
    dynamic: bool
    mutual: bool
    confirmed: bool
    issuer: str
    session_url: str
    session_key: bytes = field(repr=False)
    key: bytes = field(repr=False)
    names: tuple[str, ...]
    status: str = "agreed"
    url: str = ""
    address: str = ""
    leaf_hash: bytes = b""
    tag_key: bytes = field(default=b"", repr=False)
    channel: Channel | None = field(default=None, repr=False, compare=False)

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """Return `length` bytes that the device can derive, too: for an application's own use of this pairing.

        UsageError for a length outside 1 to 8,160.
        """
        return PairingKey(self.key, self.mutual).export(label, context, length)

    def encode(self) -> bytes:
        """Return the CBOR map to be stored."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in _stored()}
        return cbor.encode({"version": VERSION, **values, "names": list(self.names)})

    @classmethod
    def decode(cls, data: bytes) -> "Pairing":
        """Take up what `encode` returned; StorageError for anything else."""
        try:
            values = cbor.decode(data)
            if values.pop("version") != VERSION:
                raise StorageError("it was written by another release", remedy="Update this program")
            if set(values) != {item.name for item in _stored()}:
                raise TypeError("names of fields")
            pairing = cls(**{**values, "names": tuple(values["names"])})
            pairing._check_types()
            return pairing
        except (PeerError, TypeError, KeyError, AttributeError) as error:
            raise StorageError("it is damaged", remedy="Delete it and pair again") from error

    def _check_types(self) -> None:
        for item in _stored():
            kind = tuple if item.name == "names" else cast(type, item.type)
            if not isinstance(getattr(self, item.name), kind):
                raise TypeError(item.name)
        if not all(isinstance(name, str) for name in self.names):
            raise TypeError("names")


def _stored() -> list[Field[Any]]:
    return [item for item in fields(Pairing) if item.name != "channel"]


class PairingStore:
    """The client's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = private_directory(directory / DIRECTORY)

    def save(self, pairing: Pairing, **changes: Any) -> Pairing:  # noqa: ANN401
        """Store `pairing` with these changes, durably before this returns. Raises StorageError."""
        pairing = replace(pairing, **changes)
        device = pairing.device.hex()
        attempt = self._directory / f"{device}.attempt.cbor"
        if pairing.status != "ready":  # beside the pairing in force, by which the device knows us until the new one is
            write_atomic(attempt, pairing.encode())
        else:
            write_atomic(self._directory / f"{device}.cbor", pairing.encode())
            remove(attempt)
        return pairing

    def forget(self, pairing: Pairing) -> None:
        """Forget a device. Raises StorageError."""
        remove(self._directory / f"{pairing.device.hex()}.attempt.cbor")
        remove(self._directory / f"{pairing.device.hex()}.cbor")

    def all(self) -> list[Pairing]:
        """Return every pairing, in the order of their device keys. Raises StorageError, naming the file."""
        found = [(path, find(path)) for path in sorted(self._directory.glob("*.cbor"))]
        return [_load(path, data) for path, data in found if data is not None]


def _load(path: Path, data: bytes) -> Pairing:
    try:
        return Pairing.decode(data)
    except StorageError as error:
        raise StorageError(f"cannot use {path}: {error.cause}", step="storage", remedy=error.remedy) from error
