import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.device.state import IDENTITY_FILE, STATE_FILE, DeviceState, DeviceStore, Owner
from oob.errors import StorageError
from oob.pairing import Code, Guesses, Passcode

OWNER = Owner(b"context", bytes(32), "passcode", "passcode", b"root")
FULL = DeviceState(
    passcode=Passcode.from_number(42).digits,
    guesses=Guesses(Code.DISPLAYED).begin(5),
    secret=bytes(16),
    tag_key=bytes(range(16)),
    owner=OWNER,
    certificate=b"PEM",
)


def store(directory: Path) -> DeviceStore:
    return DeviceStore(directory, "Lamp", os.urandom)


@pytest.mark.parametrize("state", [DeviceState(), FULL])
def test_what_is_stored_is_taken_up(state: DeviceState) -> None:
    assert DeviceState.decode(state.encode()) == state


def test_survives_the_process(tmp_path: Path) -> None:
    first = store(tmp_path)
    first.update(owner=OWNER, passcode=FULL.passcode)
    second = store(tmp_path)
    assert second.state == first.state
    assert second.key.to_bytes() == first.key.to_bytes()
    assert second.identity.credential == first.identity.credential


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store(tmp_path / "device").update(passcode=FULL.passcode)
    finally:
        os.umask(old)
    assert (tmp_path / "device").stat().st_mode & 0o777 == 0o700
    for name in (IDENTITY_FILE, STATE_FILE):
        assert (tmp_path / "device" / name).stat().st_mode & 0o777 == 0o600


def test_a_truncated_state_opens_nothing(tmp_path: Path) -> None:
    for length in range(len(FULL.encode())):
        (tmp_path / STATE_FILE).write_bytes(FULL.encode()[:length])
        with pytest.raises(StorageError) as caught:
            store(tmp_path)
        assert str(tmp_path / STATE_FILE) in caught.value.cause
        assert "begin as a new device" in caught.value.remedy
        assert caught.value.exit_code == 1


@given(garbage=st.binary(max_size=64))
def test_garbage_opens_nothing(garbage: bytes) -> None:
    with pytest.raises(StorageError):
        DeviceState.decode(garbage)


@given(position=st.integers(0, len(FULL.encode()) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_or_harmless(position: int, bit: int) -> None:
    data = bytearray(FULL.encode())
    data[position] ^= 1 << bit
    try:
        state = DeviceState.decode(bytes(data))
    except StorageError:
        return
    assert DeviceState.decode(state.encode()) == state


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"passcode": "12345678"},
        {"passcode": 1},
        {"passcode": b"12345678"},
        {"guesses": {"code": "displayed"}},
        {"guesses": 3},
        {"secret": "text"},
        {"certificate": "text"},
        {"owner": {"context": b""}},
        {"owner": {"context": 1, "session": b"", "model": "", "strength": "", "root": b""}},
        {"unknown": 1},
    ],
)
def test_values_that_nobody_stores_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / STATE_FILE).write_bytes(cbor.encode({**cbor.decode(FULL.encode()), **change}))
    with pytest.raises(StorageError, match="device.cbor") as caught:
        store(tmp_path)
    assert caught.value.remedy


@pytest.mark.parametrize("key", [b"", b"\x07", b"\x07" * 31, bytes(32), b"\xff" * 32, b"\x07" * 33])
def test_a_damaged_key_is_not_used(tmp_path: Path, key: bytes) -> None:
    (tmp_path / IDENTITY_FILE).write_bytes(key)
    with pytest.raises(StorageError) as caught:
        store(tmp_path)
    assert str(tmp_path / IDENTITY_FILE) in caught.value.cause
    assert "begin as a new device" in caught.value.remedy


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store(tmp_path)
    kept.update(passcode=FULL.passcode)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        kept.update(owner=OWNER)
    monkeypatch.undo()
    assert kept.state.owner is None
    assert store(tmp_path).state == kept.state
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE_FILE, IDENTITY_FILE]


def test_no_secret_shows() -> None:
    shown = repr(FULL)
    assert FULL.passcode is not None
    for secret in (FULL.passcode, repr(FULL.secret), repr(FULL.tag_key), repr(FULL.certificate)):
        assert secret not in shown


def test_a_state_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.update(certificate=b"PEM")
    with pytest.raises(StorageError, match="too long"):
        kept.update(certificate=bytes(20000))
    assert store(tmp_path).state.certificate == kept.state.certificate == b"PEM"
