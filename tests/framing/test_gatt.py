"""Framing: every message survives every order of its frames; no bytes do anything but what is documented."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob.errors import PeerError, UsageError
from oob.framing.gatt import (
    MAX_FRAME,
    MAX_MESSAGE,
    MIN_FRAME,
    Message,
    MessageType,
    Reassembler,
    control,
    fragment,
    identify,
    is_start,
    nak,
    resume,
)

HANDSHAKE = MessageType.HANDSHAKE
PAYLOAD = st.sampled_from([HANDSHAKE, MessageType.CHANNEL])


def feed(reassembler: Reassembler, frames: list[bytes]) -> list[Message]:
    return [message for frame in frames if (message := reassembler.receive(frame)) is not None]


def test_the_frames_are_those_of_the_specification() -> None:
    frames = fragment(MessageType.CHANNEL, 7, bytes(range(40)), 20)
    assert frames[0] == bytes((0x81, 7, 0, 40)) + bytes(range(16))
    assert frames[1] == b"\x01" + bytes(range(16, 35))
    assert frames[2] == b"\x02" + bytes(range(35, 40))
    assert len(frames) == 3


@pytest.mark.parametrize("size", range(MIN_FRAME, MAX_FRAME + 1))
def test_round_trip_at_every_frame_size(size: int) -> None:
    reassembler = Reassembler()
    capacity = min(MAX_MESSAGE, size - 4 + 127 * (size - 1))
    for msgid, length in enumerate((0, 1, size - 4, size - 3, 2 * size - 5, 2 * size - 4, 1000, capacity)):
        data = bytes(i * 7 & 0xFF for i in range(length))
        frames = fragment(HANDSHAKE, msgid, data, size)
        assert all(len(frame) <= size for frame in frames)
        assert feed(reassembler, frames) == [Message(HANDSHAKE, msgid, data)]
        assert not reassembler.is_partial
    with pytest.raises(UsageError, match="does not fit"):
        fragment(HANDSHAKE, 0, bytes(capacity + 1), size)


@given(data=st.data(), kind=PAYLOAD, size=st.integers(MIN_FRAME, 64), message=st.binary(max_size=600))
def test_any_order_and_duplicates(data: st.DataObject, kind: MessageType, size: int, message: bytes) -> None:
    """What came before START is asked for once it has come."""
    frames = fragment(kind, 9, message, size)
    extra = data.draw(st.lists(st.sampled_from(frames), max_size=10))
    shuffled = data.draw(st.permutations(frames + extra))
    reassembler = Reassembler()
    messages = [m for m in feed(reassembler, shuffled) if not m.duplicate]
    assert bool(messages) != reassembler.is_partial
    messages += feed(reassembler, [frames[i] for i in reassembler.missing()])
    assert messages == [Message(kind, 9, message)]
    assert not reassembler.is_partial


@given(data=st.data(), size=st.integers(MIN_FRAME, 64), message=st.binary(min_size=100, max_size=600))
def test_missing_names_exactly_the_gap(data: st.DataObject, size: int, message: bytes) -> None:
    frames = fragment(HANDSHAKE, 3, message, size)
    lost = data.draw(st.sets(st.integers(1, len(frames) - 1), min_size=1))
    reassembler = Reassembler()
    assert feed(reassembler, [f for i, f in enumerate(frames) if i not in lost]) == []
    assert reassembler.missing() == tuple(sorted(lost))
    assert reassembler.msgid == 3
    request = Reassembler().receive(nak(3, reassembler.missing(), size))
    assert request is not None
    assert request.data == bytes((3, *sorted(lost)[: size - 5]))
    assert [m.data for m in feed(reassembler, [frames[i] for i in lost])] == [message]


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=MAX_FRAME + 2), max_size=60))
def test_garbage_gives_a_message_or_nothing_or_peer_error(frames: list[bytes]) -> None:
    reassembler = Reassembler()
    for frame in frames:
        try:
            message = reassembler.receive(frame)
        except PeerError:
            continue
        assert message is None or len(message.data) <= MAX_MESSAGE
        assert len(reassembler.missing()) <= 127
        assert sum(map(len, reassembler._parts.values())) <= MAX_MESSAGE


@given(
    st.lists(st.tuples(st.integers(1, 127), st.binary(min_size=1, max_size=40)), max_size=20), st.binary(max_size=400)
)
def test_what_comes_before_its_start_is_nobodys(noise: list[tuple[int, bytes]], message: bytes) -> None:
    reassembler = Reassembler()
    frames = [bytes((index,)) + data for index, data in noise]
    assert feed(reassembler, frames) == []
    assert not reassembler.is_partial
    assert feed(reassembler, fragment(HANDSHAKE, 0, b"former", 20)) == [Message(HANDSHAKE, 0, b"former")]
    assert feed(reassembler, frames) == []
    assert feed(reassembler, fragment(HANDSHAKE, 1, message, 20)) == [Message(HANDSHAKE, 1, message)]


@given(st.integers(MIN_FRAME, 200), st.integers(MIN_FRAME, 200), st.binary(max_size=600), st.binary(max_size=600))
def test_a_message_repeated_in_frames_of_another_size_leaves_nothing_behind(
    size: int, other: int, first: bytes, second: bytes
) -> None:
    """Its frames once went into the next message where their lengths agreed."""
    reassembler = Reassembler()
    feed(reassembler, fragment(HANDSHAKE, 1, first, size))
    repeated = fragment(HANDSHAKE, 1, first, other)
    assert feed(reassembler, repeated) == [Message(HANDSHAKE, 1, b"", duplicate=True)]
    assert feed(reassembler, repeated[1:]) == []  # START lost this time
    assert feed(reassembler, fragment(HANDSHAKE, 2, second, other)) == [Message(HANDSHAKE, 2, second)]


def test_a_message_under_way_is_forgotten_for_a_new_connection() -> None:
    small, large = (fragment(HANDSHAKE, 1, bytes(range(100)), size) for size in (20, 40))
    reassembler = Reassembler()
    feed(reassembler, small[:-1])
    reassembler.forget_partial()
    assert (reassembler.is_partial, reassembler.largest_frame) == (False, 0)
    assert feed(reassembler, large[1:]) == []
    assert feed(reassembler, large) == [Message(HANDSHAKE, 1, bytes(range(100)))]
    reassembler.forget_partial()
    assert feed(reassembler, small[:1]) == [Message(HANDSHAKE, 1, b"", duplicate=True)]


def test_two_contents_for_one_index_cancel_each_other() -> None:
    frames = fragment(HANDSHAKE, 0, bytes(60), 20)
    reassembler = Reassembler()
    assert feed(reassembler, [frames[0], b"\x01" + b"x" * 19, frames[1], *frames[2:]]) == []
    assert reassembler.missing() == (1,)
    assert feed(reassembler, [frames[1]]) == [Message(HANDSHAKE, 0, bytes(60))]


def test_a_new_start_supersedes_and_the_same_msgid_is_a_duplicate() -> None:
    old, new = fragment(HANDSHAKE, 1, b"a" * 50, 20), fragment(HANDSHAKE, 2, b"b" * 50, 20)
    reassembler = Reassembler()
    assert feed(reassembler, old[:2] + new) == [Message(HANDSHAKE, 2, b"b" * 50)]
    assert feed(reassembler, new) == [Message(HANDSHAKE, 2, b"", duplicate=True)]
    assert feed(reassembler, old) == [Message(HANDSHAKE, 1, b"a" * 50)]


def test_the_same_message_in_frames_of_another_size_starts_anew() -> None:
    small, large = (fragment(HANDSHAKE, 1, bytes(range(100)), size) for size in (20, 40))
    reassembler = Reassembler()
    assert feed(reassembler, small[:3] + large) == [Message(HANDSHAKE, 1, bytes(range(100)))]
    assert reassembler.largest_frame == 40


def test_control_messages_leave_the_message_under_way_alone() -> None:
    frames = fragment(HANDSHAKE, 0, bytes(50), 20)
    reassembler = Reassembler()
    assert feed(reassembler, frames[:2]) == []
    assert feed(reassembler, [nak(5, [1, 2], 20)]) == [Message(MessageType.NAK, 0, b"\x05\x01\x02")]
    assert feed(reassembler, frames[2:]) == [Message(HANDSHAKE, 0, bytes(50))]


def test_a_frame_of_the_wrong_length_does_not_belong_to_the_message() -> None:
    frames = fragment(HANDSHAKE, 0, bytes(60), 20)
    reassembler = Reassembler()
    assert feed(reassembler, [frames[0], b"\x01short", b"\x7f" + bytes(19), *frames[1:]])[0].data == bytes(60)


def test_a_repeated_start_changes_nothing() -> None:
    frames = fragment(HANDSHAKE, 0, bytes(50), 20)
    reassembler = Reassembler()
    assert feed(reassembler, [frames[0], frames[1], frames[0]]) == []
    assert reassembler.missing() == (2,)


def test_stragglers_of_a_completed_message_are_ignored() -> None:
    frames = fragment(HANDSHAKE, 0, bytes(range(60)), 20)
    reassembler = Reassembler()
    feed(reassembler, frames)
    assert feed(reassembler, frames[1:]) == []
    assert not reassembler.is_partial
    assert reassembler.missing() == ()


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80", id="one byte"),
        pytest.param(b"\x80\x00\x00", id="START cut short"),
        pytest.param(b"\xff\x00\x00\x01x", id="unknown type"),
        pytest.param(b"\x80\x00\x10\x01" + bytes(508), id="message above the cap"),
        pytest.param(b"\x80\x00\x00\x01xy", id="START holds more than the message"),
        pytest.param(b"\x80\x00\x0f\xff" + b"x" * 16, id="more than 127 CONT"),
        pytest.param(b"\x82\x00\x00\x20" + b"x" * 16, id="control message in two frames"),
        pytest.param(b"\x00x", id="CONT 0"),
        pytest.param(b"\x01", id="CONT without data"),
        pytest.param(b"\x01" + bytes(512), id="frame above 512"),
    ],
)
def test_what_no_honest_peer_sends(frame: bytes) -> None:
    reassembler = Reassembler()
    with pytest.raises(PeerError):
        reassembler.receive(frame)
    assert feed(reassembler, fragment(HANDSHAKE, 0, b"next", 20))[0].data == b"next"


@pytest.mark.parametrize("size", [MIN_FRAME - 1, MAX_FRAME + 1])
def test_frame_sizes_outside_the_specification_are_refused(size: int) -> None:
    with pytest.raises(UsageError):
        fragment(HANDSHAKE, 0, b"", size)


def test_a_control_message_must_fit_one_frame() -> None:
    with pytest.raises(UsageError):
        fragment(MessageType.NAK, 0, bytes(17), 20)


@given(data=st.data(), message=st.binary(max_size=200), other=st.binary(max_size=200), msgid=st.integers(0, 255))
def test_frames_for_others_change_nothing_before_ones_own(
    data: st.DataObject, message: bytes, other: bytes, msgid: int
) -> None:
    reassembler = Reassembler()
    reassembler.after = msgid
    foreign = data.draw(st.integers(0, 255).filter(lambda i: not 1 <= i - msgid & 0xFF <= 4))
    assert feed(reassembler, fragment(HANDSHAKE, foreign, other, 20)) == []
    assert not reassembler.is_partial
    own = msgid + data.draw(st.integers(1, 4)) & 0xFF
    assert feed(reassembler, fragment(HANDSHAKE, own, message, 20)) == [Message(HANDSHAKE, own, message)]


def test_control_frames_name_what_they_mean() -> None:
    assert resume(b"8 bytes!") == b"\x83\x00\x00\x088 bytes!"
    assert resume(b"8 bytes!", True) == b"\x83\x00\x00\x098 bytes!\x01"
    assert control(MessageType.CLOSE) == b"\x85\x00\x00\x00"
    assert identify(b"abc").hex() == "ba7816bf8f01cfea"  # FIPS 180-2, appendix B.1
    assert is_start(b"\x83", MessageType.RESUME)
    assert is_start(b"\x83")
    assert not is_start(b"\x83", MessageType.HANDSHAKE)
    assert not is_start(b"\x03", MessageType.RESUME)
    with pytest.raises(UsageError):
        control(MessageType.BUSY, bytes(17))
