"""Problem documents (RFC 7807) of ACME (RFC 8555, section 6.7) and of the binding of devices.

Every refusal of the issuer is one `Problem`. The types of our own are URNs `urn:oob:error:<name>`; they are listed in
`Kind` with what each says.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from oob.errors import IssuanceError

ACME = "urn:ietf:params:acme:error:"
OOB = "urn:oob:error:"
MAX_DETAIL = 300
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]")


class Kind(Enum):
    """What can be refused: type URN and HTTP status."""

    # RFC 8555, section 6.7
    MALFORMED = (ACME + "malformed", 400)
    BAD_NONCE = (ACME + "badNonce", 400)
    BAD_SIGNATURE_ALGORITHM = (ACME + "badSignatureAlgorithm", 400)
    BAD_PUBLIC_KEY = (ACME + "badPublicKey", 400)
    BAD_CSR = (ACME + "badCSR", 400)
    UNAUTHORIZED = (ACME + "unauthorized", 403)
    ACCOUNT_DOES_NOT_EXIST = (ACME + "accountDoesNotExist", 400)
    INVALID_CONTACT = (ACME + "invalidContact", 400)
    UNSUPPORTED_CONTACT = (ACME + "unsupportedContact", 400)
    UNSUPPORTED_IDENTIFIER = (ACME + "unsupportedIdentifier", 400)
    REJECTED_IDENTIFIER = (ACME + "rejectedIdentifier", 403)
    ORDER_NOT_READY = (ACME + "orderNotReady", 403)
    RATE_LIMITED = (ACME + "rateLimited", 429)
    SERVER_INTERNAL = (ACME + "serverInternal", 500)
    # Of HTTP itself; the type is that of a malformed request.
    NOT_FOUND = (ACME + "malformed", 404)
    METHOD_NOT_ALLOWED = (ACME + "malformed", 405)
    TOO_LARGE = (ACME + "malformed", 413)
    UNSUPPORTED_MEDIA_TYPE = (ACME + "malformed", 415)
    UNAVAILABLE = (ACME + "serverInternal", 503)

    TOO_SLOW = (ACME + "malformed", 408)

    NOT_ENROLLED = (OOB + "notEnrolled", 403)
    """The client does not know the operator's enrolment token."""
    UNKNOWN_SESSION = (OOB + "unknownSession", 404)
    """No session has this URL."""
    SESSION_EXPIRED = (OOB + "sessionExpired", 403)
    """The lifetime of the session's challenge is over."""
    CHALLENGE_USED = (OOB + "challengeUsed", 409)
    """A binding was submitted for the session's challenge before, be it accepted or refused."""
    SESSION_KEY_MISMATCH = (OOB + "sessionKeyMismatch", 403)
    """The binding is for another session key than the one that opened the session."""
    CLIENT_HALF = (OOB + "clientHalf", 403)
    """The countersignature by the session key is missing or wrong."""
    DEVICE_HALF = (OOB + "deviceHalf", 403)
    """The statement signed by the device is missing or wrong."""
    AUDIENCE_MISMATCH = (OOB + "audienceMismatch", 403)
    """The binding is for another issuer."""
    CHALLENGE_MISMATCH = (OOB + "challengeMismatch", 403)
    """The binding answers another challenge."""
    ORIGIN_MISMATCH = (OOB + "originMismatch", 403)
    """The origin is not allowed here, or not the one that opened the session."""
    NOT_MUTUAL = (OOB + "notMutual", 403)
    """The association model did not prove both ends to each other."""
    NAMES_MISMATCH = (OOB + "namesMismatch", 403)
    """The binding names other names than those that were assigned."""
    NAME_TAKEN = (OOB + "nameTaken", 409)
    """A name is bound to another device key."""

    @property
    def urn(self) -> str:
        """The problem type."""
        return self.value[0]

    @property
    def status(self) -> int:
        """The HTTP status that goes with it."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Subproblem:
    """What is wrong with one identifier of a request (RFC 8555, section 6.7.1)."""

    kind: Kind
    name_type: str
    name: str
    detail: str

    def document(self) -> dict[str, Any]:
        """Return the JSON object."""
        identifier = {"type": self.name_type, "value": self.name}
        return {"type": self.kind.urn, "detail": self.detail, "identifier": identifier}


class Problem(IssuanceError):
    """A refusal by the issuer, as it leaves the server. `extra` holds members that a type adds to its document."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        subproblems: tuple[Subproblem, ...] = (),
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, problem=kind.urn)
        self.kind = kind
        self.subproblems = subproblems
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """Return the JSON object of type application/problem+json."""
        document: dict[str, Any] = {"type": self.kind.urn, "detail": self.cause, "status": self.kind.status}
        if self.subproblems:
            document["subproblems"] = [each.document() for each in self.subproblems]
        return document | self.extra


@dataclass(frozen=True, slots=True)
class Received:
    """A problem document as a client reads it: every field is the peer's word, cut to length and made printable."""

    urn: str
    detail: str
    subproblems: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, document: object, status: int) -> "Received":
        """Read whatever an issuer sent beside an HTTP status that is an error."""
        fields = document if isinstance(document, dict) else {}
        listed = fields.get("subproblems")
        details = (
            [_printable(each.get("detail")) for each in listed or () if isinstance(each, dict)]
            if (isinstance(listed, list))
            else []
        )
        detail = _printable(fields.get("detail")) or f"the issuer answered with HTTP status {status}"
        return cls(_printable(fields.get("type")), detail, tuple(details[:8]))

    def error(self, step: str) -> IssuanceError:
        """Return the error to raise for the step that was refused."""
        cause = self.detail if not self.subproblems else f"{self.detail} ({'; '.join(self.subproblems)})"
        return IssuanceError(cause, step=step, problem=self.urn)


def _printable(value: object) -> str:
    return _UNPRINTABLE.sub("?", value[:MAX_DETAIL]) if isinstance(value, str) else ""
