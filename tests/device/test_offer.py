import os
import time
from pathlib import Path

import pytest

from oob.device import PasscodeOffer, SecretOffer
from oob.device.state import DeviceStore, Owner
from oob.errors import AuthenticationError, LockedOut, UsageError
from oob.pairing import Model


def store(directory: Path) -> DeviceStore:
    return DeviceStore(directory, "Lamp", os.urandom)


def test_a_passcode_is_shown_until_it_is_replaced(tmp_path: Path) -> None:
    offer = PasscodeOffer(store(tmp_path), os.urandom, time.time)
    shown = offer.out_of_band()
    assert PasscodeOffer(store(tmp_path), os.urandom, time.time).out_of_band() == shown
    offer.press()
    assert offer.out_of_band() != shown
    assert PasscodeOffer(store(tmp_path), os.urandom, time.time).out_of_band() == offer.out_of_band()


def test_a_try_is_on_the_disk_before_it_is_judged(tmp_path: Path) -> None:
    offer = PasscodeOffer(store(tmp_path), os.urandom, time.time)
    for tries in (1, 2, 3):
        offer.admit()
        offer.responder()
        offer.begin(0)
        guesses = store(tmp_path).state.guesses
        assert guesses is not None
        assert guesses.window == tries
    for refused in (offer.admit, lambda: offer.begin(0)):
        with pytest.raises(LockedOut, match="used up"):
            refused()
    offer.press()
    offer.admit()


def test_a_passcode_that_was_used_is_burnt(tmp_path: Path) -> None:
    kept = store(tmp_path)
    offer = PasscodeOffer(kept, os.urandom, time.time)
    offer.responder()
    offer.begin(0)
    kept.update(**offer.succeed(0))
    with pytest.raises(LockedOut):
        PasscodeOffer(store(tmp_path), os.urandom, time.time).admit()


def test_what_is_not_armed_is_not_offered(tmp_path: Path) -> None:
    kept = store(tmp_path)
    passcode, secret = PasscodeOffer(kept, os.urandom, time.time), SecretOffer(kept, os.urandom, time.time)
    kept.update(passcode=None, guesses=None, secret=None)
    with pytest.raises(LockedOut):
        passcode.out_of_band()
    with pytest.raises(LockedOut, match="no passcode is armed"):
        passcode.admit()
    with pytest.raises(UsageError):
        secret.out_of_band()


def test_a_secret_stays(tmp_path: Path) -> None:
    first = SecretOffer(store(tmp_path), os.urandom, time.time).out_of_band()
    again = SecretOffer(store(tmp_path), os.urandom, time.time)
    assert again.out_of_band() == first
    assert (first.models, first.name) == ((Model.SECRET,), "Lamp")
    assert first.secret is not None
    assert len(first.secret) == 16
    assert repr(first.secret) not in repr(first)


def test_a_secret_is_for_the_first_owner_or_with_a_press(tmp_path: Path) -> None:
    kept = store(tmp_path)
    offer = SecretOffer(kept, os.urandom, time.time)
    offer.admit()
    kept.update(owner=Owner(b"", bytes(32), "secret", "secret-static"))
    with pytest.raises(AuthenticationError, match="Press its button"):
        offer.admit()
    offer.press()
    offer.admit()
    offer.begin(0)
    assert offer.succeed(0) == {}
    with pytest.raises(AuthenticationError):
        offer.admit()


def test_a_code_that_was_replaced_meanwhile_is_no_use(tmp_path: Path) -> None:
    kept = store(tmp_path)
    offer = PasscodeOffer(kept, os.urandom, time.time)
    offer.responder()
    offer.press()
    with pytest.raises(LockedOut, match="replaced"):
        offer.begin(0)
    assert kept.state.guesses is not None
    assert kept.state.guesses.window == 0


def test_an_owned_device_shows_no_code_before_a_press(tmp_path: Path) -> None:
    """Neither a restart nor a change of the model is a press."""
    kept = store(tmp_path)
    kept.update(owner=Owner(b"", bytes(32), "secret", "secret-static"))
    offer = PasscodeOffer(kept, os.urandom, time.time)
    with pytest.raises(LockedOut):
        offer.admit()
    offer.press()
    offer.admit()


def test_a_press_lets_an_owner_in_for_two_minutes(tmp_path: Path) -> None:
    now = 1000.0
    kept = store(tmp_path)
    offer = SecretOffer(kept, os.urandom, lambda: now)
    kept.update(owner=Owner(b"", bytes(32), "secret", "secret-static"))
    offer.press()
    now += 120
    offer.admit()
    now += 1
    with pytest.raises(AuthenticationError):
        offer.admit()
