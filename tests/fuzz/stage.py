"""One run with fixed keys, held open at every message, as its two ends and as an attacker who plays the other end."""

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from oob.binding import InitiatorExchange, ResponderExchange
from oob.cose import CoseKey, encrypt0
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.handshake import Credential, Identity, schedule
from oob.handshake.ead import EadField
from oob.handshake.initiator import AwaitMessage2, Verified2
from oob.handshake.messages import Message1, encode_bstr
from oob.handshake.proof import xor
from oob.handshake.responder import AwaitMessage3, Engaged, Verified3, process_message_1
from oob.pairing import InitiatorModel, PasscodeInitiator, PasscodeResponder, ResponderModel
from tests.exchange import (
    CONTEXT,
    PASSCODE,
    HastyCompareInitiator,
    HastyCompareResponder,
    initiator_model,
    responder_model,
)

C_I, C_R = b"\x01", b"\x02"


def identity(name: str) -> Identity:
    """Return the same P-256 signing identity for the same name."""
    key = SigningKey.generate(Algorithm.ES256, Random(name).randbytes)
    return Identity(Credential.of_key(CoseKey.of(key), subject=name), key)


def ephemeral(name: str) -> EcdhKey:
    """Return the same X25519 key for the same name."""
    return EcdhKey.generate(Curve.X25519, Random(name).randbytes)


@dataclass(frozen=True)
class Stage:
    """The ends of one run, each waiting for one message; `fork` them. What an attacker needs stands beside.

    The attacker is authentic in the sense of EDHOC: any rogue device or client can come as far.
    """

    awaits_1: ResponderExchange
    awaits_2: InitiatorExchange
    awaits_3: ResponderExchange
    awaits_4: InitiatorExchange
    messages: tuple[bytes, bytes, bytes, bytes]
    engaged: Engaged
    verified_2: Verified2
    sent_2: AwaitMessage3
    verified_3: Verified3

    def rogue_1(self, ead: bytes) -> bytes:
        """Return message_1 with these bytes as EAD_1."""
        fields = self.engaged.received.fields
        return Message1(fields.method, fields.suites, fields.g_x, fields.c_i, EadField((), ead)).encode()

    def rogue_2(self, ead: bytes) -> bytes:
        """Return message_2 with these bytes as EAD_2, signed."""
        return self.engaged.compose_message_2(EadField((), ead))[1]

    def rogue_3(self, ead: bytes) -> bytes:
        """Return message_3 with these bytes as EAD_3, signed."""
        return self.verified_2.compose_message_3(EadField((), ead))[1]

    def rogue_4(self, ead: bytes) -> bytes:
        """Return message_4 with these bytes as EAD_4, which is all of its plaintext."""
        return self.verified_3.compose_message_4(EadField((), ead))

    def enclosing_2(self, plaintext: bytes) -> bytes:
        """Return message_2 that decrypts to `plaintext`."""
        engaged, hash = self.engaged, self.engaged.received.suite.hash
        stream = schedule.keystream_2(hash, engaged.prk_2e, engaged.th_2, len(plaintext))
        return encode_bstr(engaged.ephemeral.x + xor(plaintext, stream))

    def enclosing_3(self, plaintext: bytes) -> bytes:
        """Return message_3 that decrypts to `plaintext`."""
        suite, th_3 = self.sent_2.suite, self.sent_2.th_3
        key, iv = schedule.key_3(suite, self.sent_2.prk_3e2m, th_3)
        return encode_bstr(encrypt0(suite.aead, key, iv, plaintext, th_3))


@cache
def stage(model: str) -> Stage:
    """Build the run of a model."""
    client, device = identity("session"), identity("device")
    own = ephemeral("initiator"), ephemeral("responder")
    first, second = _ends(model, client, device), _ends(model, client, device)
    message_1 = first[0].start(own[0], C_I)
    second[0].start(own[0], C_I)
    sent_1: AwaitMessage2 = _step(first[0])
    message_2 = first[1].answer(message_1, lambda _: own[1], C_R)
    sent_2: AwaitMessage3 = _step(first[1])
    message_3 = first[0].receive_2(message_2)
    awaits_3 = _ends(model, client, device)[1]
    awaits_3.answer(message_1, lambda _: own[1], C_R)
    first[1].open(message_3)
    message_4, _ = first[1].confirm(bytes(16), None, None)
    return Stage(
        awaits_1=second[1],
        awaits_2=second[0],
        awaits_3=awaits_3,
        awaits_4=first[0],
        messages=(message_1, message_2, message_3, message_4),
        engaged=process_message_1(message_1, (0,), (6,)).engage(device, own[1], C_R),
        verified_2=sent_1.process_message_2(message_2).verify(device.credential),
        sent_2=sent_2,
        verified_3=sent_2.process_message_3(message_3).verify(client.credential),
    )


def _ends(model: str, client: Identity, device: Identity) -> tuple[InitiatorExchange, ResponderExchange]:
    ours, theirs = _models(model, client, device)
    return InitiatorExchange(client, ours, CONTEXT), ResponderExchange(device, theirs)


def _models(name: str, client: Identity, device: Identity) -> tuple[InitiatorModel, ResponderModel]:
    if name == "passcode":
        return PasscodeInitiator(PASSCODE, bytes(range(32))), PasscodeResponder(PASSCODE, bytes(range(32, 64)))
    if name == "compare":
        return HastyCompareInitiator(bytes(range(16)), client.credential.cred), HastyCompareResponder()
    return initiator_model(name, client, device), responder_model(name)


def _step(exchange: InitiatorExchange | ResponderExchange) -> Any:
    return vars(vars(exchange)["_session"])["_step"]
