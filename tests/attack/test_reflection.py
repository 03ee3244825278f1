"""A party's own messages, proofs and keys, sent back to it."""

import pytest

from oob.binding import Receipt, ResponderExchange
from oob.errors import AuthenticationError, PeerError
from tests.attack.mallory import FakeDevice
from tests.attack.refusal import refused, refused_by_client, refused_by_device
from tests.exchange import MODELS, Run, identity, responder_model

RECEIPT = Receipt(bytes(16), None, None, True, bytes(64)).encode()


@pytest.mark.parametrize("model", MODELS)
def test_message_1_as_message_2(model: str) -> None:
    """Taken for a malformed error message, and those are not answered.

    Defence: handshake/messages.py, Error.decode.
    """
    run = Run.of(model)
    message_1 = run.message_1()
    refused(lambda: run.initiator.receive_2(message_1), PeerError)
    assert run.initiator.parting() is None
    assert run.initiator.device_name == ""


@pytest.mark.parametrize("model", MODELS)
def test_message_3_as_message_4(model: str) -> None:
    """Defence: handshake/initiator.py, process_message_4: K_4 is not K_3 (schedule.py, key_4)."""
    run = Run.of(model)
    message_3 = run.message_3()
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_3), AuthenticationError, "ciphertext")


@pytest.mark.parametrize("model", MODELS)
def test_message_2_as_message_3(model: str) -> None:
    """Defence: handshake/responder.py, process_message_3: message_3 is encrypted under K_3."""
    run = Run.of(model)
    message_2 = run.message_2(run.message_1())
    refused_by_device(run.responder, lambda: run.responder.open(message_2), AuthenticationError, "ciphertext")


@pytest.mark.parametrize("model", MODELS)
def test_the_clients_own_key_as_the_devices(model: str) -> None:
    """The attacker makes an app talk to itself, in both roles at once.

    Defence: handshake/proof.py, check_peer.
    """
    run = Run.of(model)
    run.responder = ResponderExchange(run.session_key, responder_model(model))
    message_2 = run.message_2(run.message_1())
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), PeerError, "own credential")


def test_the_clients_share_as_the_devices() -> None:
    """With Yb = Ya the attacker knows no key, and the client's T_I is not what it takes for T_R.

    Defences: pairing/passcode.py, `_t_r`: another label and TH_4; exchange.py, receive_4 (check_4).
    """
    run = Run.of("passcode")
    fake = FakeDevice(identity("Demo lamp"))
    ya = (fake.receive_1(run.message_1()).ead[0].value or b"")[-32:]
    _, t_i, _ = fake.receive_3(run.initiator.receive_2(fake.message_2(ya)))
    message_4 = fake.message_4(t_i, RECEIPT)
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), AuthenticationError, "out-of-band")


@pytest.mark.parametrize("pad", [b"", bytes(8)])
def test_the_clients_tag_as_the_devices(pad: bytes) -> None:
    """`secret`: neither the tag of EAD_1 nor a padded one is a T_R.

    Defence: pairing/secret.py, SecretInitiator.check_2: T_R has a label of its own.
    """
    run = Run.of("secret")
    fake = FakeDevice(run.device)
    tag = (fake.receive_1(run.message_1()).ead[0].value or b"")[-8:]
    message_2 = fake.message_2(tag + pad)
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), AuthenticationError, "out-of-band")


@pytest.mark.parametrize("model", MODELS)
def test_channel_records_sent_back(model: str) -> None:
    """Defence: binding/channel.py, channel_pair: each direction has its own key."""
    agreement, _, channel, _ = Run.of(model).finish()
    for end in (agreement.channel, channel):
        record = end.seal(b"proceed")
        with pytest.raises(AuthenticationError, match="verify"):
            end.open(record)
