"""The models `pinned` and `button`."""

import hashlib

import pytest

from oob.errors import AuthenticationError, PeerError, UsageError
from oob.pairing import ButtonInitiator, Model, PinnedInitiator, UnprovenResponder

TH_2, TH_3, TH_4 = bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32
G_X, CRED_I, CRED_R = b"x" * 32, b"credential of I", b"credential of R"
HASH_R = hashlib.sha256(CRED_R).digest()
ENDS = pytest.mark.parametrize("model", [Model.PINNED, Model.BUTTON])


def initiator_of(model: Model) -> PinnedInitiator | ButtonInitiator:
    return PinnedInitiator(HASH_R) if model is Model.PINNED else ButtonInitiator(accept_presence_alone=True)


@ENDS
def test_the_values_on_the_radio(model: Model) -> None:
    initiator, responder = initiator_of(model), UnprovenResponder(model)
    ead_1 = initiator.ead_1(G_X)
    assert ead_1 == bytes([model, 0x40])
    responder.check_1(ead_1, G_X)
    assert responder.ead_2(TH_2, CRED_R) == b""
    initiator.check_2(b"", TH_2, CRED_R)
    assert initiator.ead_3(TH_3, CRED_I) == b""
    responder.check_3(b"", TH_3, CRED_I)
    assert responder.ead_4(TH_4) == b""
    initiator.check_4(b"", TH_4)
    assert initiator.channel_secret() == responder.channel_secret() == b""


def test_what_is_proven() -> None:
    pinned, button = PinnedInitiator(HASH_R).proof, ButtonInitiator(accept_presence_alone=True).proof
    assert (pinned.mutual, pinned.dynamic, pinned.confirmed, pinned.bits) == (False, False, False, 128)
    assert (button.mutual, button.dynamic, button.confirmed, button.bits) == (False, True, True, 0)
    assert (UnprovenResponder(Model.PINNED).proof, UnprovenResponder(Model.BUTTON).proof) == (pinned, button)


@pytest.mark.parametrize("length", [16, 20, 32])
def test_attack_another_device_than_the_pinned_one(length: int) -> None:
    """unproven.py, PinnedInitiator._check_cred_r."""
    initiator = PinnedInitiator(HASH_R[:length])
    initiator.ead_1(G_X)
    with pytest.raises(AuthenticationError, match="message_2"):
        initiator.check_2(b"", TH_2, b"credential of somebody else")
    initiator = PinnedInitiator(HASH_R[:length])
    initiator.ead_1(G_X)
    initiator.check_2(b"", TH_2, CRED_R)


def test_button_takes_any_device() -> None:
    """That is what the caller must ask for by name."""
    initiator = ButtonInitiator(accept_presence_alone=True)
    initiator.ead_1(G_X)
    initiator.check_2(b"", TH_2, b"credential of whoever was first")


@pytest.mark.parametrize("options", [{}, {"accept_presence_alone": False}])
def test_button_is_not_to_be_had_by_default(options: dict[str, bool]) -> None:
    with pytest.raises(UsageError, match="proves no identity"):
        ButtonInitiator(**options)


@ENDS
@pytest.mark.parametrize("value", [b"\x00", bytes(16)])
def test_attack_a_value_in_message_1(model: Model, value: bytes) -> None:
    with pytest.raises(PeerError, match="has none"):
        UnprovenResponder(model).check_1(bytes([model, 0x40 + len(value)]) + value, G_X)


@pytest.mark.parametrize("model", [Model.SECRET, Model.PASSCODE, Model.COMPARE, Model.RESUMED])
def test_a_model_with_a_proof_is_not_run_without_it(model: Model) -> None:
    with pytest.raises(UsageError, match=f"the model {model.name.lower()} has a proof"):
        UnprovenResponder(model)


@pytest.mark.parametrize("length", [0, 15, 33])
def test_wrong_lengths(length: int) -> None:
    with pytest.raises(UsageError, match="CRED_R has 16 to 32 bytes"):
        PinnedInitiator(bytes(length))
