"""NDEF: what is written is read, ndeflib agrees, and no bytes do anything but what is documented."""

from random import Random

import ndef
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import PeerError, UsageError
from oob.framing.ndef import MAX_NDEF, MAX_RECORDS, Record, Tnf, decode, encode, only

TYPED = (Tnf.WELL_KNOWN, Tnf.MEDIA, Tnf.ABSOLUTE_URI, Tnf.EXTERNAL)
BYTES = st.binary(max_size=20)
PAYLOADS = st.binary(max_size=20) | st.integers(250, 260).map(bytes)
RECORDS = (
    st.just(Record(Tnf.EMPTY))
    | st.builds(Record, st.just(Tnf.UNKNOWN), st.just(b""), PAYLOADS, BYTES)
    | st.builds(Record, st.sampled_from(TYPED), st.binary(min_size=1, max_size=20), PAYLOADS, BYTES)
)
URI = Record(Tnf.WELL_KNOWN, b"U", b"\x04example.com")
"""NFC Forum, URI Record Type Definition 1.0: https://example.com."""


@given(st.lists(RECORDS, max_size=MAX_RECORDS))
def test_what_is_written_is_read(records: list[Record]) -> None:
    assert decode(encode(records)) == tuple(records)


def test_the_bytes_are_those_of_the_specification() -> None:
    assert encode([URI]) == b"\xd1\x01\x0cU\x04example.com"
    assert encode([Record(Tnf.EMPTY)]) == b"\xd0\x00\x00"
    assert encode([URI, Record(Tnf.EXTERNAL, b"a.b:c", b"x", b"id")]) == (
        b"\x91\x01\x0cU\x04example.com" + b"\x5c\x05\x01\x02a.b:cidx"
    )
    assert encode([Record(Tnf.UNKNOWN, b"", bytes(256))])[:6] == b"\xc5\x00\x00\x00\x01\x00"
    assert encode([]) == b""
    assert decode(b"") == ()


def plain(text: str) -> st.SearchStrategy[str]:
    return st.text(text, min_size=1, max_size=10)


@given(
    st.lists(
        st.tuples(
            st.one_of(
                plain("abcXYZ").map(lambda name: "urn:nfc:ext:a.b:" + name),
                plain("abcXYZ").map(lambda name: "application/" + name),
            ),
            plain("abc01") | st.just(""),
            PAYLOADS,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_ndeflib_writes_and_reads_the_same(values: list[tuple[str, str, bytes]]) -> None:
    theirs = b"".join(ndef.message_encoder([ndef.Record(*value) for value in values]))
    ours = decode(theirs)
    assert encode(ours) == theirs
    assert [(record.id.decode(), record.payload) for record in ours] == [(name, data) for _, name, data in values]
    read = list(ndef.message_decoder(encode(ours), known_types={}))
    assert [(record.type, record.name, bytes(record.data)) for record in read] == values


def test_a_uri_is_what_ndeflib_takes_for_one() -> None:
    (record,) = ndef.message_decoder(encode([URI]))
    assert record.uri == "https://example.com"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\xd1", "cut short"),
        (b"\xd1\x01\x02U\x04", "cut short"),
        (b"\xc1\x01\x00\x00\x01", "cut short"),
        (b"\xd9\x01\x01", "cut short"),
        (b"\xd1\x01\x01U\x04x", "does not end"),
        (b"\x91\x01\x01U\x04", "does not end"),
        (b"\x51\x01\x01U\x04", "does not begin"),
        (b"\x91\x01\x01U\x04\xd1\x01\x01U\x04", "does not begin"),
        (b"\xf1\x01\x01U\x04", "a chunk"),
        (b"\xd6\x00\x01x", "no known kind"),
        (b"\xd7\x00\x01x", "no known kind"),
        (b"\xc1\x01\x00\x00\x00\x01U\x04", "more bytes than it needs"),
        (b"\xd9\x01\x01\x00U\x04", "more bytes than it needs"),
        (b"\xd0\x00\x01x", "not empty"),
        (b"\xd0\x01\x00x", "has a type"),
        (b"\xd5\x01\x00x", "has a type"),
        (b"\xd1\x00\x01x", "has a type of 0 bytes"),
        (b"\xc1\x01\xff\xff\xff\xffU", "cut short"),
    ],
)
def test_refuses(message: bytes, words: str) -> None:
    with pytest.raises(PeerError, match=words) as error:
        decode(message)
    assert error.value.step == "ndef"


def test_the_bounds() -> None:
    room = MAX_NDEF - 6
    assert len(encode([Record(Tnf.UNKNOWN, b"", bytes(room))])) == MAX_NDEF
    with pytest.raises(UsageError, match="bytes"):
        encode([Record(Tnf.UNKNOWN, b"", bytes(room + 1))])
    with pytest.raises(PeerError, match="above"):
        decode(bytes(MAX_NDEF + 1))
    with pytest.raises(UsageError, match="records"):
        encode([URI] * (MAX_RECORDS + 1))
    many = bytearray(b"\x10\x00\x00" * (MAX_RECORDS + 1))
    many[0] |= 0x80
    with pytest.raises(PeerError, match="records"):
        decode(bytes(many))
    for field in ({"type": bytes(256)}, {"type": b"U", "id": bytes(256)}):
        with pytest.raises(UsageError, match="255"):
            Record(Tnf.WELL_KNOWN, **field)


def test_one_of_a_type_is_found_and_two_are_refused() -> None:
    mine, other = Record(Tnf.EXTERNAL, b"a.b:c", b"1"), Record(Tnf.EXTERNAL, b"a.b:d")
    assert only([URI, mine, other], Tnf.EXTERNAL, b"A.B:C") is mine
    assert only([URI, other], Tnf.EXTERNAL, b"a.b:c") is None
    assert only([URI], Tnf.WELL_KNOWN, b"u") is None
    with pytest.raises(PeerError, match="2 NDEF records"):
        only([mine, Record(Tnf.EXTERNAL, b"A.b:c")], Tnf.EXTERNAL, b"a.b:c")


def test_a_payload_is_not_shown() -> None:
    assert "secret" not in repr(Record(Tnf.EXTERNAL, b"a.b:c", b"secret"))


def test_50_000_mutated_messages_are_taken_as_they_are_or_refused() -> None:
    random = Random(5)
    samples = [
        encode([URI, Record(Tnf.EXTERNAL, b"oob.example:b", random.randbytes(90))]),
        encode([Record(Tnf.UNKNOWN, b"", random.randbytes(300), b"id"), Record(Tnf.EMPTY)]),
        encode([URI] * 5),
    ]
    taken = 0
    for _ in range(50_000):
        message = bytearray(random.choice(samples))
        for _ in range(random.randrange(1, 4)):
            match random.randrange(3):
                case 0:
                    message[random.randrange(len(message))] = random.randrange(256)
                case 1:
                    del message[random.randrange(len(message)) :]
                case _:
                    message.insert(random.randrange(len(message) + 1), random.randrange(256))
            message = message or bytearray(1)
        try:
            records = decode(bytes(message))
        except PeerError:
            continue
        taken += 1
        assert encode(records) == bytes(message)
    assert taken > 5_000
