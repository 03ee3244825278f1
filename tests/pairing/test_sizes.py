"""Bytes on the radio of handshake and proof alone, credentials by reference: what others' figures are compared with."""

import pytest

from oob.handshake import Ead
from oob.handshake.session import State
from oob.pairing import EAD_LABEL, InitiatorModel, Passcode, PasscodeInitiator, PasscodeResponder, ResponderModel
from oob.pairing.secret import SecretInitiator, SecretResponder
from tests.pair import C_I, C_R, Pair

CODE, SECRET = Passcode.from_number(1234567), bytes(range(16))


def both(model: str, pair: Pair) -> tuple[InitiatorModel, ResponderModel]:
    if model == "passcode":
        return PasscodeInitiator(CODE, bytes([1] * 32)), PasscodeResponder(CODE, bytes([2] * 32))
    hash = pair.identity_r.credential.hash()
    return SecretInitiator(SECRET, hash, dynamic=True), SecretResponder(SECRET, dynamic=True)


def item(value: bytes) -> tuple[Ead, ...]:
    return (Ead(EAD_LABEL, value),) if value else ()


@pytest.mark.parametrize(("model", "sizes"), [("passcode", [77, 139, 105, 38]), ("secret", [51, 122, 105, 17])])
def test_by_reference(model: str, sizes: list[int]) -> None:
    pair = Pair(kid_i=b"\x2b", kid_r=b"\x0a")
    for session in (pair.initiator, pair.responder):
        session._labels = {EAD_LABEL}
    client, device = both(model, pair)
    g_x = pair.ephemeral()
    pair.initiator.start(g_x, C_I, item(client.ead_1(g_x.x)))
    pair.responder.receive(pair.sent(pair.initiator))
    device.check_1(client_value(pair.responder), g_x.x)
    pair.responder.engage(pair.ephemeral(), C_R)
    cred_r, cred_i = pair.identity_r.credential.cred, pair.identity_i.credential.cred
    th_2 = pair.responder.th
    ead_2 = device.ead_2(th_2, cred_r)
    pair.responder.reply(item(ead_2))
    pair.initiator.receive(pair.sent(pair.responder))
    pair.initiator.accept(pair.identity_r.credential)
    client.check_2(ead_2, th_2, cred_r)
    th_3 = pair.initiator.th
    ead_3 = client.ead_3(th_3, cred_i)
    pair.initiator.reply(item(ead_3))
    pair.responder.receive(pair.sent(pair.initiator))
    pair.responder.accept(pair.identity_i.credential)
    device.check_3(ead_3, th_3, cred_i)
    pair.responder.reply(item(device.ead_4(pair.responder.th)))
    pair.initiator.receive(pair.sent(pair.responder))
    assert pair.initiator.state is State.COMPLETE
    assert [len(message) for message in pair.messages] == sizes
    assert sum(sizes) <= 360


def client_value(session: object) -> bytes:
    (offered,) = session.events()  # type: ignore[attr-defined]
    value: bytes = offered.ead[0].value
    return value
