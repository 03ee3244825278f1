"""The initiator that the cases play: right in all but what a case spoils, and never waiting without a deadline."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from oob.binding import InitiatorExchange, SessionContext
from oob.client import initiator_model
from oob.conformance.result import NotApplicable
from oob.cose import CoseKey
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.errors import LinkBusy, LinkError, LinkTimeout, OobError, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.handshake import METHODS, SUITES, Credential, Identity
from oob.handshake.initiator import AwaitMessage2
from oob.handshake.messages import ERR_UNSPECIFIED, Error, Message1
from oob.pairing import Bootstrap, InitiatorModel, Model, Passcode
from oob.transport.link import Link

OutOfBand = Passcode | Bootstrap
Connect = Callable[[], Awaitable[Link]]
Renew = Callable[[], Awaitable[OutOfBand | None]]

ISSUER: Final = "https://issuer.invalid/directory"
"""Nobody's: no device is ever told to go there, since no record is sent after message_4."""
CONNECT_WAIT: Final = 30.0
CLOSE_WAIT: Final = 5.0
C_I: Final = b"\x00"


class Fault(Exception):
    """The device does something else than the specification asks for."""


def flipped(data: bytes) -> bytes:
    """Return `data` with its last bit changed."""
    return data[:-1] + bytes((data[-1] ^ 1,))


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the device did: `text` says it. `message` is what came, `error` the error message that it is, if it is one.

    `readable` is False for an error message or a frame that is malformed; `ended` says that the connection is over.
    """

    text: str
    message: bytes | None = None
    error: Error | None = None
    readable: bool = True
    ended: bool = False

    @property
    def is_answer(self) -> bool:
        """Whether a message came that is no error message."""
        return self.message is not None and self.error is None and self.readable

    def answered(self) -> bytes:
        """Return the message that came; Fault if none did, or an error message."""
        if self.message is None or not self.is_answer:
            raise Fault(f"{self.text}, where an answer is due")
        return self.message

    def refused(self) -> str:
        """Return what to report of a refusal; Fault unless it is an error message with ERR_CODE 1."""
        if self.error is None or self.error.code != ERR_UNSPECIFIED:
            raise Fault(f"{self.text}, where it must refuse with an error message of ERR_CODE 1")
        return self.text

    def not_taken(self) -> str:
        """Return what to report of a message that led to nothing; Fault if it was answered by more than an error."""
        if self.message is not None and self.error is None:
            raise Fault(f"{self.text} to a message that was not due")
        return self.text

    def unanswered(self) -> str:
        """Return what to report of the absence of any answer; Fault if there is one, an error message included."""
        if self.message is not None:
            raise Fault(f"{self.text}, where it must not answer")
        return self.text


@dataclass(frozen=True, slots=True)
class Opening:
    """A right message_1, to be sent or to be spoilt, and what its answer is checked with."""

    identity: Identity
    exchange: InitiatorExchange
    ephemeral: EcdhKey
    message_1: bytes

    @property
    def fields(self) -> Message1:
        """message_1 taken apart."""
        return Message1.decode(self.message_1)

    def check_2(self, message_1: bytes, message_2: bytes) -> Credential:
        """Verify the responder's proof over a message_1 that need not be the right one; return its credential."""
        sent = AwaitMessage2(self.identity, METHODS[0], SUITES[6], self.ephemeral, message_1)
        opened = sent.process_message_2(message_2)
        credential = Credential.by_value(opened.id_cred)
        opened.verify(credential)
        return credential


class Bench:
    """One device under test.

    `connect` opens a fresh link; `out_of_band` is what the person brought, `renew` asks for it anew once it is used up;
    `wait` is in seconds, for each answer and for the device to give a silent client up.
    """

    def __init__(
        self,
        connect: Connect,
        out_of_band: OutOfBand,
        *,
        renew: Renew | None = None,
        wait: float = 15.0,
        issuer: str = ISSUER,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.out_of_band, self.wait = out_of_band, wait
        self.context = SessionContext(issuer, bytes(32), "", random(32), ("device.invalid",))
        self.random = random
        self.tries = 0
        """message_3 sent with the present code."""
        self.errors: list[bytes] = []
        """Every error message with ERR_CODE 1 that came."""
        self._connect, self._renew = connect, renew
        self._unreachable: LinkError | None = None

    def require(self, model: Model, reason: str) -> None:
        """Raise NotApplicable, with the reason, unless the device is armed for this model."""
        if self.model().model is not model:
            raise NotApplicable(reason)

    # --- links

    @asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        """Open a link, and close it at the end; Fault if the device cannot be reached any more."""
        link = await self._reach()
        try:
            yield link
        finally:
            await self._close(link)

    async def _reach(self) -> Link:
        """Connect, at the second try if need be; once that failed, no other case waits for it again."""
        for _ in range(2):
            if self._unreachable is not None:
                break
            with suppress(LinkError):
                return await self._connect_in_time()
        else:
            self._unreachable = LinkError("twice in a row no connection came about")
        raise Fault("the device cannot be reached any more")

    async def reach_once(self) -> None:
        """Connect and let go again; LinkError if the device cannot be reached at all."""
        link = await self._connect_in_time()
        await self._close(link)

    async def _connect_in_time(self) -> Link:
        try:
            async with asyncio.timeout(CONNECT_WAIT):
                return await self._connect()
        except TimeoutError as error:
            raise LinkTimeout("no connection came about in time") from error

    async def _close(self, link: Link) -> None:
        with suppress(LinkError, TimeoutError):
            async with asyncio.timeout(CLOSE_WAIT):
                await link.close()

    async def say(self, link: Link, message: bytes, type: MessageType = MessageType.HANDSHAKE) -> Reaction:
        """Send a message, and return what the device does about it."""
        try:
            await link.send(type, message)
        except LinkTimeout:
            return Reaction("took no message in time")
        except LinkError:
            return Reaction("ended the connection before the message", ended=True)
        return await self.hear(link)

    async def hear(self, link: Link) -> Reaction:
        """Return what the device does next."""
        try:
            _, message = await link.receive(self.wait)
        except LinkTimeout:
            return Reaction(f"stayed silent for {self.wait:g} s")
        except LinkBusy:
            return Reaction("says that it serves another client")
        except PeerError as error:
            return Reaction(f"sent what is no frame ({error.cause})", b"", readable=False)
        except LinkError:
            return Reaction("ended the connection without an answer", ended=True)
        return self._understood(message)

    def _understood(self, message: bytes) -> Reaction:
        try:
            error = Error.decode(message)
        except PeerError:
            return Reaction("answered with a malformed error message", message, readable=False)
        if error is None:
            return Reaction(f"answered with {len(message)} bytes", message)
        if error.code == ERR_UNSPECIFIED:
            self.errors.append(message)
        return Reaction(f"answered with error {error.code}", message, error)  # its text is not for people

    # --- the handshake

    def opening(self, *, model: InitiatorModel | None = None, context: SessionContext | None = None) -> Opening:
        """Prepare a session with fresh keys, with the right model and context unless others are given."""
        key = SigningKey.generate(Algorithm.ES256, self.random)
        identity = Identity(Credential.of_key(CoseKey.of(key)), key)
        ephemeral = EcdhKey.generate(Curve.X25519, self.random)
        exchange = InitiatorExchange(identity, model or self.model(), context or self.context)
        return Opening(identity, exchange, ephemeral, exchange.start(ephemeral, C_I))

    def model(self) -> InitiatorModel:
        """Return the client's side of the model, for one session. UsageError for one without cases."""
        return checked_model(self.out_of_band, self.random)

    async def is_admitted(self) -> bool:
        """Whether a right message_1 is answered now. It costs no guess."""
        async with self.link() as link:
            return (await self.say(link, self.opening().message_1)).is_answer

    async def arm(self) -> None:
        """Ask for another code if the present one is used up by the tries made; NotApplicable if there is none."""
        if self.tries and not await self.is_admitted():
            await self.renew()

    async def renew(self) -> None:
        """Ask for another code; NotApplicable if there is none."""
        fresh = await self._renew() if self._renew is not None else None
        if fresh is None:
            raise NotApplicable("the code is used up: let the device show another, and give that too")
        self.out_of_band, self.tries = fresh, 0

    async def until_3(self, link: Link, opening: Opening) -> bytes:
        """Go on to where message_3 is due, and return that, for the caller to send or to spoil. Fault for message_2."""
        message_2 = (await self.say(link, opening.message_1)).answered()
        self.tries += 1
        try:
            return opening.exchange.receive_2(message_2)
        except OobError as error:
            raise Fault(f"its message_2 is wrong: {error}") from error


def checked_model(out_of_band: OutOfBand, random: Callable[[int], bytes]) -> InitiatorModel:
    """Return the client's side of the model that the data are for; UsageError unless it is `passcode` or `secret`."""
    model = initiator_model(out_of_band, random)
    if model.model not in (Model.PASSCODE, Model.SECRET):
        cause = f"there are no cases for the model {model.model.name.lower()}"
        raise UsageError(cause, step="bootstrap", remedy="Give the device's passcode, or a tag that carries a secret")
    return model
