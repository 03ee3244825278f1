"""The exporter: published keys, one key a label, context and length, KeyUpdate."""

import json
from pathlib import Path

import pytest

from oob.crypto import Hash
from oob.handshake import Exporter

TRACES = json.loads((Path(__file__).parents[1] / "vectors" / "rfc9529.json").read_text())


@pytest.mark.parametrize("trace", ["trace1", "trace2"])
def test_oscore_keys_and_key_update(trace: str) -> None:
    values = {name: bytes.fromhex(text) for name, text in TRACES[trace].items()}
    exporter = Exporter(Hash.SHA256, values["PRK_out (Raw Value)"])
    assert exporter.export(0, b"", 16) == values["OSCORE Master Secret (Raw Value)"]
    assert exporter.export(1, b"", 8) == values["OSCORE Master Salt (Raw Value)"]
    updated = exporter.update(values["context for KeyUpdate (Raw Value)"])
    assert updated.export(0, b"", 16) == values["OSCORE Master Secret after KeyUpdate (Raw Value)"]
    assert updated.export(1, b"", 8) == values["OSCORE Master Salt after KeyUpdate (Raw Value)"]
    assert exporter.update(b"") != exporter.update(b"\x00") != updated


def test_labels_contexts_and_lengths_are_apart() -> None:
    exporter = Exporter(Hash.SHA256, bytes(32))
    keys = {
        exporter.export(label, context, length)[:16]
        for label in (20, 23, 24, 32768)
        for context in (b"", b"\x00", b"ab")
        for length in (16, 32, 64)
    }
    assert len(keys) == 36
    assert [len(exporter.export(20, b"", length)) for length in (1, 32, 64)] == [1, 32, 64]


def test_no_secret_in_the_repr() -> None:
    assert repr(Exporter(Hash.SHA256, b"\xab" * 32)) == f"Exporter(hash={Hash.SHA256!r})"
