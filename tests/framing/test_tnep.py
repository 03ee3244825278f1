"""TNEP: reader and tag with each other, busy tags, and peers that do something else."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import LinkLost, PeerError, UsageError
from oob.framing.ndef import MAX_NDEF, Record, Tnf, decode, encode
from oob.framing.tnep import (
    MAX_QUEUED,
    NOTHING_NEW,
    Event,
    Poll,
    Read,
    Service,
    TnepTag,
    Wait,
    Write,
    deselect,
    exchange,
    find_service,
    select,
)

SERVICE = Service("urn:nfc:xsn:example.com:thing", wait_int=8, extensions=3)
GREETING = (Record(Tnf.WELL_KNOWN, b"U", b"\x04example.com/d/1"), SERVICE.to_record())
HELLO, WORLD = Record(Tnf.UNKNOWN, payload=b"hello"), Record(Tnf.UNKNOWN, payload=b"world")


def run(
    tag: TnepTag, poll: Poll[object], events: list[Event] | None = None, waits: list[float] | None = None
) -> object:
    """Run what a reader does with a tag; note the events at the tag, and the waits."""
    try:
        step = next(poll)
        while True:
            sent = b""
            if isinstance(step, Write):
                event, _ = tag.receive(step.message)
                if events is not None:
                    events.append(event)
            elif isinstance(step, Read):
                sent = tag.content()
            elif waits is not None:
                waits.append(step.seconds)
            step = poll.send(sent)
    except StopIteration as stop:
        return stop.value


def begun() -> TnepTag:
    tag = TnepTag(SERVICE)
    tag.begin(GREETING)
    return tag


def test_a_conversation() -> None:
    tag, events, waits = begun(), list[Event](), list[float]()
    assert find_service(decode(tag.content()), SERVICE.name) == SERVICE
    run(tag, select(SERVICE), events)
    tag.send(WORLD)
    assert run(tag, exchange(SERVICE, [HELLO]), events, waits) == (WORLD,)
    run(tag, deselect(), events)
    assert events == [Event.SELECTED, Event.RECEIVED, Event.DESELECTED]
    assert waits == [0.002]
    assert tag.content() == encode(GREETING)


def test_the_bytes_on_the_air() -> None:
    tag = TnepTag(Service("urn:a"))
    tag.begin([tag.service.to_record()])
    assert tag.content() == b"\xd1\x02\x0cTp\x10\x05urn:a\x00\x00\x0f" + MAX_NDEF.to_bytes(2, "big")
    tag.receive(b"\xd1\x02\x06Ts\x05urn:a")
    assert tag.content() == b"\xd1\x02\x01Te\x00"  # at once: it is not busy
    tag.receive(b"\xff")
    assert tag.content() == b"\xd1\x02\x01Te\x01"
    assert next(select(tag.service)) == Write(b"\xd1\x02\x06Ts\x05urn:a")
    assert next(deselect()) == Write(b"\xd1\x02\x01Ts\x00")


def test_who_selects_anew_reads_nothing_that_was_meant_before() -> None:
    tag = begun()
    run(tag, select(SERVICE))
    tag.send(WORLD)
    for step in (next(deselect()), next(select(SERVICE))):
        assert isinstance(step, Write)
        tag.receive(step.message)
    assert [each.type for each in decode(tag.content())] == [b"Te"]


def test_a_busy_tag_is_read_again_and_says_in_time_that_it_has_nothing_yet() -> None:
    tag, waits = begun(), list[float]()
    run(tag, select(SERVICE))
    assert run(tag, exchange(SERVICE, [HELLO]), waits=waits) == ()
    assert len(waits) == 1 + SERVICE.extensions
    tag.send(WORLD)
    assert run(tag, exchange(SERVICE, [])) == (WORLD,)
    assert run(tag, exchange(SERVICE, [])) == ()


def test_an_answer_stays_until_the_reader_writes_again() -> None:
    tag = begun()
    run(tag, select(SERVICE))
    tag.receive(encode([HELLO]))
    tag.send(WORLD)
    first = tag.content()
    assert tag.content() == first
    tag.send(HELLO)  # more, before the reader has gone on: read now, or with the next answer
    tag.receive(encode([NOTHING_NEW]))
    assert run(tag, exchange(SERVICE, [])) == (HELLO,)


def test_what_does_not_fit_one_message_comes_with_the_next() -> None:
    service = Service(SERVICE.name, max_message=100)
    tag = TnepTag(service)
    tag.begin([service.to_record()])
    run(tag, select(service))
    records = [Record(Tnf.UNKNOWN, payload=bytes((i,)) * 40) for i in range(5)]
    for each in records:
        tag.send(each)
    answers = [run(tag, exchange(service, [])) for _ in range(3)]
    assert answers == [tuple(records[:2]), tuple(records[2:4]), tuple(records[4:])]


@pytest.mark.parametrize(
    ("sizes", "expected"), [((44, 44), [2]), ((44, 45), [1, 1]), ((200, 1), [1, 1]), ((1,) * 20, [15, 5])]
)
def test_a_message_is_filled_to_the_last_byte_and_no_further(sizes: tuple[int, ...], expected: list[int]) -> None:
    """Each record has 3 bytes more, the status 6; what fits no message goes alone."""
    service = Service(SERVICE.name, max_message=100)
    tag = TnepTag(service)
    tag.begin([service.to_record()])
    run(tag, select(service))
    for size in sizes:
        tag.send(Record(Tnf.UNKNOWN, payload=bytes(size)))
    answers = [run(tag, exchange(service, [])) for _ in expected]
    assert [len(each) for each in answers if isinstance(each, tuple)] == expected


def test_what_waits_for_a_reader_that_does_not_read_is_bounded() -> None:
    tag = begun()
    run(tag, select(SERVICE))
    for number in range(MAX_QUEUED + 100):
        tag.send(Record(Tnf.UNKNOWN, payload=number.to_bytes(2, "big")))
        tag.receive(encode([HELLO]))
    tag.receive(encode([NOTHING_NEW]))
    read = 0
    while answer := run(tag, exchange(SERVICE, [])):
        assert isinstance(answer, tuple)
        read += len(answer)
    assert read == MAX_QUEUED


def test_a_tag_that_stays_busy_is_lost() -> None:
    poll = exchange(SERVICE, [HELLO])
    reads = 0
    with pytest.raises(LinkLost, match="busy"):  # noqa: PT012  the loop is what raises
        step = next(poll)
        while True:
            reads += isinstance(step, Read)
            step = poll.send(b"")
    assert reads == 1 + SERVICE.extensions


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff",
        encode([HELLO]),
        encode([Record(Tnf.WELL_KNOWN, b"Te", b"\x02")]),
        encode([Record(Tnf.WELL_KNOWN, b"Te", b"\x80"), HELLO]),
        encode([Record(Tnf.WELL_KNOWN, b"Te")]),
        encode([Record(Tnf.WELL_KNOWN, b"Te", b"\x00"), Record(Tnf.WELL_KNOWN, b"Te", b"\x00")]),
    ],
)
def test_an_answer_that_is_none(answer: bytes) -> None:
    poll = exchange(SERVICE, [HELLO])
    assert isinstance(next(poll), Write)
    assert isinstance(poll.send(b""), Wait)
    assert isinstance(poll.send(b""), Read)
    with pytest.raises(PeerError):
        poll.send(answer)


def test_another_service_deselects_and_messages_before_selection_are_refused() -> None:
    tag = begun()
    assert tag.receive(encode([HELLO])) == (Event.NOTHING, ())
    with pytest.raises(LinkLost, match="ended"):
        run(tag, exchange(SERVICE, [HELLO]))
    run(tag, select(SERVICE))
    assert tag.receive(encode([Record(Tnf.WELL_KNOWN, b"Ts", b"\x13urn:nfc:sn:handover")]))[0] is Event.DESELECTED
    assert tag.content() == encode(GREETING)


def test_what_is_no_message_is_answered_by_a_protocol_error() -> None:
    tag = begun()
    run(tag, select(SERVICE))
    for message in (b"\xff\xff", bytes(3), encode([HELLO])[:-1]):
        assert tag.receive(message) == (Event.NOTHING, ())
        assert decode(tag.content())[0].payload == b"\x01"
    assert run(tag, exchange(SERVICE, [HELLO])) == ()


def test_after_a_refusal_the_service_is_to_be_selected_anew() -> None:
    tag = begun()
    run(tag, select(SERVICE))
    tag.refuse()
    for _ in range(2):
        assert decode(tag.content())[0].payload == b"\x01"
        assert tag.receive(encode([HELLO])) == (Event.NOTHING, ())
    run(tag, select(SERVICE))
    assert tag.receive(encode([HELLO])) == (Event.RECEIVED, (HELLO,))


def test_the_beginning_of_a_writing_leaves_the_answer_as_it_is() -> None:
    tag = begun()
    run(tag, select(SERVICE))
    tag.send(WORLD)
    answer = tag.content()
    assert tag.receive(b"") == (Event.NOTHING, ())
    assert tag.content() == answer


@given(st.integers(0, 63), st.integers(0, 15), st.integers(1, 0xFFFF), st.text("abc:.", min_size=1, max_size=255))
def test_parameters_come_back(wait_int: int, extensions: int, max_message: int, name: str) -> None:
    service = Service(name, wait_int, extensions, max_message)
    assert Service.from_record(service.to_record()) == service


def test_waiting_times_are_those_of_the_specification() -> None:
    assert Service("a", 0).wait == 0.0005
    assert Service("a", 4).wait == 0.001
    assert Service("a", 63).wait == pytest.approx(27.554, abs=0.001)


def malformed() -> Iterator[bytes]:
    good = SERVICE.to_record().payload
    yield from (good[:-1], good + b"\x00", b"", b"\x20" + good[1:], good[:1] + b"\x00" + good[2:])
    yield good[:-5] + b"\x01" + good[-4:]
    yield good[:-4] + b"\x40" + good[-3:]
    yield good[:-3] + b"\x10" + good[-2:]
    yield good[:-2] + b"\x00\x00"
    yield good[:2] + b"\xff" + good[3:]


@pytest.mark.parametrize("payload", list(malformed()))
def test_malformed_parameters(payload: bytes) -> None:
    with pytest.raises(PeerError):
        Service.from_record(Record(Tnf.WELL_KNOWN, b"Tp", payload))


@pytest.mark.parametrize(
    "values",
    [
        *({"name": ""}, {"name": "a" * 256}, {"name": "ü"}, {"wait_int": -1}, {"wait_int": 64}),
        *({"extensions": -1}, {"extensions": 16}, {"max_message": 0}, {"max_message": 0x10000}),
    ],
)
def test_values_out_of_range(values: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Service(**{"name": "a", **values})  # type: ignore[arg-type]


def test_the_longest_name_is_one() -> None:
    service = Service("a" * 255)
    assert find_service([service.to_record()], service.name) == service


def test_finding_a_service_among_others() -> None:
    other = Service("urn:nfc:sn:handover").to_record()
    assert find_service([other], SERVICE.name) is None
    assert find_service([other, SERVICE.to_record()], SERVICE.name) == SERVICE
    with pytest.raises(PeerError, match="twice"):
        find_service([SERVICE.to_record()] * 2, SERVICE.name)


def test_a_message_beyond_what_the_service_takes() -> None:
    with pytest.raises(UsageError, match="the tag takes 20"):
        next(exchange(Service("a", max_message=20), [Record(Tnf.UNKNOWN, payload=bytes(18))]))
    longest = Record(Tnf.UNKNOWN, payload=bytes(17))
    assert next(exchange(Service("a", max_message=20), [longest])) == Write(encode([longest]))


def test_whatever_is_written_the_tag_has_an_answer() -> None:
    random, tag = Random(6), begun()
    known = [encode([HELLO]), encode([Record(Tnf.WELL_KNOWN, b"Ts", b"\x00")]), encode([NOTHING_NEW]), encode(GREETING)]
    for _ in range(20_000):
        message = bytearray(random.choice(known))
        message[random.randrange(len(message))] = random.randrange(256)
        tag.receive(bytes(message))
        if random.random() < 0.2:
            tag.send(HELLO)
        content = tag.content()
        assert content == b"" or decode(content)
        if random.random() < 0.01:
            tag.begin(GREETING)


def test_what_is_written_is_not_shown() -> None:
    assert "secret" not in repr(Write(b"secret"))
