import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.issuance import base64url
from oob.issuance.problems import Problem
from oob.issuance.server.nonces import Nonces


def refused(nonces: Nonces, nonce: str) -> str:
    with pytest.raises(Problem) as caught:
        nonces.take(nonce)
    return caught.value.problem.rpartition(":")[2]


def test_a_nonce_is_taken_once() -> None:
    nonces = Nonces(os.urandom)
    given = [nonces.give() for _ in range(5)]
    assert len(set(given)) == 5
    for nonce in reversed(given):
        nonces.take(nonce)
        assert refused(nonces, nonce) == "badNonce"


def test_a_nonce_of_another_process_is_bad() -> None:
    assert refused(Nonces(os.urandom), Nonces(os.urandom).give()) == "badNonce"


@given(st.binary(max_size=40))
def test_no_nonce_can_be_made_up(data: bytes) -> None:
    nonces = Nonces(os.urandom)
    nonces.give()
    assert refused(nonces, base64url.encode(data)) == "badNonce"


def test_a_nonce_is_base64url() -> None:
    assert refused(Nonces(os.urandom), "no nonce") == "malformed"


def test_memory_is_bounded_and_nothing_is_taken_twice() -> None:
    nonces = Nonces(os.urandom, capacity=3)
    early = nonces.give()
    used = [nonces.give() for _ in range(10)]
    for nonce in used:
        nonces.take(nonce)
    assert len(nonces._used) == len(nonces._oldest) == 3
    assert [refused(nonces, nonce) for nonce in used] == ["badNonce"] * 10
    assert refused(nonces, early) == "badNonce"
    nonces.take(nonces.give())
