"""Attacks on `compare`: the attacker sits between both ends and wants the two numbers to be the same.

There are fewer numbers than in life, so that a search takes moments; randomness is fixed, so that the attacker's luck
is. Each attack goes through once the defence that it names is gone.
"""

from itertools import count
from types import SimpleNamespace

import pytest

from oob.binding import Agreement, InitiatorExchange, ResponderExchange
from oob.errors import AuthenticationError, UsageError
from oob.handshake import Identity
from oob.pairing import CompareInitiator, CompareResponder, compare
from tests.attack.refusal import DEFENDED, refused_if
from tests.exchange import CONTEXT, HastyCompareInitiator, HastyCompareResponder, Run, ephemeral, identity
from tests.pair import Random

NUMBERS = 50
"""How many numbers there are here, in place of 10**6."""


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make few numbers, and the same keys in every run."""
    genuine = compare.comparison_number
    monkeypatch.setattr(compare, "comparison_number", lambda *of: f"000 0{int(genuine(*of)[-2:]) % NUMBERS:02d}")
    monkeypatch.setattr("tests.exchange.os", SimpleNamespace(urandom=Random("comparison")))


class Victims:
    """A client and a device in `compare`, and the one person who looks at both screens."""

    def __init__(self) -> None:
        self.session_key, self.device = identity(), identity("Demo lamp")
        self.ours = CompareInitiator(bytes(range(16)), self.session_key.credential.cred)
        self.theirs = CompareResponder()
        client = InitiatorExchange(self.session_key, self.ours, CONTEXT)
        self.run = Run(client, ResponderExchange(self.device, self.theirs), self.session_key, self.device)

    def sees_two_numbers(self) -> bool:
        """The person says yes at both ends if the numbers are the same, and no otherwise."""
        if self.ours.show(0) != self.theirs.show(0):
            return True
        self.ours.confirm(1)
        self.theirs.confirm(1)
        return False


class Mallory:
    """Two ends of her own: a device towards the client, a client towards the device."""

    def __init__(self) -> None:
        self.session_key, self.lamp = identity(), identity("Demo lamp")
        self.device = ResponderExchange(self.lamp, HastyCompareResponder())

    def take_client(self, victims: Victims) -> str:
        """Run with the client up to message_3, from which on its number is fixed and known to her."""
        message_2 = self.device.answer(victims.run.message_1(), ephemeral, b"\x02")
        self.device.open(victims.run.initiator.receive_2(message_2))
        return victims.ours.show(0)

    def client(self, model: CompareInitiator) -> InitiatorExchange:
        """Make her end towards the device."""
        return InitiatorExchange(self.session_key, model, CONTEXT)

    def conclude(self, victims: Victims, client: InitiatorExchange) -> list[Agreement]:
        """Finish both runs: the client is bound to her device, and the device to her session."""
        ours, _ = self.device.confirm(bytes(16), None, None)
        theirs, _ = victims.run.responder.confirm(bytes(16), None, None)
        return [victims.run.initiator.receive_4(ours), client.receive_4(theirs)]


def test_the_honest_run_goes_through() -> None:
    victims = Victims()
    run = victims.run
    run.responder.open(run.message_3())
    assert not victims.sees_two_numbers()
    run.initiator.receive_4(run.responder.confirm(bytes(16), None, None)[0])


def test_a_plain_relay_with_keys_of_its_own() -> None:
    """Two handshakes have two numbers: pairing/compare.py, comparison_number, over N, TH_3 and CRED_I."""
    victims, mallory = Victims(), Mallory()
    mallory.take_client(victims)
    client = mallory.client(HastyCompareInitiator(bytes(range(16)), mallory.session_key.credential.cred))
    message_2 = victims.run.message_2(client.start(ephemeral(), b"\x01"))
    victims.run.responder.open(client.receive_2(message_2))
    assert victims.sees_two_numbers()
    with pytest.raises(AuthenticationError, match="nobody confirmed"):
        mallory.conclude(victims, client)


class Grinder(HastyCompareInitiator):
    """A client that seeks another N once it knows TH_3."""

    wanted = ""

    def ead_3(self, th_3: bytes, cred_i: bytes) -> bytes:
        """Open the commitment to whatever gives the wanted number."""
        nonces = (index.to_bytes(16, "big") for index in count())
        self._nonce = next(n for n in nonces if compare.comparison_number(n, th_3, cred_i) == self.wanted)
        return super().ead_3(th_3, cred_i)


@DEFENDED
def test_another_nonce_once_the_share_of_the_device_is_known(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """She changes N after she has seen G_Y, offline, until the device shows what the client shows: one run is enough.

    Defence: pairing/compare.py, CompareResponder.check_3: check_equal of the commitment.
    """
    if not defended:
        monkeypatch.setattr(compare, "check_equal", lambda *_: None)
    victims, mallory = Victims(), Mallory()
    model = Grinder(bytes(16), mallory.session_key.credential.cred)
    model.wanted = mallory.take_client(victims)
    client = mallory.client(model)
    message_3 = client.receive_2(victims.run.message_2(client.start(ephemeral(), b"\x01")))
    with refused_if(defended, AuthenticationError, "out-of-band"):
        victims.run.responder.open(message_3)
        assert not victims.sees_two_numbers()
        to_client, to_device = mallory.conclude(victims, client)
        assert to_client.device == mallory.lamp.credential
        assert to_device.device == victims.device.credential


@DEFENDED
def test_abandoned_and_tried_again_until_the_numbers_match(defended: bool) -> None:
    """She knows her number at message_2, before the device shows anything, and begins anew until it fits.

    Defence: pairing/models.py, Steps.take: an armed CompareResponder answers one message_1. Without it, each message_1
    gets a model of its own.
    """
    victims, mallory = Victims(), Mallory()
    wanted = mallory.take_client(victims)

    def attempt() -> tuple[CompareInitiator, InitiatorExchange, bytes]:
        victims.theirs = victims.theirs if defended else CompareResponder()
        victims.run.responder = ResponderExchange(victims.device, victims.theirs)
        model = HastyCompareInitiator(Random(f"N {next(tries)}")(16), mallory.session_key.credential.cred)
        client = mallory.client(model)
        return model, client, client.receive_2(victims.run.message_2(client.start(ephemeral(), b"\x01")))

    tries = count(1)
    with refused_if(defended, UsageError, "each step is taken once"):
        while True:
            model, client, message_3 = attempt()
            if model.show(0) == wanted:
                break
        victims.run.responder.open(message_3)
        assert not victims.sees_two_numbers()
        mallory.conclude(victims, client)
    made = next(tries) - 1
    assert made == 2 if defended else 2 < made < 10 * NUMBERS


def her_answer(mallory: Mallory, message_1: bytes, known: Identity, nonce: bytes, wanted: str) -> bytes:
    """Try ephemeral keys until message_2 leads to the wanted number at a client with this N and session key."""
    while True:
        mallory.device = ResponderExchange(mallory.lamp, HastyCompareResponder())
        message_2 = mallory.device.answer(message_1, ephemeral, b"\x02")
        th_3: bytes = vars(vars(mallory.device)["_session"])["_step"].th_3
        if compare.comparison_number(nonce, th_3, known.credential.cred) == wanted:
            return message_2


@DEFENDED
def test_another_share_once_the_nonce_of_the_client_is_known(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were N readable in message_1, she would seek a G_Y that leads the client to the device's number.

    She even knows the session key of the client. Defence: pairing/compare.py, commitment: a hash, which hides N.
    """
    if not defended:
        monkeypatch.setattr(compare, "commitment", lambda nonce, *_: nonce + bytes(16))
    victims, mallory = Victims(), Mallory()
    client = mallory.client(HastyCompareInitiator(bytes(16), mallory.session_key.credential.cred))
    victims.run.responder.open(client.receive_2(victims.run.message_2(client.start(ephemeral(), b"\x01"))))
    message_1 = victims.run.message_1()
    read = message_1[-32:-16]
    message_2 = her_answer(mallory, message_1, victims.session_key, read, victims.theirs.show(0))
    mallory.device.open(victims.run.initiator.receive_2(message_2))
    assert victims.sees_two_numbers() is defended
    with refused_if(defended, AuthenticationError, "nobody confirmed"):
        mallory.conclude(victims, client)


# --- what the users must do, and when


@DEFENDED
@pytest.mark.parametrize("end", ["client", "device"])
def test_a_yes_that_comes_after_60_seconds(end: str, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time to bring the client's number to match that on a forgotten screen.

    Defence: pairing/compare.py, confirm: LIFETIME.
    """
    if not defended:
        monkeypatch.setattr(compare, "LIFETIME", 1e9)
    victims = Victims()
    victims.run.responder.open(victims.run.message_3())
    model = victims.ours if end == "client" else victims.theirs
    model.show(0)
    with refused_if(defended, AuthenticationError, "within 60 s"):
        model.confirm(60.5)


@DEFENDED
def test_message_4_before_the_user_of_the_device_said_yes(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that closes, and signs, before anybody looked. Nothing is signed, and no key is left either.

    Defence: pairing/compare.py, CompareResponder.ead_4: _require_confirmed, called in exchange.py, confirm.
    """
    if not defended:
        monkeypatch.setattr(CompareResponder, "_require_confirmed", lambda _: None)
    victims = Victims()
    responder = victims.run.responder
    responder.open(victims.run.message_3())
    victims.theirs.show(0)
    with pytest.raises(UsageError, match="no channel secret"):
        responder.pairing_key()
    with refused_if(defended, AuthenticationError, "nobody confirmed"):
        responder.confirm(bytes(16), None, None)
    with refused_if(defended, UsageError):
        responder.pairing_key()


@DEFENDED
def test_a_client_that_concludes_without_its_own_user(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """message_4 says what the device's user did, or what an attacker in place of the device claims he did.

    Defence: pairing/compare.py, CompareInitiator.check_4: _require_confirmed, called in exchange.py, receive_4.
    """
    if not defended:
        monkeypatch.setattr(CompareInitiator, "_require_confirmed", lambda _: None)
    victims, mallory = Victims(), Mallory()
    mallory.take_client(victims)
    message_4, _ = mallory.device.confirm(bytes(16), None, None)
    with refused_if(defended, AuthenticationError, "nobody confirmed"):
        victims.run.initiator.receive_4(message_4)


def test_no_number_before_the_commitment_has_opened() -> None:
    """Defence: pairing/compare.py, CompareResponder.check_3: the number is made last."""
    victims = Victims()
    message_3 = victims.run.message_3()
    with pytest.raises(UsageError, match="no number"):
        victims.theirs.show(0)
    with pytest.raises(AuthenticationError):
        victims.run.responder.open(message_3[:-1] + bytes([message_3[-1] ^ 1]))
    with pytest.raises(UsageError, match="no number"):
        victims.theirs.show(0)
