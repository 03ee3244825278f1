"""Every error that the library raises.

OobError
├── UsageError            the caller asked for something impossible          exit 2
├── LinkError             the carrier: radio, reader, socket                 exit 3
│   ├── DeviceNotFound    nothing in range answers to the bootstrap data
│   ├── LinkTimeout       the peer did not answer within the deadline
│   ├── LinkLost          the connection ended on its own
│   └── LinkBusy          the device serves another client
├── PeerError             the peer sent something that no honest peer sends  exit 4
├── AuthenticationError   a proof did not verify                             exit 4
│   └── LockedOut         guesses are used up, or the device is not armed
├── IssuanceError         the issuer refused or could not be used            exit 5
└── StorageError          the local state could not be read or written       exit 1

Each names the failing step, the cause and what the user can do. None carries a secret.
"""

from typing import ClassVar


class OobError(Exception):
    """Root of all errors of this library.

    `cause` says what went wrong, `step` where ("message_2", "newOrder"), `remedy` what the user can do about it.
    """

    exit_code: ClassVar[int] = 1
    wire_code: ClassVar[int | None] = None

    def __init__(self, cause: str, *, step: str = "", remedy: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.step = step
        self.remedy = remedy

    def __str__(self) -> str:
        """Return one line: step, cause, remedy."""
        head = f"{self.step}: {self.cause}" if self.step else self.cause
        return f"{head}. {self.remedy}" if self.remedy else head


class UsageError(OobError):
    """The caller asked for something that cannot be done."""

    exit_code = 2


class LinkError(OobError):
    """The carrier failed: no radio, out of range, switched off, connection lost."""

    exit_code = 3


class DeviceNotFound(LinkError):
    """Nothing in range answers to the bootstrap data."""


class LinkTimeout(LinkError):
    """The peer did not answer within the deadline."""


class LinkLost(LinkError):
    """The connection ended on its own, and was not taken up again."""


class LinkBusy(LinkError):
    """The device serves another client."""


class PeerError(OobError):
    """The peer sent something that no honest peer sends; EDHOC ERR_CODE 1 (RFC 9528, section 6)."""

    exit_code = 4
    wire_code = 1


class AuthenticationError(OobError):
    """A proof of the peer did not verify."""

    exit_code = 4
    wire_code = 1


class LockedOut(AuthenticationError):
    """The guesses are used up, or nobody armed the device for pairing."""


class IssuanceError(OobError):
    """The issuer refused, or could not be used; `problem` is the type URN of its problem document."""

    exit_code = 5

    def __init__(self, cause: str, *, step: str = "", remedy: str = "", problem: str = "") -> None:
        super().__init__(cause, step=step, remedy=remedy)
        self.problem = problem


class StorageError(OobError):
    """The local state could not be read or written; what was there before is untouched."""
