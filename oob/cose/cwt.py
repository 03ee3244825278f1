"""CBOR Web Tokens that an issuer signed (RFC 8392): a COSE_Sign1 over a claims set, with no `typ` of its own."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from oob import cbor
from oob.cose.keys import CoseKey
from oob.cose.sign1 import TYP, sig_structure
from oob.errors import AuthenticationError, OobError, PeerError

CRIT = 2
EXP, NBF = 4, 5
# What a `typ` may say, where there is one (RFC 9596): else an issuer's signature for another purpose would do as well.
_TYPES = (None, 61, "application/cwt")


def verify_cwt(cwt: bytes, issuers: Iterable[CoseKey], now: float | None = None) -> dict[Any, Any]:
    """Return the claims of an untagged CWT that one of `issuers` signed.

    `exp` and `nbf` are checked only against a `now`, in seconds since 1970. PeerError for a CWT that is malformed,
    AuthenticationError for one that none of them signed, that has expired or is not valid yet.
    """
    match cbor.decode(cwt):
        case [bytes(protected), dict(), bytes(payload), bytes(signature)]:
            algorithm = _algorithm(protected)
            _check_signature(issuers, algorithm, signature, sig_structure(protected, b"", payload))
            return _valid(cbor.decode(payload), now)
    raise PeerError("malformed CWT")


def _algorithm(protected: bytes) -> int:
    match cbor.decode(protected):
        case {1: int(algorithm), **rest} if CRIT not in rest and rest.get(TYP) in _TYPES:
            return algorithm
    raise PeerError("the header of a CWT cannot be understood")


def _check_signature(issuers: Iterable[CoseKey], algorithm: int, signature: bytes, message: bytes) -> None:
    for issuer in issuers:
        with suppress(OobError):  # the next one may have signed it
            if issuer.algorithm.value == algorithm:
                issuer.verify(signature, message)
                return
    raise AuthenticationError("none of the trusted issuers signed the CWT")


def _valid(claims: Any, now: float | None) -> dict[Any, Any]:  # noqa: ANN401
    if not isinstance(claims, dict) or not all(type(claims.get(time, 0)) is int for time in (EXP, NBF)):
        raise PeerError("malformed claims of a CWT")
    if now is not None and now >= claims.get(EXP, float("inf")):
        raise AuthenticationError("the CWT has expired")
    if now is not None and now < claims.get(NBF, 0):
        raise AuthenticationError("the CWT is not valid yet")
    return claims
