"""Guess accounting on both sides, restarts and clocks included."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from oob.errors import LockedOut, StorageError, UsageError
from oob.pairing import Code, Entry, Guesses
from oob.pairing.guesses import DELAYS


def restarted(guesses: Guesses) -> Guesses:
    return Guesses.from_dict(json.loads(json.dumps(guesses.to_dict())))


def fail(guesses: Guesses, times: int, now: int = 0) -> Guesses:
    for _ in range(times):
        guesses = guesses.begin(max(now, guesses.not_before))
    return guesses


def test_a_displayed_code_bears_three_tries() -> None:
    guesses = fail(Guesses(Code.DISPLAYED), 3)
    with pytest.raises(LockedOut, match=r"used up.*new code"):
        guesses.begin(10**9)


def test_a_displayed_code_is_burnt_after_use() -> None:
    guesses = Guesses(Code.DISPLAYED).begin(5).succeed(6)
    assert guesses.burnt
    for value in (guesses, restarted(guesses), guesses.restart(7)):
        with pytest.raises(LockedOut, match="new code"):
            value.begin(10**9)


def test_the_third_try_may_succeed() -> None:
    assert fail(Guesses(Code.DISPLAYED), 3).succeed(1).burnt


def test_a_displayed_code_is_never_reopened() -> None:
    with pytest.raises(UsageError, match="Show a new code"):
        Guesses(Code.DISPLAYED).reopen(0)


def test_a_printed_code_waits_longer_and_longer() -> None:
    guesses, now = Guesses(Code.PRINTED), 1000
    waits = []
    for _ in range(10):
        guesses = guesses.begin(now)
        waits.append(max(0, guesses.not_before - now))
        now += waits[-1]
    assert waits == list(DELAYS[:10])
    assert waits == sorted(waits)
    with pytest.raises(LockedOut, match=r"used up.*button"):
        guesses.begin(10**9)
    guesses = guesses.reopen(now).begin(now)
    assert guesses.lifetime == 11
    assert guesses.not_before - now == DELAYS[-1]
    assert guesses.reopen(now).begin(now).not_before - now == DELAYS[-1]


def test_a_delay_names_its_end() -> None:
    guesses = fail(Guesses(Code.PRINTED), 4, now=100)
    assert guesses.not_before == 105 + 30
    with pytest.raises(LockedOut, match="Wait 30 s"):
        guesses.begin(105)
    guesses.begin(135)


def test_attack_guesses_mixed_with_the_owners_pairings() -> None:
    guesses, now = Guesses(Code.PRINTED), 0
    for failed in range(1, 11):
        guesses = guesses.begin(now)
        now = max(now, guesses.not_before)
        if failed < 10:
            guesses = guesses.begin(now).succeed(now)
        assert guesses.lifetime == guesses.window == failed
    with pytest.raises(LockedOut, match="used up"):
        guesses.begin(10**9)


def test_attack_power_cut_between_count_and_check() -> None:
    stored = Guesses(Code.DISPLAYED).begin(0).to_dict()
    assert Guesses.from_dict(stored).window == 1


def test_attack_clock_set_back() -> None:
    guesses = fail(Guesses(Code.PRINTED), 5, now=10_000)
    for now in (0, 9_999, guesses.not_before - 1):
        with pytest.raises(LockedOut, match="Wait"):
            guesses.begin(now)
    # Nor does a guess made under a wrong clock shorten the wait under the right one.
    later = guesses.begin(guesses.not_before).succeed(guesses.not_before)
    assert later.begin(0).not_before == guesses.not_before + DELAYS[5]


def test_restart_starts_the_delay_anew() -> None:
    guesses = fail(Guesses(Code.PRINTED), 4, now=10**6)
    fresh = restarted(guesses).restart(3)
    with pytest.raises(LockedOut):
        fresh.begin(32)
    assert fresh.begin(33).lifetime == 5
    assert Guesses(Code.PRINTED).restart(3).begin(3).window == 1


def test_reopen_takes_a_wrong_clock_back() -> None:
    guesses = fail(Guesses(Code.PRINTED), 4, now=10**9).reopen(50)
    assert guesses.begin(50).not_before == 50 + DELAYS[4]


@pytest.mark.parametrize("code", Code)
def test_success_without_a_guess(code: Code) -> None:
    for guesses in (Guesses(code), Guesses(code).begin(0).restart(0)):
        with pytest.raises(UsageError):
            guesses.succeed(0)


DAMAGE: list[dict[str, Any]] = [
    {"code": "written"},
    {"code": 1},
    {"code": ["printed"]},
    {"window": -1},
    {"window": 11},
    {"window": True},
    {"window": 1.0},
    {"window": "1"},
    {"lifetime": 0},
    {"lifetime": None},
    {"not_before": -1},
    {"pending": 1},
    {"window": 0, "lifetime": 0, "pending": True},
    {"burnt": True},
    {"code": "displayed"},
    {"code": "displayed", "not_before": 0, "lifetime": 4},
    {"code": "displayed", "not_before": 0, "pending": True, "burnt": True},
    {"more": 0},
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_account_opens_nothing(damage: dict[str, Any]) -> None:
    good = fail(Guesses(Code.PRINTED), 3).to_dict()
    assert Guesses.from_dict(good).window == 3
    with pytest.raises(StorageError):
        Guesses.from_dict(good | damage)


@pytest.mark.parametrize("missing", ["code", "window", "lifetime", "not_before", "changed", "pending", "burnt"])
def test_an_incomplete_account_opens_nothing(missing: str) -> None:
    stored = Guesses(Code.PRINTED).to_dict()
    del stored[missing]
    with pytest.raises(StorageError):
        Guesses.from_dict(stored)


@given(
    stored=st.dictionaries(
        st.sampled_from(["code", "window", "lifetime", "not_before", "changed", "pending", "burnt", "x"]),
        st.integers(-2, 12) | st.booleans() | st.sampled_from([*Code, "x"]) | st.none(),
    )
)
def test_any_mapping_is_taken_or_refused_by_name(stored: dict[str, Any]) -> None:
    try:
        guesses = Guesses.from_dict(stored)
    except StorageError:
        return
    assert guesses.to_dict() == stored


class Device(RuleBasedStateMachine):
    """A device under attack: it loses power at any point and its clock is not to be trusted."""

    code: Code

    @initialize(code=st.sampled_from(Code))
    def arm(self, code: Code) -> None:
        self.code = code
        self.guesses = Guesses(code)
        self.clock = self.latest = 1000
        self.failed_in_window = self.failed = 0
        self.pending = self.used = False
        self.locked_until = 0

    @rule(step=st.integers(-5000, 100_000))
    def clock_moves(self, step: int) -> None:
        self.clock = max(0, self.clock + step)

    @rule()
    def guess(self) -> None:
        before = self.guesses
        try:
            self.guesses = before.begin(self.clock)
        except LockedOut:
            spent = self.used or self.failed_in_window >= self.code.window
            assert spent or max(self.clock, self.latest) < self.locked_until
            return
        assert not self.used
        assert self.failed_in_window < self.code.window
        assert self.clock >= self.locked_until or self.latest >= self.locked_until
        self.failed_in_window += 1
        self.failed += 1
        self.pending = True
        self.latest = max(self.latest, self.clock)
        wait = DELAYS[min(self.failed, len(DELAYS)) - 1] if self.code is Code.PRINTED else 0
        self.locked_until = self.latest + wait

    @precondition(lambda self: self.pending)
    @rule()
    def succeed(self) -> None:
        self.guesses = self.guesses.succeed(self.clock)
        self.failed_in_window -= 1
        self.failed -= 1
        self.pending = False
        self.locked_until = 0
        self.latest = max(self.latest, self.clock)
        self.used = self.code is Code.DISPLAYED

    @precondition(lambda self: not self.pending)
    @rule()
    def success_out_of_nowhere(self) -> None:
        with pytest.raises(UsageError):
            self.guesses.succeed(self.clock)

    @precondition(lambda self: self.code is Code.PRINTED)
    @rule()
    def owner_presses(self) -> None:
        self.guesses = self.guesses.reopen(self.clock)
        self.failed_in_window = self.locked_until = 0
        self.latest = self.clock
        self.pending = False

    @rule()
    def power_cycle(self) -> None:
        self.guesses = restarted(self.guesses)

    @rule()
    def power_cycle_without_a_clock(self) -> None:
        self.clock = 0
        self.guesses = restarted(self.guesses).restart(0)
        self.pending = False
        if self.guesses.not_before:
            self.locked_until = DELAYS[min(self.failed, len(DELAYS)) - 1]
        else:
            self.locked_until = 0
        self.latest = 0

    @invariant()
    def counts_agree(self) -> None:
        assert self.guesses.window == self.failed_in_window
        assert self.guesses.lifetime == self.failed
        assert self.guesses.burnt == self.used
        assert restarted(self.guesses) == self.guesses


TestDevice = Device.TestCase
TestDevice.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_one_message_3_for_each_entry() -> None:
    entry = Entry().enter().send()
    with pytest.raises(UsageError, match="entered again"):
        entry.send()
    assert entry.enter().send().spent == 2
    with pytest.raises(UsageError, match="entered again"):
        Entry().send()


def test_attack_a_rogue_device_that_asks_again_and_again() -> None:
    entry = Entry()
    for _ in range(3):
        entry = Entry.from_dict(json.loads(json.dumps(entry.enter().send().to_dict())))
    with pytest.raises(LockedOut, match="posing as this one"):
        entry.enter()


def test_an_entry_that_paired_is_not_spent() -> None:
    entry = Entry()
    for _ in range(5):
        entry = entry.enter().send().succeed()
    assert entry == Entry()
    for other in (entry, entry.enter().send().enter()):
        with pytest.raises(UsageError):
            other.succeed()


@given(calls=st.lists(st.sampled_from(["enter", "send", "succeed", "restart"]), max_size=30))
def test_never_more_than_three_failed_message_3(calls: list[str]) -> None:
    entry, sent, succeeded = Entry(), 0, 0
    for call in calls:
        try:
            entry = Entry.from_dict(entry.to_dict()) if call == "restart" else getattr(entry, call)()
        except (UsageError, LockedOut):
            continue
        sent += call == "send"
        succeeded += call == "succeed"
        assert 0 <= sent - succeeded <= 3
        assert entry.spent == sent - succeeded


@pytest.mark.parametrize(
    "stored", [{}, {"spent": -1}, {"spent": 4}, {"spent": True}, {"spent": "1"}, {"spent": 1, "x": 1}]
)
def test_a_damaged_entry_account(stored: dict[str, Any]) -> None:
    with pytest.raises(StorageError):
        Entry.from_dict(stored)
