"""docs/spec/binding.cddl describes what this package writes and reads, and nothing else."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.binding import BindingStatement, PairingKey, Receipt, SessionContext, channel_pair, decode_record
from oob.cose import Sign1
from oob.crypto import Hash
from oob.errors import PeerError
from oob.handshake import Exporter
from tests.binding.cddl import CDDL, EMBEDDED, check, refused
from tests.binding.strategies import contexts, faulty, receipts, records, statements
from tests.exchange import MODELS, Run

HASH, TIME = bytes(32), 2**53 - 1
CONTEXT: list[Any] = ["https://i", None, "", bytes(16), []]
RECEIPT: list[Any] = [bytes(16), None, None, True, bytes(64)]
CLAIMS: dict[int, Any] = {
    3: "https://i",
    7: bytes(16),
    8: {5: HASH},
    10: bytes(16),
    -70001: HASH,
    -70002: "",
    -70003: HASH,
    -70004: HASH,
    -70005: [3, "passcode", 23, True, True, False],
    -70006: [],
}
STATEMENT_HEADER = {1: -7, 16: "application/oob-binding+cwt"}
COUNTERSIGNATURE_HEADER = {1: -7, 16: "application/oob-countersignature+cose"}
STATEMENT = [cbor.encode(STATEMENT_HEADER), {}, cbor.encode(CLAIMS), bytes(64)]
COUNTERSIGNATURE: list[Any] = [cbor.encode(COUNTERSIGNATURE_HEADER), {}, None, bytes(64)]
MESSAGE = [cbor.encode({1: 1}), {6: b"\x00"}, b""]

GOOD: dict[str, Any] = {
    "session-context": CONTEXT,
    "receipt": RECEIPT,
    "binding-claims": CLAIMS,
    "statement-header": STATEMENT_HEADER,
    "binding-statement": STATEMENT,
    "proof": CLAIMS[-70005],
    "countersignature-header": COUNTERSIGNATURE_HEADER,
    "countersignature": COUNTERSIGNATURE,
    "channel-header": {1: 1},
    "channel-message": MESSAGE,
    "proceed": [1, None],
    "ready": [2, "https://l", HASH, "", bytes(16)],
    "unable": [3, "", "", ""],
    "channel-record": [1, b"root"],
    "export-info": ["oob-1 export", "label", b"context", 8160],
    "resumption-info": ["oob-1 resumption", "", b"", 32],
    "algorithm": -8,
    "bytes-if-any": b"",
    "nonce": bytes(64),
    "hash-if-any": HASH,
    "issuer-url": "https://" + "i" * 247,
    "token-id": bytes(16),
    "name": "n" * 255,
    "name-list": ["n"] * 8,
    "page-url": "https://" + "p" * 2040,
    "reason-text": "r" * 512,
    "seconds": TIME,
    "seconds-if-any": 0,
    "sha256": HASH,
    "short-text": "é" * 127,
    "tag-key-if-any": bytes(16),
    "signature-bytes": bytes(64),
}


def at(value: Any, place: Any, item: Any) -> Any:
    """Return a copy of an array or map with another item in that place."""
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[place] = item
    return copy


def without(value: Any, place: Any) -> Any:
    """Return a copy of an array or map without that item."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key != place}
    return [*value[:place], *value[place + 1 :]]


BROKEN: dict[str, list[Any]] = {
    "session-context": [
        at(CONTEXT, 0, "http://i"), at(CONTEXT, 1, bytes(31)), at(CONTEXT, 1, "x"), at(CONTEXT, 2, "x" * 256),
        at(CONTEXT, 2, None), at(CONTEXT, 3, bytes(15)), at(CONTEXT, 4, [""]), at(CONTEXT, 4, "name"), [*CONTEXT, 0],
        CONTEXT[:4], {}, None,
    ],
    "receipt": [
        at(RECEIPT, 0, bytes(15)), at(RECEIPT, 1, -1), at(RECEIPT, 1, True), at(RECEIPT, 2, TIME + 1),
        at(RECEIPT, 2, "x"), at(RECEIPT, 3, 1), at(RECEIPT, 4, bytes(63)), at(RECEIPT, 4, None), [*RECEIPT, 0],
        RECEIPT[:4], {}, 0,
    ],
    "binding-claims": [
        *[without(CLAIMS, key) for key in CLAIMS],
        at(CLAIMS, 1, "iss"), at(CLAIMS, 3, "ftp://i"), at(CLAIMS, 4, -1), at(CLAIMS, 4, None),
        at(CLAIMS, 6, TIME + 1), at(CLAIMS, 6, None), at(CLAIMS, 7, bytes(17)), at(CLAIMS, 8, {}),
        at(CLAIMS, 8, {5: HASH, 6: 0}), at(CLAIMS, 8, {5: bytes(31)}), at(CLAIMS, 8, {1: HASH}),
        at(CLAIMS, 10, bytes(65)), at(CLAIMS, -70001, bytes(31)), at(CLAIMS, -70002, None),
        at(CLAIMS, -70003, bytes(33)), at(CLAIMS, -70004, bytes(31)), at(CLAIMS, -70005, [3]),
        at(CLAIMS, -70006, [0]), at(CLAIMS, -70007, 0), [], None,
    ],
    "statement-header": [
        COUNTERSIGNATURE_HEADER, at(STATEMENT_HEADER, 1, -9), without(STATEMENT_HEADER, 16),
        without(STATEMENT_HEADER, 1), at(STATEMENT_HEADER, 4, b"kid"),
    ],
    "binding-statement": [
        at(STATEMENT, 0, cbor.encode(COUNTERSIGNATURE_HEADER)), at(STATEMENT, 0, b"\x40"),
        at(STATEMENT, 2, None), at(STATEMENT, 2, b"\xa0"), at(STATEMENT, 3, bytes(63)), STATEMENT[:3], [*STATEMENT, 0],
    ],
    "proof": [
        [0, "", 0, True, True, True], [7, "", 0, True, True, True], [True, "", 0, True, True, True],
        [3, "x" * 256, 0, True, True, True], [3, "", -1, True, True, True], [3, "", False, True, True, True],
        [3, "", 0, 1, True, True], [3, "", 0, True, 0, True], [3, "", 0, True, True, 1], [3, "", 0, True, True],
        [3, "", 0, True, True, True, True],
    ],
    "countersignature-header": [
        STATEMENT_HEADER, at(COUNTERSIGNATURE_HEADER, 1, 1), without(COUNTERSIGNATURE_HEADER, 16),
        at(COUNTERSIGNATURE_HEADER, 4, b"kid"),
    ],
    "countersignature": [
        at(COUNTERSIGNATURE, 0, cbor.encode(STATEMENT_HEADER)),
        at(COUNTERSIGNATURE, 2, b""), at(COUNTERSIGNATURE, 3, bytes(65)), COUNTERSIGNATURE[:3],
    ],
    "channel-header": [{}, {1: 2}, {1: 1, 6: b"\x00"}],
    "channel-message": [
        at(MESSAGE, 0, b"\xa0"), at(MESSAGE, 1, {}), at(MESSAGE, 1, {6: b""}), at(MESSAGE, 1, {6: bytes(5)}),
        at(MESSAGE, 2, None), MESSAGE[:2], [*MESSAGE, b""],
    ],
    "proceed": [[1], [1, "root"], [2, None], [True, None], [1, None, None]],
    "ready": [
        [2, "http://l", HASH, "", None], [2, "https://l", bytes(31), "", None], [2, "https://l", HASH, None, None],
        [2, "https://l", HASH, ""], [2, "https://l", HASH, "a" * 256, None], [3, "https://l", HASH, "", None],
        [2, "https://l", HASH, "", bytes(15)], [2, "https://l", HASH, "", b""],
    ],
    "unable": [[3, "", ""], [3, "", "", None], [3, "x" * 513, "", ""], [2, "", "", ""], [3, "", "", "", ""]],
    "channel-record": [[0, None], [4, None], [], None, {}],
    "export-info": [
        ["oob-1 resumption", "", b"", 32], ["oob-1 export", b"", b"", 32], ["oob-1 export", "", None, 32],
        ["oob-1 export", "", b"", 0], ["oob-1 export", "", b"", 8161], ["oob-1 export", "", None],
    ],
    "resumption-info": [
        ["oob-1 export", "", b"", 32], ["oob-1 resumption", "x", b"", 32], ["oob-1 resumption", "", b"", 16],
        ["oob-1 resumption", "", None, 32],
    ],
    "algorithm": [-6, -9, 1],
    "bytes-if-any": ["", 0, False],
    "nonce": [bytes(15), bytes(65)],
    "hash-if-any": [bytes(31), False],
    "tag-key-if-any": [bytes(15), bytes(17), b"", False],
    "issuer-url": [
        "https://", "http://i", "xhttps://i", "https://i\n", "https://i i", "https://ï", "https://" + "i" * 248,
    ],
    "token-id": [bytes(15), bytes(17), None],
    "name": ["", "n" * 256, None],
    "name-list": [["n"] * 9, [""], [0], {}],
    "page-url": ["https://", "https://p\x00", "https://" + "p" * 2041],
    "reason-text": ["r" * 513, "é" * 257, None],
    "seconds": [-1, TIME + 1, None, True, "0"],
    "seconds-if-any": [-1, TIME + 1, False],
    "sha256": [bytes(31), bytes(33), None],
    "short-text": ["x" * 256, "é" * 128, None],
    "signature-bytes": [bytes(63), bytes(65), None],
}  # fmt: skip

# What pycddl 0.6 admits although RFC 8610 does not: a byte string for a text of that size and the reverse, and a map
# with more in it than its rule names where it stands in an array. To be moved to BROKEN when a test here says so.
OVERLOOKED: list[tuple[str, Any]] = [
    ("session-context", at(CONTEXT, 2, b"")),
    ("session-context", at(CONTEXT, 3, "x" * 16)),
    ("receipt", at(RECEIPT, 0, "x" * 16)),
    ("receipt", at(RECEIPT, 4, "x" * 64)),
    ("binding-claims", at(CLAIMS, -70002, b"")),
    ("binding-claims", at(CLAIMS, -70001, "x" * 32)),
    ("binding-claims", at(CLAIMS, -70005, [3, b"", 0, True, True, True])),
    ("binding-claims", at(CLAIMS, -70006, [b"n"])),
    ("binding-statement", at(STATEMENT, 1, {1: -7})),
    ("countersignature", at(COUNTERSIGNATURE, 1, {4: b""})),
    ("channel-record", [2, "https://l", "x" * 32, "", None]),
    ("channel-record", [3, b"", "", ""]),
    ("channel-message", at(MESSAGE, 1, {6: b"\x00", 4: b""})),
]
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "session-context": SessionContext.decode,
    "receipt": Receipt.decode,
    "binding-claims": BindingStatement.decode,
    "channel-record": decode_record,
    "proof": lambda data: BindingStatement.decode(cbor.encode(at(CLAIMS, -70005, cbor.decode(data)))),
    "binding-statement": Sign1.decode,
    "countersignature": Sign1.decode,
    "channel-message": lambda data: channel_pair(Exporter(Hash.SHA256, HASH), 3, HASH)[0].open(data),
}
ENCODINGS: dict[str, st.SearchStrategy[bytes]] = {
    "session-context": contexts.map(SessionContext.encode),
    "receipt": receipts.map(Receipt.encode),
    "binding-claims": statements.map(BindingStatement.encode),
    "channel-record": records.map(lambda record: record.encode()),
}


def test_every_rule_is_tested() -> None:
    rules = set(re.findall(r"^([a-z0-9-]+) = (?!\(-)", CDDL, re.MULTILINE))
    assert rules == set(GOOD) == set(BROKEN)


def test_embedded_structures_are_those_of_the_specification() -> None:
    """The helper validates what `.cbor` embeds by a table of its own."""
    for rule, inner in EMBEDDED.items():
        (body,) = re.findall(rf"^{rule} = \[(.*?)^\]", CDDL, re.MULTILINE | re.DOTALL)
        assert re.findall(r"bstr \.cbor ([a-z-]+)", body) == list(inner.values())


def test_label_of_the_items() -> None:
    assert re.findall(r"\((-\d+), bstr \.cbor ([a-z-]+)\)", CDDL) == [
        ("-32770", "session-context"),
        ("-32770", "receipt"),
    ]


@pytest.mark.parametrize("rule", GOOD)
def test_admits(rule: str) -> None:
    check(rule, cbor.encode(GOOD[rule]))


@pytest.mark.parametrize(("rule", "value"), [(rule, value) for rule, values in BROKEN.items() for value in values])
def test_refuses(rule: str, value: object) -> None:
    refused(rule, cbor.encode(value))


@pytest.mark.parametrize(("rule", "value"), OVERLOOKED)
def test_the_validator_has_this_fault(rule: str, value: object) -> None:
    check(rule, cbor.encode(value))


@pytest.mark.parametrize(
    ("rule", "value"), [*OVERLOOKED, *[(rule, value) for rule in [*ENCODINGS, "proof"] for value in BROKEN[rule]]]
)
def test_the_decoder_refuses_it_too(rule: str, value: object) -> None:
    with pytest.raises(PeerError):
        DECODERS[rule](cbor.encode(value))


@settings(deadline=None)
@given(st.data())
@pytest.mark.parametrize("rule", ENCODINGS)
def test_a_decoder_admits_only_what_is_specified(rule: str, data: st.DataObject) -> None:
    encoded = data.draw(faulty(ENCODINGS[rule]))
    with suppress(PeerError):
        DECODERS[rule](encoded)
        check(rule, encoded)


@pytest.mark.parametrize("model", MODELS)
def test_a_run_is_as_specified(model: str) -> None:
    run = Run.of(model)
    claim = run.responder.open(run.message_3())
    message_4, channel = run.responder.confirm(bytes(16), 1_700_000_000, 1_700_000_600)
    agreement = run.initiator.receive_4(message_4)
    assert claim.context is not None
    check("session-context", claim.context.encode())
    check("binding-statement", agreement.binding.statement)
    check("countersignature", agreement.binding.countersignature)
    check("channel-message", agreement.channel.seal(b""))
    check("channel-message", channel.seal(b"record"))


def test_what_is_expanded_from_the_pairing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    infos: list[bytes] = []

    def record(_: object, prk: bytes, info: bytes, length: int) -> bytes:
        infos.append(info)
        return bytes(length)

    monkeypatch.setattr(Hash, "expand", record)
    key = PairingKey(bytes(32), mutual=True)
    key.export("", b"", 1)
    key.export("application", bytes(300), 8160)
    key.resumption_secret()
    for rule, info in zip(("export-info", "export-info", "resumption-info"), infos, strict=True):
        check(rule, b"\x84" + info)  # a sequence is described as an array
