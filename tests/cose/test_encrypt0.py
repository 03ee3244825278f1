"""COSE_Encrypt0: its Enc_structure, round trip, refusal."""

import pytest

from oob.cose import decrypt0, encrypt0
from oob.cose.encrypt0 import enc_structure
from oob.crypto import Aead
from oob.errors import AuthenticationError


def test_enc_structure() -> None:
    # A_4 of RFC 9529, section 2.5: no protected header, TH_4 as external_aad.
    th_4 = bytes.fromhex("0eb868f263cf3555dccd396dd8dec29d3750d599be42d5a41a5a37c896f294ac")
    assert enc_structure(b"", th_4).hex() == "8368456e637279707430405820" + th_4.hex()


@pytest.mark.parametrize("aead", list(Aead))
def test_round_trip_and_refusal(aead: Aead) -> None:
    key, nonce = bytes(range(aead.key_length)), bytes(range(aead.nonce_length))
    sealed = encrypt0(aead, key, nonce, b"plaintext", b"aad", b"\xa1\x01\x01")
    assert decrypt0(aead, key, nonce, sealed, b"aad", b"\xa1\x01\x01") == b"plaintext"
    for external_aad, protected in ((b"", b"\xa1\x01\x01"), (b"aad", b""), (b"aa", b"d\xa1\x01\x01")):
        with pytest.raises(AuthenticationError):
            decrypt0(aead, key, nonce, sealed, external_aad, protected)
