"""The model `secret`: both ends hold K, and the client holds the hash of the device's credential.

    EAD_1 = (2, trunc8(MAC(K, "id", G_X)))     the device answers nobody else
    EAD_2 = T_R = MAC(K, "R", TH_2, CRED_R)
    EAD_3 = T_I = MAC(K, "I", TH_3, CRED_I)
    EAD_4 = none

The hash is mandatory: a former reader of a printed K could otherwise play the device, since K alone makes T_R.
A fresh K for each tap proves that the client was there just now; a printed K that somebody once read it.
"""

from typing import Final

from oob.crypto import Hash
from oob.errors import UsageError
from oob.pairing.models import Model, Steps, check_equal, encode_ead_1, expect_ead_1, prf, proof_of, tag

MIN_LENGTH: Final = 16
MAX_LENGTH: Final = 32
ID_LENGTH: Final = 8
"""Length of the tag in EAD_1, in bytes: it filters strangers and authenticates nothing."""


class _Secret:
    model = Model.SECRET

    def __init__(self, secret: bytes, dynamic: bool, steps: Steps) -> None:
        check_secret(secret)
        self.proof = proof_of(self.model, dynamic=dynamic)
        self._secret = secret
        self._steps = steps

    def _id(self, g_x: bytes) -> bytes:
        return prf(self._secret, self.model, "id", g_x)[:ID_LENGTH]

    def _tag(self, label: str, *fields: bytes) -> bytes:
        return tag(self._secret, self.model, label, *fields)

    def _channel_secret(self) -> bytes:
        # Derived, so that K itself keys nothing but this PRF.
        return prf(self._secret, self.model, "channel")


class SecretInitiator(_Secret):
    """The client in the model `secret`; UsageError for lengths outside 16 to 32 bytes."""

    def __init__(self, secret: bytes, cred_r_hash: bytes, dynamic: bool) -> None:
        super().__init__(secret, dynamic, Steps("ead_1", "check_2", "ead_3", "check_4"))
        check_cred_r_hash(cred_r_hash)
        self._cred_r_hash = cred_r_hash

    def ead_1(self, g_x: bytes) -> bytes:
        """Return the model id and the 8-byte tag over G_X that lets the device know its own."""
        with self._steps.take("ead_1"):
            return encode_ead_1(self.model, self._id(g_x))

    def check_2(self, value: bytes, th_2: bytes, cred_r: bytes) -> None:
        """Check CRED_R against its hash, then T_R; AuthenticationError in the same words for either."""
        with self._steps.take("check_2"):
            length = len(self._cred_r_hash)
            check_equal(Hash.SHA256.digest(cred_r)[:length], self._cred_r_hash, "message_2")
            check_equal(value, self._tag("R", th_2, cred_r), "message_2")

    def ead_3(self, th_3: bytes, cred_i: bytes) -> bytes:
        """Return T_I, 16 bytes."""
        with self._steps.take("ead_3"):
            return self._tag("I", th_3, cred_i)

    def check_4(self, value: bytes, th_4: bytes) -> None:
        """Check that EAD_4 holds no proof; AuthenticationError otherwise. T_R came with message_2."""
        with self._steps.take("check_4"):
            check_equal(value, b"", "message_4")

    def channel_secret(self) -> bytes:
        """Return 32 bytes derived from K; UsageError before `check_4` has passed."""
        self._steps.require_past("check_4")
        return self._channel_secret()


class SecretResponder(_Secret):
    """The device in the model `secret`; UsageError for a secret outside 16 to 32 bytes."""

    def __init__(self, secret: bytes, dynamic: bool) -> None:
        super().__init__(secret, dynamic, Steps("check_1", "ead_2", "check_3", "ead_4"))

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Check the tag over G_X: AuthenticationError for a stranger or another model, PeerError if malformed."""
        with self._steps.take("check_1"):
            check_equal(expect_ead_1(value, self.model), self._id(g_x), "message_1")

    def ead_2(self, th_2: bytes, cred_r: bytes) -> bytes:
        """Return T_R, 16 bytes."""
        with self._steps.take("ead_2"):
            return self._tag("R", th_2, cred_r)

    def check_3(self, value: bytes, th_3: bytes, cred_i: bytes) -> None:
        """Check T_I; AuthenticationError if it is wrong. A dynamic K is spent with this call, whatever it finds."""
        with self._steps.take("check_3"):
            check_equal(value, self._tag("I", th_3, cred_i), "message_3")

    def ead_4(self, th_4: bytes) -> bytes:
        """Return b"": T_R went with message_2."""
        with self._steps.take("ead_4"):
            return b""

    def channel_secret(self) -> bytes:
        """Return 32 bytes derived from K; UsageError before `check_3` has passed."""
        self._steps.require_past("check_3")
        return self._channel_secret()


def check_secret(secret: bytes) -> None:
    """Raise UsageError unless K is 16 to 32 bytes long."""
    if not MIN_LENGTH <= len(secret) <= MAX_LENGTH:
        raise UsageError(f"a pairing secret has 16 to 32 bytes, this one has {len(secret)}", step="pairing")


def check_cred_r_hash(cred_r_hash: bytes) -> None:
    """Raise UsageError unless the (truncated) SHA-256 hash of CRED_R is 16 to 32 bytes long."""
    if not MIN_LENGTH <= len(cred_r_hash) <= MAX_LENGTH:
        raise UsageError(f"the hash of CRED_R has 16 to 32 bytes, this one has {len(cred_r_hash)}", step="pairing")
