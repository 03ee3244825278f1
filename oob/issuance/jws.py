"""JSON Web Signatures as ACME uses them (RFC 8555, section 6): flattened, ES256 or EdDSA, one signature.

By hand, because the schema is narrow: no unprotected header, exactly one of `jwk` and `kid`, `nonce` and `url` always
there. What a server must know beyond the bytes (the account of a kid, whether the nonce is fresh) is not decided here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from oob.cose import CoseKey
from oob.cose.keys import ED25519, P256
from oob.crypto import Algorithm
from oob.errors import AuthenticationError, PeerError
from oob.issuance import base64url
from oob.issuance.problems import Kind, Problem

MAX_LENGTH = 65536
ALGORITHMS = {"ES256": Algorithm.ES256, "EdDSA": Algorithm.EDDSA}
_ALGORITHM_NAMES = {algorithm: name for name, algorithm in ALGORITHMS.items()}
_CURVES = {("EC", "P-256"): P256, ("OKP", "Ed25519"): ED25519}


class JwsSigner(Protocol):
    """What signs requests: `SigningKey`, or whatever holds such a key and knows its public coordinates."""

    @property
    def algorithm(self) -> Algorithm:
        """The signature algorithm."""

    @property
    def x(self) -> bytes:
        """The first public coordinate, 32 bytes."""

    @property
    def y(self) -> bytes | None:
        """The second public coordinate, 32 bytes; None for Ed25519."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over `message`."""


@dataclass(frozen=True, slots=True)
class Jws:
    """A request taken apart; its signature is not verified before `verify` has returned.

    Exactly one of `jwk` and `kid` is there. `payload` is b"" for a POST-as-GET.
    """

    algorithm: Algorithm
    nonce: str
    url: str
    jwk: CoseKey | None
    kid: str | None
    payload: bytes
    signature: bytes
    signing_input: bytes

    @classmethod
    def decode(cls, body: bytes) -> "Jws":
        """Read a flattened JWS of at most 64 KiB; Problem (malformed, badSignatureAlgorithm, badPublicKey)."""
        envelope = json_object(body, "the request")
        if set(envelope) != {"protected", "payload", "signature"}:
            raise Problem(Kind.MALFORMED, "a JWS here has the members protected, payload and signature, and no other")
        protected, payload, signature = (_text(envelope, name) for name in ("protected", "payload", "signature"))
        header = json_object(_base64url(protected), "the protected header")
        jwk, kid = _key(header)
        if "crit" in header or "b64" in header:
            raise Problem(Kind.MALFORMED, "the protected header asks for an extension that is not known here")
        return cls(
            algorithm=_algorithm(header),
            nonce=_text(header, "nonce", missing=Kind.BAD_NONCE),
            url=_text(header, "url"),
            jwk=jwk,
            kid=kid,
            payload=_base64url(payload),
            signature=_base64url(signature),
            signing_input=f"{protected}.{payload}".encode(),
        )

    def verify(self, key: CoseKey) -> None:
        """Verify the signature; Problem (malformed, badPublicKey) if it is wrong or does not fit the key."""
        if key.algorithm is not self.algorithm:
            raise Problem(Kind.MALFORMED, "alg does not fit the key")
        try:
            key.verify(self.signature, self.signing_input)
        except AuthenticationError as error:
            raise Problem(Kind.MALFORMED, "the signature of the request does not verify") from error
        except PeerError as error:
            raise Problem(Kind.BAD_PUBLIC_KEY, error.cause) from error

    def json(self) -> dict[str, Any]:
        """Return the payload, a JSON object; Problem (malformed) for anything else."""
        return json_object(self.payload, "the payload")


def sign_jws(signer: JwsSigner, payload: bytes, *, url: str, nonce: str, kid: str | None = None) -> bytes:
    """Return the body of a request signed by `signer`: its key named by `kid`, or in `jwk` if that is None."""
    header = {"alg": _ALGORITHM_NAMES[signer.algorithm], "nonce": nonce, "url": url}
    identification = {"jwk": jwk_of(public_key(signer))} if kid is None else {"kid": kid}
    protected = base64url.encode(json.dumps(header | identification).encode())
    encoded = base64url.encode(payload)
    signature = signer.sign(f"{protected}.{encoded}".encode())
    return json.dumps({"protected": protected, "payload": encoded, "signature": base64url.encode(signature)}).encode()


def public_key(signer: JwsSigner) -> CoseKey:
    """Return the public half of a signer."""
    return CoseKey(P256 if signer.algorithm is Algorithm.ES256 else ED25519, signer.x, signer.y)


def jwk_of(key: CoseKey) -> dict[str, str]:
    """Return a signature key as a JWK with the required members alone, in lexicographic order (RFC 7638)."""
    if key.crv == P256 and key.y is not None:
        return {"crv": "P-256", "kty": "EC", "x": base64url.encode(key.x), "y": base64url.encode(key.y)}
    if key.crv == ED25519:
        return {"crv": "Ed25519", "kty": "OKP", "x": base64url.encode(key.x)}
    raise PeerError("a key that cannot sign stands where a signature key belongs")


def key_of(jwk: object) -> CoseKey:
    """Return the key in a JWK of P-256 or Ed25519; Problem (malformed, badPublicKey), also for private keys.

    That the point lies on its curve shows when a signature is verified.
    """
    if not isinstance(jwk, dict):
        raise Problem(Kind.MALFORMED, "jwk is not an object")
    if "d" in jwk:
        raise Problem(Kind.BAD_PUBLIC_KEY, "jwk holds a private key: consider it compromised")
    kind = (jwk.get("kty"), jwk.get("crv"))
    if not all(isinstance(each, str) for each in kind) or kind not in _CURVES:
        raise Problem(Kind.BAD_PUBLIC_KEY, "account and session keys are of P-256 or Ed25519")
    return CoseKey(_CURVES[kind], _coordinate(jwk, "x"), _coordinate(jwk, "y") if kind[0] == "EC" else None)


def jwk_thumbprint(key: CoseKey) -> bytes:
    """Return the SHA-256 thumbprint of the key as a JWK, 32 bytes (RFC 7638)."""
    return sha256(json.dumps(jwk_of(key), separators=(",", ":")).encode()).digest()


def json_object(data: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object without duplicate members; Problem (malformed) for anything else."""
    if len(data) > MAX_LENGTH:
        raise Problem(Kind.TOO_LARGE, f"{what} is longer than {MAX_LENGTH} bytes")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(Kind.MALFORMED, f"{what} is not JSON") from error
    if not isinstance(value, dict):
        raise Problem(Kind.MALFORMED, f"{what} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; two members of one name could mean one thing here and another elsewhere."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate member")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _text(fields: Mapping[str, Any], name: str, *, missing: Kind = Kind.MALFORMED) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Problem(missing, f"the request lacks its {name}")
    return value


def _base64url(text: str) -> bytes:
    try:
        return base64url.decode(text)
    except PeerError as error:
        raise Problem(Kind.MALFORMED, error.cause) from error


def _algorithm(header: Mapping[str, Any]) -> Algorithm:
    name = _text(header, "alg")
    if name not in ALGORITHMS:
        extra = {"algorithms": list(ALGORITHMS)}
        raise Problem(Kind.BAD_SIGNATURE_ALGORITHM, "requests are signed with ES256 or EdDSA", extra=extra)
    return ALGORITHMS[name]


def _key(header: Mapping[str, Any]) -> tuple[CoseKey | None, str | None]:
    if ("jwk" in header) is ("kid" in header):
        raise Problem(Kind.MALFORMED, "a request names its key by jwk or by kid, one of both")
    if "jwk" in header:
        return key_of(header["jwk"]), None
    return None, _text(header, "kid")


def _coordinate(jwk: Mapping[str, Any], name: str) -> bytes:
    value = _base64url(_text(jwk, name))
    if len(value) != 32:
        raise Problem(Kind.BAD_PUBLIC_KEY, f"the coordinate {name} of the key has 32 bytes")
    return value
