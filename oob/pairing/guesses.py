"""Guesses at a passcode, counted on both sides as pure values.

The device calls `Guesses.begin`, stores the result durably, and only then checks T_I: a device that loses power in
between has counted. A message_3 that comes again byte for byte is answered from the cache and never gets here.
The client has an `Entry` for each code, since a rogue device learns from T_I whether its one guess was right.

Times are whole seconds of the device's clock. A clock that is set back never unlocks anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final, Self

from oob.errors import LockedOut, StorageError, UsageError

STEP: Final = "message_3"
ENTRY_LIMIT: Final = 3
DELAYS: Final = (0, 0, 5, 30, 60, 300, 900, 3600, 14400, 43200, 86400)
"""Seconds to wait after the first, second, ... failed guess of a printed code's life; the last one stays."""


class Code(StrEnum):
    """The kind of a passcode."""

    DISPLAYED = "displayed"
    """Shown on a screen for one pairing: burnt after use or 3 tries."""
    PRINTED = "printed"
    """On the device for its life: 10 wrong tries a window, with growing delays."""

    @property
    def window(self) -> int:
        """The number of failed guesses after which the window closes."""
        return 3 if self is Code.DISPLAYED else 10


@dataclass(frozen=True, slots=True)
class Guesses:
    """The device's account of one code. `window` and `lifetime` count guesses that were begun and did not succeed.

    `window` starts anew at `reopen`, `lifetime` never does. `not_before` and `changed` are times in seconds.
    StorageError for values that no sequence of calls leads to.
    """

    code: Code
    window: int = 0
    lifetime: int = 0
    not_before: int = 0
    changed: int = 0
    pending: bool = False
    burnt: bool = False

    def __post_init__(self) -> None:
        """Refuse an inconsistent account: it opens nothing."""
        displayed = self.code is Code.DISPLAYED
        sound = (
            0 <= self.window <= self.code.window
            and self.window <= self.lifetime
            and self.not_before >= 0
            and self.window >= self.pending
            and (not displayed or (self.lifetime == self.window and not self.not_before))
            and (not self.burnt or (displayed and not self.pending))
        )
        if not sound:
            raise StorageError("the account of guesses is inconsistent", step=STEP)

    def begin(self, now: int) -> Self:
        """Count one guess as failed. Store the result durably before checking it.

        Raises LockedOut when the code is burnt or used up, or while a delay runs.
        """
        # Time only moves on here: under a clock set back, the wait would count from the past.
        at = max(now, self.changed)
        self._refuse(at, now)
        lifetime = self.lifetime + 1
        wait = DELAYS[min(lifetime, len(DELAYS)) - 1] if self.code is Code.PRINTED else 0
        not_before = at + wait if wait else 0
        window = self.window + 1
        return replace(self, window=window, lifetime=lifetime, not_before=not_before, changed=at, pending=True)

    def succeed(self, now: int) -> Self:
        """Take the pending guess back, since it was right; a displayed code is burnt. UsageError if none is pending.

        Other failed guesses stay counted: whoever mixes guesses with the owner's pairings gains none.
        """
        if not self.pending:
            raise UsageError("no guess is pending", step=STEP)
        # The delay may go: `begin` has seen it run out.
        at, displayed = max(now, self.changed), self.code is Code.DISPLAYED
        window, lifetime = self.window - 1, self.lifetime - 1
        return replace(self, window=window, lifetime=lifetime, not_before=0, changed=at, pending=False, burnt=displayed)

    def reopen(self, now: int) -> Self:
        """Open a new window, without delay, for the owner's physical act: a lockout bricks nothing.

        UsageError for a displayed code, for which a new one is shown instead.
        """
        if self.code is Code.DISPLAYED:
            raise UsageError("a displayed code is never used again", step="pairing", remedy="Show a new code")
        return replace(self, window=0, not_before=0, changed=now, pending=False)

    def restart(self, now: int) -> Self:
        """Start the last delay anew; to be called at start-up where the clock does not run while the power is off."""
        last = DELAYS[min(self.lifetime, len(DELAYS)) - 1]
        not_before = now + last if self.not_before else 0
        return replace(self, not_before=not_before, changed=now, pending=False)

    def _refuse(self, at: int, now: int) -> None:
        if self.burnt or self.window >= self.code.window:
            displayed = self.code is Code.DISPLAYED
            remedy = "Let the device show a new code" if displayed else "Press the button of the device to allow more"
            raise LockedOut("this code is used up", step=STEP, remedy=remedy)
        if at < self.not_before:
            wait = f"Wait {self.not_before - now} s, or press the button of the device"
            raise LockedOut("too many wrong codes", step=STEP, remedy=wait)

    def to_dict(self) -> dict[str, str | int | bool]:
        """Return what is to be stored, ready for JSON or CBOR."""
        return {**{item.name: getattr(self, item.name) for item in fields(self)}, "code": self.code.value}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Take up what `to_dict` returned; StorageError for anything else: a damaged account opens nothing."""
        if set(stored) != {item.name for item in fields(cls)}:
            raise StorageError("the account of guesses is damaged", step=STEP)
        code = stored["code"]
        # Exact types: JSON's true must not pass for 1.
        types_match = all(type(stored[item.name]) is item.type for item in fields(cls) if item.name != "code")
        if not types_match or not isinstance(code, str) or code not in set(Code):
            raise StorageError("the account of guesses is damaged", step=STEP)
        return cls(**{**stored, "code": Code(code)})


@dataclass(frozen=True, slots=True)
class Entry:
    """The client's account of one code: one message_3 each time that a person enters it, at most 3 that fail.

    A code is never remembered for an automatic retry. `spent` is to be stored for a printed code.
    """

    spent: int = 0
    entered: bool = False
    pending: bool = False

    def enter(self) -> Self:
        """The person has entered the code (again); LockedOut when 3 message_3 with it have failed."""
        if self.spent >= ENTRY_LIMIT:
            raise LockedOut(
                "this code was refused 3 times",
                step="passcode",
                remedy="Another device may be posing as this one: pair by its tag or QR code, or with a new code",
            )
        return replace(self, entered=True, pending=False)

    def send(self) -> Self:
        """Spend the entry on one message_3, before it is sent; UsageError unless the code was just entered."""
        if not self.entered:
            raise UsageError("the code must be entered again for another try", step=STEP)
        return replace(self, spent=self.spent + 1, entered=False, pending=True)

    def succeed(self) -> Self:
        """Take the spent entry back, since T_R verified; UsageError if none is pending."""
        if not self.pending:
            raise UsageError("no message_3 is pending", step=STEP)
        return replace(self, spent=self.spent - 1, pending=False)

    def to_dict(self) -> dict[str, int]:
        """Return what is to be stored: a code that was entered does not survive a restart."""
        return {"spent": self.spent}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Take up what `to_dict` returned; StorageError for anything else."""
        spent = stored.get("spent")
        if len(stored) != 1 or type(spent) is not int or not 0 <= spent <= ENTRY_LIMIT:
            raise StorageError("the account of code entries is damaged", step=STEP)
        return cls(spent)
