"""Offers of a device with a screen or a button: a passcode that is shown or printed, a comparison, a press."""

from typing import Any

from oob.device.offer import PRESS_WINDOW, Attempt, Offer
from oob.errors import LockedOut
from oob.pairing import (
    Code,
    CompareResponder,
    Guesses,
    Model,
    Passcode,
    PasscodeResponder,
    ResponderModel,
    UnprovenResponder,
)

SHOWN_FOR = 600.0
"""Seconds for which a displayed code is good, from the start of the device or the press that showed it."""


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
        self.require_open()
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
        self.require_open()
        self._guesses().begin(int(self._clock()))


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
