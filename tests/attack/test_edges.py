"""Points, keys and proofs on the edge of what is possible: zeros, low order, off the curve."""

from dataclasses import replace
from itertools import count

import pytest

from oob.binding import ResponderExchange
from oob.cose import CoseKey
from oob.crypto import Algorithm, EcdhKey, SigningKey
from oob.errors import PeerError
from oob.handshake import Credential, Identity
from oob.pairing import Passcode, PasscodeInitiator, PasscodeResponder
from tests.attack.mallory import FakeClient
from tests.attack.refusal import DEFENDED, refused_by_device, refused_if
from tests.exchange import ALL_MODELS, MODELS, Run, identity, responder_model
from tests.pair import LOW_ORDER

G_X, TH_2, TH_3, CRED = b"x" * 32, bytes([2]) * 32, bytes([3]) * 32, b"credential"


@DEFENDED
def test_a_key_of_low_order_in_message_1(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All keys of the handshake would be known to everyone. Defence: crypto/ecdh.py, exchange; at message_1 already."""
    if not defended:
        monkeypatch.setattr(EcdhKey, "exchange", lambda *_: bytes(32))
    for point in (LOW_ORDER, bytes(32), b"\x01" + bytes(31)):
        run = Run.of("pinned")
        message_1 = run.message_1()
        at = message_1.index(b"\x58\x20") + 2
        poisoned = message_1[:at] + point + message_1[at + 32 :]
        with refused_if(defended, PeerError, "low order"):
            assert run.message_2(poisoned)


@pytest.mark.parametrize("model", ALL_MODELS)
@pytest.mark.parametrize("y", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32])
def test_a_key_off_the_curve(model: str, y: bytes) -> None:
    """An identity on no curve, or on a weak one, is none. Defence: crypto/signature.py, `_load_p256`."""
    run, genuine = Run.of(model), identity("Demo lamp")
    posing = Identity(Credential.of_key(replace(genuine.credential.key, y=y), subject="Demo lamp"), genuine.key)
    run.initiator = Run.between(model, run.session_key, posing).initiator
    run.responder = ResponderExchange(posing, responder_model(model))
    with pytest.raises(PeerError):
        run.finish()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("length", [8, 16, 32])
def test_a_proof_of_zeros(model: str, length: int) -> None:
    """Defence: the `check_3` of each model."""
    run = Run.of(model)
    client = vars(run.initiator)["_model"]
    fake = FakeClient(run.session_key)
    fake.receive_2(run.message_2(fake.message_1(client.ead_1)))
    message_3 = fake.message_3(bytes(length))
    refused_by_device(run.responder, lambda: run.responder.open(message_3))


@pytest.mark.parametrize("place", [0, -1])
def test_zeros_in_front_of_a_share(place: int) -> None:
    """A share that begins or ends with a zero is 32 bytes all the same, and so is a code of zeros one of 8 digits.

    Others lose one pairing in 256 to such a value. Defence: crypto/cpace_group.py: fixed lengths throughout.
    """
    code = Passcode.from_number(0)
    assert code.digits == "0" * 8
    scalars = (index.to_bytes(32, "little") for index in count(1))
    client = next(PasscodeInitiator(code, s) for s in scalars if share(code, s)[place] == 0)
    device = next(PasscodeResponder(code, s) for s in scalars if share(code, s)[place] == 0)
    device.check_1(client.ead_1(G_X), G_X)
    client.check_2(device.ead_2(TH_2, CRED), TH_2, CRED)
    device.check_3(client.ead_3(TH_3, CRED), TH_3, CRED)


def share(code: Passcode, scalar: bytes) -> bytes:
    return PasscodeInitiator(code, scalar)._share(G_X)


def test_zeros_in_front_of_a_coordinate() -> None:
    """A P-256 key whose x begins with a zero keeps its 32 bytes, in the credential and in the binding."""
    keys = (SigningKey.from_bytes(Algorithm.ES256, index.to_bytes(32, "big")) for index in count(1))
    key = next(key for key in keys if key.x[0] == 0)
    device = Identity(Credential.of_key(CoseKey.of(key), subject="Demo lamp"), key)
    agreement, _, _, _ = Run.between("secret", identity(), device).finish()
    assert agreement.device.key.x == key.x
    assert len(key.x) == 32
