"""The codes that a person has entered in vain, counted on the disk (DESIGN rule 3 of the models).

A rogue device learns from message_3 whether its one guess at the code was right: so each entry of a code is spent
before message_3 leaves, and taken back only when the device has proven that it knows the code. What is kept is no code
but its MAC under a key of this directory: enough to count, and of use to nobody who does not hold the directory.
"""

from pathlib import Path
from typing import Any

from oob import cbor
from oob.crypto import hmac_sha256
from oob.errors import PeerError, StorageError
from oob.pairing import Entry, Passcode
from oob.storage import find, private_directory, write_atomic

DIRECTORY, FILE = "codes", "entries.cbor"
KEY_LENGTH, MAC_LENGTH = 32, 16
MAX_ENTRIES = 200
"""Codes that are remembered; the oldest is forgotten for a new one."""


class Entries:
    """The accounts of all codes entered here; `key`, 32 fresh random bytes, is used where there are none yet."""

    def __init__(self, directory: Path, key: bytes) -> None:
        self._path = private_directory(directory / DIRECTORY) / FILE
        self._key, _ = self._load(key)

    def check(self, passcode: Passcode) -> None:
        """Raise LockedOut when 3 entries of the code have failed."""
        self._account(passcode).enter()

    def enter(self, passcode: Passcode) -> None:
        """Spend one entry of the code, durably. LockedOut when 3 have failed, StorageError."""
        self._change(passcode, self._account(passcode).enter().send())

    def succeed(self, passcode: Passcode) -> None:
        """Take the entry back: the device knew the code. Raises StorageError."""
        spent = max(0, self._account(passcode).spent - 1)
        self._change(passcode, Entry(spent))

    def forget(self) -> None:
        """Let every code be entered three times again: for a person who knows why they failed. Raises StorageError."""
        self._store({})

    def _account(self, passcode: Passcode) -> Entry:
        return self._read().get(self._name(passcode), Entry())

    def _name(self, passcode: Passcode) -> bytes:
        return hmac_sha256(self._key, passcode.digits.encode())[:MAC_LENGTH]

    def _change(self, passcode: Passcode, entry: Entry) -> None:
        accounts = {name: each for name, each in self._read().items() if name != self._name(passcode)}
        if entry.spent:
            accounts[self._name(passcode)] = entry
        self._store(dict(list(accounts.items())[-MAX_ENTRIES:]))

    def _store(self, accounts: dict[bytes, Entry]) -> None:
        rows = [[name, entry.spent] for name, entry in accounts.items()]
        write_atomic(self._path, cbor.encode([self._key, rows]))

    def _read(self) -> dict[bytes, Entry]:
        """Return what is on the disk now: another client of the same directory counts there, too."""
        self._key, accounts = self._load(self._key)
        return accounts

    def _load(self, key: bytes) -> tuple[bytes, dict[bytes, Entry]]:
        data = find(self._path)
        if data is None:
            return key, {}
        try:
            match cbor.decode(data):
                case [bytes(kept), list(rows)] if len(kept) == KEY_LENGTH:
                    return kept, dict(map(_row, rows))
            raise StorageError("it is damaged")
        except (PeerError, StorageError) as error:
            remedy = "Delete it if you trust the codes that you enter"
            raise StorageError(f"cannot use {self._path}: it is damaged", step="storage", remedy=remedy) from error


def _row(row: Any) -> tuple[bytes, Entry]:  # noqa: ANN401
    match row:
        case [bytes(name), spent] if len(name) == MAC_LENGTH:
            return name, Entry.from_dict({"spent": spent})
    raise StorageError("it is damaged")
