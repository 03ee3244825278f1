"""The models `pinned` and `button`, in which the client proves nothing.

    EAD_1 = (1, h'') or (5, h'')      EAD_2, EAD_3, EAD_4 = none

In `pinned` the client knows the hash of the device's credential and so whom it talks to; the device talks to anyone. In
`button` a person pressed a button, and whoever was first on the air was served. Both leave a channel and, unless the
device's local policy says otherwise, no binding; an issuer takes none of theirs.
"""

from typing import Final

from oob.crypto import Hash
from oob.errors import PeerError, UsageError
from oob.pairing.models import Model, Steps, check_equal, encode_ead_1, expect_ead_1, proof_of
from oob.pairing.secret import check_cred_r_hash

_UNPROVEN: Final = {
    Model.PINNED: proof_of(Model.PINNED, dynamic=False),
    Model.BUTTON: proof_of(Model.BUTTON, dynamic=True),
}


class _UnprovenInitiator:
    model: Model

    def __init__(self) -> None:
        self.proof = _UNPROVEN[self.model]
        self._steps = Steps("ead_1", "check_2", "ead_3", "check_4")

    def ead_1(self, g_x: bytes) -> bytes:
        """Return the model id with an empty value."""
        with self._steps.take("ead_1"):
            return encode_ead_1(self.model, b"")

    def check_2(self, value: bytes, th_2: bytes, cred_r: bytes) -> None:
        """Check that EAD_2 holds no proof, and what is known of CRED_R; AuthenticationError otherwise."""
        with self._steps.take("check_2"):
            check_equal(value, b"", "message_2")
            self._check_cred_r(cred_r)

    def ead_3(self, th_3: bytes, cred_i: bytes) -> bytes:
        """Return b"": the client proves nothing."""
        with self._steps.take("ead_3"):
            return b""

    def check_4(self, value: bytes, th_4: bytes) -> None:
        """Check that EAD_4 holds no proof; AuthenticationError otherwise."""
        with self._steps.take("check_4"):
            check_equal(value, b"", "message_4")

    def channel_secret(self) -> bytes:
        """Return b"": there is no secret; UsageError before `check_4` has passed."""
        self._steps.require_past("check_4")
        return b""

    def _check_cred_r(self, cred_r: bytes) -> None:
        """Know nothing of it."""


class PinnedInitiator(_UnprovenInitiator):
    """The client in the model `pinned`; `cred_r_hash` is SHA-256 of CRED_R, cut to 16 to 32 bytes, else UsageError."""

    model = Model.PINNED

    def __init__(self, cred_r_hash: bytes) -> None:
        super().__init__()
        check_cred_r_hash(cred_r_hash)
        self._cred_r_hash = cred_r_hash

    def _check_cred_r(self, cred_r: bytes) -> None:
        check_equal(Hash.SHA256.digest(cred_r)[: len(self._cred_r_hash)], self._cred_r_hash, "message_2")


class ButtonInitiator(_UnprovenInitiator):
    """The client in the model `button`, which proves nothing: UsageError unless `accept_presence_alone` is true."""

    model = Model.BUTTON

    def __init__(self, *, accept_presence_alone: bool = False) -> None:
        if not accept_presence_alone:
            raise UsageError(
                "the model button proves no identity: whoever answers first is taken for the device",
                step="pairing",
                remedy="Pair by a passcode, a tag or a comparison, or ask for button by name",
            )
        super().__init__()


class UnprovenResponder:
    """The device in the model `pinned` or `button`. UsageError for another model."""

    def __init__(self, model: Model) -> None:
        if model not in _UNPROVEN:
            raise UsageError(f"the model {model.name.lower()} has a proof", step="pairing")
        self.model = model
        self.proof = _UNPROVEN[model]
        self._steps = Steps("check_1", "ead_2", "check_3", "ead_4")

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Check the model and that its value is empty. Raises AuthenticationError, PeerError."""
        with self._steps.take("check_1"):
            if expect_ead_1(value, self.model):
                raise PeerError("EAD_1 holds a value where its model has none", step="message_1")

    def ead_2(self, th_2: bytes, cred_r: bytes) -> bytes:
        """Return b""."""
        with self._steps.take("ead_2"):
            return b""

    def check_3(self, value: bytes, th_3: bytes, cred_i: bytes) -> None:
        """Check that EAD_3 holds no proof; AuthenticationError otherwise."""
        with self._steps.take("check_3"):
            check_equal(value, b"", "message_3")

    def ead_4(self, th_4: bytes) -> bytes:
        """Return b""."""
        with self._steps.take("ead_4"):
            return b""

    def channel_secret(self) -> bytes:
        """Return b"": there is no secret; UsageError before `check_3` has passed."""
        self._steps.require_past("check_3")
        return b""
