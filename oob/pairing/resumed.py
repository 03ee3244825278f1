"""A paired client comes again: the construction of the model `secret`, under what the earlier pairing left.

K is the resumption secret of the pairing, 32 bytes that only its two ends ever held; T_I, over the new CRED_I, is the
endorsement of the new session key. The client knows CRED_R from the pairing; the device answers nobody else.
"""

from collections.abc import Mapping

from oob.crypto import equal
from oob.errors import AuthenticationError, UsageError
from oob.pairing.models import Model, expect_ead_1
from oob.pairing.secret import SecretInitiator, SecretResponder


class ResumedInitiator(SecretInitiator):
    """The client; `secret` is that of the pairing, 32 bytes, `cred_r_hash` the SHA-256 of the device's credential."""

    model = Model.RESUMED

    def __init__(self, secret: bytes, cred_r_hash: bytes) -> None:
        super().__init__(secret, cred_r_hash, dynamic=False)


class ResumedResponder(SecretResponder):
    """The device; `secrets` holds the resumption secret of each of its pairings, by whatever the caller calls them.

    `pairing` is the name of the one whose client is there, once message_1 has been checked.
    """

    model = Model.RESUMED

    def __init__(self, secrets: Mapping[bytes, bytes]) -> None:
        super().__init__(bytes(32), dynamic=False)
        self._secrets = dict(secrets)
        self._pairing: bytes | None = None

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Find the pairing by the tag over G_X: AuthenticationError for a stranger or another model."""
        with self._steps.take("check_1"):
            received = expect_ead_1(value, self.model)
            for name, secret in self._secrets.items():
                self._secret = secret
                if equal(received, self._id(g_x)):
                    self._pairing = name
                    return
            raise AuthenticationError("the client is not paired", step="message_1", remedy="Pair with the device anew")

    @property
    def pairing(self) -> bytes:
        """The name of the pairing; UsageError before message_1 was checked."""
        if self._pairing is None:
            raise UsageError("no pairing is known before message_1 has been checked", step="pairing")
        return self._pairing
