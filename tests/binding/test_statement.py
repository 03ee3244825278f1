"""Binding statement, receipt and countersignature: both halves, each over everything, neither for anything else."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.binding import (
    Binding,
    BindingStatement,
    Receipt,
    SessionContext,
    countersign,
    sign_binding,
    verify_binding,
    verify_countersignature,
)
from oob.binding.statement import COUNTERSIGNATURE_TYPE, STATEMENT_TYPE
from oob.cose import CoseKey, Sign1, sign1
from oob.crypto import Algorithm, EcdhKey, SigningKey
from oob.crypto.ecdh import Curve
from oob.errors import AuthenticationError, OobError, PeerError
from oob.pairing.models import Model, Proof
from tests.binding.halves import (
    DEVICE,
    DEVICE_KEY,
    GOOD,
    MALLORY,
    MALLORYS_KEY,
    SESSION,
    SESSION_KEY,
    STATEMENT,
    altered,
    binding,
    half,
    other_half,
)
from tests.binding.strategies import bindings, faulty, junk, receipts, statements
from tests.exchange import CONTEXT

CHANGES: dict[str, Any] = {
    "device_thumbprint": MALLORYS_KEY.thumbprint(),
    "session_thumbprint": MALLORYS_KEY.thumbprint(),
    "audience": "https://evil.example/directory",
    "challenge": b"c" * 32,
    "origin": "https://evil.example",
    "names": ("oven.home.example",),
    "proof": Proof(Model.BUTTON, "button", 0, dynamic=True, mutual=False, confirmed=False),
    "exporter": b"f" * 32,
    "context_hash": b"h" * 32,
    "jti": b"k" * 16,
    "iat": None,
    "exp": 1_800_000_000,
}
OF_THE_CONTEXT = ("device_thumbprint", "session_thumbprint", "audience", "challenge", "origin", "names", "context_hash")


def test_both_halves_verify() -> None:
    made = countersign(SESSION, DEVICE_KEY, STATEMENT, sign_binding(DEVICE, STATEMENT), CONTEXT)
    assert verify_binding(made, SESSION_KEY) == STATEMENT
    assert made == GOOD


def test_eddsa() -> None:
    """A device may have an Ed25519 key, and a session too."""
    device, session = (SigningKey.from_bytes(Algorithm.EDDSA, seed * 32) for seed in (b"1", b"2"))
    device_key, session_key = CoseKey.of(device), CoseKey.of(session)
    statement = replace(
        STATEMENT, device_thumbprint=device_key.thumbprint(), session_thumbprint=session_key.thumbprint()
    )
    made = countersign(session, device_key, statement, sign_binding(device, statement), CONTEXT)
    assert verify_binding(made, session_key) == statement


def test_names_of_the_proof() -> None:
    assert (STATEMENT.model, STATEMENT.strength, STATEMENT.mutual) == ("secret", "secret-dynamic", True)
    assert not replace(STATEMENT, proof=CHANGES["proof"]).mutual


# --- what verify_binding refuses


def test_every_claim_has_its_change() -> None:
    assert list(CHANGES) == list(BindingStatement.__dataclass_fields__)


@pytest.mark.parametrize("claim", CHANGES)
def test_a_claim_changed_without_any_signature(claim: str) -> None:
    """oob/binding/statement.py, verify_binding: the device's signature covers every claim."""
    changed = replace(STATEMENT, **{claim: CHANGES[claim]})
    signed = Sign1.decode(GOOD.statement)
    forged = Sign1(signed.protected, changed.encode(), signed.signature).encode()
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(binding(forged), SESSION_KEY)


@pytest.mark.parametrize("claim", CHANGES)
def test_a_claim_changed_by_the_device_alone(claim: str) -> None:
    """oob/binding/statement.py, verify_binding: the countersignature covers every claim."""
    changed = half(replace(STATEMENT, **{claim: CHANGES[claim]}))
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(replace(GOOD, statement=changed), SESSION_KEY)


@pytest.mark.parametrize("claim", OF_THE_CONTEXT)
def test_a_claim_changed_by_both(claim: str) -> None:
    """oob/binding/statement.py, verify_binding: keys, context and statement must agree even if both halves lie."""
    changed = half(replace(STATEMENT, **{claim: CHANGES[claim]}))
    with pytest.raises(AuthenticationError, match="binding statement"):
        verify_binding(binding(changed), SESSION_KEY)


@pytest.mark.parametrize("claim", [claim for claim in CHANGES if claim not in OF_THE_CONTEXT])
def test_another_honest_binding(claim: str) -> None:
    """What only the two ends know is theirs to say; the issuer judges it."""
    changed = replace(STATEMENT, **{claim: CHANGES[claim]})
    assert verify_binding(binding(half(changed)), SESSION_KEY) == changed


def test_re_signed_by_another_device() -> None:
    """verify_binding: the thumbprint names the key that signs."""
    with pytest.raises(AuthenticationError, match="another device key"):
        verify_binding(binding(half(key=MALLORY), MALLORYS_KEY), SESSION_KEY)


def test_swapped_device_key() -> None:
    """verify_binding: the key that is sent along is the one that signed."""
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(replace(GOOD, device_key=MALLORYS_KEY), SESSION_KEY)


def test_countersigned_by_another_session() -> None:
    """verify_binding: who saw a statement on the way cannot take it into a session of his own, nor into another's."""
    stolen = replace(GOOD, countersignature=other_half(GOOD.statement, MALLORY))
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(stolen, SESSION_KEY)
    with pytest.raises(AuthenticationError, match="another session key"):
        verify_binding(stolen, MALLORYS_KEY)


def test_countersignature_over_another_statement() -> None:
    other = half(replace(STATEMENT, jti=b"k" * 16))
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(replace(GOOD, countersignature=other_half(other)), SESSION_KEY)


def test_countersignature_covers_the_devices_signature() -> None:
    """(r, n - s) is a second signature over the same claims; it is not the one that the client saw."""
    signed = Sign1.decode(GOOD.statement)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    s = order - int.from_bytes(signed.signature[32:], "big")
    twin = replace(signed, signature=signed.signature[:32] + s.to_bytes(32, "big")).encode()
    verify_binding(binding(twin), SESSION_KEY)
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(replace(GOOD, statement=twin), SESSION_KEY)


@pytest.mark.parametrize("context", [replace(CONTEXT, root_hash=None), replace(CONTEXT, names=())])
def test_altered_context(context: SessionContext) -> None:
    """verify_binding: `ctx` covers what no claim repeats, such as the root's hash."""
    with pytest.raises(AuthenticationError, match="another session context"):
        verify_binding(replace(GOOD, context=context.encode()), SESSION_KEY)


@pytest.mark.parametrize("value", [b"", b"\xf6", cbor.encode([b"", {}, None, b""]), cbor.encode([b"", {}, b"", b""])])
def test_missing_half(value: bytes) -> None:
    """verify_binding: neither half stands for both, even if the client countersigns nothing at all."""
    with pytest.raises(PeerError):
        verify_binding(altered("countersignature", value), SESSION_KEY)
    with pytest.raises(PeerError):
        verify_binding(binding(value), SESSION_KEY)
    with pytest.raises(AuthenticationError):
        verify_binding(altered("statement", value), SESSION_KEY)


def test_detached_statement() -> None:
    """verify_binding: a statement without claims is refused before anything is looked up."""
    detached = replace(Sign1.decode(GOOD.statement), payload=None).encode()
    with pytest.raises(PeerError, match="attached"):
        verify_binding(binding(detached), SESSION_KEY)


def test_attached_countersignature() -> None:
    """verify_binding: one form of each half, so that nobody chooses which payload is meant."""
    counter = Sign1.decode(GOOD.countersignature)
    for payload in (GOOD.statement, half(key=MALLORY), b""):
        with pytest.raises(PeerError, match="detached"):
            verify_binding(replace(GOOD, countersignature=replace(counter, payload=payload).encode()), SESSION_KEY)


def test_the_countersignature_alone() -> None:
    """verify_countersignature: an issuer learns from it who is speaking, before it looks at the statement."""
    verify_countersignature(replace(GOOD, device_key=MALLORYS_KEY, context=b""), SESSION_KEY)
    with pytest.raises(AuthenticationError, match="signature"):
        verify_countersignature(GOOD, MALLORYS_KEY)
    with pytest.raises(AuthenticationError, match="signature"):
        verify_countersignature(altered("statement", half(key=MALLORY)), SESSION_KEY)
    with pytest.raises(PeerError, match="detached"):
        verify_countersignature(altered("countersignature", half()), SESSION_KEY)


def test_halves_exchanged() -> None:
    swapped = replace(GOOD, statement=GOOD.countersignature, countersignature=GOOD.statement)
    with pytest.raises(PeerError):
        verify_binding(swapped, SESSION_KEY)


def test_each_half_under_the_type_of_the_other() -> None:
    """`typ` keeps them apart, even where one key were to sign both."""
    with pytest.raises(PeerError, match="type"):
        verify_binding(binding(half(typ=COUNTERSIGNATURE_TYPE)), SESSION_KEY)
    with pytest.raises(PeerError, match="type"):
        verify_binding(replace(GOOD, countersignature=other_half(GOOD.statement, typ=STATEMENT_TYPE)), SESSION_KEY)


def test_external_aad_keeps_the_contexts_apart() -> None:
    unbound = sign1(DEVICE, STATEMENT_TYPE, STATEMENT.encode(), b"oob-1 countersignature").encode()
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(binding(unbound), SESSION_KEY)
    counter = sign1(SESSION, COUNTERSIGNATURE_TYPE, GOOD.statement, b"oob-1 binding")
    detached = replace(counter, payload=None).encode()
    with pytest.raises(AuthenticationError, match="signature"):
        verify_binding(replace(GOOD, countersignature=detached), SESSION_KEY)


def test_a_key_that_cannot_sign() -> None:
    key = CoseKey.of(EcdhKey.from_bytes(Curve.X25519, b"x" * 32))
    with pytest.raises(PeerError, match="cannot sign"):
        verify_binding(replace(GOOD, device_key=key), SESSION_KEY)


def test_a_point_off_the_curve() -> None:
    with pytest.raises(PeerError, match="curve"):
        verify_binding(replace(GOOD, device_key=CoseKey(1, bytes(32), bytes(32))), SESSION_KEY)


# --- countersign


@pytest.mark.parametrize("claim", CHANGES)
def test_the_client_countersigns_only_what_it_expects(claim: str) -> None:
    """oob/binding/statement.py, countersign: the device's signature is over the statement that the client composed."""
    receipt = sign_binding(DEVICE, replace(STATEMENT, **{claim: CHANGES[claim]}))
    with pytest.raises(AuthenticationError, match="signature"):
        countersign(SESSION, DEVICE_KEY, STATEMENT, receipt, CONTEXT)


def test_the_client_countersigns_for_this_device_alone() -> None:
    with pytest.raises(AuthenticationError, match="signature"):
        countersign(SESSION, DEVICE_KEY, STATEMENT, sign_binding(MALLORY, STATEMENT), CONTEXT)


# --- encodings


@settings(deadline=None)
@given(statements)
def test_statement_round_trip(statement: BindingStatement) -> None:
    assert BindingStatement.decode(statement.encode()) == statement


@settings(deadline=None)
@given(st.binary() | faulty(statements.map(BindingStatement.encode)))
def test_any_bytes_give_a_statement_or_a_peer_error(data: bytes) -> None:
    try:
        statement = BindingStatement.decode(data)
    except PeerError:
        return
    assert statement.encode() == data


@pytest.mark.parametrize("change", [{"jti": bytes(15)}, {"exporter": b""}, {"audience": "http://i"}, {"names": ("",)}])
def test_a_statement_keeps_the_limits(change: dict[str, Any]) -> None:
    with pytest.raises(PeerError, match="malformed"):
        replace(STATEMENT, **change)


@settings(deadline=None)
@given(receipts)
def test_receipt_round_trip(receipt: Receipt) -> None:
    assert Receipt.decode(receipt.encode()) == receipt


@settings(deadline=None)
@given(st.binary() | faulty(receipts.map(Receipt.encode)))
def test_any_bytes_give_a_receipt_or_a_peer_error(data: bytes) -> None:
    try:
        receipt = Receipt.decode(data)
    except PeerError:
        return
    assert receipt.encode() == data


@settings(deadline=None)
@given(bindings)
def test_json_round_trip(binding: Binding) -> None:
    assert Binding.from_json(json.loads(json.dumps(binding.to_json()))) == binding


def test_json_ignores_other_members() -> None:
    assert Binding.from_json(GOOD.to_json() | {"session": "https://issuer.example/sessions/1"}) == GOOD


TEXTS = st.text() | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="))
MEMBERS = st.sampled_from(["statement", "countersignature", "device_key", "context"])


@settings(deadline=None)
@given(st.dictionaries(MEMBERS, st.none() | st.integers() | TEXTS | st.lists(TEXTS)))
def test_any_json_gives_a_binding_or_a_peer_error(value: dict[str, Any]) -> None:
    try:
        binding = Binding.from_json(GOOD.to_json() | value)
    except PeerError:
        return
    assert binding.to_json().keys() == GOOD.to_json().keys()


@settings(deadline=None)
@given(junk.map(cbor.encode))
def test_any_device_key_gives_a_binding_or_a_peer_error(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).decode().rstrip("=")
    with pytest.raises(PeerError):
        Binding.from_json(GOOD.to_json() | {"device_key": text})


@pytest.mark.parametrize("name", GOOD.to_json())
@pytest.mark.parametrize("text", [None, 7, "A", "A===", "QUJD\n", "Q UJD", "QUJD====", "QR", "a+b/", "é", "A" * 8193])
def test_json_members_are_strict_base64url(name: str, text: object) -> None:
    with pytest.raises(PeerError, match=name):
        Binding.from_json(GOOD.to_json() | {name: text})


@pytest.mark.parametrize("name", GOOD.to_json())
def test_json_lacks_a_member(name: str) -> None:
    value = GOOD.to_json()
    del value[name]
    with pytest.raises(PeerError, match=name):
        Binding.from_json(value)


@settings(max_examples=200, deadline=None)
@given(st.data())
@pytest.mark.parametrize("part", ["statement", "countersignature", "context"])
def test_any_damage_is_refused(part: str, data: st.DataObject) -> None:
    """Whatever is changed in a part of a binding: an error of ours, and no statement."""
    good: bytes = getattr(GOOD, part)
    damaged = data.draw(faulty(st.just(good)).filter(lambda value: value != good))
    with pytest.raises(OobError):
        verify_binding(altered(part, damaged), SESSION_KEY)


@pytest.mark.parametrize("part", ["statement", "countersignature", "context"])
def test_every_flipped_byte_is_refused(part: str) -> None:
    good: bytes = getattr(GOOD, part)
    for index in range(len(good)):
        flipped = good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :]
        with pytest.raises(OobError):
            verify_binding(altered(part, flipped), SESSION_KEY)
