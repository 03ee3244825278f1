"""The right secret is accepted also where keys, shares, signatures and nonces begin with zeros (longer: `make soak`).

A secret that as a number equals another one is another secret all the same.
"""

from collections import Counter
from dataclasses import replace

import pytest

from oob.errors import AuthenticationError
from oob.pairing import Passcode
from tests.soak import runs
from tests.soak.inputs import Dealer
from tests.soak.runs import MODELS, Model, pair, soak, zeros

LEAST, MOST = 60, 2000
DEALER = Dealer(10)


@pytest.mark.parametrize("model", MODELS)
def test_the_right_secret_is_accepted(model: str) -> None:
    kinds, met, run = set(zeros(model, DEALER.deal(0), [])), Counter[str](), 0
    # Signatures cannot be forced: about one run in 60 has such an r, one in 60 such an s.
    while run < LEAST or (set(met) < kinds and run < MOST):
        met += pair(model, DEALER.deal(run))
        run += 1
    assert set(met) == kinds


def test_a_run_is_dealt_the_same_at_any_time() -> None:
    assert Dealer(10).deal(5) == DEALER.deal(5) == Dealer(10).deal(5)
    assert Dealer(11).deal(5) != DEALER.deal(5)


def at_odds(model: str, **theirs: object) -> Model:
    """Make a model whose device has other values than the client."""
    return lambda the, hash: (MODELS[model](the, hash)[0], MODELS[model](replace(the, **theirs), hash)[1])  # type: ignore[arg-type]


SECRET = bytes(15) + b"\x01"
WRONG = [
    ("secret", {"secret": SECRET}, {"secret": bytes(16) + SECRET}),
    ("secret", {"secret": SECRET}, {"secret": bytes(1) + SECRET}),
    ("passcode", {"passcode": Passcode.from_number(0)}, {"passcode": Passcode.from_number(1)}),
]


@pytest.mark.parametrize(("model", "ours", "theirs"), WRONG)
def test_attack_a_secret_of_equal_value(
    model: str, ours: dict[str, object], theirs: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = replace(DEALER.deal(0), **ours)  # type: ignore[arg-type]
    pair(model, inputs)
    monkeypatch.setattr(runs, "MODELS", {model: at_odds(model, **theirs)})
    with pytest.raises(AuthenticationError):
        pair(model, inputs)


def test_a_refusal_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MODELS", {"forgetful": at_odds("secret", secret=bytes(16))})
    (tally,) = soak(DEALER, 3)
    assert [reason.partition(":")[0] for reason in tally.refused] == ["run 0", "run 1", "run 2"]
    assert "AuthenticationError" in tally.refused[0]
