"""A live lakers (Rust) as the peer, in both roles: method 3, suite 2, EAD in all four messages, message_4.

Known of lakers-python 0.6.2: the exporter is right for labels 0 to 23 alone; what MAC_2 and MAC_3 are computed over has
little room, so that EAD_2 and EAD_3 hold 44 bytes at most beside a credential by value; a point off the curve panics.
"""

import os
from typing import Any

import pytest

from oob import cbor
from oob.cose import CoseKey
from oob.crypto import Curve, EcdhKey
from oob.crypto.ecdh import random_scalar
from oob.handshake import (
    Completed,
    Credential,
    Ead,
    Failed,
    Identity,
    Offered,
    PeerClaimed,
    PeerVerified,
    Session,
    State,
)

lakers = pytest.importorskip("lakers")

LABEL = 100
EADS = tuple((Ead(LABEL + number, bytes([number]) * length),) for number, length in enumerate((200, 40, 40, 200)))
LABELS = {LABEL, LABEL + 1, LABEL + 2, LABEL + 3}
C_I, C_R = b"\x05", b"\x27"
KIDS = {"i": b"\x2b", "r": b"\x0a"}


class End:
    """One end's key and credential, as either library wants them."""

    def __init__(self, name: str) -> None:
        self.raw = random_scalar(os.urandom)
        self.key = EcdhKey.from_bytes(Curve.P256, self.raw)
        cose_key = CoseKey.of(self.key).encode() | {2: KIDS[name]}  # lakers takes the kid out of the COSE_Key
        self.ccs = cbor.encode({2: name, 8: {1: cose_key}})
        self.by_kid = Credential.ccs(self.ccs, kid=KIDS[name])
        self.by_value = Credential.ccs(self.ccs)
        self.theirs = lakers.Credential(self.ccs)


def to_lakers(items: tuple[Ead, ...]) -> list[Any]:
    return [lakers.EADItem(item.label, item.critical, item.value) for item in items]


def of_lakers(items: list[Any]) -> tuple[Ead, ...]:
    return tuple(Ead(item.label(), bytes(item.value()), item.is_critical()) for item in items)


def transfer(by_value: bool) -> Any:
    return lakers.CredentialTransfer.ByValue if by_value else lakers.CredentialTransfer.ByReference


def last(session: Session, kind: type[Any]) -> Any:
    event = session.events()[-1]
    assert isinstance(event, kind), event
    return event


def claimed(session: Session, end: End) -> Credential:
    """Look up the credential that the peer names, or take it as sent."""
    id_cred = last(session, PeerClaimed).id_cred
    return end.by_kid if id_cred == end.by_kid.id_cred else Credential.by_value(id_cred)


@pytest.fixture
def ends() -> tuple[End, End]:
    return End("i"), End("r")


@pytest.mark.parametrize("value_i", [False, True])
@pytest.mark.parametrize("value_r", [False, True])
@pytest.mark.parametrize("eads", [EADS, ((), (), (), ())])
def test_lakers_responds(
    ends: tuple[End, End], value_i: bool, value_r: bool, eads: tuple[tuple[Ead, ...], ...]
) -> None:
    i, r = ends
    own = Identity(i.by_value if value_i else i.by_kid, i.key)
    session, peer = Session.initiator(own, method=3, suites=(2,), labels=LABELS), lakers.EdhocResponder(r.raw, r.theirs)
    session.start(EcdhKey.generate(Curve.P256, os.urandom), C_I, eads[0])
    c_i, ead_1 = peer.process_message_1(*session.messages_to_send())
    assert (bytes(c_i), of_lakers(ead_1)) == (C_I, eads[0])
    session.receive(peer.prepare_message_2(transfer(value_r), C_R, to_lakers(eads[1])))
    session.accept(claimed(session, r))
    assert last(session, PeerVerified).ead == eads[1]
    session.reply(eads[2])
    id_cred_i, ead_3 = peer.parse_message_3(*session.messages_to_send())
    assert of_lakers(ead_3) == eads[2]
    peer.verify_message_3(lakers.credential_check_or_fetch(id_cred_i, None if value_i else i.theirs))
    session.receive(peer.prepare_message_4(to_lakers(eads[3])))
    assert last(session, Completed).ead == eads[3]
    compare_exporters(session, peer)


@pytest.mark.parametrize("value_i", [False, True])
@pytest.mark.parametrize("value_r", [False, True])
@pytest.mark.parametrize("eads", [EADS, ((), (), (), ())])
def test_lakers_initiates(
    ends: tuple[End, End], value_i: bool, value_r: bool, eads: tuple[tuple[Ead, ...], ...]
) -> None:
    i, r = ends
    own = Identity(r.by_value if value_r else r.by_kid, r.key)
    session, peer = Session.responder(own, methods={3}, suites=(2,), labels=LABELS), lakers.EdhocInitiator()
    session.receive(peer.prepare_message_1(C_I, to_lakers(eads[0])))
    offered = last(session, Offered)
    assert (offered.method, offered.suite, offered.c_i, offered.ead) == (3, 2, C_I, eads[0])
    session.engage(EcdhKey.generate(Curve.P256, os.urandom), C_R)
    session.reply(eads[1])
    c_r, id_cred_r, ead_2 = peer.parse_message_2(*session.messages_to_send())
    assert (bytes(c_r), of_lakers(ead_2)) == (C_R, eads[1])
    peer.verify_message_2(i.raw, i.theirs, lakers.credential_check_or_fetch(id_cred_r, None if value_r else r.theirs))
    message_3, _ = peer.prepare_message_3(transfer(value_i), to_lakers(eads[2]))
    session.receive(message_3)
    session.accept(claimed(session, i))
    assert last(session, PeerVerified).ead == eads[2]
    session.reply(eads[3])
    assert of_lakers(peer.process_message_4(*session.messages_to_send())) == eads[3]
    compare_exporters(session, peer)


def compare_exporters(session: Session, peer: Any) -> None:
    for label, context, length in ((0, b"", 16), (1, b"", 8), (20, b"", 32), (23, b"context", 64)):
        assert session.exporter().export(label, context, length) == bytes(peer.edhoc_exporter(label, context, length))
    updated = peer.edhoc_key_update(b"context")
    assert session.exporter().update(b"context").prk_out == bytes(updated)
    assert session.exporter().update(b"context").export(0, b"", 16) == bytes(peer.edhoc_exporter(0, b"", 16))


def test_lakers_with_another_key_is_refused(ends: tuple[End, End]) -> None:
    i, r = ends
    session = Session.initiator(Identity(i.by_kid, i.key), method=3, suites=(2,))
    impostor = lakers.EdhocResponder(End("r").raw, r.theirs)
    session.start(EcdhKey.generate(Curve.P256, os.urandom), C_I)
    impostor.process_message_1(*session.messages_to_send())
    session.receive(impostor.prepare_message_2(transfer(False), C_R, []))
    session.accept(claimed(session, r))
    last(session, Failed)
    assert session.state is State.FAILED


def test_lakers_refuses_a_changed_message_4(ends: tuple[End, End]) -> None:
    i, r = ends
    session, peer = Session.responder(Identity(r.by_kid, r.key), methods={3}, suites=(2,)), lakers.EdhocInitiator()
    session.receive(peer.prepare_message_1(C_I, []))
    session.engage(EcdhKey.generate(Curve.P256, os.urandom), C_R)
    session.reply()
    peer.parse_message_2(*session.messages_to_send())
    peer.verify_message_2(i.raw, i.theirs, r.theirs)
    session.receive(peer.prepare_message_3(transfer(False), [])[0])
    session.accept(i.by_kid)
    session.reply()
    (message_4,) = session.messages_to_send()
    with pytest.raises(ValueError, match="EDHOC"):
        peer.process_message_4(message_4[:-1] + bytes([message_4[-1] ^ 1]))
