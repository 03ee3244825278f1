"""What a device offers to pair by: one model for each arming, with its guesses (DESIGN rules 2, 6 and 8 of the models).

The passcode stays the same over a restart, and so does the account of guesses at it.
"""

from collections.abc import Callable
from typing import Protocol

from oob.device.state import DeviceStore
from oob.errors import AuthenticationError, LockedOut, UsageError
from oob.pairing import (
    Bootstrap,
    Code,
    Guesses,
    Model,
    Passcode,
    PasscodeResponder,
    ResponderModel,
    SecretResponder,
)

SECRET_LENGTH = 16
TAG_KEY_LENGTH = 16
PRESS_WINDOW = 120
"""Seconds for which a press of the button lets a new owner in."""


class Offer(Protocol):
    """One association model, armed."""

    @property
    def model(self) -> Model:
        """The model that is armed."""

    def responder(self) -> ResponderModel:
        """Return the model's side for one handshake."""

    def admit(self) -> None:
        """Refuse a handshake that is not to be had now. Raises AuthenticationError, LockedOut."""

    def begin(self, now: float) -> None:
        """Count a try, durably, before message_3 is looked at. Raises LockedOut."""

    def succeed(self, now: float) -> dict[str, Guesses]:
        """Return the changes of state that a success brings, to be stored together with the owner."""

    def press(self) -> None:
        """Take note that a person at the device pressed its button."""

    def out_of_band(self) -> Passcode | Bootstrap:
        """Return what a person carries to the client: digits to type, or the content of a QR code. It is secret."""


class PasscodeOffer:
    """Eight digits on the device's screen, for one pairing."""

    model = Model.PASSCODE

    def __init__(self, store: DeviceStore, random: Callable[[int], bytes], clock: Callable[[], float]) -> None:
        self._store, self._random = store, random
        self._in_use: str | None = None
        if store.state.owner is None and (store.state.passcode is None or store.state.guesses is None):
            self.press()

    def press(self) -> None:
        """Show a new code: the act of a person at the device."""
        code = Passcode.generate(self._random)
        self._store.update(passcode=code.digits, guesses=Guesses(Code.DISPLAYED))

    def out_of_band(self) -> Passcode:
        """Return the code to be shown on the device, and nowhere else. LockedOut if none is armed."""
        if self._store.state.passcode is None:
            raise LockedOut("no passcode is armed", step="message_1", remedy="Let the device show a code")
        return Passcode(self._store.state.passcode)

    def responder(self) -> ResponderModel:
        """Return the model's side for one handshake. Raises LockedOut."""
        code = self.out_of_band()
        self._in_use = code.digits
        return PasscodeResponder(code, self._random(32))

    def admit(self) -> None:
        """Refuse any handshake once the code is used up: LockedOut."""
        self._guesses().begin(0)

    def begin(self, now: float) -> None:
        """Count a try, durably. Raises LockedOut, also when another code is shown by now."""
        if self._in_use != self._store.state.passcode:
            raise LockedOut("the code was replaced", step="message_3", remedy="Use the one that is shown now")
        self._store.update(guesses=self._guesses().begin(int(now)))

    def succeed(self, now: float) -> dict[str, Guesses]:
        """Burn the code: it was for one pairing."""
        return {"guesses": self._guesses().succeed(int(now))}

    def _guesses(self) -> Guesses:
        if self._store.state.guesses is None:
            raise LockedOut("no passcode is armed", step="message_1", remedy="Let the device show a code")
        return self._store.state.guesses


class SecretOffer:
    """A secret of 128 bits on a label or tag. It is static: whoever read it once knows it."""

    model = Model.SECRET

    def __init__(self, store: DeviceStore, random: Callable[[int], bytes], clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        if store.state.secret is None:
            store.update(secret=random(SECRET_LENGTH), tag_key=random(TAG_KEY_LENGTH))
        self._pressed_at: float | None = None

    def press(self) -> None:
        """Let a client take the device over from its owner, within 2 minutes: the act of a person at the device."""
        self._pressed_at = self._clock()

    def responder(self) -> ResponderModel:
        """Return the model's side for one handshake."""
        return SecretResponder(self._secret(), dynamic=False)

    def admit(self) -> None:
        """Let a static secret bind only an unowned device, or with a press; AuthenticationError otherwise."""
        if self._store.state.owner is not None and not self._is_pressed():
            raise AuthenticationError(
                "the device has an owner", step="message_1", remedy="Press its button to pair anew, or reset it"
            )

    def begin(self, now: float) -> None:
        """Do nothing: 128 bits are not guessed."""

    def succeed(self, now: float) -> dict[str, Guesses]:
        """Use the press up."""
        self._pressed_at = None
        return {}

    def out_of_band(self) -> Bootstrap:
        """Return what the label carries. It holds the secret."""
        credential = self._store.identity.credential
        return Bootstrap(
            version=1,
            models=(Model.SECRET,),
            cred_r_hash=credential.hash(),
            secret=self._secret(),
            tag_key=self._store.state.tag_key,
            name=credential.subject,
        )

    def _is_pressed(self) -> bool:
        return self._pressed_at is not None and 0 <= self._clock() - self._pressed_at <= PRESS_WINDOW

    def _secret(self) -> bytes:
        if self._store.state.secret is None:
            raise UsageError("no secret is armed", step="pairing")
        return self._store.state.secret
