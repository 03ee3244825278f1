"""The targets of what goes through a tag: TNEP from both sides, and the commands of a Type 4 tag from both sides.

What comes in several pieces is a sequence of them, each after a byte with its length.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from oob.errors import LinkLost, PeerError, UsageError
from oob.framing.ndef import MAX_NDEF, Record, Tnf, decode
from oob.framing.tnep import MAX_QUEUED, NOTHING_NEW, Event, Read, Service, TnepTag, exchange, find_service
from oob.framing.type4 import OK, open_type4
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.transport.nfc_profile import SERVICE

GREETING: Final = (Record(Tnf.WELL_KNOWN, b"U", b"\x04maker.example/d/1"), SERVICE.to_record())
MAX_COMMANDS: Final = 10_000
"""Of a reader, whatever the tag says: it reads and writes two messages, and no more often than the tag sends a byte."""


def joined(*pieces: bytes) -> bytes:
    """Return pieces of at most 255 bytes as one input."""
    return b"".join(bytes((len(each),)) + each for each in pieces)


def pieces(data: bytes) -> Iterator[bytes]:
    """Yield the pieces of an input."""
    while data:
        yield data[1 : 1 + data[0]]
        data = data[1 + data[0] :]


def tnep_tag(data: bytes) -> bool:
    """What is written to a tag; whether something reached the service. There is an answer each time, or it is busy."""
    tag, reached = TnepTag(SERVICE), False
    tag.begin(GREETING)
    for message in pieces(data):
        event, records = tag.receive(message)
        assert not records or event is Event.RECEIVED
        reached |= bool(records)
        for record in records:
            tag.send(record)
        content = tag.content()
        assert content == b"" or decode(content)
        assert len(vars(tag)["_queue"]) <= MAX_QUEUED
    return reached


def tnep_service(data: bytes) -> bool:
    """The service parameters in a tag's first message."""
    try:
        service = Service.from_record(Record(Tnf.WELL_KNOWN, b"Tp", data))
    except PeerError:
        return False
    assert service.to_record().payload[1:] == data[1:]  # the first byte has the minor version, which may be another
    assert find_service([service.to_record()], service.name) == service
    return True


def tnep_answer(data: bytes) -> bool:
    """What a reader reads after it wrote, busy once before."""
    poll = exchange(SERVICE, [NOTHING_NEW])
    reads = iter((b"", data))
    try:
        step = next(poll)
        while True:
            step = poll.send(next(reads, b"") if isinstance(step, Read) else b"")
    except StopIteration as stop:
        assert all(isinstance(each, Record) for each in stop.value)
        return True
    except (PeerError, LinkLost):
        return False


def type4_card(data: bytes) -> bool:
    """Commands to a tag; whether a message was written. Each has an answer with a status word."""
    file = StoredNdef(b"\xd0\x00\x00")
    card = Type4Card(file)
    card.activate()
    for command in pieces(data):
        assert len(card.process(command)) >= len(OK)
    return file.message != b"\xd0\x00\x00"


def type4_reader(data: bytes) -> bool:
    """A tag's responses to who looks for its memory, reads it, and writes it; whether it came to its end."""
    responses = pieces(data)
    try:
        memory = _answered(open_type4(), responses)
        assert 0 < memory.capacity <= MAX_NDEF
        message = _answered(memory.read(), responses)
        assert len(message) <= memory.capacity
        _answered(memory.write(message), responses)
    except (PeerError, UsageError, EOFError):
        return False
    return True


def _answered(procedure: Generator[bytes, bytes, Any], responses: Iterator[bytes]) -> Any:
    """Run a procedure; EOFError where there are no more responses."""
    try:
        command = next(procedure)
        for _ in range(MAX_COMMANDS):
            assert 4 < len(command) <= 5 + 255
            response = next(responses, None)
            if response is None:
                raise EOFError
            command = procedure.send(response)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it does not end")


TARGETS: Final[dict[str, Callable[[bytes], bool]]] = {
    "tnep_tag": tnep_tag,
    "tnep_service": tnep_service,
    "tnep_answer": tnep_answer,
    "type4_card": type4_card,
    "type4_reader": type4_reader,
}
