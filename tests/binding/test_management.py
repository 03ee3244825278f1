"""Requests of an owner and their answers: round trips, the CDDL, and hostile input."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob import cbor
from oob.binding import Proceed, Ready, Unable
from oob.binding.management import (
    Answer,
    Done,
    Invite,
    List,
    Listed,
    Listing,
    Remove,
    Rename,
    Request,
    Reset,
    Status,
    decode_answer,
    decode_request,
)
from oob.errors import PeerError, UsageError
from tests.pairing.test_spec import check, refused

ids = st.binary(min_size=32, max_size=32)
labels = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=64)
listed = st.builds(Listed, ids, labels, labels, labels, st.booleans())
requests: st.SearchStrategy[Request] = st.one_of(
    st.sampled_from([Status(), List(), Invite(), Reset()]), st.builds(Rename, ids, labels), st.builds(Remove, ids)
)
answers: st.SearchStrategy[Answer] = st.one_of(
    st.just(Done()),
    st.builds(Listing, st.lists(listed, max_size=4).map(tuple)),
    st.just(Ready("https://lamp.example/", bytes(32))),
    st.just(Unable("channel", "why")),
)


@given(requests)
def test_request_round_trip(request: Request) -> None:
    assert decode_request(request.encode()) == request
    check("management.cddl", "request", request.encode())


@given(answers)
def test_answer_round_trip(answer: Answer) -> None:
    assert decode_answer(answer.encode()) == answer


@pytest.mark.parametrize(
    "answer", [Done(), Listing(()), Listing((Listed(bytes(32), "a", "passcode", "passcode", True),))]
)
def test_answers_are_as_specified(answer: Answer) -> None:
    check("management.cddl", "answer", answer.encode())


@pytest.mark.parametrize(
    "value",
    [
        [], [3], [10], [True], [4, 0], [6, bytes(31), ""], [6, bytes(32), "x" * 65], [6, bytes(32), 1],
        [7, bytes(33)], [7, "x" * 32], {}, 4,
    ],
)  # fmt: skip
def test_requests_that_are_none(value: object) -> None:
    data = cbor.encode(value)
    with pytest.raises(PeerError):
        decode_request(data)
    if value not in ([True], [6, bytes(32), 1], [7, "x" * 32]):  # which the validator cannot tell apart
        refused("management.cddl", "request", data)


def test_labels_are_shown_to_people() -> None:
    for label in ("\x1b[2J", "a\nb", "\u202e"):
        with pytest.raises(PeerError):
            decode_request(cbor.encode([6, bytes(32), label]))
        with pytest.raises(PeerError):
            decode_answer(cbor.encode([11, [[bytes(32), label, "", "", True]]]))


@given(st.binary(max_size=200) | requests.map(lambda each: each.encode()[:-1]))
def test_any_bytes_give_a_value_or_a_peer_error(data: bytes) -> None:
    for decode in (decode_request, decode_answer):
        try:
            value = decode(data)
        except PeerError:
            continue
        assert value.encode() == data


@pytest.mark.parametrize(
    "make", [lambda: Rename(bytes(31), "x"), lambda: Remove(bytes(33)), lambda: Rename(bytes(32), "\n")]
)
def test_a_request_that_no_device_takes_is_not_made(make: Callable[[], Request]) -> None:
    with pytest.raises(UsageError):
        make()


def test_a_proceed_is_no_answer() -> None:
    with pytest.raises(PeerError):
        decode_answer(Proceed(None).encode())
