"""Offers of a device with a label or tag: a secret that is printed or made for each tap, or the device's hash alone."""

from typing import Any

from oob.device.offer import PRESS_WINDOW, Attempt, Offer
from oob.errors import AuthenticationError, LockedOut, UsageError
from oob.pairing import (
    TAG_KEY_LENGTH,
    Bootstrap,
    Model,
    ResponderModel,
    SecretResponder,
    UnprovenResponder,
)

SECRET_LENGTH = 16
UNDER_WAY = 30.0
"""Seconds from message_1 for which a tap does not change the secret of a handshake: as long as a link may be lost."""


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
            self.require_open()
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
        self.require_open()
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
        self.require_open()
        if self._fresh != secret:
            raise LockedOut("the tap is used up", step="message_3", remedy="Tap the device again")
        self._tapped()  # it may have become too old since message_1
        self._fresh = None


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
