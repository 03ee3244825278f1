"""What a device offers to pair by: one model for each arming, with its guesses (DESIGN rules 2, 4, 6, 7 and 8).

An offer lives as long as the device; each handshake under it is an `Attempt`, whose hooks run at their step. A press of
the device's button arms: it shows a new code, opens a window for a new owner, or lets one comparison begin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from oob.device.state import DeviceStore
from oob.errors import AuthenticationError, LockedOut, UsageError
from oob.pairing import (
    TAG_KEY_LENGTH,
    Bootstrap,
    Code,
    CompareResponder,
    Guesses,
    Model,
    Passcode,
    PasscodeResponder,
    ResponderModel,
    SecretResponder,
    UnprovenResponder,
)

SECRET_LENGTH = 16
PRESS_WINDOW = 120.0
"""Seconds for which a press of the button lets a new owner in."""
SHOWN_FOR = 600.0
"""Seconds for which a displayed code is good, from the start of the device or the press that showed it."""
UNDER_WAY = 30.0
"""Seconds from message_1 for which a tap does not change the secret of a handshake: as long as a link may be lost."""


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


class PasscodeOffer(Offer):
    """Eight digits on the device's screen, for one pairing: burnt after use, 3 tries or 10 minutes.

    The code stays the same over a restart, and so does the account of guesses at it.
    """

    model = Model.PASSCODE
    code = Code.DISPLAYED

    def _prepare(self) -> None:
        state = self._store.state
        if state.pairings:
            return  # neither a restart nor a change of the model is a press
        if state.passcode is not None and state.guesses is not None and state.guesses.code is self.code:
            super().press()
        else:
            self.press()

    def press(self) -> None:
        """Show a new code."""
        passcode = Passcode.generate(self._random)
        self._store.update(passcode=passcode.digits, guesses=Guesses(self.code))
        super().press()

    def require_armed(self) -> None:
        """Raise LockedOut unless a code is shown that may still be used."""
        self._passcode()
        self._guesses().begin(int(self._clock()))
        if not self._is_pressed(SHOWN_FOR):
            raise LockedOut("the code was shown for too long", step="message_1", remedy="Let the device show a new one")

    def is_consented(self) -> bool:
        """Whether a code that only the screen shows lets the client in: always, since a press showed it."""
        return True

    def attempt(self) -> Attempt:
        """Return one handshake under the code of now. LockedOut if none is armed."""
        code = self._passcode()
        responder = PasscodeResponder(code, self._random(32), dynamic=self.code is Code.DISPLAYED)
        return Attempt(responder, self._admit, lambda: self._begin(code), self._succeed)

    def out_of_band(self) -> Passcode:
        """Return the code to be shown on the device, and nowhere else. LockedOut if none is armed."""
        return self._passcode()

    def _begin(self, code: Passcode) -> None:
        """Count a try, durably, before it is judged. LockedOut also when another code is shown by now."""
        if code.digits != self._store.state.passcode:
            raise LockedOut("the code was replaced", step="message_3", remedy="Use the one that is shown now")
        self._store.update(guesses=self._guesses().begin(int(self._clock())))

    def _succeed(self) -> dict[str, Any]:
        self._use_up()
        return {"guesses": self._guesses().succeed(int(self._clock()))}

    def _passcode(self) -> Passcode:
        if self._store.state.passcode is None:
            raise LockedOut("no passcode is armed", step="message_1", remedy="Let the device show a code")
        return Passcode(self._store.state.passcode)

    def _guesses(self) -> Guesses:
        if self._store.state.guesses is None:
            raise LockedOut("no passcode is armed", step="message_1", remedy="Let the device show a code")
        return self._store.state.guesses


class PrintedPasscodeOffer(PasscodeOffer):
    """Eight digits that stand on the device for its life: static, so for an unowned device, or with a press.

    10 wrong tries close the window, growing delays lie between them, and a press opens the next one.
    """

    code = Code.PRINTED

    def is_consented(self) -> bool:
        """Whether somebody pressed: what is printed lets nobody in by itself."""
        return Offer.is_consented(self)

    def _begin(self, code: Passcode) -> None:
        Offer.require_armed(self)
        super()._begin(code)

    def _prepare(self) -> None:
        guesses = self._store.state.guesses
        if self._store.state.passcode is None or guesses is None or guesses.code is not self.code:
            self._store.update(passcode=Passcode.generate(self._random).digits, guesses=Guesses(self.code))
        else:  # the clock may not have run while the power was off
            self._store.update(guesses=guesses.restart(int(self._clock())))

    def press(self) -> None:
        """Open a window for a new owner, and for ten more guesses."""
        self._store.update(guesses=self._guesses().reopen(int(self._clock())))
        Offer.press(self)

    def require_armed(self) -> None:
        """Raise AuthenticationError on an owned device that nobody pressed, LockedOut while guesses are used up."""
        Offer.require_armed(self)
        self._guesses().begin(int(self._clock()))


class SecretOffer(Offer):
    """A secret of 128 bits on a label or tag. It is static: whoever read it once knows it."""

    model = Model.SECRET

    def tapped(self) -> Bootstrap | None:
        """Return what the label carries, while the device would pair."""
        return self.out_of_band() if self.is_armed() else None

    def out_of_band(self) -> Bootstrap:
        """Return what the label carries. It holds the secret."""
        return self._bootstrap(self.model, self._secret())

    def reset(self) -> dict[str, Any]:
        """Return no changes: the label stays as it is."""
        return {}

    def _prepare(self) -> None:
        if self._store.state.secret is None:
            self._store.update(secret=self._random(SECRET_LENGTH), tag_key=self._random(TAG_KEY_LENGTH))

    def _responder(self) -> ResponderModel:
        return SecretResponder(self._secret(), dynamic=False)

    def _secret(self) -> bytes:
        if self._store.state.secret is None:
            raise UsageError("no secret is armed", step="pairing")
        return self._store.state.secret


class DynamicSecretOffer(Offer):
    """A secret of 128 bits that the device makes for each tap or each QR code on its screen, good for 2 minutes.

    It is never stored.
    """

    model = Model.SECRET
    _fresh: bytes | None = None
    _made_at = 0.0
    _answered_at: float | None = None  # when somebody who knows the secret, or who repeats his message_1, was answered

    def out_of_band(self) -> Bootstrap:
        """Make a new secret, which alone is good from now on, for one try at message_3."""
        secret = self._fresh = self._random(SECRET_LENGTH)
        self._made_at, self._answered_at = self._clock(), None
        return self._bootstrap(self.model, secret, dynamic=True)

    def tapped(self) -> Bootstrap | None:
        """Make a new secret, unless the device has an owner and nobody pressed; none while one is under way."""
        try:
            super().require_armed()
        except AuthenticationError:
            return None
        if self._is_under_way():
            return self._bootstrap(self.model, self._fresh, dynamic=True)
        return self.out_of_band()

    def attempt(self) -> Attempt:
        """Return one handshake. LockedOut unless there was a tap."""
        secret = self._tapped()
        return Attempt(SecretResponder(secret, dynamic=True), self._answer, lambda: self._burn(secret), self._use_up)

    def reset(self) -> dict[str, Any]:
        """Forget the secret, and return the changes of state as `Offer.reset`."""
        self._fresh = None
        return super().reset()

    def require_armed(self) -> None:
        """Raise LockedOut unless there was a tap, AuthenticationError on an owned device that nobody pressed."""
        super().require_armed()
        self._tapped()

    def _tapped(self) -> bytes:
        if self._fresh is None or not 0 <= self._clock() - self._made_at <= PRESS_WINDOW:
            self._fresh = None
            raise LockedOut("nobody has tapped the device", step="message_1", remedy="Tap it, or scan its screen")
        return self._fresh

    def _is_under_way(self) -> bool:
        is_good = self._fresh is not None and 0 <= self._clock() - self._made_at <= PRESS_WINDOW
        return is_good and self._answered_at is not None and self._clock() - self._answered_at <= UNDER_WAY

    def _answer(self) -> None:
        self.require_armed()
        self._answered_at = self._clock()

    def _burn(self, secret: bytes) -> None:
        super().require_armed()
        if self._fresh != secret:
            raise LockedOut("the tap is used up", step="message_3", remedy="Tap the device again")
        self._tapped()  # it may have become too old since message_1
        self._fresh = None


class CompareOffer(Offer):
    """Six digits on both screens. One press, one answered message_1: whoever tries numbers needs a press for each."""

    model = Model.COMPARE

    def require_armed(self) -> None:
        """Raise LockedOut unless somebody pressed, within 2 minutes, and nobody was answered since."""
        if not self._is_pressed(PRESS_WINDOW):
            raise LockedOut("nobody pressed the device's button", step="message_1", remedy="Press it, then pair")

    def is_consented(self) -> bool:
        """Whether the press of this arming lets the client in: always."""
        return True

    def attempt(self) -> Attempt:
        """Return one handshake, which spends the arming at message_1."""
        return Attempt(self._responder(), self._admit)

    def _admit(self) -> None:
        # Only ever in memory: a device that restarts is not armed.
        self.require_armed()
        self._pressed_at = None

    def _responder(self) -> ResponderModel:
        return CompareResponder()


class ButtonOffer(Offer):
    """A press, and nothing else: presence alone."""

    model = Model.BUTTON

    def require_armed(self) -> None:
        """Raise LockedOut unless somebody pressed within 2 minutes."""
        if not self._is_pressed(PRESS_WINDOW):
            raise LockedOut("nobody pressed the device's button", step="message_1", remedy="Press it, then pair")

    def _responder(self) -> ResponderModel:
        return UnprovenResponder(self.model)


class PinnedOffer(Offer):
    """The hash of the device's credential on a tag or label: the client knows the device, the device nobody."""

    model = Model.PINNED

    def out_of_band(self) -> Bootstrap:
        """Return what the label carries. Nothing of it is secret but the tag key."""
        return self._bootstrap(self.model, None)

    def tapped(self) -> Bootstrap | None:
        """Return what the label carries."""
        return self.out_of_band()

    def reset(self) -> dict[str, Any]:
        """Return no changes: the label stays as it is."""
        return {}

    def _prepare(self) -> None:
        if self._store.state.tag_key is None:
            self._store.update(tag_key=self._random(TAG_KEY_LENGTH))

    def _responder(self) -> ResponderModel:
        return UnprovenResponder(self.model)


_OFFERS: dict[tuple[Model, bool], type[Offer]] = {
    (Model.PASSCODE, False): PasscodeOffer,
    (Model.PASSCODE, True): PrintedPasscodeOffer,
    (Model.SECRET, True): SecretOffer,
    (Model.SECRET, False): DynamicSecretOffer,
    (Model.COMPARE, False): CompareOffer,
    (Model.BUTTON, False): ButtonOffer,
    (Model.PINNED, True): PinnedOffer,
}
_USUAL = {Model.SECRET: True, Model.PINNED: True}


def offer_kind(model: Model, printed: bool | None) -> type[Offer]:
    """Return the offer for a model: `printed` for what stands on the device, None for the usual. UsageError if none."""
    kind = _OFFERS.get((model, _USUAL.get(model, False) if printed is None else printed))
    if kind is None:
        raise UsageError(f"this device cannot offer the model {model.name.lower()} in this way", step="pairing")
    return kind
