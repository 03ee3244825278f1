import os
from dataclasses import replace

import pytest

from oob.client import Carried, Comparison, PresenceAlone, initiator_model, parse_out_of_band
from oob.errors import UsageError
from oob.pairing import Bootstrap, Model, Passcode

TAG = Bootstrap(1, (Model.SECRET,), bytes(32), bytes(range(16)))


async def nobody(number: str, name: str) -> bool:
    raise AssertionError("nobody was asked")


@pytest.mark.parametrize(
    ("carried", "model"),
    [
        (Passcode.from_number(1), Model.PASSCODE),
        (TAG, Model.SECRET),
        (replace(TAG, models=(Model.PINNED, Model.SECRET)), Model.SECRET),
        (replace(TAG, secret=None, models=(Model.PINNED,)), Model.PINNED),
        (Comparison(nobody), Model.COMPARE),
        (PresenceAlone(), Model.BUTTON),
    ],
)
def test_the_model_follows_from_what_was_brought(carried: Carried, model: Model) -> None:
    assert initiator_model(carried, os.urandom, b"credential").model is model


def test_a_tag_for_something_else() -> None:
    with pytest.raises(UsageError, match="carries no secret"):
        initiator_model(replace(TAG, secret=None, models=(Model.COMPARE,)), os.urandom)


def test_reads_what_a_person_brings() -> None:
    code = Passcode.from_number(1234567)
    for text in (code.digits, code.display(), f" {code.display()}\n", code.display().replace(" ", "-")):
        assert parse_out_of_band(text) == code
    assert parse_out_of_band(TAG.to_text() + "\n") == TAG
    for text in ("", "123456", "x", "1234 5678"):
        with pytest.raises(UsageError):
            parse_out_of_band(text)
