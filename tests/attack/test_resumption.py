"""Attacks on a paired client that comes again, and with what a pairing leaves behind."""

from dataclasses import replace

import pytest

from oob.binding import Channel, InitiatorExchange, ResponderExchange
from oob.binding.channel import AEAD, _Direction
from oob.crypto import Hash
from oob.errors import AuthenticationError, OobError, UsageError
from oob.handshake import Credential, Identity
from oob.pairing import Model, ResumedInitiator, ResumedResponder, SecretResponder
from oob.pairing.models import expect_ead_1, prf
from tests.attack.mallory import FakeClient
from tests.attack.refusal import DEFENDED, refused_by_client, refused_by_device, refused_if
from tests.exchange import CONTEXT, MODELS, ONE_SIDED, RESUMPTION, Run, identity

PHONE, LAPTOP = b"P" * 32, b"L" * 32


class Hospitable(ResumedResponder):
    """A device that answers whoever asks for `resumed`, and takes it for the phone."""

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Take any tag."""
        with self._steps.take("check_1"):
            expect_ead_1(value, self.model)
            self._secret, self._pairing = PHONE, b"phone"


def paired_device(defended: bool = True) -> ResponderExchange:
    """Return a device with two pairings, or one that does not look at the tag of message_1."""
    kind = ResumedResponder if defended else Hospitable
    return ResponderExchange(identity("Demo lamp"), kind({b"phone": PHONE, b"laptop": LAPTOP}))


@DEFENDED
@pytest.mark.parametrize("tag", [bytes(8), b"\xff" * 8, b"", bytes(16)])
def test_a_stranger_learns_who_the_device_is(tag: bytes, defended: bool) -> None:
    """A device that is not armed says nothing to strangers: its credential, which never changes, would betray it.

    Defence: pairing/resumed.py, ResumedResponder.check_1: the tag over G_X.
    """
    device, fake = paired_device(defended), FakeClient(identity())
    message_1 = fake.message_1(lambda _: bytes([Model.RESUMED, 0x40 + len(tag)]) + tag)
    with refused_if(defended, AuthenticationError, "not paired"):
        verified, _ = fake.receive_2(Run.message_2(replace(Run.of(), responder=device), message_1))
        assert verified.credential.subject == "Demo lamp"


def test_a_client_that_was_never_paired() -> None:
    """Also where the device has no pairing at all. Defence: pairing/resumed.py, ResumedResponder.check_1."""
    for pairings in ({}, {b"phone": PHONE}):
        run = Run.of("resumed")
        run.responder = ResponderExchange(run.device, ResumedResponder(pairings))
        message_1 = run.message_1()
        refused_by_device(run.responder, lambda run=run, m=message_1: run.message_2(m), AuthenticationError, "paired")  # type: ignore[misc]


@DEFENDED
def test_one_paired_client_as_another(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The laptop copies EAD_1 of the phone, as far as it may: even where it is answered, its T_I is not the phone's.

    Defence: pairing/secret.py, SecretResponder.check_3, under the secret of the pairing that message_1 named.
    """
    if not defended:
        monkeypatch.setattr("oob.pairing.secret.check_equal", lambda *_: None)
    run, fake = replace(Run.of(), responder=paired_device(defended=False)), FakeClient(identity())
    laptop = ResumedInitiator(LAPTOP, run.device.credential.hash())
    fake.receive_2(run.message_2(fake.message_1(laptop.ead_1)))
    message_3 = fake.message_3(laptop._tag("I", fake.session.th, fake.identity.credential.cred))
    with refused_if(defended, AuthenticationError, "out-of-band"):
        assert run.responder.open(message_3).client == fake.identity.credential.key


def believes(credential: Credential) -> type[ResumedInitiator]:
    """Return a client that looks at T_R alone, and not at who sent it: it believes this credential."""

    class Believing(ResumedInitiator):
        def check_2(self, value: bytes, th_2: bytes, cred_r: bytes) -> None:
            self._cred_r_hash = Hash.SHA256.digest(credential.cred)
            super().check_2(value, th_2, cred_r)

    return Believing


@DEFENDED
def test_somebody_with_the_stolen_store_of_the_device_plays_it(defended: bool) -> None:
    """The secrets of the pairings were copied; the key in the secure element was not. So, too, a device since reset.

    Defence: pairing/secret.py, SecretInitiator.check_2: the hash of CRED_R, from the pairing.
    """
    run, thief = Run.of("resumed"), identity("Demo lamp")
    kind = ResumedInitiator if defended else believes(thief.credential)
    ours = kind(RESUMPTION, run.device.credential.hash())
    run.initiator = InitiatorExchange(run.session_key, ours, CONTEXT)
    run.responder = ResponderExchange(thief, ResumedResponder({b"stolen": RESUMPTION}))
    with refused_if(defended, AuthenticationError, "out-of-band"):
        run.finish()


def test_the_device_after_a_reset() -> None:
    """Defence: pairing/resumed.py, check_1: it holds no secret any more."""
    run = Run.of("resumed")
    run.responder = ResponderExchange(identity("Demo lamp"), ResumedResponder({}))
    message_1 = run.message_1()
    refused_by_device(run.responder, lambda: run.message_2(message_1), AuthenticationError, "not paired")


def test_the_device_under_another_name() -> None:
    """Defence: pairing/secret.py, SecretInitiator.check_2: the hash covers the subject."""
    run = Run.of("resumed")
    renamed = Identity(Credential.of_key(run.device.credential.key, subject="Safe"), run.device.key)
    run.responder = ResponderExchange(renamed, ResumedResponder({b"phone": RESUMPTION}))
    message_2 = run.message_2(run.message_1())
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), AuthenticationError, "out-of-band")


@DEFENDED
def test_a_tag_of_secret_as_one_of_resumed(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One K in two models, relabelled on the way. Defence: pairing/models.py, prf: the model id in every input."""
    if not defended:
        monkeypatch.setattr("oob.pairing.secret.prf", lambda key, _, *rest: prf(key, Model.SECRET, *rest))
    device = ResumedResponder({b"phone": PHONE})
    tag = SecretResponder(PHONE, dynamic=False)._id(b"x" * 32)
    with refused_if(defended, AuthenticationError, "not paired"):
        device.check_1(b"\x06\x48" + tag, b"x" * 32)


@DEFENDED
@pytest.mark.parametrize("model", ONE_SIDED)
def test_a_stranger_of_last_time_as_a_paired_client(model: str, defended: bool) -> None:
    """Anybody pairs in `pinned`, which binds nothing, and comes again in `resumed`, which is mutual and is bound.

    Defence: binding/pairing_key.py, resumption_secret: a one-sided pairing leaves none.
    """
    first, again = Run.of(model), identity()
    agreement, _, _, _ = first.finish()
    with refused_if(defended, UsageError, "not mutual"):
        ours, theirs = (
            (key if defended else replace(key, mutual=True)).resumption_secret()
            for key in (agreement.key, first.responder.pairing_key())
        )
        run = Run.between("resumed", again, first.device)
        run.initiator = InitiatorExchange(again, ResumedInitiator(ours, agreement.device.hash()), CONTEXT)
        run.responder = ResponderExchange(first.device, ResumedResponder({b"stranger": theirs}))
        assert run.finish()[0].statement.mutual


# --- what a pairing leaves opens nothing of what was said


def channel_of(prk: bytes) -> Channel:
    """Make the device's end of a channel as channel.py does, out of a key that should not do."""

    def direction(way: str) -> _Direction:
        key = Hash.SHA256.expand(prk, f"oob-1 {way} key".encode(), AEAD.key_length)
        return _Direction(key, Hash.SHA256.expand(prk, f"oob-1 {way} iv".encode(), AEAD.nonce_length))

    return Channel(direction("responder"), direction("initiator"))


@DEFENDED
@pytest.mark.parametrize("model", MODELS)
def test_a_stolen_pairing_key_and_a_recorded_channel(
    model: str, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Years later, somebody copies the disk of the client and has a recording of the radio.

    Defence: binding/pairing_key.py, EXPORTER_LABEL: another than the channel's, so that one key leads not to the other.
    """
    if not defended:
        monkeypatch.setattr("oob.binding.pairing_key.EXPORTER_LABEL", 32771)
    agreement, _, _, _ = Run.of(model).finish()
    record = agreement.channel.seal(b"the certificate")
    with refused_if(defended, AuthenticationError, "verify"):
        assert channel_of(agreement.key.prk).open(record) == b"the certificate"


@pytest.mark.parametrize("model", MODELS)
def test_exports_and_a_recorded_channel(model: str) -> None:
    """An application's key or the resumption secret, used in its place. Defence: binding/pairing_key.py, _expand."""
    agreement, _, _, _ = Run.of(model).finish()
    key = agreement.key
    record = agreement.channel.seal(b"the certificate")
    for stolen in (key.resumption_secret(), key.export("", b"", 32), key.export("oob-1 initiator key", b"", 32)):
        with pytest.raises(OobError):
            channel_of(stolen).open(record)
