"""A whole handshake, both ends, beside the sum of its raw primitives and beside other stacks.

    python -m tests.bench.handshake [--json] [--rounds N]

A run makes fresh ephemeral keys at both ends and ends when both hold an exported key; authentication keys and
credentials exist before; under a model these travel by value, as in `oob.binding.exchange`, whose binding and channel
stay outside. "primitives" are the same ECDH exchanges, key generations, key loads, signatures,
verifications, AEAD operations, HKDF calls and hashes, called on their library directly at the sizes of a real run,
one after the other; the ratio to them is what the protocol itself costs in Python.
"""

import argparse
import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from os import urandom
from typing import Any, TypeVar

from oob.cose import CoseKey
from oob.crypto import EcdhKey, SigningKey
from oob.crypto.ecdh import random_scalar
from oob.handshake import (
    METHODS,
    SUITES,
    Completed,
    Credential,
    Ead,
    Identity,
    Offered,
    PeerClaimed,
    PeerVerified,
    Session,
    value_of,
)
from oob.pairing.models import EAD_LABEL, InitiatorModel, ResponderModel
from oob.pairing.passcode import Passcode, PasscodeInitiator, PasscodeResponder
from oob.pairing.secret import SecretInitiator, SecretResponder
from tests.bench.primitives import primitives_m0_s6, primitives_m3_s2, primitives_passcode, primitives_secret
from tests.bench.timing import interleave

LABEL, LENGTH = 20, 32
_E = TypeVar("_E")
Models = Callable[[], tuple[InitiatorModel, ResponderModel]]


def oob_handshake(method: int, suite: int) -> Callable[[], None]:
    """Prepare a handshake of this library; the credentials travel by reference."""
    row, curve = METHODS[method], SUITES[suite].curve
    identity_i, identity_r = (
        _identity(suite, row.initiator_signs, b"\x2b"),
        _identity(suite, row.responder_signs, b"\x0a"),
    )

    def run() -> None:
        initiator = Session.initiator(identity_i, method=method, suites=(suite,))
        responder = Session.responder(identity_r, methods=(method,), suites=(suite,))
        initiator.start(EcdhKey.generate(curve, urandom), b"\x05")
        responder.receive(*initiator.messages_to_send())
        responder.engage(EcdhKey.generate(curve, urandom), b"\x06")
        responder.reply()
        initiator.receive(*responder.messages_to_send())
        initiator.accept(identity_r.credential)
        initiator.reply()
        responder.receive(*initiator.messages_to_send())
        responder.accept(identity_i.credential)
        responder.reply()
        initiator.receive(*responder.messages_to_send())
        assert initiator.exporter().export(LABEL, b"", LENGTH) == responder.exporter().export(LABEL, b"", LENGTH)

    return run


def oob_pairing(prepare: Callable[[Credential], Models]) -> Callable[[], None]:
    """Prepare a handshake by method 0 and suite 6 with an association model in its EAD items."""
    identity_i, identity_r, curve = _identity(6, True, None), _identity(6, True, None), SUITES[6].curve
    models = prepare(identity_r.credential)

    def run() -> None:
        model_i, model_r = models()
        initiator = Session.initiator(identity_i, labels={EAD_LABEL})
        responder = Session.responder(identity_r, labels={EAD_LABEL})
        ephemeral = EcdhKey.generate(curve, urandom)
        initiator.start(ephemeral, b"\x05", _item(model_i.ead_1(ephemeral.x)))
        responder.receive(*initiator.messages_to_send())
        offered = _event(responder, Offered)
        model_r.check_1(value_of(offered.ead, EAD_LABEL), offered.g_x)
        responder.engage(EcdhKey.generate(curve, urandom), b"\x06")
        responder.reply(_item(model_r.ead_2(responder.th, identity_r.credential.cred)))
        initiator.receive(*responder.messages_to_send())
        peer = _accept(initiator)
        model_i.check_2(value_of(peer.ead, EAD_LABEL), peer.th, peer.credential.cred)
        initiator.reply(_item(model_i.ead_3(initiator.th, identity_i.credential.cred)))
        responder.receive(*initiator.messages_to_send())
        peer = _accept(responder)
        model_r.check_3(value_of(peer.ead, EAD_LABEL), peer.th, peer.credential.cred)
        responder.reply(_item(model_r.ead_4(responder.th)))
        initiator.receive(*responder.messages_to_send())
        done = _event(initiator, Completed)
        model_i.check_4(value_of(done.ead, EAD_LABEL), done.th)
        assert initiator.exporter().export(LABEL, b"", LENGTH) == responder.exporter().export(LABEL, b"", LENGTH)
        assert model_i.channel_secret() == model_r.channel_secret()

    return run


def secret_models(device: Credential) -> Models:
    """Prepare the model `secret` with 16 bytes known to both ends, and the hash that the client read beside them."""
    secret, device_hash = urandom(16), device.hash()
    return lambda: (SecretInitiator(secret, device_hash, False), SecretResponder(secret, False))


def passcode_models(_: Credential) -> Models:
    """Prepare the model `passcode` with one code known to both ends; every run draws fresh scalars."""
    code = Passcode.generate(urandom)
    return lambda: (PasscodeInitiator(code, urandom(32)), PasscodeResponder(code, urandom(32)))


def _accept(session: Session) -> PeerVerified:
    session.accept(Credential.by_value(_event(session, PeerClaimed).id_cred))
    return _event(session, PeerVerified)


def _event(session: Session, kind: type[_E]) -> _E:
    (event,) = session.events()
    assert isinstance(event, kind)
    return event


def _item(value: bytes) -> tuple[Ead, ...]:
    return (Ead(EAD_LABEL, value),) if value else ()


def lakers_handshake() -> Callable[[], None]:
    """Prepare a handshake of lakers (Rust behind Python): method 3, suite 2, message_4."""
    import lakers

    raw_i, raw_r = random_scalar(urandom), random_scalar(urandom)
    cred_i, cred_r = _lakers_credential(raw_i, b"\x2b"), _lakers_credential(raw_r, b"\x0a")
    by_reference = lakers.CredentialTransfer.ByReference

    def run() -> None:
        initiator, responder = lakers.EdhocInitiator(), lakers.EdhocResponder(raw_r, cred_r)
        responder.process_message_1(initiator.prepare_message_1(b"\x05"))
        initiator.parse_message_2(responder.prepare_message_2(by_reference, b"\x06"))
        initiator.verify_message_2(raw_i, cred_i, cred_r)
        message_3, _ = initiator.prepare_message_3(by_reference)
        responder.parse_message_3(message_3)
        responder.verify_message_3(cred_i)
        initiator.process_message_4(responder.prepare_message_4())
        assert initiator.edhoc_exporter(LABEL, b"", LENGTH) == responder.edhoc_exporter(LABEL, b"", LENGTH)

    return run


def _lakers_credential(raw: bytes, kid: bytes) -> Any:
    import lakers

    key = EcdhKey.from_bytes(SUITES[2].curve, raw)
    claims = Credential.of_key(CoseKey.of(key), subject="bench").cred
    return lakers.Credential(claims, kid=kid, public_key=key.x)


def noise_handshake() -> Callable[[], None]:
    """Prepare Noise XX (noiseprotocol): X25519, AES-GCM, SHA-256, static keys on both sides."""
    from noise.connection import Keypair, NoiseConnection

    statics = urandom(32), urandom(32)

    def run() -> None:
        ends = [NoiseConnection.from_name(b"Noise_XX_25519_AESGCM_SHA256") for _ in statics]
        ends[0].set_as_initiator()
        ends[1].set_as_responder()
        for end, static in zip(ends, statics, strict=True):
            end.set_keypair_from_private_bytes(Keypair.STATIC, static)
            end.start_handshake()
        for sender, receiver in ((0, 1), (1, 0), (0, 1)):
            ends[receiver].read_message(ends[sender].write_message())
        assert ends[0].handshake_finished
        assert ends[1].handshake_finished

    return run


Prepare = Callable[[], Callable[[], None]]
PROFILES: dict[str, tuple[Prepare, Prepare]] = {
    "m0/s6": (lambda: oob_handshake(0, 6), primitives_m0_s6),
    "m0/s6 + secret": (lambda: oob_pairing(secret_models), primitives_secret),
    "m0/s6 + passcode": (lambda: oob_pairing(passcode_models), primitives_passcode),
    "m3/s2": (lambda: oob_handshake(3, 2), primitives_m3_s2),
}


def measure(rounds: int) -> dict[str, float]:
    """Return medians in microseconds, and the ratio of each profile to its primitives."""
    contestants: dict[str, Callable[[], object]] = {}
    for name, (prepare, primitives) in PROFILES.items():
        contestants[f"oob {name}"] = prepare()
        contestants[f"primitives {name}"] = primitives()
    if find_spec("lakers"):
        contestants["lakers m3/s2"] = lakers_handshake()
    if find_spec("noise"):
        contestants["noiseprotocol XX"] = noise_handshake()
    figures = interleave(contestants, rounds)
    for name in PROFILES:
        figures[f"ratio {name}"] = figures[f"oob {name}"] / figures[f"primitives {name}"]
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="time of a handshake, both ends")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=500, help="interleaved rounds (500)")
    arguments = parser.parse_args()
    figures = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:28} {value:8.2f} x" if name.startswith("ratio") else f"{name:28} {value:8.0f} µs")
    for package in ("lakers-python", "noiseprotocol", "cryptography"):
        print(f"{package} {_version(package)}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _identity(suite: int, signs: bool, kid: bytes | None) -> Identity:
    row = SUITES[suite]
    key = SigningKey.generate(row.signature, urandom) if signs else EcdhKey.generate(row.curve, urandom)
    return Identity(Credential.of_key(CoseKey.of(key), subject="bench", kid=kid), key)


if __name__ == "__main__":
    main()
