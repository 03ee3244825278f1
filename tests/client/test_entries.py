import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.client.entries import DIRECTORY, FILE, MAX_ENTRIES, Entries
from oob.errors import LockedOut, StorageError
from oob.pairing import Passcode

CODE, OTHER = Passcode.from_number(1234567), Passcode.from_number(7654321)


def entries(directory: Path) -> Entries:
    return Entries(directory, os.urandom(32))


def test_a_code_is_entered_three_times_in_vain_and_no_more(tmp_path: Path) -> None:
    """Defence: pairing/guesses.py, Entry.enter; on the disk, so that a new process counts on."""
    for _ in range(3):
        entries(tmp_path).check(CODE)
        entries(tmp_path).enter(CODE)
    for refused in (entries(tmp_path).check, entries(tmp_path).enter):
        with pytest.raises(LockedOut, match="refused 3 times"):
            refused(CODE)
    entries(tmp_path).enter(OTHER)
    entries(tmp_path).forget()
    entries(tmp_path).check(CODE)


def test_a_success_is_taken_back(tmp_path: Path) -> None:
    for _ in range(10):
        kept = entries(tmp_path)
        kept.enter(CODE)
        kept.succeed(CODE)
    kept.enter(CODE)
    kept.enter(CODE)
    kept.succeed(CODE)
    kept.enter(CODE)
    kept.enter(CODE)
    with pytest.raises(LockedOut):
        kept.check(CODE)


def test_no_code_is_stored(tmp_path: Path) -> None:
    kept = entries(tmp_path)
    kept.enter(CODE)
    data = (tmp_path / DIRECTORY / FILE).read_bytes()
    assert CODE.digits.encode() not in data
    assert (tmp_path / DIRECTORY / FILE).stat().st_mode & 0o777 == 0o600
    assert entries(tmp_path / "other")._name(CODE) != kept._name(CODE)


def test_the_file_is_bounded(tmp_path: Path) -> None:
    kept = entries(tmp_path)
    names = [kept._name(Passcode.from_number(number)) for number in range(MAX_ENTRIES + 5)]
    kept._store(dict.fromkeys(names, kept._account(CODE).enter().send()))
    kept.enter(CODE)
    assert len(entries(tmp_path)._read()) == MAX_ENTRIES
    with pytest.raises(KeyError):
        _ = kept._read()[names[0]]


@given(st.binary(max_size=80))
def test_a_damaged_file_opens_nothing(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    directory = tmp_path_factory.mktemp("entries")
    (directory / DIRECTORY).mkdir()
    (directory / DIRECTORY / FILE).write_bytes(data)
    with pytest.raises(StorageError, match="damaged"):
        entries(directory)


@pytest.mark.parametrize("rows", [[[b"x", 1]], [[bytes(16), 4]], [[bytes(16), -1]], [1]])
def test_rows_that_nobody_stores(tmp_path: Path, rows: list[object]) -> None:
    (tmp_path / DIRECTORY).mkdir()
    (tmp_path / DIRECTORY / FILE).write_bytes(cbor.encode([bytes(32), rows]))
    with pytest.raises(StorageError):
        entries(tmp_path)
