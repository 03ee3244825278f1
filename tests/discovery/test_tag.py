"""The advertised tag tells the holder of a key, and nobody else, which device it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.discovery import NONCE_LENGTH, TAG_LENGTH, advertised_tag, matches, resolve
from oob.errors import UsageError
from oob.pairing import TAG_KEY_LENGTH
from oob.transport import gatt_profile

KEYS = st.binary(min_size=TAG_KEY_LENGTH, max_size=TAG_KEY_LENGTH)
NONCES = st.binary(min_size=NONCE_LENGTH, max_size=NONCE_LENGTH)


def test_the_tag_is_that_of_the_specification() -> None:
    # Computed with: printf 'oob tag\1\2\3' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...0f
    assert advertised_tag(bytes(range(16)), b"\x01\x02\x03").hex() == "010203840dab"


def test_the_tag_fits_the_advertisement() -> None:
    assert gatt_profile.TAG_LENGTH == TAG_LENGTH


@given(key=KEYS, other=KEYS, nonce=NONCES)
def test_only_the_right_key_matches(key: bytes, other: bytes, nonce: bytes) -> None:
    tag = advertised_tag(key, nonce)
    assert len(tag) == TAG_LENGTH
    assert matches(key, tag)
    assert key == other or not matches(other, tag)
    assert resolve(tag, [other, key]) == key
    assert resolve(bytes((tag[0] ^ 1,)) + tag[1:], [key]) is None


@given(KEYS, st.binary(max_size=12))
def test_any_bytes_may_be_on_the_air(key: bytes, tag: bytes) -> None:
    assert not matches(key, tag) or len(tag) == TAG_LENGTH


def test_a_new_nonce_gives_an_unlinkable_tag() -> None:
    key = bytes(16)
    tags = {advertised_tag(key, bytes((0, 0, i))) for i in range(100)}
    assert len({tag[NONCE_LENGTH:] for tag in tags}) == 100


@pytest.mark.parametrize(("key", "nonce"), [(15, 3), (17, 3), (16, 2), (16, 4)])
def test_other_lengths_are_refused(key: int, nonce: int) -> None:
    with pytest.raises(UsageError):
        advertised_tag(bytes(key), bytes(nonce))
