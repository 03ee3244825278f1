"""The key schedule against the intermediate values of RFC 9529."""

import json
from pathlib import Path

import pytest

from oob.crypto import Hash
from oob.handshake import SUITES, schedule

TRACES = json.loads((Path(__file__).parents[1] / "vectors" / "rfc9529.json").read_text())
SHA256 = Hash.SHA256


def value(trace: str, name: str) -> bytes:
    return bytes.fromhex(TRACES[trace][name])


TRANSCRIPTS = [("trace1", 0, "message_1 (CBOR Sequence)"), ("trace2", 2, "message_1 (CBOR Sequence)#2")]


@pytest.mark.parametrize(("trace", "suite", "message_1"), TRANSCRIPTS)
def test_transcript_hashes(trace: str, suite: int, message_1: str) -> None:
    th_2 = schedule.th_2(SHA256, value(trace, "G_Y (Raw Value)"), value(trace, message_1))
    assert th_2 == value(trace, "TH_2 (Raw Value)")
    plaintext_2, cred_r = value(trace, "PLAINTEXT_2 (CBOR Sequence)"), value(trace, "CRED_R (CBOR Data Item)")
    th_3 = schedule.th_next(SHA256, th_2, plaintext_2, cred_r)
    assert th_3 == value(trace, "TH_3 (Raw Value)")
    plaintext_3, cred_i = value(trace, "PLAINTEXT_3 (CBOR Sequence)"), value(trace, "CRED_I (CBOR Data Item)")
    assert schedule.th_next(SHA256, th_3, plaintext_3, cred_i) == value(trace, "TH_4 (Raw Value)")


@pytest.mark.parametrize(("trace", "suite", "message_1"), TRANSCRIPTS)
def test_keys(trace: str, suite: int, message_1: str) -> None:
    row, th_2 = SUITES[suite], value(trace, "TH_2 (Raw Value)")
    th_3, th_4 = value(trace, "TH_3 (Raw Value)"), value(trace, "TH_4 (Raw Value)")
    prk_2e = schedule.prk_2e(SHA256, th_2, value(trace, "G_XY (Raw Value) (ECDH shared secret)"))
    assert prk_2e == value(trace, "PRK_2e (Raw Value)")
    stream = value(trace, "KEYSTREAM_2 (Raw Value)")
    assert schedule.keystream_2(SHA256, prk_2e, th_2, len(stream)) == stream
    key_3 = schedule.key_3(row, value(trace, "PRK_3e2m (Raw Value)"), th_3)
    assert key_3 == (value(trace, "K_3 (Raw Value)"), value(trace, "IV_3 (Raw Value)"))
    prk_4e3m = value(trace, "PRK_4e3m (Raw Value)")
    assert schedule.key_4(row, prk_4e3m, th_4) == (value(trace, "K_4 (Raw Value)"), value(trace, "IV_4 (Raw Value)"))
    prk_out = schedule.prk_out(SHA256, prk_4e3m, th_4)
    assert prk_out == value(trace, "PRK_out (Raw Value)")
    assert schedule.prk_exporter(SHA256, prk_out) == value(trace, "PRK_exporter (Raw Value)")
    context = value(trace, "context for KeyUpdate (Raw Value)")
    assert schedule.key_update(SHA256, prk_out, context) == value(trace, "PRK_out after KeyUpdate (Raw Value)")


@pytest.mark.parametrize(("trace", "suite", "message_1"), TRANSCRIPTS)
def test_macs(trace: str, suite: int, message_1: str) -> None:
    mac_2, mac_3 = value(trace, "MAC_2 (Raw Value)"), value(trace, "MAC_3 (Raw Value)")
    prk_3e2m, prk_4e3m = value(trace, "PRK_3e2m (Raw Value)"), value(trace, "PRK_4e3m (Raw Value)")
    context_2, context_3 = value(trace, "context_2 (CBOR Sequence)"), value(trace, "context_3 (CBOR Sequence)")
    assert schedule.mac_2(SUITES[suite], prk_3e2m, context_2, len(mac_2)) == mac_2
    assert schedule.mac_3(SUITES[suite], prk_4e3m, context_3, len(mac_3)) == mac_3


def test_static_diffie_hellman() -> None:
    th_2, th_3 = value("trace2", "TH_2 (Raw Value)"), value("trace2", "TH_3 (Raw Value)")
    g_rx, g_iy = (value("trace2", f"G_{pair} (Raw Value) (ECDH shared secret)") for pair in ("RX", "IY"))
    prk_3e2m = schedule.prk_3e2m(SHA256, value("trace2", "PRK_2e (Raw Value)"), th_2, g_rx)
    assert prk_3e2m == value("trace2", "PRK_3e2m (Raw Value)")
    assert schedule.prk_4e3m(SHA256, prk_3e2m, th_3, g_iy) == value("trace2", "PRK_4e3m (Raw Value)")


def test_info() -> None:
    # info for K_3 of trace 1: (3, TH_3, 16).
    prk, th_3 = value("trace1", "PRK_3e2m (Raw Value)"), value("trace1", "TH_3 (Raw Value)")
    info = value("trace1", "info for K_3 (CBOR Sequence)")
    assert schedule.edhoc_kdf(SHA256, prk, 3, th_3, 16) == SHA256.expand(prk, info, 16)
