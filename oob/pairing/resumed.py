"""A paired client comes again: the construction of the model `secret`, under what the earlier pairing left.

K is the resumption secret of the pairing, 32 bytes that only its two ends ever held; T_I, over the new CRED_I, is the
endorsement of the new session key. The client knows CRED_R from the pairing; the device answers nobody else.
"""

from collections.abc import Mapping
from typing import Final

from oob.crypto import equal
from oob.errors import AuthenticationError, UsageError
from oob.pairing.models import Model, expect_ead_1
from oob.pairing.secret import SecretInitiator, SecretResponder

SECRET_LENGTH: Final = 32


class ResumedInitiator(SecretInitiator):
    """The client; `cred_r_hash` is the SHA-256 of the device's credential.

    `secret` is that of the pairing: UsageError unless it has 32 bytes.
    """

    model = Model.RESUMED

    def __init__(self, secret: bytes, cred_r_hash: bytes) -> None:
        _check_length(secret)
        super().__init__(secret, cred_r_hash, dynamic=False)


class ResumedResponder(SecretResponder):
    """The device; `secrets` holds the resumption secret of each of its pairings, by whatever the caller calls them.

    UsageError for one that has not 32 bytes. `pairing` is the name of the one that message_1 belongs to: whoever copied
    an old message_1 names it too, so it says who is there only once message_3 has been checked.
    """

    model = Model.RESUMED

    def __init__(self, secrets: Mapping[bytes, bytes]) -> None:
        # A placeholder: no step uses it before `check_1` has found one, or failed and ended the object.
        super().__init__(bytes(SECRET_LENGTH), dynamic=False)
        for secret in secrets.values():
            _check_length(secret)
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


def _check_length(secret: bytes) -> None:
    if len(secret) != SECRET_LENGTH:
        raise UsageError(f"the secret of a pairing has 32 bytes, this one has {len(secret)}", step="pairing")
