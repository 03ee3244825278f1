"""Authentication credentials and their identifiers (RFC 9528, section 3.5)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from oob import cbor
from oob.cose import CoseKey, verify_cwt
from oob.cose.sign1 import Signer
from oob.crypto import Algorithm, EcdhKey, Hash
from oob.errors import PeerError, UsageError
from oob.handshake.messages import ERR_CREDENTIAL, decode_identifier, encode_identifier

KID, KCWT, KCCS, X5CHAIN, X5T = 4, 13, 14, 33, 34
SUB, CNF, COSE_KEY = 2, 8, 1
SHA_256_64 = -15
MAX_SUBJECT = 64

_MAP = 5
"""CBOR's major type of maps (RFC 8949, section 3.1)."""
_EMPTY_MAP = cbor.encode({})
# How an encoded map of one entry begins, whose key is this one; what follows is the value.
_LONE_KID, _BY_VALUE = b"\xa1" + cbor.encode(KID), b"\xa1" + cbor.encode(KCCS)


class UnknownCredential(PeerError):
    """The peer refers to a credential that is not known here; ERR_CODE 3 (RFC 9528, section 6.4)."""

    wire_code = ERR_CREDENTIAL


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as both ends put it in the transcript.

    `id_cred` is the encoded header map ID_CRED_x, `cred` the encoded CRED_x, `key` the public key it certifies and
    `subject` the identity in it, "" where there is none. `chain` holds the certificates that are sent by value, the
    one with the key first; nothing of them is verified here.
    """

    id_cred: bytes
    cred: bytes
    key: CoseKey
    subject: str = ""
    chain: tuple[bytes, ...] = ()

    @classmethod
    def ccs(cls, claims: bytes, *, kid: bytes | None = None) -> "Credential":
        """Make one of an encoded CWT Claims Set: by reference to `kid`, or sent by value when that is None."""
        value = _claims(cbor.decode(claims))
        id_cred = {KCCS: value} if kid is None else {KID: kid}
        return cls(cbor.encode(id_cred), claims, _ccs_key(value), _subject(value))

    @classmethod
    def of_key(cls, key: CoseKey, *, subject: str = "", kid: bytes | None = None) -> "Credential":
        """Dress a raw public key as a CWT Claims Set."""
        claims: dict[int, Any] = {CNF: {COSE_KEY: key.encode()}}
        if subject:
            claims[SUB] = subject
        return cls.ccs(cbor.encode(claims), kid=kid)

    @classmethod
    def x5t(cls, der: bytes) -> "Credential":
        """Make one of a DER certificate, referred to by its truncated SHA-256 hash (RFC 9360, section 2)."""
        digest = Hash.SHA256.digest(der)[:8]
        return cls(cbor.encode({X5T: [SHA_256_64, digest]}), cbor.encode(der), CoseKey.of_certificate(der))

    @classmethod
    def x5chain(cls, der: bytes, *issuers: bytes) -> "Credential":
        """Make one of a DER certificate sent by value, with those of its issuers in their order, if any.

        CRED_x is the first certificate alone (RFC 9528, section 3.5.2). No signature, name or date in the chain is
        verified: that is for the application.
        """
        chain = (der, *issuers)
        value = list(chain) if issuers else der
        return cls(cbor.encode({X5CHAIN: value}), cbor.encode(der), CoseKey.of_certificate(der), chain=chain)

    @classmethod
    def kcwt(cls, cwt: bytes, issuer: CoseKey, *, now: float | None = None) -> "Credential":
        """Make one of an encoded, untagged CWT sent by value, which `issuer` must have signed (RFC 8392).

        Its times are checked only against a `now`, in seconds since 1970. PeerError for a malformed CWT,
        AuthenticationError for one of another issuer or out of its time.
        """
        return cls._kcwt(cwt, (issuer,), now)

    @classmethod
    def _kcwt(cls, cwt: bytes, issuers: Collection[CoseKey], now: float | None) -> "Credential":
        if not issuers:
            raise UnknownCredential("a CWT has no meaning here: no issuer of any is trusted")
        claims = verify_cwt(cwt, issuers, now)
        return cls(cbor.encode({KCWT: cbor.decode(cwt)}), cwt, _ccs_key(claims), _subject(claims))

    @classmethod
    def by_value(cls, id_cred: bytes, *, issuers: Collection[CoseKey] = (), now: float | None = None) -> "Credential":
        """Take the credential that an ID_CRED map carries; UnknownCredential if it only refers to one.

        A CWT must be signed by one of `issuers`, and be valid at `now`, where that is given; UnknownCredential when no
        issuer is trusted. A claims set or a certificate is taken as it is.
        """
        match cbor.decode(id_cred):
            case {14: dict(claims), **rest} if not rest:
                return cls(id_cred, id_cred[len(_BY_VALUE) :], _ccs_key(claims), _subject(claims))
            case {33: bytes(der), **rest} if not rest:
                return cls.x5chain(der)
            case {33: [bytes(der), bytes() as issuer, *more], **rest} if not rest and _all_bytes(more):
                return cls.x5chain(der, issuer, *more)
            case {13: list(cwt), **rest} if not rest:
                return cls._kcwt(cbor.encode(cwt), issuers, now)
            case {4: _, **rest} | {34: _, **rest} if not rest:
                raise UnknownCredential("the credential is not sent by value, and its reference is not known here")
        raise PeerError("the credential is of an unsupported kind")

    def hash(self) -> bytes:
        """Return SHA-256 of CRED_x, 32 bytes, as bootstrap data carry it."""
        return Hash.SHA256.digest(self.cred)

    def compact_id(self) -> bytes:
        """Return the encoded item that stands for ID_CRED_x in a plaintext: of a lone kid only that (3.5.3.2)."""
        if not self.id_cred.startswith(_LONE_KID):
            return self.id_cred
        return cbor.encode(encode_identifier(cbor.decode(self.id_cred[len(_LONE_KID) :])))


def expand_id(item: bytes) -> bytes:
    """Return the encoded ID_CRED_x map for an encoded item of a plaintext; PeerError where it had to be compact."""
    if item == _EMPTY_MAP or item.startswith(_LONE_KID):
        raise PeerError("ID_CRED is not in its compact form")
    if item[0] >> 5 == _MAP:
        return item
    return _LONE_KID + cbor.encode(decode_identifier(cbor.decode(item)))


@dataclass(frozen=True, slots=True)
class Identity:
    """One's own credential with its private key: a signer, or a static Diffie-Hellman key."""

    credential: Credential
    key: Signer | EcdhKey = field(repr=False)

    @property
    def signs(self) -> bool:
        """Whether the key signs, in contrast to static Diffie-Hellman."""
        return not isinstance(self.key, EcdhKey)

    @property
    def algorithm(self) -> Algorithm:
        """The signature algorithm of the key; PeerError if it cannot sign."""
        return self.credential.key.algorithm

    def sign(self, message: bytes) -> bytes:
        """Sign with the private key; UsageError if it is a Diffie-Hellman key."""
        if isinstance(self.key, EcdhKey):
            raise UsageError("this identity holds a Diffie-Hellman key: choose a method in which it does not sign")
        return self.key.sign(message)

    def agreement(self) -> EcdhKey:
        """Return the static Diffie-Hellman key; UsageError if the key signs."""
        if not isinstance(self.key, EcdhKey):
            raise UsageError("this identity holds a signature key: choose a method in which it signs")
        return self.key


def _all_bytes(values: list[Any]) -> bool:
    return all(isinstance(value, bytes) for value in values)


def _claims(value: Any) -> dict[Any, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise PeerError("a CWT Claims Set is not a map")
    return value


def _ccs_key(claims: dict[Any, Any]) -> CoseKey:
    confirmation = claims.get(CNF)
    if not isinstance(confirmation, dict):
        raise PeerError("a CWT Claims Set lacks its key")
    return CoseKey.decode(confirmation.get(COSE_KEY))


def _subject(claims: dict[Any, Any]) -> str:
    subject = claims.get(SUB, "")
    if not isinstance(subject, str) or len(subject) > MAX_SUBJECT or not subject.isprintable():
        raise PeerError("the subject of a CWT Claims Set is not a short printable text")  # people are shown it
    return subject
