"""Attacks, run for real against the code that everyone runs: each must end in a refusal, with nothing authorised.

An attack is a coroutine function that raises the error in which it ends. One that returns has succeeded.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Final

from oob.binding import Agreement, Binding, SessionContext, countersign
from oob.binding.exchange import InitiatorExchange, ResponderExchange
from oob.binding.statement import STATEMENT_TYPE, BindingStatement, sign_binding
from oob.client import Carried, Comparison, initiator_model
from oob.cose import CoseKey, Sign1
from oob.cose.sign1 import protected_header
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.errors import OobError
from oob.framing.gatt import MessageType
from oob.handshake import Credential, Identity
from oob.issuance import AcmeClient, IssuerSession, TlsKey
from oob.pairing import Bootstrap, CompareInitiator, Model, Passcode
from oob.pairing.models import proof_of
from oob.progress import Progress, Report
from oob.sim.demo import WISH
from oob.sim.home import DEVICE_NAME, Home
from oob.transport.conversation import expect
from oob.transport.link import Link
from oob.transport.memory import link_pair

WAIT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Attack:
    """What the attacker does, for a person to read, and the doing."""

    story: str
    run: Callable[[Home, Report], Awaitable[None]]


async def wrong_code(home: Home, report: Report) -> None:
    """Pair with another code than the device's."""
    link = await home.connect()
    try:
        await home.client.pair(link, _wrong(home.carried()), names=(WISH,))
    finally:
        await link.close()


async def mitm(home: Home, report: Report) -> None:
    """Stand between client and device, with own keys towards both."""
    theirs = await home.connect()
    ours, client_link = _swap(link_pair())
    relay = asyncio.create_task(_relay(home, ours, theirs, report))
    try:
        await home.client.pair(client_link, home.carried(), names=(WISH,))
    finally:
        await client_link.close()
        await relay


async def swapped_key(home: Home, report: Report) -> None:
    """Take the client's submission on its way to the issuer and put another device key into it."""
    _, session, agreement = await _agree(home)
    mallory = _new_key()
    key = CoseKey.of(mallory)
    statement = replace(agreement.statement, device_thumbprint=key.thumbprint())
    resigned = _signed(mallory, statement)
    report(Progress("mallory", "swapped", "the statement is signed anew by another device key"))
    stolen = replace(agreement.binding, statement=resigned, device_key=key)
    await home.client.issuer.submit(session, stolen)


async def replayed_binding(home: Home, report: Report) -> None:
    """Submit again a binding that the issuer accepted once, and that its owner has withdrawn since."""
    _, session, agreement = await _agree(home)
    await home.client.issuer.submit(session, agreement.binding)
    await home.client.issuer.forget(session)
    report(Progress("mallory", "replay", "a copy of a binding that was accepted, then withdrawn"))
    await home.client.issuer.submit(session, agreement.binding)


async def hijacked_challenge(home: Home, report: Report) -> None:
    """Use the challenge that a rogue device saw in message_3 to have another key bound in the victim's session."""
    _, session, agreement = await _agree(home)
    report(Progress("mallory", "challenge", "read in message_3, used with own device and own session key"))
    mallory_device, mallory_session = _new_key(), _new_key()
    forged = _forge(session.context, agreement.statement, mallory_device, mallory_session)
    await home.client.issuer.submit(session, forged)


async def foreign_csr(home: Home, report: Report) -> None:
    """Ask for a certificate in the name of a bound device, with a CSR and an account of one's own."""
    _, session, agreement = await _agree(home)
    await home.client.issuer.submit(session, agreement.binding)
    report(Progress("mallory", "newAccount", "own account key, CSR for the bound device's name"))
    try:
        await _order(home, _new_key(), session.names)
    finally:
        await home.client.issuer.forget(session)


async def extra_name(home: Home, report: Report) -> None:
    """Be a bound device that orders one name more than it was bound to."""
    _, session, agreement = await _agree(home)
    await home.client.issuer.submit(session, agreement.binding)
    wanted = (*session.names, f"router.{session.names[0].partition('.')[2]}")
    report(Progress("mallory", "newOrder", ", ".join(wanted)))
    try:
        await _order(home, home.device.store.key, wanted)
    finally:
        await home.client.issuer.forget(session)


ATTACKS: Final = {
    "wrong-code": Attack("a client pairs with a code that is not the device's", wrong_code),
    "mitm": Attack("a relay with keys of its own stands between client and device", mitm),
    "swapped-key": Attack("the device key is swapped on the way to the issuer", swapped_key),
    "replayed-binding": Attack("a binding is submitted again after its owner withdrew it", replayed_binding),
    "hijacked-challenge": Attack("a rogue device uses the challenge that it saw", hijacked_challenge),
    "foreign-csr": Attack("a stranger's key asks for the bound device's certificate", foreign_csr),
    "extra-name": Attack("a bound device orders one name more than it was bound to", extra_name),
}


def _wrong(carried: Carried) -> Carried:
    """Return something of the same kind that is not it: with two screens, a user to whom all is the same."""
    match carried:
        case Passcode():
            return Passcode.from_number((int(carried.digits[:7]) + 1) % 10**7)
        case Bootstrap():
            return replace(carried, secret=os.urandom(16))
    return Comparison(_yes)


async def _yes(number: str, name: str) -> bool:
    return True


def _new_key() -> SigningKey:
    return SigningKey.generate(Algorithm.ES256, os.urandom)


def _swap(ends: tuple[Link, Link]) -> tuple[Link, Link]:
    """Return the device's end first, which is the attacker's, then the client's."""
    client, device = ends
    return device, client


async def _agree(home: Home) -> tuple[SigningKey, IssuerSession, Agreement]:
    """Run an honest session and handshake up to the signed binding, which nobody has submitted yet."""
    key = _new_key()
    session = await home.client.issuer.open_session(key, names=(WISH,))
    link = await home.connect()
    try:
        agreement = await home.client.handshake(link, home.carried(), key, session)
    finally:
        await link.close()
    return key, session, agreement


async def _order(home: Home, account_key: SigningKey, names: tuple[str, ...]) -> None:
    acme = AcmeClient(home.issuer.directory_url, home.issuer.authority.root_der, account_key)
    try:
        await acme.obtain(names, TlsKey.generate())
    finally:
        acme.close()


def _signed(key: SigningKey, statement: BindingStatement) -> bytes:
    """Return a statement as an attacker's device signs it: a whole COSE_Sign1, as the issuer takes it."""
    protected = protected_header(key.algorithm, STATEMENT_TYPE)
    return Sign1(protected, statement.encode(), sign_binding(key, statement).signature).encode()


def _forge(context: SessionContext, seen: BindingStatement, device: SigningKey, session: SigningKey) -> Binding:
    """Return a whole binding by the attacker's keys, for a context that was seen."""
    device_thumbprint, session_thumbprint = CoseKey.of(device).thumbprint(), CoseKey.of(session).thumbprint()
    statement = replace(seen, device_thumbprint=device_thumbprint, session_thumbprint=session_thumbprint)
    return countersign(session, CoseKey.of(device), statement, sign_binding(device, statement), context)


class _Mallory:
    """A device's side of any model that knows no secret: it accepts everything and sends noise."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.proof = proof_of(model, dynamic=model is not Model.SECRET)

    def check_1(self, value: bytes, g_x: bytes) -> None:
        """Accept."""

    def ead_2(self, th_2: bytes, cred_r: bytes) -> bytes:
        """Send a share, or a tag, that is noise."""
        return os.urandom({Model.PASSCODE: 32, Model.SECRET: 16}.get(self.model, 0))

    def check_3(self, value: bytes, th_3: bytes, cred_i: bytes) -> None:
        """Accept."""

    def ead_4(self, th_4: bytes) -> bytes:
        """Send noise, where a proof belongs."""
        return os.urandom(16) if self.model is Model.PASSCODE else b""

    def channel_secret(self) -> bytes:
        """Know none."""
        return bytes(32)


async def _relay(home: Home, client: Link, device: Link, report: Report) -> None:
    """Play the device to the client, and a client to the device, at the same time."""
    await asyncio.gather(
        _play("the client", _play_client(home, device), device, report),
        _play("the device", _play_device(home, client), client, report),
    )


async def _play(role: str, part: Coroutine[None, None, None], link: Link, report: Report) -> None:
    try:
        await part
    except OobError as error:
        report(Progress("mallory", "stopped", f"playing {role}: {error}"))
    finally:
        await link.close()


async def _play_device(home: Home, link: Link) -> None:
    key = _new_key()
    identity = Identity(Credential.of_key(CoseKey.of(key), subject=DEVICE_NAME), key)
    exchange = ResponderExchange(identity, _Mallory(home.device.offer.model))
    message_1 = await expect(link, MessageType.HANDSHAKE, WAIT)
    message_2 = exchange.answer(message_1, lambda curve: EcdhKey.generate(curve, os.urandom), b"\x01")
    await link.send(MessageType.HANDSHAKE, message_2)
    exchange.open(await expect(link, MessageType.HANDSHAKE, WAIT))
    message_4, _ = exchange.confirm(os.urandom(16), None, None)
    await link.send(MessageType.HANDSHAKE, message_4)


async def _play_client(home: Home, link: Link) -> None:
    key = _new_key()
    identity = Identity(Credential.of_key(CoseKey.of(key)), key)
    root_hash = home.issuer.authority.root_hash
    context = SessionContext(home.issuer.directory_url, root_hash, "", os.urandom(32), ("mallory.home.arpa",))
    guess = initiator_model(_wrong(home.carried()), os.urandom, identity.credential.cred)
    exchange = InitiatorExchange(identity, guess, context)
    await link.send(MessageType.HANDSHAKE, exchange.start(EcdhKey.generate(Curve.X25519, os.urandom), b"\x00"))
    await link.send(MessageType.HANDSHAKE, exchange.receive_2(await expect(link, MessageType.HANDSHAKE, WAIT)))
    if isinstance(guess, CompareInitiator):
        guess.show(0)
        guess.confirm(0)
    exchange.receive_4(await expect(link, MessageType.HANDSHAKE, WAIT))
