"""The binding: the device signs what it bound, the client countersigns with the session key, an issuer checks both.

On the radio the statement travels without the claims that both ends know (docs/spec/binding.cddl, receipt); in front of
the issuer it is a COSE_Sign1 over a CWT claims set with all of them.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oob import cbor
from oob.binding.context import MAX_TEXT, SessionContext, utf8_length
from oob.cose import CoseKey, Sign1, sign1, verify1
from oob.cose.sign1 import Signer, protected_header
from oob.crypto import Hash, equal
from oob.errors import AuthenticationError, PeerError
from oob.pairing.models import Model, Proof

EXPORTER_LABEL = 32770
STATEMENT_TYPE = "application/oob-binding+cwt"
COUNTERSIGNATURE_TYPE = "application/oob-countersignature+cose"
_STATEMENT_AAD = b"oob-1 binding"
_COUNTERSIGNATURE_AAD = b"oob-1 countersignature"

# CWT claims (RFC 8392, RFC 8747, RFC 9711); ours are in the private-use range.
AUD, EXP, IAT, CTI, CNF, NONCE = 3, 4, 6, 7, 8, 10
CKT = 5
DEVICE, ORIGIN, CONTEXT, EXPORTER, PROOF, NAMES = -70001, -70002, -70003, -70004, -70005, -70006


@dataclass(frozen=True, slots=True)
class BindingStatement:
    """What a device signs: this key, that session, this issuer, these names, proven so.

    Thumbprints, `exporter` and `context_hash` are 32 bytes; `iat` and `exp` seconds since 1970, None where the device
    has no clock; `jti` 16 bytes.
    """

    device_thumbprint: bytes
    session_thumbprint: bytes
    audience: str
    challenge: bytes
    origin: str
    names: tuple[str, ...]
    proof: Proof
    exporter: bytes
    context_hash: bytes
    jti: bytes
    iat: int | None = None
    exp: int | None = None

    def __post_init__(self) -> None:
        """Check lengths; PeerError if one is off. What it repeats of the session context obeys the limits of that."""
        hashes = (self.device_thumbprint, self.session_thumbprint, self.exporter, self.context_hash)
        if any(len(value) != 32 for value in hashes) or len(self.jti) != 16:
            raise PeerError("a binding statement is malformed: a value in it has the wrong length")
        SessionContext(self.audience, None, self.origin, self.challenge, self.names)

    @property
    def model(self) -> str:
        """Name of the association model, in lower case."""
        return self.proof.model.name.lower()

    @property
    def strength(self) -> str:
        """Name of what the out-of-band channel proved."""
        return self.proof.strength

    @property
    def mutual(self) -> bool:
        """Whether both ends proved the out-of-band secret."""
        return self.proof.mutual

    def encode(self) -> bytes:
        """Return the CWT claims set."""
        proof = self.proof
        claims: dict[int, Any] = {
            AUD: self.audience,
            CTI: self.jti,
            CNF: {CKT: self.session_thumbprint},
            NONCE: self.challenge,
            DEVICE: self.device_thumbprint,
            ORIGIN: self.origin,
            CONTEXT: self.context_hash,
            EXPORTER: self.exporter,
            PROOF: _proof_claim(proof),
            NAMES: list(self.names),
        }
        if self.iat is not None:
            claims[IAT] = self.iat
        if self.exp is not None:
            claims[EXP] = self.exp
        return cbor.encode(claims)

    @classmethod
    def decode(cls, data: bytes) -> "BindingStatement":
        """Read a CWT claims set; PeerError if a claim is missing, unknown or malformed."""
        claims = cbor.decode(data)
        if not isinstance(claims, dict):
            raise PeerError("a binding statement is not a map")
        iat, exp = _time(claims.get(IAT)), _time(claims.get(EXP))
        match claims:
            case {
                3: str(audience),
                7: bytes(jti),
                8: {5: bytes(session)},
                10: bytes(challenge),
                -70001: bytes(device),
                -70002: str(origin),
                -70003: bytes(context),
                -70004: bytes(exporter),
                -70005: list(proof),
                -70006: list(names),
            } if all(isinstance(name, str) for name in names):
                statement = cls(
                    device, session, audience, challenge, origin, tuple(names), _proof(proof), exporter, context, jti,
                    iat, exp,
                )  # fmt: skip
                if statement.encode() == data:  # else there is a claim, or a member of one, that nobody here reads
                    return statement
        raise PeerError("a binding statement is malformed")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The part of a signed statement that the client does not know: what EAD_4 carries.

    `dynamic` tells what the digits of a passcode do not: whether they were made for this pairing.
    """

    jti: bytes
    iat: int | None
    exp: int | None
    dynamic: bool
    signature: bytes

    def encode(self) -> bytes:
        """Return the CBOR array."""
        return cbor.encode([self.jti, self.iat, self.exp, self.dynamic, self.signature])

    @classmethod
    def decode(cls, data: bytes) -> "Receipt":
        """Read the CBOR array; PeerError if it is malformed."""
        match cbor.decode(data):
            case [bytes(jti), iat, exp, bool(dynamic), bytes(signature)] if len(jti) == 16 and len(signature) == 64:
                return cls(jti, _time(iat), _time(exp), dynamic, signature)
        raise PeerError("malformed binding", step="message_4")


@dataclass(frozen=True, slots=True)
class Binding:
    """Both halves, as an issuer takes them.

    `statement` is a COSE_Sign1 by the device, `countersignature` one by the session key over it, `device_key` the
    device identity key, `context` the session context as it was sent.
    """

    statement: bytes
    countersignature: bytes
    device_key: CoseKey
    context: bytes

    def to_json(self) -> dict[str, str]:
        """Return base64url strings for the body of a request."""
        parts = {
            "statement": self.statement,
            "countersignature": self.countersignature,
            "device_key": cbor.encode(self.device_key.encode()),
            "context": self.context,
        }
        return {name: _base64url(value) for name, value in parts.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Binding":
        """Read what `to_json` wrote, other members ignored; PeerError if one is missing or malformed."""
        parts = [_part(value, name) for name in ("statement", "countersignature", "device_key", "context")]
        return cls(parts[0], parts[1], CoseKey.decode(cbor.decode(parts[2])), parts[3])


def sign_binding(key: Signer, statement: BindingStatement) -> Receipt:
    """Sign as the device; the receipt is for EAD_4."""
    signed = sign1(key, STATEMENT_TYPE, statement.encode(), _STATEMENT_AAD)
    return Receipt(statement.jti, statement.iat, statement.exp, statement.proof.dynamic, signed.signature)


def countersign(
    session_key: Signer, device_key: CoseKey, statement: BindingStatement, receipt: Receipt, context: SessionContext
) -> Binding:
    """Verify the device's signature over `statement`, then countersign it with the session key.

    `statement` is what the client expects, with the receipt's own fields in it; AuthenticationError when the device
    signed anything else.
    """
    payload = statement.encode()
    signed = Sign1(protected_header(device_key.algorithm, STATEMENT_TYPE), payload, receipt.signature)
    verify1(signed, device_key, STATEMENT_TYPE, payload, _STATEMENT_AAD)
    encoded = signed.encode()
    counter = sign1(session_key, COUNTERSIGNATURE_TYPE, encoded, _COUNTERSIGNATURE_AAD)
    detached = Sign1(counter.protected, None, counter.signature)
    return Binding(encoded, detached.encode(), device_key, context.encode())


def verify_binding(binding: Binding, session_key: CoseKey) -> BindingStatement:
    """Verify both halves against the key that opened the session, and return what was bound.

    Raises AuthenticationError when a signature or thumbprint is wrong, PeerError when a part is malformed. Whether
    challenge, audience, origin, names and strength are acceptable is for the issuer to say.
    """
    verify_countersignature(binding, session_key)
    signed = Sign1.decode(binding.statement)
    if signed.payload is None:
        raise PeerError("a binding needs its statement attached")
    verify1(signed, binding.device_key, STATEMENT_TYPE, signed.payload, _STATEMENT_AAD)
    statement = BindingStatement.decode(signed.payload)
    context = SessionContext.decode(binding.context)
    _agree("device key", statement.device_thumbprint, binding.device_key.thumbprint())
    _agree("session key", statement.session_thumbprint, session_key.thumbprint())
    _agree("session context", statement.context_hash, Hash.SHA256.digest(binding.context))
    claimed = (context.issuer, context.origin, context.challenge, context.names)
    if claimed != (statement.audience, statement.origin, statement.challenge, statement.names):
        raise AuthenticationError("the binding statement contradicts its session context")
    return statement


def verify_countersignature(binding: Binding, session_key: CoseKey) -> None:
    """Verify the client's half alone: the holder of the session key stands by this very statement.

    Raises AuthenticationError or PeerError. An issuer does this first: before it, the sender may be anyone.
    """
    counter = Sign1.decode(binding.countersignature)
    if counter.payload is not None:
        raise PeerError("a binding needs its countersignature detached")
    verify1(counter, session_key, COUNTERSIGNATURE_TYPE, binding.statement, _COUNTERSIGNATURE_AAD)


def _agree(what: str, left: bytes, right: bytes) -> None:
    if not equal(left, right):
        raise AuthenticationError(f"the binding statement is for another {what}")


def _time(value: Any) -> int | None:  # noqa: ANN401
    if value is None or (type(value) is int and 0 <= value < 2**53):
        return value
    raise PeerError("a binding statement holds a malformed time")


def _proof_claim(proof: Proof) -> list[Any]:
    return [int(proof.model), proof.strength, proof.bits, proof.dynamic, proof.mutual, proof.confirmed]


def _proof(value: list[Any]) -> Proof:
    match value:
        case [int(model), str(strength), int(bits), bool(dynamic), bool(mutual), bool(confirmed)] if (
            model in set(Model) and type(bits) is int and bits >= 0 and utf8_length(strength) <= MAX_TEXT
        ):
            return Proof(Model(model), strength, bits, dynamic, mutual, confirmed)
    raise PeerError("a binding statement names no known association model")


def _part(value: Mapping[str, Any], name: str) -> bytes:
    text = value.get(name)
    if not isinstance(text, str) or len(text) > 8192:
        raise PeerError(f"the binding lacks its {name}")
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError as error:
        raise PeerError(f"the binding's {name} is not base64url") from error
    if _base64url(data) != text:  # the decoder skips what is not of its alphabet
        raise PeerError(f"the binding's {name} is not base64url")
    return data


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
