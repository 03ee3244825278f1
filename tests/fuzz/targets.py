"""Every decoder of what a stranger can send, as a function of bytes.

A target returns whether the bytes were taken, and raises only when a decoder is at fault: any bytes give a value or
PeerError, or AuthenticationError where a proof is checked, and what decodes encodes to the same bytes.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from oob import cbor
from oob.binding import (
    Binding,
    BindingStatement,
    Channel,
    Receipt,
    SessionContext,
    channel_pair,
    decode_record,
    verify_binding,
)
from oob.cose import CoseKey, Sign1, verify1
from oob.crypto import EcdhKey
from oob.discovery import matches
from oob.errors import AuthenticationError, PeerError
from oob.framing import MAX_MESSAGE, Reassembler, ndef
from oob.handshake import METHODS, SUITES, Credential, Failed, Session, value_of
from oob.handshake.credentials import expand_id
from oob.handshake.ead import EadField, understood
from oob.handshake.messages import Error, Message1, Plaintext2, Plaintext3
from oob.pairing import EAD_LABEL, Bootstrap, decode_ead_1
from oob.pairing.bootstrap import PREFIX
from tests.exchange import MODELS, fork
from tests.fuzz import tags, tnep
from tests.fuzz.stage import C_R, Stage, ephemeral, identity, stage

Target = Callable[[bytes], bool]
ROOM: Final = 3000
"""Bytes that fit in a message beside all the rest; a rogue peer of ours refuses to compose a longer one."""


def _taken(call: Callable[..., Any], *arguments: Any, proof: bool = False) -> list[Any]:
    """Return what `call` gives, or nothing where it refuses; what no decoder may raise comes through."""
    try:
        return [call(*arguments)]
    except PeerError:
        return []
    except AuthenticationError:
        if proof:
            return []
        raise


def _same(decode: Callable[[bytes], Any], encode: Callable[[Any], bytes] = lambda value: value.encode()) -> Target:
    """Make the target of a decoder that takes one encoding of each value."""

    def target(data: bytes) -> bool:
        values = _taken(decode, data)
        assert [encode(value) for value in values] in ([], [data])
        return bool(values)

    return target


# --- a whole message, into the end that awaits it


def _parted(end: Any, call: Callable[[Any], object]) -> bool:
    """Run a step of a copy of `end`. After a failure it has one error message for the peer, or none."""
    twin = fork(end)
    taken = _taken(call, twin, proof=True)
    if not taken and (parting := twin.parting()) is not None:
        assert Error.decode(parting) is not None
    return bool(taken)


def _answer(model: str, message: bytes) -> bool:
    return _parted(stage(model).awaits_1, lambda end: end.answer(message, _ephemeral, C_R))


def _ephemeral(_: object) -> EcdhKey:
    return _OWN


_OWN = ephemeral("responder")


def _receive_2(model: str, message: bytes) -> bool:
    return _parted(stage(model).awaits_2, lambda end: end.receive_2(message))


def _open(model: str, message: bytes) -> bool:
    return _parted(stage(model).awaits_3, lambda end: end.open(message))


def _receive_4(model: str, message: bytes) -> bool:
    return _parted(stage(model).awaits_4, lambda end: end.receive_4(message))


_RECEIVERS = {1: _answer, 2: _receive_2, 3: _open, 4: _receive_4}


def _message(number: int, model: str = "passcode") -> Target:
    return lambda data: _RECEIVERS[number](model, data)


def _inside(number: int, wrap: Callable[[Stage, bytes], bytes], model: str = "passcode") -> Target:
    """Make the target of what stands within a message whose outside is sound."""
    return lambda data: len(data) <= ROOM and _RECEIVERS[number](model, wrap(stage(model), data))


def _ead(model: str) -> dict[str, Target]:
    return {
        f"ead_1_{model}": _inside(1, Stage.rogue_1, model),
        f"ead_2_{model}": _inside(2, Stage.rogue_2, model),
        f"ead_3_{model}": _inside(3, Stage.rogue_3, model),
        f"ead_4_{model}": _inside(4, Stage.rogue_4, model),
    }


def any_suite(data: bytes) -> bool:
    """message_1 into a session that answers all methods and suites: a fault is an event, never raised."""
    session = Session.responder(identity("device"), methods=tuple(METHODS), suites=tuple(SUITES), labels=(EAD_LABEL,))
    session.receive(data)
    failed = [event for event in session.events() if isinstance(event, Failed)]
    assert all(isinstance(event.error, PeerError) for event in failed)
    assert len(session.messages_to_send()) == len(failed)
    return not failed


# --- decoders


def ead_field(data: bytes) -> bool:
    """An EAD field, and the choice of an item out of it."""
    fields = _taken(_ead_field, data)
    assert all(field.encoded == data for field in fields)
    chosen = [
        _taken(lambda items: value_of(understood(items, (EAD_LABEL,)), EAD_LABEL), field.items) for field in fields
    ]
    return any(chosen)


def _ead_field(data: bytes) -> EadField:
    return EadField.decode(*cbor.split_sequence(data))


def error(data: bytes) -> bool:
    """An error message; what begins like none is None."""
    found = [value for value in _taken(Error.decode, data) if value is not None]
    assert all(value.encode() == data for value in found)
    return bool(found)


def bootstrap_text(data: bytes) -> bool:
    """The text of a QR code, with and without its prefix; what is not UTF-8 stands as lone surrogates."""
    text = data.decode("utf-8", "surrogateescape")
    found = [(each, value) for each in (text, PREFIX + text) for value in _taken(Bootstrap.from_text, each)]
    assert all(value.to_text() == each for each, value in found)
    return bool(found)


def sign1(data: bytes) -> bool:
    """A COSE_Sign1, and the verification of its signature."""
    found = _taken(Sign1.decode, data)
    key = identity("device").credential.key
    for message in found:
        assert message.encode() == data
        _taken(verify1, message, key, "fuzz", message.payload or b"", proof=True)
    return bool(found)


def cose_key(data: bytes) -> bool:
    """A COSE_Key, and all that may be done with it."""
    found = _taken(lambda data: CoseKey.decode(cbor.decode(data)), data)
    for key in found:
        assert len(key.thumbprint()) == 32
        _taken(key.agree)
        for signature in (bytes(64), b"\x01" * 64):
            _taken(key.verify, signature, b"", proof=True)
    return bool(found)


def credential(data: bytes) -> bool:
    """An ID_CRED map that carries its credential, claims by themselves, and the item of a plaintext."""
    _taken(Credential.ccs, data)
    _taken(lambda data: [expand_id(part) for part in cbor.split_sequence(data)[1]], data)
    found = _taken(Credential.by_value, data)
    assert all(value.id_cred == data for value in found)
    return bool(found)


def certificate(data: bytes) -> bool:
    """A certificate in DER, sent as x5chain."""
    return len(data) <= ROOM and credential(cbor.encode({33: data}))


class _FixedExporter:
    """Stands for the exporter of a handshake: the keys of the channel are known."""

    def export(self, label: int, context: bytes, length: int) -> bytes:
        return bytes(length)


def channels() -> tuple[Channel, Channel]:
    """Return both ends of a channel with fixed keys."""
    return channel_pair(_FixedExporter(), 2, bytes(32))  # type: ignore[arg-type]


def channel(data: bytes) -> bool:
    """A sealed record: into the channel, which after a refusal takes not even the right one."""
    initiator, responder = channels()
    taken = _taken(responder.open, data, proof=True)
    assert taken or not _taken(responder.open, initiator.seal(b""), proof=True)
    return bool(taken)


def record(data: bytes) -> bool:
    """What stands in a sealed record."""
    records = _taken(decode_record, data)
    # Compared as values: `encode` cuts a text that is too long.
    assert all(decode_record(value.encode()) == value for value in records)
    return bool(records)


def binding(data: bytes) -> bool:
    """The JSON of a binding as an issuer takes it, and its verification."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):  # not JSON: refused before it gets here
        return False
    bindings = _taken(Binding.from_json, value) if isinstance(value, dict) else []
    return any(_taken(verify_binding, each, identity("session").credential.key, proof=True) for each in bindings)


def frames(data: bytes) -> bool:
    """Frames, each after a byte with its length, into a reassembler; whether a message came out."""
    reassembler, complete = Reassembler(), False
    while data:
        frame, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        messages = [message for message in _taken(reassembler.receive, frame) if message]
        assert all(len(message.data) <= MAX_MESSAGE for message in messages)
        assert len(reassembler.missing()) <= 127
        assert bool(reassembler.missing()) == reassembler.is_partial
        complete |= bool(messages)
    return complete


def advertised_tag(data: bytes) -> bool:
    """A tag on the air: it never raises."""
    return matches(bytes(16), data)


TARGETS: Final[dict[str, Target]] = {
    "message_1": _message(1),
    "message_2": _message(2),
    "message_3": _message(3),
    "message_4": _message(4),
    "plaintext_2": _inside(2, Stage.enclosing_2),
    "plaintext_3": _inside(3, Stage.enclosing_3),
    **{name: target for model in MODELS for name, target in _ead(model).items()},
    "any_suite": any_suite,
    "message_1_fields": _same(Message1.decode),
    "plaintext_2_fields": _same(lambda data: Plaintext2.decode(data, 64)),
    "plaintext_3_fields": _same(lambda data: Plaintext3.decode(data, 64)),
    "ead_field": ead_field,
    "ead_1_value": _same(decode_ead_1, lambda value: cbor.encode_sequence(int(value[0]), value[1])),
    "error": error,
    "cbor": _same(cbor.decode, cbor.encode),
    "cbor_sequence": _same(cbor.decode_sequence, lambda values: cbor.encode_sequence(*values)),
    "bootstrap": _same(Bootstrap.decode),
    "bootstrap_text": bootstrap_text,
    "sign1": sign1,
    "cose_key": cose_key,
    "credential": credential,
    "certificate": certificate,
    "session_context": _same(SessionContext.decode),
    "receipt": _same(Receipt.decode),
    "statement": _same(BindingStatement.decode),
    "binding": binding,
    "channel": channel,
    "record": record,
    "frames": frames,
    "advertised_tag": advertised_tag,
    "ndef": _same(ndef.decode, ndef.encode),
    "tag_content": tags.tag_content,
    "type_2": tags.type_2,
    "type_3": tags.type_3,
    **tnep.TARGETS,
}
"""Name to target; `tests/fuzz/corpus/<name>/` holds its first inputs."""
