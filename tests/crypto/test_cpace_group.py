"""The CPace group: what libsodium composes is the draft's own map, whatever the scalar's spare bits are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.crypto import Hash, cpace_public, cpace_shared
from oob.errors import PeerError, UsageError

scalars = st.binary(min_size=32, max_size=32)
generators = st.binary(max_size=20).map(lambda data: Hash.SHA512.digest(data)[:32])


@given(generator=generators, a=scalars, b=scalars)
def test_both_sides_agree(generator: bytes, a: bytes, b: bytes) -> None:
    shared = cpace_shared(a, cpace_public(generator, b))
    assert shared == cpace_shared(b, cpace_public(generator, a))
    assert len(shared) == 32


@given(generator=generators, scalar=scalars)
def test_clamping(generator: bytes, scalar: bytes) -> None:
    spare = bytes([scalar[0] ^ 7]) + scalar[1:31] + bytes([scalar[31] ^ 0xC0])
    assert cpace_public(generator, scalar) == cpace_public(generator, spare)


@pytest.mark.parametrize("share", [b"", bytes(31), bytes(33), bytes(32), b"\x01" + bytes(31)])
def test_shares_that_no_honest_peer_sends(share: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        cpace_shared(bytes(range(32)), share)
    assert caught.value.step == "CPace"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_scalars_have_32_bytes(length: int) -> None:
    with pytest.raises(UsageError):
        cpace_public(bytes(range(32)), bytes(length))
    with pytest.raises(UsageError):
        cpace_shared(bytes(length), cpace_public(bytes(range(32)), bytes(range(32))))
