"""EAD fields: criticality, padding, refusal of every malformed field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.errors import PeerError, UsageError
from oob.handshake import Ead, value_of
from oob.handshake.ead import MAX_ITEMS, EadField, understood

items = st.builds(
    Ead, label=st.integers(1, 2**64 - 1), value=st.none() | st.binary(max_size=40), critical=st.booleans()
)


@given(st.lists(items, max_size=6))
def test_round_trip(ead: list[Ead]) -> None:
    field = EadField.of(ead)
    assert EadField.decode(*cbor.split_sequence(field.encoded)) == field


@given(st.binary(max_size=30))
def test_any_bytes_are_a_field_or_a_peer_error(data: bytes) -> None:
    try:
        field = EadField.decode(*cbor.split_sequence(data))
    except PeerError:
        return
    assert field.encoded == data


def test_encoding() -> None:
    field = EadField.of([Ead(5), Ead(6, b"\x01", critical=False), Ead(7, b"")])
    assert field.encoded.hex() == "2406410126" + "40"


@pytest.mark.parametrize(
    "sequence",
    [
        [b"value"],
        [1, b"", b""],
        ["1"],
        [True],
        [None],
        [1, None],
        [1, None, -99],  # nothing hides behind a null
        [1.5],
        [[1]],
        [{}],
        [1, False],
    ],
)
def test_malformed(sequence: list[Any]) -> None:
    with pytest.raises(PeerError, match="malformed EAD"):
        EadField.decode(sequence, [])


def test_padding_is_skipped_but_stays_in_the_transcript() -> None:
    sequence = [0, bytes(5), -3, b"x", 0, 0, bytes(2)]
    field = EadField.decode(*cbor.split_sequence(cbor.encode_sequence(*sequence)))
    assert field.items == (Ead(3, b"x"),)
    assert field.encoded == cbor.encode_sequence(*sequence)


@pytest.mark.parametrize("label", [0, -1])
def test_labels_are_above_zero(label: int) -> None:
    with pytest.raises(UsageError, match="above 0"):
        EadField.of([Ead(label)])


def test_understood() -> None:
    known, other = Ead(100, b"a"), Ead(7, critical=False)
    assert understood((known, other), {100}) == (known,)
    with pytest.raises(PeerError, match="critical EAD item 7 "):
        understood((known, Ead(7)), {100})


def test_value_of() -> None:
    assert value_of([Ead(1, b"a"), Ead(2, b"b")], 2) == b"b"
    assert value_of([Ead(1)], 1) == b""
    assert value_of([Ead(1, b"a")], 2) == b""
    with pytest.raises(PeerError, match="more than once"):
        value_of([Ead(1, b"a"), Ead(1, b"a")], 1)
    with pytest.raises(PeerError, match="not marked critical"):
        value_of([Ead(1, b"a", critical=False)], 1)


def test_a_field_of_more_items_than_anybody_needs_is_refused() -> None:
    """A message_1 of 4,000 labels of one byte would cost 260 KB here, before anybody proved anything."""
    assert len(EadField.decode([0, 9] * MAX_ITEMS + [0, b"padding"], []).items) == MAX_ITEMS
    for more in ([9] * (MAX_ITEMS + 1), [9, b""] * 1000):
        with pytest.raises(PeerError, match="too many"):
            EadField.decode(more, [])
