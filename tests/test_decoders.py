"""Values of every shape survive encoding and decoding, and damage is refused by name, where no other test says so.

`tests/fuzz` does the same with the messages on the wire; here stand as well what is stored, and what an issuer sends.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.client import Pairing, parse_out_of_band
from oob.cose import CoseKey, Sign1
from oob.crypto import Algorithm, SigningKey
from oob.device.state import DeviceState, Owner, Paired
from oob.errors import IssuanceError, PeerError, StorageError, UsageError
from oob.handshake import Credential
from oob.handshake.credentials import expand_id
from oob.handshake.messages import Error
from oob.issuance import TlsKey
from oob.issuance.certificate import check_chain
from oob.issuance.jws import Jws, sign_jws
from oob.issuance.problems import Problem
from oob.issuance.tls_key import SigningRequest
from oob.pairing import Bootstrap, Code, Guesses, Passcode
from tests.fuzz.mutation import changed_item

bytes_16 = st.binary(min_size=16, max_size=16)
# As a number is written in 32 bytes: leading zeros stay.
bytes_32 = st.binary(min_size=32, max_size=32) | bytes_16.map(lambda tail: bytes(16) + tail)
randoms = st.randoms(use_true_random=False)
signing_keys = st.builds(
    lambda algorithm, seed: SigningKey.generate(algorithm, Random(seed).randbytes),
    st.sampled_from(Algorithm),
    st.integers(0, 2**64),
)
names = st.text(st.characters(exclude_categories=("C", "Z")), max_size=64)
keys = st.builds(CoseKey, st.sampled_from((4, 6)), bytes_32) | st.builds(
    CoseKey, st.just(1), bytes_32, st.none() | bytes_32
)
messages = st.builds(Sign1, st.binary(max_size=40), st.none() | st.binary(max_size=40), st.binary(max_size=70))
# ERR_CODE 0 is "success" and never sent.
errors = st.builds(
    Error,
    st.integers(-(2**64), 2**64 - 1).filter(bool),
    st.text(max_size=30) | st.booleans() | st.lists(st.integers(0, 30), max_size=5),
)


@given(keys)
def test_cose_keys(key: CoseKey) -> None:
    assert CoseKey.decode(cbor.decode(cbor.encode(key.encode()))) == key


@given(messages)
def test_cose_sign1(message: Sign1) -> None:
    assert Sign1.decode(message.encode()) == message


@given(errors)
def test_error_messages(error: Error) -> None:
    assert Error.decode(error.encode()) == error


@given(signing_keys, names)
def test_credentials_by_value(key: SigningKey, subject: str) -> None:
    credential = Credential.of_key(CoseKey.of(key), subject=subject)
    assert Credential.by_value(credential.id_cred) == credential
    assert credential.compact_id() == credential.id_cred


@given(signing_keys, st.binary(max_size=9) | st.binary(min_size=1, max_size=1))
def test_credentials_by_reference(key: SigningKey, kid: bytes) -> None:
    credential = Credential.of_key(CoseKey.of(key), kid=kid)
    assert expand_id(credential.compact_id()) == credential.id_cred


@given(
    signing_keys, st.binary(max_size=60), st.text(max_size=30), st.text(max_size=30), st.none() | st.text(max_size=30)
)
def test_signed_requests(key: SigningKey, payload: bytes, url: str, nonce: str, kid: str | None) -> None:
    jws = Jws.decode(sign_jws(key, payload, url=url, nonce=nonce, kid=kid))
    jws.verify(CoseKey.of(key))
    assert (jws.payload, jws.url, jws.nonce, jws.kid) == (payload, url, nonce, kid)
    assert jws.jwk == (CoseKey.of(key) if kid is None else None)


# --- what is stored

guesses = st.builds(
    lambda code, times, now: _guessed(Guesses(code), times, now),
    st.sampled_from(Code),
    st.integers(0, 3),
    st.integers(0, 2**40),
)
paired = st.builds(Paired, bytes_32, names, names, names, bytes_32)
owners = st.builds(Owner, st.binary(max_size=60), bytes_32, names, names, st.binary(max_size=60))
states = st.builds(
    DeviceState,
    st.none() | st.integers(0, 9_999_999).map(lambda number: Passcode.from_number(number).digits),
    st.none() | guesses,
    st.none() | bytes_16,
    st.none() | bytes_16,
    st.lists(paired, max_size=3).map(tuple),
    st.none() | owners,
    st.none() | st.binary(max_size=60),
)
pairings = st.builds(
    Pairing,
    device=bytes_32,
    name=names,
    model=names,
    strength=names,
    bits=st.integers(0, 300),
    mutual=st.booleans(),
    issuer=names,
    session_url=names,
    session_key=bytes_32,
    names=st.lists(names, max_size=4).map(tuple),
    status=st.sampled_from(("agreed", "bound", "ready")),
    url=names,
    address=names,
    leaf_hash=st.just(b"") | bytes_32,
)
STORED = [(DeviceState, states), (Pairing, pairings)]


def _guessed(account: Guesses, times: int, now: int) -> Guesses:
    for _ in range(times):
        account = account.begin(max(now, account.not_before))
    return account


@pytest.mark.parametrize(("kind", "values"), STORED)
@given(data=st.data())
def test_what_is_stored(kind: Any, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    value = data.draw(values)
    assert kind.decode(value.encode()) == value


@pytest.mark.parametrize(("kind", "values"), STORED)
@settings(max_examples=300)
@given(data=st.data(), random=randoms)
def test_damage_to_what_is_stored(
    kind: Any, values: st.SearchStrategy[Any], data: st.DataObject, random: Random
) -> None:
    """One item changed, in sound CBOR: it is another value or a StorageError."""
    changed = changed_item(cbor.decode(data.draw(values).encode()), random)
    try:
        value = kind.decode(cbor.encode(changed))
    except StorageError:
        return
    assert kind.decode(value.encode()) == value


# --- what a person enters


@given(st.text(max_size=40) | st.text("0123456789 -", max_size=12) | st.text(max_size=40).map("OOB:".__add__))
def test_any_entry_is_a_code_or_refused(text: str) -> None:
    try:
        code = parse_out_of_band(text)
    except (UsageError, PeerError):
        return
    assert parse_out_of_band(code.to_text() if isinstance(code, Bootstrap) else code.display()) == code


# --- what an issuer takes and sends


@given(st.binary(max_size=300))
def test_any_bytes_are_a_signing_request_or_a_problem(data: bytes) -> None:
    with pytest.raises(Problem):
        SigningRequest.decode(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_tls_key_or_a_storage_error(data: bytes) -> None:
    with pytest.raises(StorageError):
        TlsKey.from_pem(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_chain_or_an_issuance_error(data: bytes) -> None:
    with pytest.raises(IssuanceError):
        check_chain(data, root_der=data, key=CoseKey(1, bytes(32)), names=["a.example"], now=0, account=bytes(32))
