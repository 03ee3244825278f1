from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.client import Pairing, PairingStore
from oob.errors import StorageError

PAIRING = Pairing(
    device=bytes(range(32)),
    cred_r_hash=bytes(32),
    name="Lamp",
    model="passcode",
    strength="passcode",
    bits=23,
    dynamic=True,
    mutual=True,
    confirmed=False,
    issuer="https://box.home.example/directory",
    session_url="https://box.home.example/sessions/1",
    session_key=b"\x5a" * 32,
    key=b"\x5b" * 32,
    names=("lamp.home.example", "127.0.0.1"),
)
READY = replace(PAIRING, status="ready", url="https://lamp.home.example/", address="127.0.0.1:1", leaf_hash=bytes(32))


@pytest.mark.parametrize("pairing", [PAIRING, READY])
def test_what_is_stored_is_taken_up(pairing: Pairing) -> None:
    assert Pairing.decode(pairing.encode()) == pairing


def test_keeps_one_file_for_each_device(tmp_path: Path) -> None:
    store = PairingStore(tmp_path)
    assert store.all() == []
    store.save(PAIRING)
    bound = store.save(PAIRING, status="bound")
    other = store.save(PAIRING, device=bytes(32))
    assert PairingStore(tmp_path).all() == [other, bound]


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    PairingStore(tmp_path / "client").save(PAIRING)
    directory = tmp_path / "client" / "pairings"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in directory.iterdir()] == [0o600]


def test_the_session_key_does_not_show() -> None:
    assert repr(PAIRING.session_key) not in repr(PAIRING)


def test_a_truncated_pairing_is_named(tmp_path: Path) -> None:
    PairingStore(tmp_path).save(READY, device=bytes(32))
    path = tmp_path / "pairings" / "01.cbor"
    for length in range(len(PAIRING.encode())):
        path.write_bytes(PAIRING.encode()[:length])
        with pytest.raises(StorageError) as caught:
            PairingStore(tmp_path).all()
        assert str(path) in caught.value.cause
        assert caught.value.remedy == "Delete it and pair again"


@given(garbage=st.binary(max_size=64))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(StorageError):
        Pairing.decode(garbage)


@pytest.mark.parametrize(
    "change",
    [{"version": 9}, {"bits": "many"}, {"names": [1]}, {"names": None}, {"device": ""}, {"unknown": 1}, {"url": None}],
)
def test_values_that_nobody_stores_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StorageError):
        Pairing.decode(cbor.encode({**cbor.decode(PAIRING.encode()), **change}))


def test_an_unwritable_directory(tmp_path: Path) -> None:
    (tmp_path / "client").write_text("a file where a directory belongs")
    with pytest.raises(StorageError, match="cannot make"):
        PairingStore(tmp_path / "client")


def test_an_attempt_leaves_the_pairing_in_force_alone(tmp_path: Path) -> None:
    """A new try with a paired device replaces its pairing when the device has its certificate, not before."""
    kept = PairingStore(tmp_path)
    ready = kept.save(PAIRING, status="ready")
    attempt = kept.save(PAIRING, status="agreed", session_key=b"n" * 32)
    assert sorted(kept.all(), key=lambda pairing: pairing.status) == [attempt, ready]
    bound = kept.save(attempt, status="bound")
    assert sorted(kept.all(), key=lambda pairing: pairing.status) == [bound, ready]
    again = kept.save(bound, status="ready")
    assert kept.all() == [again]
