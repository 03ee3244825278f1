"""The model `compare`: both screens show six digits, and both users say whether they are the same.

    EAD_1 = (4, c)   c = SHA-256("oob-1 commit", 4, N, G_X, CRED_I)      the client is bound to N before it sees G_Y
    EAD_2 = none
    EAD_3 = N                                                            the commitment opens
    EAD_4 = none, and sent only after the device's user said yes

The number is HMAC(N, "sas", TH_3, CRED_I), never over a value that an attacker may still choose when he knows N.
Whoever starts a handshake knows his number at message_2 and could try until it fits: the device answers one message_1
for each arming, and a number lives for 60 seconds.
"""

from typing import Final

from oob import cbor
from oob.crypto import Hash
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.pairing.models import PROFILE, Model, Steps, check_equal, encode_ead_1, expect_ead_1, prf, proof_of

NONCE_LENGTH: Final = 16
COMMITMENT_LENGTH: Final = 32
LIFETIME: Final = 60.0
"""Seconds for which a number that is shown may be confirmed."""


def commitment(nonce: bytes, g_x: bytes, cred_i: bytes) -> bytes:
    """Return c, 32 bytes, for N (16 bytes), G_X (32 bytes) and the encoded CRED_I."""
    return Hash.SHA256.digest(cbor.encode_sequence(f"{PROFILE} commit", int(Model.COMPARE), nonce, g_x, cred_i))


def comparison_number(nonce: bytes, th_3: bytes, cred_i: bytes) -> str:
    """Return the number as both screens show it, "123 456"."""
    value = int.from_bytes(prf(nonce, Model.COMPARE, "sas", th_3, cred_i), "big") % 10**6
    return f"{value // 1000:03d} {value % 1000:03d}"


class _Compare:
    model = Model.COMPARE
    proof = proof_of(model, dynamic=True)

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._number = ""
        self._shown_at: float | None = None
        self._confirmed = False

    def show(self, now: float) -> str:
        """Return the number for the screen, "123 456", and start its 60 seconds; UsageError while there is none."""
        if not self._number:
            raise UsageError("there is no number to compare yet", step="compare")
        if self._shown_at is None:
            self._shown_at = now
        return self._number

    def confirm(self, now: float) -> None:
        """Take note that this end's user saw the same number on both screens.

        AuthenticationError more than 60 seconds after it was shown; UsageError if it was not.
        """
        if self._shown_at is None:
            raise UsageError("a number that nobody saw cannot be confirmed", step="compare")
        if not 0 <= now - self._shown_at <= LIFETIME:
            raise AuthenticationError("the number was not confirmed within 60 s", step="compare", remedy="Pair again")
        self._confirmed = True

    def _require_confirmed(self) -> None:
        if not self._confirmed:
            raise AuthenticationError("nobody confirmed that both numbers are the same", step="compare")


class CompareInitiator(_Compare):
    """The client in the model `compare`; `nonce` is N, 16 fresh random bytes, `cred_i` the encoded session credential.

    `show` its number only after message_3 has been sent, and `confirm` before message_4 is checked.
    """

    def __init__(self, nonce: bytes, cred_i: bytes) -> None:
        if len(nonce) != NONCE_LENGTH:
            raise UsageError("the nonce of a comparison has 16 bytes", step="compare")
        super().__init__(Steps("ead_1", "check_2", "ead_3", "check_4"))
        self._nonce, self._cred_i = nonce, cred_i

    def ead_1(self, g_x: bytes) -> bytes:
        """Return the model id and the commitment."""
        with self._steps.take("ead_1"):
            return encode_ead_1(self.model, commitment(self._nonce, g_x, self._cred_i))

    def check_2(self, value: bytes, th_2: bytes, cred_r: bytes) -> None:
        """Check that EAD_2 holds no proof; AuthenticationError otherwise."""
        with self._steps.take("check_2"):
            check_equal(value, b"", "message_2")

    def ead_3(self, th_3: bytes, cred_i: bytes) -> bytes:
        """Open the commitment: return N. UsageError for another CRED_I than was committed to."""
        with self._steps.take("ead_3"):
            if cred_i != self._cred_i:
                raise UsageError("the commitment is to another credential", step="compare")
            self._number = comparison_number(self._nonce, th_3, cred_i)
            return self._nonce

    def check_4(self, value: bytes, th_4: bytes) -> None:
        """Check that EAD_4 holds no proof and that the user said yes; AuthenticationError otherwise."""
        with self._steps.take("check_4"):
            self._require_confirmed()
            check_equal(value, b"", "message_4")

    def channel_secret(self) -> bytes:
        """Return b"": there is no secret; UsageError before `check_4` has passed."""
        self._steps.require_past("check_4")
        return b""


class CompareResponder(_Compare):
    """The device in the model `compare`. It must be spent, durably, before message_2 leaves: one answer an arming."""

    def __init__(self) -> None:
        super().__init__(Steps("check_1", "ead_2", "check_3", "ead_4"))
        self._commitment = self._g_x = b""

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Take the commitment. Raises AuthenticationError for another model, PeerError if malformed."""
        with self._steps.take("check_1"):
            self._commitment = expect_ead_1(value, self.model)
            if len(self._commitment) != COMMITMENT_LENGTH:
                raise PeerError("a commitment has the wrong length", step="message_1")
            self._g_x = g_x

    def ead_2(self, th_2: bytes, cred_r: bytes) -> bytes:
        """Return b""."""
        with self._steps.take("ead_2"):
            return b""

    def check_3(self, value: bytes, th_3: bytes, cred_i: bytes) -> None:
        """Check that N opens the commitment; there is no number to show before. Raises AuthenticationError."""
        with self._steps.take("check_3"):
            if len(value) != NONCE_LENGTH:
                raise PeerError("the nonce of a comparison has the wrong length", step="message_3")
            check_equal(commitment(value, self._g_x, cred_i), self._commitment, "message_3")
            self._number = comparison_number(value, th_3, cred_i)

    def ead_4(self, th_4: bytes) -> bytes:
        """Return b"" once the user said yes; AuthenticationError before."""
        with self._steps.take("ead_4"):
            self._require_confirmed()
            return b""

    def channel_secret(self) -> bytes:
        """Return b"": there is no secret; UsageError before `ead_4` has passed, and so before the user said yes."""
        self._steps.require_past("ead_4")
        return b""
