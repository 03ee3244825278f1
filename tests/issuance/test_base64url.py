import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import PeerError
from oob.issuance import base64url


@given(st.binary(max_size=70))
def test_what_is_encoded_decodes(data: bytes) -> None:
    text = base64url.encode(data)
    assert "=" not in text
    assert base64url.decode(text) == data


@pytest.mark.parametrize("text", ["A", "AA==", "A+/A", "AA AA", "AB", "AAAA\n", "ÄÄÄÄ"])
def test_there_is_one_encoding(text: str) -> None:
    with pytest.raises(PeerError, match="base64url"):
        base64url.decode(text)


@given(st.text(max_size=40))
def test_any_text_is_refused_or_means_one_value(text: str) -> None:
    try:
        data = base64url.decode(text)
    except PeerError:
        return
    assert base64url.encode(data) == text
