import os
import time
from pathlib import Path

import pytest

from oob.binding.management import Done, Invite, List, Listing, Remove, Rename, Reset
from oob.device.owners import Owners, label_of
from oob.device.state import DeviceStore, Owner, Paired
from oob.device.tag_offers import SecretOffer
from oob.errors import UsageError

FIRST, SECOND = (Paired(bytes([n]) * 32, "", "passcode", "passcode", bytes(32)) for n in (1, 2))
OWNER = Owner(b"context", bytes(32), "passcode", "passcode", b"root", bytes([2]) * 32)


@pytest.fixture
def owners(tmp_path: Path) -> Owners:
    store = DeviceStore(tmp_path, "Lamp", os.urandom)
    store.update(pairings=(FIRST, SECOND), owner=OWNER, certificate=b"PEM")
    return Owners(store, SecretOffer(store, os.urandom, time.time))


def test_lists_for_whoever_asks(owners: Owners) -> None:
    listing = owners.obey(List(), SECOND.id)
    assert isinstance(listing, Listing)
    assert [(each.id, each.own) for each in listing.pairings] == [(FIRST.id, False), (SECOND.id, True)]


def test_renames_one(owners: Owners) -> None:
    assert owners.obey(Rename(SECOND.id, "phone"), FIRST.id) == Done()
    assert [each.label for each in owners.store.state.pairings] == ["", "phone"]


def test_the_one_who_counts_takes_the_certificate_with_it(owners: Owners) -> None:
    owners.obey(Remove(FIRST.id), FIRST.id)
    assert (owners.store.state.pairings, owners.store.state.owner) == ((SECOND,), OWNER)
    owners.obey(Remove(SECOND.id), SECOND.id)
    assert (owners.store.state.pairings, owners.store.state.owner, owners.store.state.certificate) == ((), None, None)


def test_an_invitation_arms(owners: Owners) -> None:
    owners.obey(Invite(), FIRST.id)
    owners.offer.require_armed()


@pytest.mark.parametrize("request_", [Rename(bytes(32), "x"), Remove(bytes(32)), Reset()])
def test_what_is_not_done_changes_nothing(owners: Owners, request_: Rename | Remove | Reset) -> None:
    before = owners.store.state
    with pytest.raises(UsageError):
        owners.obey(request_, FIRST.id)
    assert owners.store.state == before


def test_labels_are_short_and_printable() -> None:
    assert label_of("https://app.example") == "https://app.example"
    assert label_of("é" * 60) == "é" * 32
    assert label_of("a\x1b[2J\u202e") == "a[2J"
