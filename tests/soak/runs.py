"""A whole pairing with the right secret, from message_1 to a verified binding and a channel, and the zeros it met."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from oob.binding import InitiatorExchange, ResponderExchange, SessionContext, verify_binding
from oob.cose import CoseKey
from oob.crypto import Algorithm, SigningKey
from oob.handshake import Credential, Identity
from oob.pairing import (
    InitiatorModel,
    PasscodeInitiator,
    PasscodeResponder,
    ResponderModel,
    ResumedInitiator,
    ResumedResponder,
    SecretInitiator,
    SecretResponder,
)
from tests.exchange import HastyCompareInitiator, HastyCompareResponder
from tests.soak.inputs import Dealer, Inputs, cpace_secret, ecdh_secret, first, last, share

Model = Callable[[Inputs, bytes], tuple[InitiatorModel, ResponderModel]]
MODELS: Final[dict[str, Model]] = {
    "passcode": lambda the, _: (
        PasscodeInitiator(the.passcode, the.scalars[0]),
        PasscodeResponder(the.passcode, the.scalars[1]),
    ),
    "secret": lambda the, hash: (
        SecretInitiator(the.secret, hash, dynamic=True),
        SecretResponder(the.secret, dynamic=True),
    ),
    "compare": lambda the, _: (
        HastyCompareInitiator(the.secret[:16], Credential.of_key(CoseKey.of(the.session)).cred),
        HastyCompareResponder(),
    ),
    "resumed": lambda the, hash: (
        ResumedInitiator(the.scalars[0], hash),
        ResumedResponder({b"other": the.scalars[1], b"this": the.scalars[0]}),
    ),
}


@dataclass
class RecordingKey:
    """A signature key that keeps what it signed."""

    key: SigningKey
    signatures: list[bytes] = field(default_factory=list)

    @property
    def algorithm(self) -> Algorithm:
        """The signature algorithm."""
        return self.key.algorithm

    def sign(self, message: bytes) -> bytes:
        """Sign and keep the signature."""
        self.signatures.append(self.key.sign(message))
        return self.signatures[-1]


def pair(name: str, inputs: Inputs) -> Counter[str]:
    """Run a pairing of the model `name` and count its zeros by kind; whatever is refused raises."""
    session, device = RecordingKey(inputs.session), RecordingKey(inputs.device)
    client, lamp = (
        Identity(Credential.of_key(CoseKey.of(each.key), subject=subject), each)
        for each, subject in ((session, ""), (device, "Demo lamp"))
    )
    models = MODELS[name](inputs, lamp.credential.hash())
    context = SessionContext(
        "https://issuer.example", inputs.root_hash, "https://app.example", inputs.challenge, ("lamp.example",)
    )
    initiator, responder = InitiatorExchange(client, models[0], context), ResponderExchange(lamp, models[1])
    message_2 = responder.answer(
        initiator.start(inputs.ephemeral_i, inputs.c_i), lambda _: inputs.ephemeral_r, inputs.c_r
    )
    claim = responder.open(initiator.receive_2(message_2))
    message_4, channel = responder.confirm(inputs.jti, None, None)
    agreement = initiator.receive_4(message_4)
    assert claim.context == context
    assert verify_binding(agreement.binding, claim.client).jti == inputs.jti
    assert channel.open(agreement.channel.seal(inputs.jti)) == inputs.jti
    assert agreement.channel.open(channel.seal(b"")) == b""
    return Counter(kind for kind, met in zeros(name, inputs, session.signatures + device.signatures).items() if met)


def zeros(name: str, inputs: Inputs, signatures: list[bytes]) -> dict[str, bool]:
    """Say of each kind of zero whether it stood in a run."""
    identities, ephemerals = (inputs.session, inputs.device), (inputs.ephemeral_i.x, inputs.ephemeral_r.x)
    common = {
        "identity key, x": any(first(key.x) for key in identities),
        "identity key, y": any(first(key.y) for key in identities),
        "ephemeral key, first byte": any(map(first, ephemerals)),
        "ephemeral key, last byte": any(map(last, ephemerals)),
        "G_XY, first byte": first(ecdh_secret(inputs)),
        "G_XY, last byte": last(ecdh_secret(inputs)),
        "signature, r": any(first(each[:32]) for each in signatures),
        "signature, s": any(first(each[32:]) for each in signatures),
        "challenge": first(inputs.challenge),
        "jti": first(inputs.jti),
        "root hash": first(inputs.root_hash),
    }
    return common | (_passcode_zeros(inputs) if name == "passcode" else {"K": first(inputs.secret)})


def _passcode_zeros(inputs: Inputs) -> dict[str, bool]:
    shares = [share(inputs, scalar) for scalar in inputs.scalars]
    k = cpace_secret(inputs)
    return {
        "passcode, four zeros": inputs.passcode.digits.startswith("0000"),
        "CPace scalar": any(map(first, inputs.scalars)),
        "CPace share, first byte": any(map(first, shares)),
        "CPace share, last byte": any(map(last, shares)),
        "CPace K, first byte": first(k),
        "CPace K, last byte": last(k),
    }


@dataclass
class Tally:
    """The outcome for a model: runs, how many met each kind of zero, and the refused ones, each with its reason."""

    model: str
    runs: int = 0
    zeros: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)


def soak(dealer: Dealer, runs: int) -> Iterator[Tally]:
    """Run each model so many times."""
    for name in MODELS:
        tally = Tally(name, runs)
        for run in range(runs):
            try:
                tally.zeros += pair(name, dealer.deal(run))
            except Exception as error:  # whatever it is: the right secret was not accepted
                tally.refused.append(f"run {run}: {error!r}")
        yield tally
