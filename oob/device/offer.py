"""What a device offers to pair by: one model for each arming, with its guesses (DESIGN rules 2, 4, 6, 7 and 8).

An offer lives as long as the device; each handshake under it is an `Attempt`, whose hooks run at their step. A press of
the device's button arms: it shows a new code, opens a window for a new owner, or lets one comparison begin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from oob.device.state import DeviceStore
from oob.errors import AuthenticationError, UsageError
from oob.pairing import (
    TAG_KEY_LENGTH,
    Bootstrap,
    Model,
    Passcode,
    ResponderModel,
)

PRESS_WINDOW = 120.0
"""Seconds for which a press of the button lets a new owner in."""


def nothing() -> None:
    """Do nothing at this step."""


def no_changes() -> dict[str, Any]:
    """Change nothing of the stored state."""
    return {}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One handshake: `admit` runs before message_1 is answered, `begin` before message_3 is looked at.

    Both raise LockedOut or AuthenticationError where there is nothing to be had; what must count is on the disk when
    they return. `succeed` returns the changes of state that a success brings.
    """

    responder: ResponderModel
    admit: Callable[[], None] = nothing
    begin: Callable[[], None] = nothing
    succeed: Callable[[], dict[str, Any]] = no_changes


class Offer:
    """One association model and the press that arms it."""

    model: ClassVar[Model]

    def __init__(self, store: DeviceStore, random: Callable[[int], bytes], clock: Callable[[], float]) -> None:
        self._store, self._random, self._clock = store, random, clock
        self._pressed_at: float | None = None
        self.hints: tuple[str, ...] = ()
        """Where the device is reachable on the local network, "192.168.1.7:4433", for those who scan or tap."""
        self._prepare()

    def press(self) -> None:
        """Arm: the act of a person at the device, or the consent of an owner."""
        self._pressed_at = self._clock()

    def require_armed(self) -> None:
        """Raise LockedOut or AuthenticationError unless a client that comes now would be answered."""
        self.require_open()

    def require_open(self) -> None:
        """Raise AuthenticationError unless the device takes a new owner now: it has none, or somebody pressed."""
        if self._store.state.pairings and not self._is_pressed(PRESS_WINDOW):
            remedy = "Press its button, let an owner invite, or reset it"
            raise AuthenticationError("the device has an owner", step="message_1", remedy=remedy)

    def is_armed(self) -> bool:
        """Whether a client that comes now would be answered: the pairing window."""
        try:
            self.require_armed()
        except AuthenticationError:
            return False
        return True

    def is_consented(self) -> bool:
        """Whether somebody at the device, or an owner, lets a client in now; else it must be the first one."""
        return self._is_pressed(PRESS_WINDOW)

    def attempt(self) -> Attempt:
        """Return one handshake. Raises LockedOut if there is nothing to pair by."""
        # At message_3 once more: meanwhile another client may have used the press up, or become the first owner.
        return Attempt(self._responder(), self._admit, self.require_armed, self._use_up)

    def out_of_band(self) -> Passcode | Bootstrap:
        """Return what a person carries to the client: digits to type, or the content of a QR code. It may be secret.

        UsageError in a model in which a person carries nothing.
        """
        raise UsageError(f"in the model {self.model.name.lower()} nothing is carried to the client", step="pairing")

    def tapped(self) -> Bootstrap | None:
        """Return what a tap on the device's own tag tells now, if the model has something to tell. It may be secret."""
        return None

    def reset(self) -> dict[str, Any]:
        """Return the changes of state that make former owners know the device no more by its tag.

        What a label carries stays.
        """
        return {"tag_key": self._random(TAG_KEY_LENGTH)}

    def _prepare(self) -> None:
        """Make what must be there from the first start."""

    def _responder(self) -> ResponderModel:
        raise NotImplementedError

    def _admit(self) -> None:
        self.require_armed()

    def _use_up(self) -> dict[str, Any]:
        self._pressed_at = None
        return {}

    def _is_pressed(self, window: float) -> bool:
        if self._pressed_at is not None and not 0 <= self._clock() - self._pressed_at <= window:
            self._pressed_at = None  # for good: a clock that is set back opens nothing again
        return self._pressed_at is not None

    def _bootstrap(self, model: Model, secret: bytes | None, *, dynamic: bool = False) -> Bootstrap:
        credential = self._store.identity.credential
        tag_key = self._store.state.tag_key
        return Bootstrap(1, (model,), credential.hash(), secret, tag_key, dynamic, credential.subject, self.hints)
