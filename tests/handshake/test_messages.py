"""Messages: round trips, strict decoding, lengths, connection identifiers, error messages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.errors import PeerError, UsageError
from oob.handshake import Ead
from oob.handshake.ead import EadField
from oob.handshake.messages import (
    MAX_MESSAGE,
    Error,
    Message1,
    Plaintext2,
    Plaintext3,
    Refused,
    decode_bstr,
    decode_identifier,
    encode_bstr,
    encode_identifier,
)

identifiers = st.binary(max_size=8)
eads = st.lists(st.builds(Ead, st.integers(1, 300), st.none() | st.binary(max_size=9), st.booleans()), max_size=3).map(
    EadField.of
)
suites = st.lists(st.integers(-30, 30), min_size=1, max_size=5).map(tuple)
id_creds = st.one_of(identifiers.map(encode_identifier), st.just({14: {8: {}}}), st.just({34: [-15, b"12345678"]})).map(
    cbor.encode
)


@given(method=st.integers(-5, 5), suites=suites, g_x=st.binary(max_size=50), c_i=identifiers, ead=eads)
def test_message_1(method: int, suites: tuple[int, ...], g_x: bytes, c_i: bytes, ead: EadField) -> None:
    message = Message1(method, suites, g_x, c_i, ead)
    assert Message1.decode(message.encode()) == message


@given(c_r=identifiers, id_cred=id_creds, proof=st.binary(min_size=8, max_size=8), ead=eads)
def test_plaintexts(c_r: bytes, id_cred: bytes, proof: bytes, ead: EadField) -> None:
    second = Plaintext2(c_r, id_cred, proof, ead)
    assert Plaintext2.decode(second.encode(), 8) == second
    third = Plaintext3(id_cred, proof, ead)
    assert Plaintext3.decode(third.encode(), 8) == third
    for decode, plaintext in ((Plaintext2.decode, second.encode()), (Plaintext3.decode, third.encode())):
        with pytest.raises(PeerError, match="malformed plaintext"):
            decode(plaintext, 9)


DECODERS = [
    Message1.decode,
    Error.decode,
    lambda data: Plaintext2.decode(data, 8),
    lambda data: Plaintext3.decode(data, 8),
    lambda data: decode_bstr(data, "message_2", 33),
]
sequences = st.lists(
    st.one_of(
        st.integers(-30, 300), st.binary(max_size=40), st.booleans(), st.none(), st.just([1, 2]), st.just({4: b""})
    ),
    max_size=7,
).map(lambda values: cbor.encode_sequence(*values))


@given(data=st.binary(max_size=60) | sequences, decoder=st.sampled_from(DECODERS))
def test_any_bytes_are_a_message_or_a_peer_error(data: bytes, decoder: Any) -> None:
    try:
        value = decoder(data)
    except PeerError:
        return
    if isinstance(value, bytes):
        assert encode_bstr(value) == data
    elif value is not None:
        assert value.encode() == data


@pytest.mark.parametrize(
    "values",
    [
        [],
        [3, 2, bytes(32)],
        [True, 2, bytes(32), 0],
        [3, True, bytes(32), 0],
        [3, [2], bytes(32), 0],
        [3, [], bytes(32), 0],
        [3, [2, True], bytes(32), 0],
        [3, "2", bytes(32), 0],
        [3, 2, "x" * 32, 0],
        [3, 2, bytes(32), 24],
        [3, 2, bytes(32), -25],
        [3, 2, bytes(32), True],
        [3, 2, bytes(32), b"\x05"],
        [3, 2, bytes(32), None],
        [3, 2, bytes(32), 0, b"no label"],
        [[3, 2, bytes(32), 0]],
    ],
)
def test_malformed_message_1(values: list[object]) -> None:
    with pytest.raises(PeerError):
        Message1.decode(cbor.encode_sequence(*values))


@pytest.mark.parametrize("id_cred", [True, None, "kid", [4, b"kid"]])
def test_malformed_id_cred(id_cred: object) -> None:
    with pytest.raises(PeerError, match="malformed ID_CRED"):
        Plaintext2.decode(cbor.encode_sequence(0, id_cred, bytes(8)), 8)
    with pytest.raises(PeerError, match="malformed ID_CRED"):
        Plaintext3.decode(cbor.encode_sequence(id_cred, bytes(8)), 8)


def test_identifiers() -> None:
    # RFC 9528, section 3.3.2: one byte that is the encoding of an integer stands as that integer.
    for byte in range(256):
        item = encode_identifier(bytes([byte]))
        if isinstance(item, int):
            assert cbor.encode(item) == bytes([byte])
            with pytest.raises(PeerError):
                decode_identifier(bytes([byte]))
        else:
            assert item == bytes([byte])
        assert decode_identifier(item) == bytes([byte])
    assert sum(isinstance(encode_identifier(bytes([byte])), int) for byte in range(256)) == 48
    assert decode_identifier(encode_identifier(b"")) == b""
    for other in (24, -25, True, None, "x", [0]):
        with pytest.raises(PeerError):
            decode_identifier(other)


def test_too_long_for_the_peer() -> None:
    ead = EadField.of([Ead(1, bytes(MAX_MESSAGE))])
    for message in (Message1(0, (6,), bytes(32), b"", ead), Plaintext2(b"", b"\x00", bytes(8), ead)):
        with pytest.raises(UsageError, match="at most 4096"):
            message.encode()
    with pytest.raises(UsageError):
        encode_bstr(bytes(MAX_MESSAGE))
    longest = encode_bstr(bytes(MAX_MESSAGE - 3))
    assert decode_bstr(longest, "message_3", 8) == bytes(MAX_MESSAGE - 3)
    with pytest.raises(PeerError, match="at most 4096"):
        decode_bstr(longest + b"\x00", "message_3", 8)


def test_too_short() -> None:
    assert decode_bstr(b"\x48" + bytes(8), "message_4", 8) == bytes(8)
    with pytest.raises(PeerError) as caught:
        decode_bstr(b"\x47" + bytes(7), "message_4", 8)
    assert caught.value.step == "message_4"


def test_error_messages() -> None:
    assert Error(2, 2).encode().hex() == "0202"
    assert Error.decode(bytes.fromhex("0202")) == Error(2, 2)
    assert Error.decode(bytes.fromhex("20f5")) == Error(-1, True)
    for data in (b"", bytes.fromhex("4100"), bytes.fromhex("8102"), b"\xf5"):
        assert Error.decode(data) is None
    for malformed in ("01", "0001", "010101", "1801f5", "0163"):
        with pytest.raises(PeerError):
            Error.decode(bytes.fromhex(malformed))


def test_refusals() -> None:
    assert Refused(Error(2, 6)).suites_r == (6,)
    assert Refused(Error(2, [2, 6])).suites_r == (2, 6)
    assert "cipher suite" in str(Refused(Error(2, 6)))
    assert "credential" in str(Refused(Error(3, True)))
    text = str(Refused(Error(1, "call 555-1234")))
    assert "555" not in text
    assert Refused(Error(1, "x")).suites_r == ()
    for info in ("x", [], [2], [2, "6"], None, True):
        with pytest.raises(PeerError):
            Refused(Error(2, info))
