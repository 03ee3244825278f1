"""The key that a pairing leaves, and what is derived from it."""

import hmac

import cbor2
import pytest

from oob.binding import PairingKey, channel_pair
from oob.binding.channel import EXPORTER_LABEL as CHANNEL_LABEL
from oob.binding.pairing_key import EXPORTER_LABEL, MAX_EXPORT, RESUMPTION_LENGTH
from oob.binding.statement import EXPORTER_LABEL as STATEMENT_LABEL
from oob.crypto import Hash
from oob.errors import UsageError
from oob.handshake import Exporter
from oob.pairing import Model
from oob.pairing.models import Proof, proof_of
from oob.pairing.resumed import SECRET_LENGTH

EXPORTER = Exporter(Hash.SHA256, b"p" * 32)
SECRET = b"K" * 32
STATIC = proof_of(Model.SECRET, dynamic=False)
KEY = PairingKey.derive(EXPORTER, STATIC, SECRET)


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869) with SHA-256, written out."""
    block, output, index = b"", b"", 1
    while len(output) < length:
        block = hmac.digest(prk, block + info + bytes([index]), "sha256")
        output, index = output + block, index + 1
    return output[:length]


def info(*values: object) -> bytes:
    return b"".join(map(cbor2.dumps, values))


@pytest.mark.parametrize("secret", [SECRET, b""])
def test_the_derivation_is_what_the_specification_says(secret: bytes) -> None:
    salt = EXPORTER.export(32772, b"\x02", 32)
    key = PairingKey.derive(EXPORTER, STATIC, secret)
    assert key.prk == hmac.digest(salt, secret, "sha256")
    assert key.export("app", b"c", 40) == expand(key.prk, info("oob-1 export", "app", b"c", 40), 40)
    assert key.resumption_secret() == expand(key.prk, info("oob-1 resumption", "", b"", 32), 32)


def test_labels_and_lengths() -> None:
    assert (STATEMENT_LABEL, CHANNEL_LABEL, EXPORTER_LABEL) == (32770, 32771, 32772)
    assert (RESUMPTION_LENGTH, MAX_EXPORT) == (SECRET_LENGTH, 8160)


def test_the_key_depends_on_each_input() -> None:
    other = Exporter(Hash.SHA256, b"q" * 32)
    keys = [
        KEY,
        PairingKey.derive(other, STATIC, SECRET),
        PairingKey.derive(EXPORTER, proof_of(Model.RESUMED, dynamic=False), SECRET),
        PairingKey.derive(EXPORTER, STATIC, b""),
    ]
    assert len({key.prk for key in keys}) == 4


def test_exports_depend_on_each_input() -> None:
    """pairing_key.py, _expand: the length, too, so that a longer export does not give a shorter one away."""
    exports = [
        KEY.export("app", b"", 32),
        KEY.export("ap", b"p", 32),
        KEY.export("app", b"c", 32),
        KEY.export("app", b"", 33)[:32],
        KEY.export("", b"", 32),
        KEY.resumption_secret(),
    ]
    assert len(set(exports)) == 6


def test_attack_the_resumption_secret_is_not_for_applications() -> None:
    """pairing_key.py, _expand: the purpose comes first; no label and context of an application lead to that secret."""
    for label in ("", "oob-1 resumption", "resumption"):
        assert KEY.export(label, b"", RESUMPTION_LENGTH) != KEY.resumption_secret()


@pytest.mark.parametrize("length", [1, 32, MAX_EXPORT])
def test_lengths_of_exports(length: int) -> None:
    assert len(KEY.export("app", b"", length)) == length


@pytest.mark.parametrize("length", [-1, 0, MAX_EXPORT + 1])
def test_impossible_lengths(length: int) -> None:
    with pytest.raises(UsageError, match="1 to 8160 bytes"):
        KEY.export("app", b"", length)


def test_a_label_that_is_not_unicode() -> None:
    with pytest.raises(UsageError, match="not Unicode"):
        KEY.export("\ud800", b"", 32)


def test_attack_the_key_opens_no_channel() -> None:
    """pairing_key.py, derive: another exporter label than the channel's, so that neither leads to the other."""
    ours, theirs = channel_pair(EXPORTER, Model.SECRET, SECRET)
    directions = [vars(end)[way] for end in (ours, theirs) for way in ("_sending", "_receiving")]
    used = {part for direction in directions for part in (direction.key, direction.iv)}
    for way in ("initiator", "responder"):
        for kind, length in (("key", 16), ("iv", 12)):
            assert Hash.SHA256.expand(KEY.prk, f"oob-1 {way} {kind}".encode(), length) not in used
            assert KEY.export(f"oob-1 {way} {kind}", b"", length) not in used


def test_no_key_in_a_repr() -> None:
    assert repr(KEY) == "PairingKey(mutual=True)"


@pytest.mark.parametrize("proof", [proof_of(Model.PINNED, dynamic=False), proof_of(Model.BUTTON, dynamic=True)])
def test_a_pairing_that_was_not_mutual_cannot_be_resumed(proof: Proof) -> None:
    key = PairingKey.derive(EXPORTER, proof, b"")
    assert len(key.export("app", b"", 32)) == 32
    with pytest.raises(UsageError, match="not mutual"):
        key.resumption_secret()
