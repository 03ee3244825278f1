import os
from pathlib import Path

import pytest

from oob.device.offer import Attempt, Offer
from oob.device.offers import offer_kind
from oob.device.screen_offers import ButtonOffer, CompareOffer, PasscodeOffer, PrintedPasscodeOffer
from oob.device.state import DeviceStore, Paired
from oob.device.tag_offers import UNDER_WAY, DynamicSecretOffer, PinnedOffer, SecretOffer
from oob.errors import AuthenticationError, LockedOut, UsageError
from oob.pairing import Bootstrap, Model

OWNED = (Paired(bytes(32), "", "secret", "secret-static", bytes(32)),)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def store(directory: Path) -> DeviceStore:
    return DeviceStore(directory, "Lamp", os.urandom)


def make(kind: type[Offer], directory: Path, clock: Clock | None = None, *, owned: bool = False) -> Offer:
    kept = store(directory)
    if owned:
        kept.update(pairings=OWNED)
    return kind(kept, os.urandom, clock or Clock())


def begun(offer: Offer) -> Attempt:
    """Take an attempt as far as message_3."""
    attempt = offer.attempt()
    attempt.admit()
    attempt.begin()
    return attempt


def window(directory: Path) -> int:
    guesses = store(directory).state.guesses
    assert guesses is not None
    return guesses.window


# --- a passcode on the screen


def test_a_passcode_is_shown_until_it_is_replaced(tmp_path: Path) -> None:
    offer = make(PasscodeOffer, tmp_path)
    shown = offer.out_of_band()
    assert make(PasscodeOffer, tmp_path).out_of_band() == shown
    offer.press()
    assert offer.out_of_band() != shown
    assert make(PasscodeOffer, tmp_path).out_of_band() == offer.out_of_band()


def test_a_try_is_on_the_disk_before_it_is_judged(tmp_path: Path) -> None:
    offer = make(PasscodeOffer, tmp_path)
    for tries in (1, 2, 3):
        begun(offer)
        assert window(tmp_path) == tries
    attempt = offer.attempt()
    for refused in (offer.require_armed, attempt.admit, attempt.begin):
        with pytest.raises(LockedOut, match="used up"):
            refused()
    offer.press()
    offer.require_armed()


def test_a_passcode_that_was_used_is_burnt(tmp_path: Path) -> None:
    offer = make(PasscodeOffer, tmp_path)
    offer._store.update(**begun(offer).succeed())
    for again in (offer, make(PasscodeOffer, tmp_path)):
        with pytest.raises(LockedOut, match="used up"):
            again.require_armed()


def test_a_code_that_was_replaced_meanwhile_is_no_use(tmp_path: Path) -> None:
    offer = make(PasscodeOffer, tmp_path)
    attempt = offer.attempt()
    offer.press()
    with pytest.raises(LockedOut, match="replaced"):
        attempt.begin()
    assert window(tmp_path) == 0


def test_two_attempts_count_apart_and_only_one_can_succeed(tmp_path: Path) -> None:
    offer = make(PasscodeOffer, tmp_path)
    first, second = offer.attempt(), offer.attempt()
    first.admit()
    second.admit()
    first.begin()
    offer._store.update(**first.succeed())
    with pytest.raises(LockedOut):
        second.begin()


def test_a_code_is_shown_for_ten_minutes(tmp_path: Path) -> None:
    clock = Clock()
    offer = make(PasscodeOffer, tmp_path, clock)
    clock.now += 600
    offer.require_armed()
    clock.now += 1
    with pytest.raises(LockedOut, match="too long"):
        offer.attempt().admit()
    offer.press()
    offer.require_armed()


def test_an_owned_device_shows_no_code_before_a_press(tmp_path: Path) -> None:
    """Neither a restart nor a change of the model is a press."""
    for _ in range(2):
        offer = make(PasscodeOffer, tmp_path, owned=True)
        with pytest.raises(LockedOut):
            offer.require_armed()
        offer.press()
        offer.require_armed()


def test_what_is_not_armed_is_not_offered(tmp_path: Path) -> None:
    passcode, secret = make(PasscodeOffer, tmp_path), make(SecretOffer, tmp_path)
    passcode._store.update(passcode=None, guesses=None)
    secret._store.update(secret=None)
    for refused in (passcode.out_of_band, passcode.require_armed, passcode.attempt):
        with pytest.raises(LockedOut, match="no passcode is armed"):
            refused()
    with pytest.raises(UsageError):
        secret.out_of_band()


# --- a printed passcode


def test_a_printed_passcode_stays_and_locks_with_growing_delays(tmp_path: Path) -> None:
    clock = Clock()
    offer = make(PrintedPasscodeOffer, tmp_path, clock)
    shown = offer.out_of_band()
    for _ in range(2):
        begun(offer)
    begun(offer)
    with pytest.raises(LockedOut, match="too many wrong codes"):
        offer.require_armed()
    clock.now += 5
    begun(offer)
    again = make(PrintedPasscodeOffer, tmp_path, clock)
    assert again.out_of_band() == shown
    with pytest.raises(LockedOut, match="too many wrong codes"):
        again.require_armed()
    again.press()
    again.require_armed()
    guesses = again._store.state.guesses
    assert guesses is not None
    assert (guesses.window, guesses.lifetime) == (0, 4)


def test_a_printed_passcode_is_for_the_first_owner_or_with_a_press(tmp_path: Path) -> None:
    clock = Clock()
    offer = make(PrintedPasscodeOffer, tmp_path, clock, owned=True)
    with pytest.raises(AuthenticationError, match="Press its button"):
        offer.require_armed()
    offer.press()
    attempt = begun(offer)
    assert not attempt.responder.proof.dynamic
    attempt.succeed()
    with pytest.raises(AuthenticationError):
        offer.require_armed()


# --- a secret


def test_a_secret_stays(tmp_path: Path) -> None:
    first = SecretOffer(store(tmp_path), os.urandom, Clock()).out_of_band()
    again = make(SecretOffer, tmp_path)
    assert again.out_of_band() == first
    assert (first.models, first.name, first.dynamic) == ((Model.SECRET,), "Lamp", False)
    assert first.secret is not None
    assert len(first.secret) == 16
    assert repr(first.secret) not in repr(first)


def test_a_secret_is_for_the_first_owner_or_with_a_press(tmp_path: Path) -> None:
    clock = Clock()
    offer = make(SecretOffer, tmp_path, clock)
    offer.require_armed()
    offer._store.update(pairings=OWNED)
    with pytest.raises(AuthenticationError, match="Press its button"):
        offer.require_armed()
    offer.press()
    assert begun(offer).succeed() == {}
    with pytest.raises(AuthenticationError):
        offer.require_armed()


def test_a_press_lets_an_owner_in_for_two_minutes(tmp_path: Path) -> None:
    clock = Clock()
    offer = make(SecretOffer, tmp_path, clock, owned=True)
    offer.press()
    clock.now += 120
    offer.require_armed()
    clock.now += 1
    with pytest.raises(AuthenticationError):
        offer.require_armed()
    clock.now -= 60  # set back, into the window
    with pytest.raises(AuthenticationError):
        offer.require_armed()


def test_a_dynamic_secret_is_burnt_at_message_3(tmp_path: Path) -> None:
    offer = DynamicSecretOffer(store(tmp_path), os.urandom, Clock())
    with pytest.raises(LockedOut, match="tapped"):
        offer.attempt()
    first = offer.out_of_band()
    assert first.dynamic
    assert offer.out_of_band().secret != first.secret
    attempt, other = offer.attempt(), offer.attempt()
    attempt.begin()
    with pytest.raises(LockedOut, match="used up"):
        other.begin()
    with pytest.raises(LockedOut):
        offer.attempt()


def test_a_dynamic_secret_gives_way_to_the_next_tap(tmp_path: Path) -> None:
    offer = DynamicSecretOffer(store(tmp_path), os.urandom, Clock())
    offer.out_of_band()
    attempt = offer.attempt()
    offer.out_of_band()
    with pytest.raises(LockedOut):
        attempt.begin()
    offer.attempt().begin()


def test_a_tap_is_good_for_two_minutes(tmp_path: Path) -> None:
    clock = Clock()
    offer = DynamicSecretOffer(store(tmp_path), os.urandom, clock)
    assert not offer.is_armed()
    offer.out_of_band()
    clock.now += 120
    assert offer.is_armed()
    assert offer.attempt().responder.proof.dynamic
    clock.now += 1
    with pytest.raises(LockedOut, match="tapped"):
        offer.attempt()
    clock.now -= 60  # set back, into the time in which it was good
    with pytest.raises(LockedOut, match="tapped"):
        offer.attempt()
    offer.out_of_band()
    clock.now -= 0.5
    assert not offer.is_armed()


def test_a_tap_lets_nobody_in_once_the_device_has_an_owner(tmp_path: Path) -> None:
    offer = make(DynamicSecretOffer, tmp_path)
    offer.out_of_band()
    attempt = offer.attempt()
    offer._store.update(pairings=OWNED)
    for refused in (offer.require_armed, attempt.admit, attempt.begin):
        with pytest.raises(AuthenticationError, match="has an owner"):
            refused()


def test_a_secret_that_is_too_old_at_message_3_is_none(tmp_path: Path) -> None:
    clock = Clock()
    offer = make(DynamicSecretOffer, tmp_path, clock)
    offer.tapped()
    attempt = offer.attempt()
    attempt.admit()
    clock.now += 121
    with pytest.raises(LockedOut, match="tapped"):
        attempt.begin()


def test_a_touch_does_not_change_the_secret_of_a_handshake_under_way(tmp_path: Path) -> None:
    """A phone that lies on the device, and pairs by another carrier, is seen anew again and again."""
    clock = Clock()
    offer = make(DynamicSecretOffer, tmp_path, clock)
    first = offer.tapped()
    attempt = offer.attempt()
    attempt.admit()
    clock.now += UNDER_WAY
    assert offer.tapped() == first
    attempt.begin()
    assert offer.tapped() not in (first, None)
    offer.attempt().admit()
    kept = offer.tapped()
    clock.now += UNDER_WAY + 1
    assert offer.tapped() not in (kept, None)


def test_the_secret_of_a_tap_does_not_outlive_a_reset(tmp_path: Path) -> None:
    offer = make(DynamicSecretOffer, tmp_path)
    offer.tapped()
    attempt = offer.attempt()
    offer._store.update(**offer.reset())
    with pytest.raises(LockedOut):
        attempt.begin()
    with pytest.raises(LockedOut, match="tapped"):
        offer.attempt()


def test_a_tap_carries_a_new_secret_while_the_device_may_be_paired(tmp_path: Path) -> None:
    offer = make(DynamicSecretOffer, tmp_path)
    first, second = offer.tapped(), offer.tapped()
    assert first is not None
    assert second is not None
    assert first.dynamic
    assert first.secret != second.secret
    begun(offer).succeed()
    offer._store.update(pairings=OWNED)
    assert offer.tapped() is None
    offer.press()
    assert offer.tapped() is not None


@pytest.mark.parametrize("kind", [SecretOffer, PinnedOffer])
def test_a_tap_carries_what_the_label_does(tmp_path: Path, kind: type[Offer]) -> None:
    offer = make(kind, tmp_path)
    assert offer.tapped() == offer.out_of_band()


def test_a_tap_tells_no_secret_of_an_owned_device(tmp_path: Path) -> None:
    assert make(SecretOffer, tmp_path, owned=True).tapped() is None


@pytest.mark.parametrize("kind", [PasscodeOffer, PrintedPasscodeOffer, CompareOffer, ButtonOffer])
def test_a_tap_tells_nothing_where_nothing_is_carried(tmp_path: Path, kind: type[Offer]) -> None:
    assert make(kind, tmp_path).tapped() is None


def test_who_scans_or_taps_is_told_where_the_device_is(tmp_path: Path) -> None:
    offer = make(SecretOffer, tmp_path)
    offer.hints = ("192.0.2.7:4433",)
    carried = offer.out_of_band()
    assert isinstance(carried, Bootstrap)
    assert carried.hints == ("192.0.2.7:4433",)


# --- compare, button, pinned


@pytest.mark.parametrize("kind", [CompareOffer, ButtonOffer])
def test_a_press_arms(tmp_path: Path, kind: type[Offer]) -> None:
    clock = Clock()
    offer = make(kind, tmp_path, clock)
    with pytest.raises(LockedOut, match="button"):
        offer.attempt().admit()
    offer.press()
    clock.now += 121
    with pytest.raises(LockedOut):
        offer.attempt().admit()
    offer.press()
    begun(offer).succeed()
    with pytest.raises(LockedOut):
        offer.attempt().admit()
    with pytest.raises(UsageError, match="nothing is carried"):
        offer.out_of_band()


def test_one_answered_message_1_for_each_arming_of_compare(tmp_path: Path) -> None:
    """Whoever abandons a comparison and tries again needs another press; a restart is none."""
    offer = make(CompareOffer, tmp_path)
    offer.press()
    offer.attempt().admit()
    with pytest.raises(LockedOut):
        offer.attempt().admit()
    offer.press()
    with pytest.raises(LockedOut):
        make(CompareOffer, tmp_path).attempt().admit()


def test_pinned_data_hold_no_secret(tmp_path: Path) -> None:
    carried = PinnedOffer(store(tmp_path), os.urandom, Clock()).out_of_band()
    assert (carried.models, carried.secret) == ((Model.PINNED,), None)
    assert make(PinnedOffer, tmp_path).out_of_band() == carried
    with pytest.raises(AuthenticationError):
        make(PinnedOffer, tmp_path, owned=True).attempt().admit()


@pytest.mark.parametrize(
    ("model", "printed", "kind"),
    [
        (Model.PASSCODE, None, PasscodeOffer),
        (Model.PASSCODE, True, PrintedPasscodeOffer),
        (Model.SECRET, None, SecretOffer),
        (Model.SECRET, False, DynamicSecretOffer),
        (Model.COMPARE, None, CompareOffer),
        (Model.PINNED, None, PinnedOffer),
        (Model.BUTTON, False, ButtonOffer),
    ],
)
def test_every_model_has_its_offer(model: Model, printed: bool | None, kind: type[Offer]) -> None:
    assert offer_kind(model, printed) is kind


@pytest.mark.parametrize(("model", "printed"), [(Model.COMPARE, True), (Model.RESUMED, None), (Model.PINNED, False)])
def test_there_are_no_others(model: Model, printed: bool | None) -> None:
    with pytest.raises(UsageError, match="cannot offer"):
        offer_kind(model, printed)
