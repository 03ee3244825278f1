"""The model `passcode`: a person carries 8 digits from the device to the client.

    EAD_1 = (3, Ya)      EAD_2 = Yb                              CPace, which gives k to who knows the digits
    EAD_3 = T_I = MAC(k, "I", TH_3, CRED_I)
    EAD_4 = T_R = MAC(k, "R", TH_4)

Nothing on the radio lets anyone try digits offline. Whoever takes part learns from T_I or T_R whether one guess was
right: one online guess per try, one chance in 10**7, on either side. `guesses` counts them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from oob.errors import PeerError, UsageError
from oob.pairing import cpace
from oob.pairing.models import PROFILE, Model, Steps, check_equal, encode_ead_1, expect_ead_1, prf, proof_of, tag

LENGTH: Final = 8
_COMPARISON_LENGTH: Final = 6
_SEPARATORS: Final = str.maketrans("", "", " -")
_CODES: Final = 10 ** (LENGTH - 1)
_ACCEPTED: Final = 2**32 // _CODES * _CODES

# The quasigroup of H. M. Damm, "Total anti-symmetrische Quasigruppen" (2004): it finds every single wrong digit and
# every swap of two neighbours.
_DAMM: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


@dataclass(frozen=True, slots=True)
class Passcode:
    """Seven random digits and a check digit (Damm); UsageError, without the digits, if they are not that."""

    digits: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse other lengths and characters, six digits in particular, and a wrong check digit."""
        if not (self.digits.isascii() and self.digits.isdigit()):
            raise UsageError("a passcode consists of digits", step="passcode")
        if len(self.digits) == _COMPARISON_LENGTH:
            raise UsageError(
                "a passcode has 8 digits, these are 6: it may be a comparison number",
                step="passcode",
                remedy="A comparison number is compared on both screens and never typed in",
            )
        if len(self.digits) != LENGTH:
            raise UsageError(f"a passcode has 8 digits, these are {len(self.digits)}", step="passcode")
        if _damm(self.digits) != 0:
            raise UsageError("the passcode is mistyped", step="passcode", remedy="Type it again; this cost no guess")

    @classmethod
    def parse(cls, text: str) -> "Passcode":
        """Read what a person typed; spaces and hyphens may stand anywhere. Raises UsageError."""
        return cls(text.translate(_SEPARATORS))

    @classmethod
    def generate(cls, random: Callable[[int], bytes]) -> "Passcode":
        """Draw a code uniformly, by rejection, from a source of random bytes."""
        while True:
            # Without the rejection the low codes would come a little more often.
            drawn = int.from_bytes(random(4), "big")
            if drawn < _ACCEPTED:
                return cls.from_number(drawn % _CODES)

    @classmethod
    def from_number(cls, number: int) -> "Passcode":
        """Return the code number 0 to 9,999,999; UsageError for another."""
        if not 0 <= number < _CODES:
            raise UsageError("there is no passcode with this number", step="passcode")
        digits = f"{number:07d}"
        return cls(f"{digits}{_damm(digits)}")

    def display(self) -> str:
        """Return the digits as a screen or a label shows them, "1234 5678". Secret: not for logs."""
        return f"{self.digits[:4]} {self.digits[4:]}"


def _damm(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][int(digit)]
    return interim


_CI_HEAD: Final = cpace.lv_cat(PROFILE.encode(), bytes([Model.PASSCODE]), b"initiator", b"responder")


def channel_identifier(identity: bytes) -> bytes:
    """Return CI of CPace: profile, model, roles, and the identity of the device that both screens show."""
    return _CI_HEAD + cpace.prepend_len(identity)


class _Passcode:
    model = Model.PASSCODE

    def __init__(self, passcode: Passcode, scalar: bytes, identity: bytes, dynamic: bool, steps: Steps) -> None:
        self.proof = proof_of(self.model, dynamic=dynamic)
        self._prs = passcode.digits.encode()
        self._scalar = scalar
        self._ci = channel_identifier(identity)
        self._steps = steps
        self._sid = self._own = self._k = self._channel = b""

    def _share(self, g_x: bytes) -> bytes:
        self._sid = g_x
        self._own = cpace.public_share(self._prs, self._ci, g_x, self._scalar)
        return self._own

    def _derive(self, peer: bytes, *, initiator: bool) -> None:
        own, other = cpace.Share(self._own), cpace.Share(peer)
        isk = cpace.session_key(self._scalar, self._sid, own, other, initiator=initiator).isk
        self._k = prf(isk, self.model, "k")
        self._channel = prf(isk, self.model, "channel")

    def _t_i(self, th_3: bytes, cred_i: bytes) -> bytes:
        return tag(self._k, self.model, "I", th_3, cred_i)

    def _t_r(self, th_4: bytes) -> bytes:
        return tag(self._k, self.model, "R", th_4)


class PasscodeInitiator(_Passcode):
    """The client in the model `passcode`; `scalar` is 32 fresh random bytes, `identity` the device's shown identity.

    Digits do not say whether they are printed: `proof` is the lesser one until the device tells (`Proof.told`).
    """

    def __init__(self, passcode: Passcode, scalar: bytes, identity: bytes = b"") -> None:
        super().__init__(passcode, scalar, identity, False, Steps("ead_1", "check_2", "ead_3", "check_4"))

    def ead_1(self, g_x: bytes) -> bytes:
        """Return the model id and Ya; G_X is the session id of CPace."""
        with self._steps.take("ead_1"):
            return encode_ead_1(self.model, self._share(g_x))

    def check_2(self, value: bytes, th_2: bytes, cred_r: bytes) -> None:
        """Take Yb; PeerError if it is no good share. It proves nothing yet: T_R comes with message_4."""
        with self._steps.take("check_2"):
            self._derive(value, initiator=True)

    def ead_3(self, th_3: bytes, cred_i: bytes) -> bytes:
        """Return T_I, 16 bytes. A rogue device learns from it whether its one guess was right."""
        with self._steps.take("ead_3"):
            return self._t_i(th_3, cred_i)

    def check_4(self, value: bytes, th_4: bytes) -> None:
        """Check T_R; AuthenticationError if the device does not know the digits."""
        with self._steps.take("check_4"):
            check_equal(value, self._t_r(th_4), "message_4")

    def channel_secret(self) -> bytes:
        """Return 32 bytes derived from ISK; UsageError before `check_4` has passed."""
        self._steps.require_past("check_4")
        return self._channel


class PasscodeResponder(_Passcode):
    """The device in the model `passcode`; `scalar` is 32 fresh random bytes, `identity` its shown identity.

    `dynamic` says that the code is shown for this pairing and not printed. `Guesses.begin` must have been called, and
    its result stored, before `check_3`.
    """

    def __init__(self, passcode: Passcode, scalar: bytes, identity: bytes = b"", *, dynamic: bool = True) -> None:
        super().__init__(passcode, scalar, identity, dynamic, Steps("check_1", "ead_2", "check_3", "ead_4"))
        self._peer = b""

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Take Ya: AuthenticationError for another model, PeerError if malformed. Nothing is derived here."""
        with self._steps.take("check_1"):
            self._peer = expect_ead_1(value, self.model)
            if len(self._peer) != cpace.SHARE_LENGTH:
                raise PeerError("a CPace share has the wrong length", step="message_1")
            self._sid = g_x

    def ead_2(self, th_2: bytes, cred_r: bytes) -> bytes:
        """Derive k and return Yb, 32 bytes; PeerError if Ya was of low order."""
        with self._steps.take("ead_2"):
            share = self._share(self._sid)
            self._derive(self._peer, initiator=False)
            return share

    def check_3(self, value: bytes, th_3: bytes, cred_i: bytes) -> None:
        """Check T_I; AuthenticationError if the client does not know the digits."""
        with self._steps.take("check_3"):
            check_equal(value, self._t_i(th_3, cred_i), "message_3")

    def ead_4(self, th_4: bytes) -> bytes:
        """Return T_R, 16 bytes."""
        with self._steps.take("ead_4"):
            return self._t_r(th_4)

    def channel_secret(self) -> bytes:
        """Return 32 bytes derived from ISK; UsageError before `check_3` has passed."""
        self._steps.require_past("check_3")
        return self._channel
