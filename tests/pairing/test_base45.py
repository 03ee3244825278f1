"""Base45, RFC 9285."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import PeerError
from oob.pairing import base45


@pytest.mark.parametrize(
    ("data", "text"), [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]
)
def test_examples_of_rfc_9285(data: bytes, text: str) -> None:
    assert base45.encode(data) == text
    assert base45.decode(text) == data


@pytest.mark.parametrize("text", ["GGW", ":::", "A", "0", "AAAA", "BB80", "V5", "::", "bb8", "BB8\n", "BÄ8"])
def test_malformed(text: str) -> None:
    with pytest.raises(PeerError):
        base45.decode(text)


@given(data=st.binary(max_size=64))
def test_round_trip(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


@given(text=st.text(base45.ALPHABET, max_size=32) | st.text(max_size=8))
def test_what_decodes_encodes_to_the_same_text(text: str) -> None:
    try:
        data = base45.decode(text)
    except PeerError:
        return
    assert base45.encode(data) == text
