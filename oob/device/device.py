"""The device runtime: joins links, exchange, state, clock, randomness and the issuer's client.

    link -> message_1 .. message_4 -> channel: proceed -> ACME over IP -> certificate -> page -> channel: ready
                                   -> channel: requests of an owner who came again

Whatever must survive is on disk before the message that relies on it leaves.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from oob.binding import (
    Channel,
    Claim,
    PairingKey,
    Proceed,
    ResponderExchange,
    SessionContext,
    Unable,
    decode_record,
)
from oob.binding.management import Answer, Done, Remove, Request, Reset, Status, decode_request
from oob.crypto import Curve, EcdhKey
from oob.device.certifier import Certifier, Page, check_root
from oob.device.offer import Attempt, Offer
from oob.device.offers import offer_kind
from oob.device.owners import Owners, label_of
from oob.device.presence import Presence
from oob.device.state import MAX_PAIRINGS, DeviceStore, Owner, Paired
from oob.errors import (
    AuthenticationError,
    IssuanceError,
    LinkError,
    LockedOut,
    OobError,
    PeerError,
    StorageError,
    UsageError,
)
from oob.framing.gatt import MessageType
from oob.framing.ndef import Record
from oob.handshake import Identity, refusal
from oob.issuance import Certificate
from oob.pairing import CompareResponder, Model, ResponderModel, ResumedResponder
from oob.pairing.compare import LIFETIME
from oob.pairing.tag_content import TagContent
from oob.progress import Progress, Report, silent
from oob.transport.carrier import beside
from oob.transport.conversation import ask, expect, part
from oob.transport.link import Link, Listener

MESSAGE_WAIT = 10.0
"""Seconds that a client has for its next message of the handshake."""
PROCEED_WAIT = 60.0
"""Seconds that a client has to bring the issuer's consent after message_4."""
REQUEST_WAIT = 30.0
"""Seconds that an owner who came again has for the next request."""
BINDING_LIFETIME = 600
"""Seconds between iat and exp of a binding statement: as long as an issuer's challenge lives."""
RETRY, MAX_RETRY = 1.0, 300.0
"""Seconds before a certificate that is owed is asked for again; doubled each time, up to the second."""
C_R = b"\x01"


Confirm = Callable[[str, str], Awaitable[bool]]
"""Shows the number "123 456", and returns whether the user says that the client shows it, too.

Beside it stands what the client calls its origin, printable and short: whoever pairs may say so, and it proves nothing.
"""


@dataclass(frozen=True, slots=True)
class _Met:
    """A client whose message_3 was right, with message_4 on its way to it.

    `binds` says that a binding was signed, `id` is that of the pairing that it resumed, or None, `consented` that it
    may become an owner beside others, `resets` how often the device had been reset by then.
    """

    channel: Channel = field(repr=False)
    claim: Claim
    key: PairingKey
    binds: bool
    id: bytes | None
    consented: bool
    resets: int


class Device:
    """A device that can be paired.

    `directory` keeps its state; `model` is what it is paired by: PASSCODE or COMPARE with a screen, SECRET or PINNED
    with a label or tag, BUTTON with nothing but a button. `printed`: the passcode stands on the device, or
    the secret does and is not made for each tap; by default a passcode is shown and a secret is printed. COMPARE needs
    `confirm`, which asks the device's user. `issuers`, where given, are the only directory URLs that it takes a
    certificate from. With `commissioning` an unowned device signs bindings in PINNED and BUTTON, too, which prove too
    little for it. UsageError if these do not go together.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        page: Page,
        *,
        model: Model = Model.PASSCODE,
        printed: bool | None = None,
        confirm: Confirm | None = None,
        commissioning: bool = False,
        issuers: Collection[str] | None = None,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
        report: Report = silent,
    ) -> None:
        kind = offer_kind(model, printed)
        if model is Model.COMPARE and confirm is None:
            raise UsageError("the model compare needs a screen and somebody to ask", step="pairing")
        self.store = DeviceStore(directory, name, random)
        self.offer: Offer = kind(self.store, random, clock)
        self.owners = Owners(self.store, self.offer)
        self.presence = Presence(self.store, self.offer, random, report)
        self._confirm_number, self._commissioning = confirm, commissioning
        self.certifier = Certifier(self.store, page, clock, report)
        self._issuers, self.random = issuers, random
        self._clock, self._report = clock, report
        self._resets = 0
        self._claimant: Link | None = None  # the one who is about to become the first owner
        self._turn = asyncio.Lock()  # one certificate at a time; handshakes do not wait for one another

    @property
    def certificate(self) -> Certificate | None:
        """The certificate that was issued in this run, if any."""
        return self.certifier.certificate

    @property
    def identity(self) -> Identity:
        """The device identity key with its credential."""
        return self.store.identity

    def tapped(self, url: str = "") -> list[Record]:
        """Return what a tap on the device's own tag shows now: its `url`, and what to pair by. For `nfc_listener`."""
        return TagContent(url, self.offer.tapped()).records()

    async def start(self) -> None:
        """Take up what an earlier run left: serve the certificate, or get the one that an owner was promised.

        Raises IssuanceError, StorageError, LinkError; it may be called again.
        """
        await self.certifier.start()

    async def serve(self, listener: Listener) -> None:
        """Serve one client after the other until the started listener closes; between them, do what `start` does.

        It is visible on the listener while there is somebody whom it would answer (`Presence`). A failure with one of
        them is reported and over. A certificate that is owed is asked for again and again.
        """
        async with beside(self.presence.keep(listener)):
            while True:
                try:
                    async with beside(self._resume()):  # a client goes first, and may change the owner
                        link = await listener.accept()
                except LinkError:
                    return
                await self.serve_link(link)

    async def serve_link(self, link: Link) -> OobError | None:
        """Serve one client to the end; return the error that ended the conversation, if one did."""
        try:
            met = await self._meet(link)
            if met.binds and met.claim.context is not None:
                await self._issue(link, met, met.claim.context)
            if met.id is not None:
                await self._attend(link, met.channel, met.id)
        except OobError as error:
            self._tell("refused" if isinstance(error, AuthenticationError) else "failed", str(error))
            return error
        except Exception as error:  # a client, or the issuer that it chose, must never stop the device
            self._tell("failed", f"an error inside: {type(error).__name__}")
            return OobError(f"an error inside: {type(error).__name__}", step="device")
        finally:
            self._claimant = None if self._claimant is link else self._claimant
            await link.close()
        return None

    async def _resume(self) -> None:
        delay = RETRY
        while True:
            try:
                async with self._turn:
                    return await self.start()
            except OobError as error:
                self._tell("not resumed", str(error))
            except Exception as error:  # as in `serve_link`: what is stored came from a client
                self._tell("not resumed", f"an error inside: {type(error).__name__}")
            await asyncio.sleep(delay)
            delay = min(2 * delay, MAX_RETRY)

    async def reset(self) -> None:
        """End all pairings and forget the certificate; the issuer is told if it can be reached.

        The identity key and what is printed on the device stay. Raises StorageError.
        """
        owner = self.store.state.owner
        self.store.update(pairings=(), owner=None, certificate=None, **self.offer.reset())
        self._resets += 1
        self._tell("reset")
        await self.certifier.end(owner)

    # --- pairing

    async def _meet(self, link: Link) -> _Met:
        """Run the four messages with whoever is there."""
        message_1 = await expect(link, MessageType.HANDSHAKE, MESSAGE_WAIT)
        try:
            attempts = self._attempts()
        except OobError:
            await part(link, refusal())
            raise
        commissioning = self._commissioning and not self.store.state.pairings
        exchange = ResponderExchange(self.identity, *attempts, commissioning=commissioning)
        try:
            message_2 = exchange.answer(message_1, lambda curve: self._admit(curve, attempts[exchange.model]), C_R)
            attempt = attempts[exchange.model]
            self._tell("message_2")
            await link.send(MessageType.HANDSHAKE, message_2)
            message_3 = await expect(link, MessageType.HANDSHAKE, MESSAGE_WAIT)
            attempt.begin()
            consented = self._claim(link, attempt)
            if not isinstance(exchange.model, ResumedResponder):  # an owner comes again without a code to guess
                self._tell("guess counted")
            claim = exchange.open(message_3)
            self._authorise(claim)
            await self._ask(link, exchange.model, claim)
            resets = self._resets
            message_4, channel = self._confirm(exchange, attempt)
        except OobError as error:
            exchange.decline(error)
            unheard = isinstance(error, StorageError | LockedOut)  # message_3 was not even looked at
            await part(link, exchange.parting() or (refusal() if unheard else None))
            raise
        self._tell("bound" if exchange.binds else "met", claim.proof.strength)
        await link.send(MessageType.HANDSHAKE, message_4)
        id = exchange.model.pairing if isinstance(exchange.model, ResumedResponder) else None
        return _Met(channel, claim, exchange.pairing_key(), exchange.binds, id, consented, resets)

    def _attempts(self) -> dict[ResponderModel, Attempt]:
        """Return what can be had now, by model object; the one that is armed first. LockedOut if there is nothing."""
        attempts = []
        secrets = {
            each.id: PairingKey(each.key, mutual=True).resumption_secret()
            for each in self.store.state.pairings
            if each.key
        }
        try:
            attempts.append(self.offer.attempt())
        except LockedOut:
            if not secrets:
                raise
        if secrets:
            attempts.append(Attempt(ResumedResponder(secrets)))
        return {attempt.responder: attempt for attempt in attempts}

    def _admit(self, curve: Curve, attempt: Attempt) -> EcdhKey:
        """Return an ephemeral key, if there is a handshake to be had; the client learns that it was refused."""
        attempt.admit()
        return EcdhKey.generate(curve, self.random)

    def _claim(self, link: Link, attempt: Attempt) -> bool:
        """Return whether the client may become an owner beside others; let only one at a time become the first.

        LockedOut while another client is about to: two bindings of one device would be in each other's way.
        """
        consented = self.offer.is_consented()
        if consented or attempt.responder.model is Model.RESUMED:
            return consented
        if self._claimant is not None:
            raise LockedOut("another client is pairing", step="message_3", remedy="Wait until that one is done")
        self._claimant = link
        return False

    def _authorise(self, claim: Claim) -> None:
        """Refuse an issuer that local policy does not know; nothing is signed then."""
        if claim.context is not None and self._issuers is not None and claim.context.issuer not in self._issuers:
            raise AuthenticationError("the issuer is not one that this device accepts", step="message_3")

    async def _ask(self, link: Link, model: ResponderModel, claim: Claim) -> None:
        """In the model `compare`, show the number and wait for the device's user; AuthenticationError without a yes."""
        if not isinstance(model, CompareResponder) or self._confirm_number is None:
            return
        number = model.show(self._clock())
        who = label_of(claim.context.origin or claim.context.issuer) if claim.context is not None else ""
        # The client has nothing to say now but that its own user said no.
        agreed, _ = await ask(link, self._confirm_number(number, who), LIFETIME, lambda message: False)
        if not agreed:
            raise AuthenticationError("the device's user did not say that the numbers are the same", step="compare")
        model.confirm(self._clock())

    def _confirm(self, exchange: ResponderExchange, attempt: Attempt) -> tuple[bytes, Channel]:
        now = int(self._clock())
        message_4, channel = exchange.confirm(self.random(16), now, now + BINDING_LIFETIME)
        changes = attempt.succeed()
        if changes:
            self.store.update(**changes)
        return message_4, channel

    # --- an owner who came again

    async def _attend(self, link: Link, channel: Channel, id: bytes) -> None:
        """Answer requests until the client goes or its pairing ends."""
        while self.owners.has(id):
            try:
                record = await expect(link, MessageType.CHANNEL, REQUEST_WAIT)
            except LinkError:
                return  # it has said all that it wanted
            self.owners.require(id)  # another owner may have removed it while it thought
            request = decode_request(channel.open(record))
            answer = await self._answer(request, id)
            await link.send(MessageType.CHANNEL, channel.seal(answer.encode()))

    async def _answer(self, request: Request, id: bytes) -> Answer:
        self._tell("asked", type(request).__name__.lower())
        try:
            match request:
                case Status():
                    async with self._turn:
                        return await self.certifier.status()
                case Reset():
                    await self.reset()
                    return Done()
                case Remove():
                    owner = self.store.state.owner
                    self.owners.remove(request.id)
                    if self.store.state.owner is None:
                        await self.certifier.end(owner)
                    return Done()
            return self.owners.obey(request, id)
        except OobError as error:
            return Unable(error.step or "channel", error.cause)

    # --- issuance

    async def _issue(self, link: Link, met: _Met, context: SessionContext) -> None:
        channel = met.channel
        record = decode_record(channel.open(await expect(link, MessageType.CHANNEL, PROCEED_WAIT)))
        if not isinstance(record, Proceed):
            raise PeerError("a record that was not awaited", step="channel")
        try:
            async with self._turn:
                ready = await self.certifier.certify(self._take_owner(met, context, record.root))
        except OobError as error:
            problem = error.problem if isinstance(error, IssuanceError) else ""
            unable = Unable(error.step or "certificate", error.cause, problem)
            with suppress(LinkError):  # what failed first is what counts
                await link.send(MessageType.CHANNEL, channel.seal(unable.encode()))
            raise
        await link.send(MessageType.CHANNEL, channel.seal(ready.encode()))
        self._tell("done", ready.url)

    def _take_owner(self, met: _Met, context: SessionContext, root: bytes | None) -> Owner:
        """Check that `root` is the one whose hash was bound, and make the client an owner, the one who counts."""
        check_root(context, root)
        self._require_entitled(met)
        proof, session = met.claim.proof, met.claim.client.thumbprint()
        id = session if met.id is None else met.id
        owner = Owner(context.encode(), session, proof.model.name.lower(), proof.strength, root or b"", id)
        pairings = self.store.state.pairings
        if met.id is None:
            key = met.key.prk if proof.mutual else b""
            paired = Paired(session, label_of(context.origin), owner.model, owner.strength, key)
            # The oldest gives way: whoever pairs now stands at the device or was invited; a full list bricks nothing.
            pairings = (*pairings, paired)[-MAX_PAIRINGS:]
        self.store.update(pairings=pairings, owner=owner, certificate=None)
        self.certifier.outdate()
        self._tell("owned")
        return owner

    def _require_entitled(self, met: _Met) -> None:
        """Look once more, at the moment that counts: of two clients that came at one time, one becomes an owner."""
        if met.resets != self._resets:
            raise AuthenticationError("the device was reset meanwhile", step="channel", remedy="Pair with it anew")
        if met.id is not None:
            self.owners.require(met.id)
        elif self.store.state.pairings and not met.consented:
            raise AuthenticationError("another client became the owner meanwhile", step="channel")

    def _tell(self, step: str, detail: str = "") -> None:
        self._report(Progress("device", step, detail))
