"""Live attackers between an honest client and an honest device, without the out-of-band secret."""

from dataclasses import replace

import pytest

from oob.binding import Receipt, ResponderExchange
from oob.errors import AuthenticationError, PeerError
from oob.pairing import Passcode, PasscodeInitiator, PasscodeResponder, SecretInitiator, SecretResponder
from tests.attack.mallory import FakeClient, FakeDevice
from tests.attack.refusal import refused_by_client, refused_by_device
from tests.exchange import CONTEXT, MODELS, SECRET, Run, identity

RECEIPT = Receipt(bytes(16), None, None, True, bytes(64)).encode()


class Careless(SecretResponder):
    """A device that answers any message_1: an attacker's, or one against which the 8-byte tag was guessed."""

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Take any tag."""
        with self._steps.take("check_1"):
            pass


def test_passcode_both_sides_terminated_with_substituted_keys() -> None:
    """A relay that ends both handshakes itself, with keys of its own and one guess at the digits, gets nothing.

    Defences: exchange.py, `open` (check_3) and `receive_4` (check_4).
    """
    run, wrong = Run.of("passcode"), Passcode.from_number(7654321)
    ours, theirs = PasscodeInitiator(wrong, b"a" * 32), PasscodeResponder(wrong, b"b" * 32)
    fake_client, fake_device = FakeClient(identity()), FakeDevice(identity("Demo lamp"))
    offered = fake_device.receive_1(run.message_1())
    theirs.check_1(offered.ead[0].value or b"", offered.g_x)
    yb = theirs.ead_2(fake_device.session.th, fake_device.identity.credential.cred)
    _, _, context = fake_device.receive_3(run.initiator.receive_2(fake_device.message_2(yb)))
    verified, yb = fake_client.receive_2(run.message_2(fake_client.message_1(ours.ead_1)))
    ours.check_2(yb, verified.th, verified.credential.cred)
    message_3 = fake_client.message_3(ours.ead_3(fake_client.session.th, fake_client.identity.credential.cred), context)
    refused_by_device(run.responder, lambda: run.responder.open(message_3), AuthenticationError, "out-of-band")
    message_4 = fake_device.message_4(theirs._t_r(bytes(32)), RECEIPT)
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), AuthenticationError, "out-of-band")


def test_secret_both_sides_terminated_with_substituted_keys() -> None:
    """The same relay where K is on a tag: the device does not answer it, the client does not believe it.

    Defences: exchange.py, `answer` (check_1) and `receive_2` (check_2).
    """
    run, wrong = Run.of("secret"), b"wrong" * 4
    ours, theirs = SecretInitiator(wrong, run.device.credential.hash(), False), Careless(wrong, False)
    fake_client, fake_device = FakeClient(identity()), FakeDevice(identity("Demo lamp"))
    offered = fake_device.receive_1(run.message_1())
    theirs.check_1(offered.ead[0].value or b"", offered.g_x)
    message_1 = fake_client.message_1(ours.ead_1)
    refused_by_device(run.responder, lambda: run.message_2(message_1), AuthenticationError, "out-of-band")
    t_r = theirs.ead_2(fake_device.session.th, fake_device.identity.credential.cred)
    message_2 = fake_device.message_2(t_r)
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), AuthenticationError, "out-of-band")


def test_passcode_shares_and_tags_forwarded() -> None:
    """The relay carries Ya, Yb and T_I from one handshake into the other: G_X and TH_3 are others there.

    Defences: pairing/passcode.py, `_share` (sid = G_X), `_t_i` (over TH_3, CRED_I); exchange.py, `open` (check_3).
    """
    run = Run.of("passcode")
    fake_client, fake_device = FakeClient(identity()), FakeDevice(identity("Demo lamp"))
    ya = fake_device.receive_1(run.message_1()).ead[0].value or b""
    _, yb = fake_client.receive_2(run.message_2(fake_client.message_1(lambda _: ya)))
    _, t_i, context = fake_device.receive_3(run.initiator.receive_2(fake_device.message_2(yb)))
    message_3 = fake_client.message_3(t_i, context)
    refused_by_device(run.responder, lambda: run.responder.open(message_3), AuthenticationError, "out-of-band")
    message_4 = fake_device.message_4(t_i, RECEIPT)
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), AuthenticationError, "out-of-band")


def test_secret_tag_forwarded() -> None:
    """The tag of EAD_1 is over the client's G_X and opens the device to nobody else.

    Defence: pairing/secret.py, SecretResponder.check_1.
    """
    run = Run.of("secret")
    stolen = FakeDevice(identity()).receive_1(run.message_1()).ead[0].value or b""
    message_1 = FakeClient(identity()).message_1(lambda _: stolen)
    refused_by_device(run.responder, lambda: run.message_2(message_1), AuthenticationError, "out-of-band")


@pytest.mark.parametrize("t_i", [bytes(16), b"", None])
def test_secret_client_that_guessed_the_tag(t_i: bytes | None) -> None:
    """The 8 bytes of EAD_1 authenticate nothing; T_I does, and the device's own T_R (None) is no T_I.

    Defence: exchange.py, `open`: check_3 (pairing/secret.py, SecretResponder.check_3).
    """
    responder = ResponderExchange(identity("Demo lamp"), Careless(SECRET, dynamic=False))
    run = replace(Run.of("secret"), responder=responder)
    fake = FakeClient(identity())
    _, t_r = fake.receive_2(run.message_2(fake.message_1(lambda _: b"\x02\x48" + bytes(8))))
    message_3 = fake.message_3(t_r if t_i is None else t_i)
    refused_by_device(responder, lambda: responder.open(message_3), AuthenticationError, "out-of-band")


def test_the_true_device_without_the_secret() -> None:
    """A tag was swapped or a device reset: its credential is right, but it does not know K.

    Defence: pairing/secret.py, SecretInitiator.check_2: T_R.
    """
    run = Run.of("secret")
    run.responder = ResponderExchange(run.device, Careless(b"another K" * 2, dynamic=False))
    message_2 = run.message_2(run.message_1())
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), AuthenticationError, "out-of-band")


def test_a_former_reader_of_the_tag_plays_the_device() -> None:
    """K is known to who once read the label; the device's key is not.

    Defence: pairing/secret.py, SecretInitiator.check_2: the hash of CRED_R.
    """
    run = Run.of("secret")
    run.responder = ResponderExchange(identity("Demo lamp"), SecretResponder(SECRET, dynamic=False))
    message_2 = run.message_2(run.message_1())
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), AuthenticationError, "out-of-band")


@pytest.mark.parametrize("t_r", [bytes(16), b""])
def test_passcode_device_without_a_proof(t_r: bytes) -> None:
    """A device that never knew the digits takes message_3 and closes with something.

    Defence: exchange.py, receive_4: check_4 (pairing/passcode.py, PasscodeInitiator.check_4).
    """
    run = Run.of("passcode")
    fake = FakeDevice(identity("Demo lamp"))
    ya = fake.receive_1(run.message_1()).ead[0].value or b""
    fake.receive_3(run.initiator.receive_2(fake.message_2(ya[-32:])))
    message_4 = fake.message_4(t_r, RECEIPT)
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), AuthenticationError, "out-of-band")


@pytest.mark.parametrize("share", [bytes(32), b"\x01" + bytes(31), b"", bytes(31), bytes(33)])
def test_shares_of_low_order(share: bytes) -> None:
    """A share of low order would make the key known to all.

    Defence: crypto/cpace_group.py, cpace_shared; before anything derived from the digits is sent.
    """
    run = Run.of("passcode")
    fake = FakeDevice(identity("Demo lamp"))
    fake.receive_1(run.message_1())
    message_2 = fake.message_2(share)
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(message_2), PeerError, "share")
    run = Run.of("passcode")
    message_1 = FakeClient(identity()).message_1(lambda _: b"\x03\x58" + bytes([len(share)]) + share)
    refused_by_device(run.responder, lambda: run.message_2(message_1), PeerError)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example/directory"},
        {"root_hash": None},
        {"origin": "https://evil.example"},
        {"challenge": b"c" * 32},
        {"names": ("evil.home.example",)},
    ],
)
def test_context_swapped_on_the_way(model: str, change: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The device signs for another session than the client asked for: nobody countersigns.

    Defence: exchange.py, `_agree`: countersign over the statement that the client composed itself.
    """
    swapped = replace(CONTEXT, **change)  # type: ignore[arg-type]
    run = Run.of(model)
    message_3 = run.message_3()
    with monkeypatch.context() as patch:
        patch.setattr("oob.binding.exchange.SessionContext.decode", lambda _: swapped)
        assert run.responder.open(message_3).context == swapped
    message_4, _ = run.responder.confirm(bytes(16), None, None)
    refused_by_client(run.initiator, lambda: run.initiator.receive_4(message_4), AuthenticationError, "signature")


@pytest.mark.parametrize("context", [b"\x80", CONTEXT.encode() + b"\x00", CONTEXT.encode()[:-1], b"\xf6"])
def test_client_without_a_session(context: bytes) -> None:
    """Even a client that knows the digits gets nothing signed for a session that is none.

    Defence: exchange.py, `open`: SessionContext.decode.
    """
    run = Run.of("passcode")
    model = vars(run.initiator)["_model"]
    fake = FakeClient(run.session_key)
    verified, yb = fake.receive_2(run.message_2(fake.message_1(model.ead_1)))
    model.check_2(yb, verified.th, verified.credential.cred)
    message_3 = fake.message_3(model.ead_3(fake.session.th, run.session_key.credential.cred), context)
    refused_by_device(run.responder, lambda: run.responder.open(message_3), PeerError)
