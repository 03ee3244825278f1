"""The device runtime: joins links, exchange, state, clock, randomness and the issuer's client.

    link -> message_1 .. message_4 -> channel: proceed -> ACME over IP -> certificate -> page -> channel: ready

Whatever must survive is on disk before the message that relies on it leaves.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from oob.binding import Channel, Claim, Proceed, Ready, ResponderExchange, SessionContext, Unable, decode_record
from oob.crypto import Curve, EcdhKey, Hash, equal
from oob.device.offer import Offer, PasscodeOffer, SecretOffer
from oob.device.state import DeviceStore, Owner
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
from oob.handshake import Identity, refusal
from oob.issuance import AcmeClient, Certificate, TlsKey, tls_context
from oob.pairing import Model
from oob.progress import Progress, Report, silent
from oob.transport.conversation import expect, part
from oob.transport.link import Link, Listener, finish

MESSAGE_WAIT = 10.0
"""Seconds that a client has for its next message of the handshake."""
PROCEED_WAIT = 60.0
"""Seconds that a client has to bring the issuer's consent after message_4."""
BINDING_LIFETIME = 600
"""Seconds between iat and exp of a binding statement: as long as an issuer's challenge lives."""
RETRY, MAX_RETRY = 1.0, 300.0
"""Seconds before a certificate that is owed is asked for again; doubled each time, up to the second."""
C_R = b"\x01"


class Page(Protocol):
    """Whatever serves HTTPS on the device."""

    async def publish(self, tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
        """Serve under this TLS key and chain, and return URL and "host:port" ("" where the name resolves).

        Called again for each certificate. Raises StorageError if key and chain are damaged, LinkError.
        """


class Device:
    """A device that can be paired.

    `directory` keeps its state; `model` is PASSCODE (a screen) or SECRET (a label); `issuers`, where given, are the
    only directory URLs that it takes a certificate from. `certificate` is the one issued in this run, if any.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        page: Page,
        *,
        model: Model = Model.PASSCODE,
        issuers: Collection[str] | None = None,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
        report: Report = silent,
    ) -> None:
        offers: dict[Model, type[PasscodeOffer] | type[SecretOffer]]
        offers = {Model.PASSCODE: PasscodeOffer, Model.SECRET: SecretOffer}
        if model not in offers:
            raise UsageError(f"this device cannot offer the model {model.name.lower()}")
        self.store = DeviceStore(directory, name, random)
        self.offer: Offer = offers[model](self.store, random, clock)
        self._page, self._issuers = page, issuers
        self.random = random
        self.certificate: Certificate | None = None
        self._clock, self._report = clock, report
        self._published = False
        self._turn = asyncio.Lock()  # one client at a time, over however many listeners

    @property
    def identity(self) -> Identity:
        """The device identity key with its credential."""
        return self.store.identity

    async def start(self) -> None:
        """Take up what an earlier run left: serve the certificate, or get the one that an owner was promised.

        Raises IssuanceError, StorageError, LinkError; it may be called again.
        """
        state = self.store.state
        if state.owner is None or self._published:
            return
        if state.certificate is not None:
            try:
                await self._publish(state.certificate, SessionContext.decode(state.owner.context).names)
                return
            except StorageError as error:
                self._tell("certificate lost", str(error))
        await self._certify(state.owner)

    async def serve(self, listener: Listener) -> None:
        """Serve one client after the other until the started listener closes; between them, do what `start` does.

        A failure with one of them is reported and over. A certificate that is owed is asked for again and again.
        """
        while True:
            try:
                async with self._resuming():
                    link = await listener.accept()
            except LinkError:
                return
            await self.serve_link(link)

    async def serve_link(self, link: Link) -> OobError | None:
        """Serve one client to the end; return the error that ended the conversation, if one did."""
        try:
            async with self._turn:
                channel, candidate = await self._pair(link)
                await self._issue(link, channel, candidate)
        except OobError as error:
            self._tell("refused" if isinstance(error, AuthenticationError) else "failed", str(error))
            return error
        except Exception as error:  # a client, or the issuer that it chose, must never stop the device
            self._tell("failed", f"an error inside: {type(error).__name__}")
            return OobError(f"an error inside: {type(error).__name__}", step="device")
        finally:
            await link.close()
        return None

    @asynccontextmanager
    async def _resuming(self) -> AsyncIterator[None]:
        """Run `start` until it succeeds, but no longer than the block: a client goes first and may change the owner."""
        task = asyncio.create_task(self._resume())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})  # not `await task`, which could not tell its cancellation from our own
            if not task.cancelled():
                task.result()

    async def _resume(self) -> None:
        delay = RETRY
        while True:
            try:
                return await self.start()
            except OobError as error:
                self._tell("not resumed", str(error))
            except Exception as error:  # as in `serve_link`: what is stored came from a client
                self._tell("not resumed", f"an error inside: {type(error).__name__}")
            await asyncio.sleep(delay)
            delay = min(2 * delay, MAX_RETRY)

    # --- pairing

    async def _pair(self, link: Link) -> tuple[Channel, Owner]:
        """Run the four messages; return the channel, and the client as the owner that it may become."""
        message_1 = await expect(link, MessageType.HANDSHAKE, MESSAGE_WAIT)
        try:
            model = self.offer.responder()
        except OobError:
            await part(link, refusal())
            raise
        exchange = ResponderExchange(self.identity, model)
        try:
            message_2 = exchange.answer(message_1, self._admit, C_R)
            self._tell("message_2")
            await link.send(MessageType.HANDSHAKE, message_2)
            message_3 = await expect(link, MessageType.HANDSHAKE, MESSAGE_WAIT)
            self.offer.begin(self._clock())
            self._tell("guess counted")
            claim = exchange.open(message_3)
            context = self._authorise(claim)
            message_4, channel = self._confirm(exchange)
        except OobError as error:
            exchange.decline(error)
            unheard = isinstance(error, StorageError | LockedOut)  # message_3 was not even looked at
            await part(link, exchange.parting() or (refusal() if unheard else None))
            raise
        self._tell("bound", f"{claim.proof.strength}, {context.issuer}")
        await link.send(MessageType.HANDSHAKE, message_4)
        model, session = claim.proof.model.name.lower(), claim.client.thumbprint()
        return channel, Owner(context.encode(), session, model, claim.proof.strength)

    def _admit(self, curve: Curve) -> EcdhKey:
        """Return an ephemeral key, if there is a handshake to be had; the client learns that it was refused."""
        self.offer.admit()
        return EcdhKey.generate(curve, self.random)

    def _authorise(self, claim: Claim) -> SessionContext:
        """Refuse an issuer that local policy does not know; nothing is signed then."""
        if claim.context is None:
            raise PeerError("the client has no session to be bound", step="message_3")
        if self._issuers is not None and claim.context.issuer not in self._issuers:
            raise AuthenticationError("the issuer is not one that this device accepts", step="message_3")
        return claim.context

    def _confirm(self, exchange: ResponderExchange) -> tuple[bytes, Channel]:
        now = int(self._clock())
        message_4, channel = exchange.confirm(self.random(16), now, now + BINDING_LIFETIME)
        self.store.update(**self.offer.succeed(now))
        return message_4, channel

    # --- issuance

    async def _issue(self, link: Link, channel: Channel, candidate: Owner) -> None:
        record = decode_record(channel.open(await expect(link, MessageType.CHANNEL, PROCEED_WAIT)))
        if not isinstance(record, Proceed):
            raise PeerError("a record that was not awaited", step="channel")
        try:
            owner = self._take_owner(candidate, record.root)
            ready = await self._certify(owner)
        except OobError as error:
            problem = error.problem if isinstance(error, IssuanceError) else ""
            unable = Unable(error.step or "certificate", error.cause, problem)
            with suppress(LinkError):  # what failed first is what counts
                await link.send(MessageType.CHANNEL, channel.seal(unable.encode()))
            raise
        await link.send(MessageType.CHANNEL, channel.seal(ready.encode()))
        self._tell("done", ready.url)

    def _take_owner(self, candidate: Owner, root: bytes | None) -> Owner:
        """Check that `root` is the one whose hash was bound, and make the client the owner."""
        root_hash = SessionContext.decode(candidate.context).root_hash
        if root is None or root_hash is None:
            cause = "this device takes certificates only from an issuer with a root of its own"
            raise IssuanceError(cause, step="channel", remedy="Use a local issuer")
        if not equal(Hash.SHA256.digest(root), root_hash):
            raise AuthenticationError("the issuer's root is not the one that was bound", step="channel")
        tls_context(root)  # nothing is kept that is no certificate
        owner = replace(candidate, root=root)
        self.store.update(owner=owner, certificate=None)
        self._published = False
        self._tell("owned")
        return owner

    async def _certify(self, owner: Owner) -> Ready:
        """Get a certificate for the names that were bound, keep it with its key, and serve the page under it."""
        context = SessionContext.decode(owner.context)
        certificate, tls_pem = await self.obtain(context, owner.root)
        self.store.update(certificate=tls_pem)
        self.certificate = certificate
        self._tell("certificate", ", ".join(certificate.names))
        url, address = await self._publish(tls_pem, certificate.names)
        return Ready(url, certificate.leaf_hash, address)

    async def _publish(self, tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
        # A page that is half up would be nobody's: when a client turns up meanwhile, it waits.
        url, address = await finish(asyncio.ensure_future(self._page.publish(tls_pem, names)))
        self._published = True
        self._tell("page", url)
        return url, address

    async def obtain(self, context: SessionContext, root: bytes) -> tuple[Certificate, bytes]:
        """Return a certificate of the issuer, and its fresh TLS key and chain in PEM. Raises IssuanceError."""
        acme = AcmeClient(context.issuer, root, self.store.key, clock=self._clock)
        try:
            tls_key = TlsKey.generate()
            certificate = await acme.obtain(context.names, tls_key)
            return certificate, tls_key.to_pem() + certificate.chain_pem
        finally:
            acme.close()

    def _tell(self, step: str, detail: str = "") -> None:
        self._report(Progress("device", step, detail))
