"""A binding in order, and its halves for tests to spoil."""

from dataclasses import replace
from typing import Any

from oob.binding import Binding, BindingStatement
from oob.binding.statement import COUNTERSIGNATURE_TYPE, STATEMENT_TYPE
from oob.cose import CoseKey, Sign1, sign1
from oob.crypto import Algorithm, SigningKey
from oob.pairing.models import Model, Proof
from tests.exchange import CONTEXT

DEVICE = SigningKey.from_bytes(Algorithm.ES256, b"d" * 32)
SESSION = SigningKey.from_bytes(Algorithm.ES256, b"s" * 32)
MALLORY = SigningKey.from_bytes(Algorithm.ES256, b"m" * 32)
DEVICE_KEY, SESSION_KEY, MALLORYS_KEY = map(CoseKey.of, (DEVICE, SESSION, MALLORY))
STATEMENT = BindingStatement(
    device_thumbprint=DEVICE_KEY.thumbprint(),
    session_thumbprint=SESSION_KEY.thumbprint(),
    audience=CONTEXT.issuer,
    challenge=CONTEXT.challenge,
    origin=CONTEXT.origin,
    names=CONTEXT.names,
    proof=Proof(Model.SECRET, "secret-dynamic", 128, dynamic=True, mutual=True, confirmed=False),
    exporter=b"e" * 32,
    context_hash=CONTEXT.hash(),
    jti=b"j" * 16,
    iat=1_700_000_000,
    exp=1_700_000_600,
)


def half(statement: BindingStatement = STATEMENT, key: SigningKey = DEVICE, typ: str = STATEMENT_TYPE) -> bytes:
    """Return what a device signs, whatever it says."""
    return sign1(key, typ, statement.encode(), b"oob-1 binding").encode()


def other_half(signed: bytes, key: SigningKey = SESSION, typ: str = COUNTERSIGNATURE_TYPE) -> bytes:
    """Return a countersignature over whatever stands there."""
    counter = sign1(key, typ, signed, b"oob-1 countersignature")
    return Sign1(counter.protected, None, counter.signature).encode()


def binding(signed: bytes, device_key: CoseKey = DEVICE_KEY) -> Binding:
    """Return a binding with both halves in order."""
    return Binding(signed, other_half(signed), device_key, CONTEXT.encode())


GOOD = binding(half())


def altered(part: str, value: bytes) -> Binding:
    """Return the good binding with one part exchanged."""
    parts: dict[str, Any] = {part: value}
    return replace(GOOD, **parts)
