"""The first inputs of each target, from an honest run with fixed keys: `python -m tests.fuzz.seeds` writes them anew.

`tests/fuzz/corpus/<target>/valid-<n>` is taken by its target, which a test checks, so that fuzzing begins behind the
first checks; `edge-<n>` is refused late. Beside them stand inputs that once were findings, under names of their own.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from oob import cbor
from oob.binding import Proceed, Ready, Record, Unable
from oob.cose import sign1
from oob.discovery import advertised_tag
from oob.framing import MessageType, fragment, nak, ndef
from oob.framing.procedure import Procedure
from oob.framing.tnep import NOTHING_NEW, Service
from oob.framing.type4 import open_type4
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.handshake.messages import Error, Message1
from oob.pairing import EAD_LABEL, Bootstrap, Model
from oob.pairing.tag_content import TagContent
from oob.transport.nfc_profile import SERVICE
from tests.exchange import CONTEXT, MODELS, SECRET, fork
from tests.fuzz.stage import Stage, identity, stage
from tests.fuzz.targets import channels
from tests.fuzz.tnep import joined

T = TypeVar("T")

CORPUS: Final = Path(__file__).parent / "corpus"
_VECTORS = Path(__file__).parent.parent / "vectors" / "rfc9529.json"


def seeds() -> dict[str, list[bytes]]:
    """Return the valid inputs of each target."""
    run = stage("passcode")
    return _messages(run) | _handshake(run) | _bootstrap() | _cose() | _binding(run) | _link() | _tags() | _near()


def edges() -> dict[str, list[bytes]]:
    """Return inputs that only a check deep inside refuses: points of low order, a default written out."""
    run = stage("passcode")
    fields = run.engaged.received.fields
    share = cbor.encode_sequence(-EAD_LABEL, cbor.encode_sequence(3, bytes(32)))
    sealed: bytes = cbor.decode(run.messages[1])[32:]
    pinned = cbor.decode(seeds()["bootstrap"][0])
    return {
        "message_1": [replace(fields, g_x=bytes(32)).encode()],
        "message_2": [cbor.encode(bytes(32) + sealed)],
        "ead_1_passcode": [share],
        "ead_2_passcode": [cbor.encode_sequence(-EAD_LABEL, bytes(32))],
        "bootstrap": [cbor.encode({**pinned, 5: False})],
    }


def _messages(run: Stage) -> dict[str, list[bytes]]:
    inputs = {f"message_{number}": [message] for number, message in enumerate(run.messages, 1)}
    inputs |= {"plaintext_2": [_plaintext_2(run)], "plaintext_3": [_plaintext_3(run)]}
    for model in MODELS:
        for number, ead in enumerate(_eads(stage(model)), 1):
            inputs[f"ead_{number}_{model}"] = [ead]
    return inputs


def _plaintext_2(run: Stage) -> bytes:
    """PLAINTEXT_2 is xor-ed with a key stream: what the attacker encloses in zeros is that stream."""
    sealed: bytes = cbor.decode(run.messages[1])[32:]
    stream: bytes = cbor.decode(run.enclosing_2(bytes(len(sealed))))[32:]
    return bytes(left ^ right for left, right in zip(sealed, stream, strict=True))


def _plaintext_3(run: Stage) -> bytes:
    return run.sent_2.process_message_3(run.messages[2]).plaintext_3


def _eads(run: Stage) -> tuple[bytes, bytes, bytes, bytes]:
    opened = vars(vars(run.awaits_4)["_session"])["_step"].process_message_4(run.messages[3])[1]
    return (
        run.engaged.received.fields.ead_1.encoded,
        run.verified_2.ead_2.encoded,
        run.verified_3.ead_3.encoded,
        opened.encoded,
    )


def _handshake(run: Stage) -> dict[str, list[bytes]]:
    ead_1 = _eads(run)[0]
    (_, value) = cbor.decode_sequence(ead_1)
    fields = run.engaged.received.fields
    method_3 = Message1(3, (2,), identity("device").credential.key.x, b"long id").encode()
    return {
        "any_suite": [run.messages[0], method_3],
        "message_1_fields": [run.messages[0], Message1(0, (2, 6), fields.g_x, b"").encode()],
        "plaintext_2_fields": [_plaintext_2(run)],
        "plaintext_3_fields": [_plaintext_3(run)],
        "ead_field": [ead_1],
        "ead_1_value": [value],
        "error": [Error(1, "refused").encode(), Error(2, [2, 6]).encode(), Error(3, True).encode()],
        "cbor": [cbor.encode([0, -1, 2**63, b"", "text", None, True, {1: [], -1: {}, "k": b"v", b"": 24}]), b"\x00"],
        "cbor_sequence": [b"", run.messages[0], bytes(range(24))],
    }


def _bootstrap() -> dict[str, list[bytes]]:
    hash = identity("device").credential.hash()
    whole = Bootstrap(
        1, (Model.SECRET, Model.PASSCODE), hash, SECRET, SECRET, True, "Lamp \N{LATIN SMALL LETTER E WITH ACUTE}",
        ("lamp.local", "192.0.2.1"),
    )  # fmt: skip
    forms = [Bootstrap(1, (Model.PINNED,), hash[:16]), whole]
    return {
        "bootstrap": [form.encode() for form in forms],
        "bootstrap_text": [form.to_text().encode() for form in forms],
    }


def _cose() -> dict[str, list[bytes]]:
    device = identity("device")
    signed = sign1(device, "fuzz", b"payload")
    trace = json.loads(_VECTORS.read_text(encoding="utf-8"))["trace1"]
    certificate = bytes.fromhex(trace["CRED_R (Raw Value)"])
    return {
        "sign1": [signed.encode()],
        "cose_key": [
            cbor.encode(device.credential.key.encode()),
            cbor.encode({1: 1, -1: 6, -2: bytes(31) + b"\x01"}),
            cbor.encode({1: 1, -1: 4, -2: bytes(31) + b"\x09"}),
        ],
        "credential": [device.credential.id_cred, cbor.encode({33: certificate})],
        "certificate": [certificate],
    }


def _binding(run: Stage) -> dict[str, list[bytes]]:
    agreement = fork(run.awaits_4).receive_4(run.messages[3])
    receipt = cbor.decode_sequence(_eads(run)[3])[3]
    initiator, _ = channels()
    records: list[Record] = [
        Proceed(b"root"),
        Proceed(None),
        Ready("https://lamp.example", bytes(32)),
        Unable("newOrder", "no"),
    ]
    return {
        "session_context": [CONTEXT.encode()],
        "receipt": [receipt],
        "statement": [agreement.statement.encode()],
        "binding": [json.dumps(agreement.binding.to_json()).encode()],
        "channel": [initiator.seal(b"plaintext")],
        "record": [record.encode() for record in records],
    }


def _link() -> dict[str, list[bytes]]:
    link = ndef.Record(ndef.Tnf.WELL_KNOWN, b"U", b"\x04example.com/d/1")
    empty = ndef.Record(ndef.Tnf.EMPTY)
    message = fragment(MessageType.HANDSHAKE, 1, bytes(range(60)), 20)
    runs = [message, [message[0], *message[:0:-1]], [*message[:2], nak(1, (2, 3), 20), *message[1:]]]
    return {
        "frames": [b"".join(bytes([len(frame)]) + frame for frame in frames) for frames in runs],
        "advertised_tag": [advertised_tag(bytes(16), b"abc")],
        "ndef": [ndef.encode([link, ndef.Record(ndef.Tnf.EXTERNAL, b"a.example:b", bytes(90))]), ndef.encode([empty])],
    }


def _tags() -> dict[str, list[bytes]]:
    pinned = Bootstrap.decode(_bootstrap()["bootstrap"][0])
    content = TagContent("https://example.com/d/1", pinned, "com.example.lamp")
    inputs: dict[str, list[bytes]] = {"tag_content": [content.encode()]}
    controls = bytes.fromhex("0103a00c34 0203250504 00 fd0155")
    messages = [bytes((0x03, 40)) + bytes(40) + b"\xfe", bytes.fromhex("03ff0110") + bytes(272)]
    inputs["type_2"] = [bytes.fromhex("e1103000") + controls + message for message in messages]
    attributes = bytes.fromhex("10040100280000000000010000210000")
    inputs["type_3"] = [attributes[:14] + sum(attributes[:14]).to_bytes(2, "big") + bytes(range(48))]
    return inputs


def _near() -> dict[str, list[bytes]]:
    frame = ndef.Record(ndef.Tnf.UNKNOWN, payload=b"\x80\x01\x00\x05hello")
    name = SERVICE.name.encode()
    chosen = ndef.encode([ndef.Record(ndef.Tnf.WELL_KNOWN, b"Ts", bytes((len(name),)) + name)])
    status = ndef.Record(ndef.Tnf.WELL_KNOWN, b"Te", b"\x00")
    url = ndef.encode([ndef.Record(ndef.Tnf.WELL_KNOWN, b"U", b"\x04example.com/d/1")])
    long = ndef.encode([ndef.Record(ndef.Tnf.UNKNOWN, payload=bytes(245))])
    talks = [_talk(url, url), _talk(long, long)]
    return {
        "tnep_tag": [joined(chosen, ndef.encode([frame, frame]), ndef.encode([NOTHING_NEW]))],
        "tnep_service": [SERVICE.to_record().payload, Service("a", 63, 15, 1).to_record().payload],
        "tnep_answer": [ndef.encode([status]), ndef.encode([status, frame, frame])],
        "type4_card": [joined(*(command for command, _ in talk)) for talk in talks],
        "type4_reader": [joined(*(response for _, response in talk)) for talk in talks],
    }


def _talk(there: bytes, written: bytes) -> list[tuple[bytes, bytes]]:
    """Return commands and responses of a reader that reads a tag with a message, and writes one."""
    card, said = Type4Card(StoredNdef(there)), list[tuple[bytes, bytes]]()
    card.activate()

    def run(procedure: Procedure[T]) -> T:
        try:
            command = next(procedure)
            while True:
                said.append((command, card.process(command)))
                command = procedure.send(said[-1][1])
        except StopIteration as stop:
            result: T = stop.value
            return result

    memory = run(open_type4())
    assert run(memory.read()) == there
    run(memory.write(written))
    return said


def main() -> None:
    """Write the corpus."""
    for kind, made in (("valid", seeds()), ("edge", edges())):
        for old in CORPUS.glob(f"*/{kind}-*"):
            old.unlink()
        for name, inputs in made.items():
            (CORPUS / name).mkdir(parents=True, exist_ok=True)
            for number, data in enumerate(inputs, 1):
                (CORPUS / name / f"{kind}-{number}").write_bytes(data)


if __name__ == "__main__":
    main()
