"""The client runtime: joins link, exchange, store, clock, randomness and the issuer's client.

session at the issuer -> message_1 .. message_4 -> both halves to the issuer -> channel: proceed -> ready -> page
"""

import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from oob.binding import (
    Agreement,
    InitiatorExchange,
    PairingKey,
    Proceed,
    Ready,
    SessionContext,
    Unable,
    decode_record,
)
from oob.client.carried import Carried, Comparison, initiator_model, parse_out_of_band
from oob.client.entries import KEY_LENGTH, Entries
from oob.client.nearby import Search
from oob.client.resumed import Resumed
from oob.client.store import Pairing, PairingStore
from oob.client.tapping import Tap
from oob.cose import CoseKey
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.errors import AuthenticationError, IssuanceError, LinkError, OobError, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.handshake import Credential, Identity, Refused
from oob.handshake.messages import Error
from oob.issuance import IssuerClient, IssuerSession
from oob.pairing import Bootstrap, CompareInitiator, InitiatorModel, Passcode, ResumedInitiator
from oob.pairing.compare import LIFETIME
from oob.progress import Progress, Report, silent
from oob.transport.conversation import ask, expect, part
from oob.transport.link import Link

MESSAGE_WAIT = 10.0
"""Seconds that a device has for its next message of the handshake."""
ISSUANCE_WAIT = 70.0
"""Seconds that a device has to get its certificate: a little more than it takes before it gives up and says why."""
C_I = b"\x00"


class Client:
    """One who pairs: an app on a phone or laptop.

    `issuer_url` is the issuer's directory and `root_der` its root certificate, which must come from where the user
    trusts it; `directory` keeps the pairings; `origin` is the web origin that it acts for, "" for an app;
    `token` the operator's enrolment token, "" where the issuer asks for none.
    """

    def __init__(
        self,
        issuer_url: str,
        root_der: bytes,
        directory: Path,
        *,
        origin: str = "",
        token: str = "",
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
        report: Report = silent,
    ) -> None:
        self.store = PairingStore(directory)
        self.entries = Entries(directory, random(KEY_LENGTH))
        self._clock = clock
        self.issuer = IssuerClient(issuer_url, root_der, token=token)
        self._root_der, self._origin, self._random, self._report = root_der, origin, random, report
        self._is_meant = False  # whether the device of the last handshake proved to be the one that is meant

    async def pair(self, link: Link, carried: Carried, *, names: tuple[str, ...] = ()) -> Pairing:
        """Pair with the device at the other end of `link` and see its certificate through.

        `carried` is what a person brought for this one try: a passcode that was typed, the content of a tag or QR code,
        or a `Comparison`; `names` are wishes, which the issuer turns into names of its zone. Raises UsageError for what
        proves too little to be bound, LinkError, AuthenticationError, PeerError, IssuanceError or StorageError; a new
        try starts anew.
        """
        key, identity = self._session_key()
        model = initiator_model(carried, self._random, identity.credential.cred)
        if not model.proof.mutual:
            name = model.model.name.lower()
            remedy = "Pair by a passcode, a secret or a comparison, or only `meet` the device"
            raise UsageError(f"the model {name} proves too little to be bound", step="pairing", remedy=remedy)
        if isinstance(carried, Passcode):
            self.entries.check(carried)
        session = await self._open(key, names)
        agreement = await self._run(link, identity, model, session.context, carried)
        return await self._certified(link, agreement, _paired(agreement, key, session), session)

    async def meet(self, link: Link, carried: Carried) -> Pairing:
        """Talk to the device with nothing to be bound; what was proven is in the result, which is not stored.

        Its `channel` reaches the device through `link`. Raises as `pair`, but no IssuanceError.
        """
        key, identity = self._session_key()
        model = initiator_model(carried, self._random, identity.credential.cred)
        agreement = await self._run(link, identity, model, None, carried)
        return replace(_paired(agreement, key, None), status="met")

    async def resume(self, link: Link, pairing: Pairing) -> Resumed:
        """Reach a paired device again, without passcode or tag, under a new session key that the pairing endorses.

        AuthenticationError when the device does not know the pairing any more, or is another one.
        """
        _, identity = self._session_key()
        agreement = await self._run(link, identity, _resuming(pairing), None, None)
        return Resumed(link, agreement, lambda ready: _checked(ready, pairing, _RENEW))

    async def renew(self, link: Link, pairing: Pairing, *, names: tuple[str, ...] = ()) -> Pairing:
        """Bind a paired device to a new session, without passcode or tag, and see its new certificate through.

        Raises as `pair` and `resume`.
        """
        key, identity = self._session_key()
        session = await self._open(key, names)
        agreement = await self._run(link, identity, _resuming(pairing), session.context, None)
        renewed = replace(_paired(agreement, key, session), key=pairing.key)  # under which the device knows us
        return await self._certified(link, agreement, renewed, session)

    async def unpair(self, link: Link, pairing: Pairing) -> None:
        """End the pairing at the device, at the issuer, and here. Raises as `resume`; then nothing is forgotten."""
        async with await self.resume(link, pairing) as device:
            await device.unpair()
        await self.forget(pairing)

    async def forget(self, pairing: Pairing) -> None:
        """End the pairing at the issuer, if it can be reached, and here, without the device."""
        key = SigningKey.from_bytes(Algorithm.ES256, pairing.session_key)
        with suppress(IssuanceError):  # its binding lapses by itself
            await self.issuer.withdraw(pairing.session_url, key)
        self.store.forget(pairing)
        self._tell("forgotten", pairing.name)

    def close(self) -> None:
        """Let go of the connection to the issuer."""
        self.issuer.close()

    async def pair_nearby(self, search: Search, carried: Carried, *, names: tuple[str, ...] = ()) -> Pairing:
        """Pair with the device that `search` reaches. Raises as `pair`, and DeviceNotFound.

        A device that has the right tag and proves to be another one gives way to the next, and costs no guess.
        """
        while True:
            link = await search.reach()
            try:
                return await self.pair(link, carried, names=names)
            except (AuthenticationError, PeerError, LinkError) as error:
                if self._is_meant or not search.go_on(error):
                    raise
            finally:
                await link.close()

    async def handshake(self, link: Link, carried: Carried, key: SigningKey, session: IssuerSession) -> Agreement:
        """Run the four messages and return what both ends agreed on; two round trips."""
        identity = Identity(Credential.of_key(CoseKey.of(key)), key)
        model = initiator_model(carried, self._random, identity.credential.cred)
        return await self._run(link, identity, model, session.context, carried)

    async def _run(
        self,
        link: Link,
        identity: Identity,
        model: InitiatorModel,
        context: SessionContext | None,
        carried: Carried | None,
    ) -> Agreement:
        exchange = InitiatorExchange(identity, model, context)
        self._is_meant = False
        try:
            message = exchange.start(EcdhKey.generate(Curve.X25519, self._random), C_I)
            message = exchange.receive_2(await self._ask(link, message))
            self._is_meant = True
            if isinstance(carried, Passcode):
                self.entries.enter(carried)  # from here on a rogue device would know whether its guess was right
            self._tell("message_3", exchange.device_name)
            await link.send(MessageType.HANDSHAKE, message)
            agreement = exchange.receive_4(await self._last(link, model, carried, exchange.device_name))
            if isinstance(carried, Passcode):
                self.entries.succeed(carried)
        except Refused as refusal:
            raise _explained(refusal, exchange.device_name) from refusal
        except OobError as error:
            exchange.decline(error)
            await part(link, exchange.parting())
            raise
        self._tell("agreed", agreement.proof.strength)
        return agreement

    async def _last(self, link: Link, model: InitiatorModel, carried: Carried | None, name: str) -> bytes:
        """Return message_4; in the model `compare`, after this end's user said yes as well."""
        if not isinstance(model, CompareInitiator) or not isinstance(carried, Comparison):
            return await expect(link, MessageType.HANDSHAKE, MESSAGE_WAIT)
        question = carried.confirm(model.show(self._clock()), name)
        agreed, message_4 = await ask(link, question, LIFETIME, lambda message: Error.decode(message) is None)
        if not agreed and message_4 is not None and Error.decode(message_4):
            return message_4  # the device's user said no
        if not agreed:
            cause = "the user did not say that both numbers are the same"
            raise AuthenticationError(cause, step="compare", remedy="Pair again, and look at both screens")
        model.confirm(self._clock())
        return message_4 or await expect(link, MessageType.HANDSHAKE, LIFETIME + MESSAGE_WAIT)

    def _session_key(self) -> tuple[SigningKey, Identity]:
        key = SigningKey.generate(Algorithm.ES256, self._random)
        return key, Identity(Credential.of_key(CoseKey.of(key)), key)

    async def _open(self, key: SigningKey, names: tuple[str, ...]) -> IssuerSession:
        session = await self.issuer.open_session(key, origin=self._origin, names=names)
        self._tell("session", session.context.issuer)
        return session

    async def _certified(self, link: Link, agreement: Agreement, pairing: Pairing, session: IssuerSession) -> Pairing:
        """Keep the pairing, have the issuer take it, and let the device get its certificate."""
        self.store.save(pairing)
        await self._submit(session, agreement)
        pairing = self.store.save(pairing, status="bound")
        self._tell("bound", ", ".join(pairing.names))
        ready = _checked(await self._proceed(link, agreement), pairing)
        pairing = self.store.save(
            pairing,
            status="ready",
            url=ready.url,
            address=ready.address,
            leaf_hash=ready.leaf_hash,
            tag_key=ready.tag_key,
        )
        self._tell("ready", pairing.url)
        return pairing

    async def _submit(self, session: IssuerSession, agreement: Agreement) -> None:
        """Submit both halves; where the answer got lost on the way, look whether the issuer took them."""
        try:
            await self.issuer.submit(session, agreement.binding)
        except IssuanceError as error:
            if error.problem or not await self._is_bound(session, agreement):
                raise

    async def _is_bound(self, session: IssuerSession, agreement: Agreement) -> bool:
        try:
            status = await self.issuer.session_status(session)
        except IssuanceError:
            return False  # what went wrong first says more
        return status.status == "bound" and status.device == agreement.device.key.thumbprint()

    async def _proceed(self, link: Link, agreement: Agreement) -> Ready:
        """Tell the device, through the protected channel, that its key is authorised; wait for its page."""
        record = agreement.channel.seal(Proceed(self._root_der).encode())
        await link.send(MessageType.CHANNEL, record)
        answer = decode_record(agreement.channel.open(await expect(link, MessageType.CHANNEL, ISSUANCE_WAIT)))
        if isinstance(answer, Ready):
            return answer
        if isinstance(answer, Unable):
            raise IssuanceError(
                f"the device got no certificate: {answer.reason}", step=answer.step, problem=answer.problem
            )
        raise PeerError("a record that was not awaited", step="channel")

    async def _ask(self, link: Link, message: bytes) -> bytes:
        await link.send(MessageType.HANDSHAKE, message)
        return await expect(link, MessageType.HANDSHAKE, MESSAGE_WAIT)

    def _tell(self, step: str, detail: str = "") -> None:
        self._report(Progress("client", step, detail))


def _paired(agreement: Agreement, key: SigningKey, session: IssuerSession | None) -> Pairing:
    proof = agreement.proof
    return Pairing(
        device=agreement.device.key.thumbprint(),
        cred_r_hash=agreement.device.hash(),
        name=agreement.device.subject,
        model=proof.model.name.lower(),
        strength=proof.strength,
        bits=proof.bits,
        dynamic=proof.dynamic,
        mutual=proof.mutual,
        confirmed=proof.confirmed,
        issuer=session.context.issuer if session else "",
        session_url=session.url if session else "",
        session_key=key.to_bytes(),
        key=agreement.key.prk,
        names=session.names if session else (),
        channel=agreement.channel,
    )


def _resuming(pairing: Pairing) -> InitiatorModel:
    return ResumedInitiator(PairingKey(pairing.key, pairing.mutual).resumption_secret(), pairing.cred_r_hash)


def _explained(refusal: Refused, device_name: str) -> AuthenticationError:
    """Say what a refusal means. The device tells no reason: these are those that its owner can do something about."""
    if device_name:
        cause = "the device refused: the code is wrong or used up, or the device could not go on"
        remedy = "Read the code, and what else the device shows, again"
        return AuthenticationError(cause, step="message_3", remedy=remedy)
    return AuthenticationError(
        "the device does not pair now: its code is used up, it has an owner, or it pairs in another way",
        step="message_1",
        remedy="Press its button, and use the code that it shows then",
    )


_RENEW = "Another owner may have got it another name: get it a certificate of yours (oob owner renew)"


def _checked(ready: Ready, pairing: Pairing, remedy: str = "") -> Ready:
    """Refuse a page under a name that this device was not given, which would lead the user to another one."""
    try:
        host = urlsplit(ready.url).hostname
    except ValueError:
        host = None
    if host not in pairing.names:
        raise PeerError("the device names a page that is not under its own name", step="channel", remedy=remedy)
    return ready


def _carried(code: str | Carried | Tap) -> Carried:
    if isinstance(code, Tap):
        return code.bootstrap
    return parse_out_of_band(code) if isinstance(code, str) else code


async def pair(
    code: str | Carried | Tap,
    *,
    issuer: str,
    root: bytes,
    directory: Path,
    token: str = "",
    names: tuple[str, ...] = (),
    address: str | None = None,
    timeout: float = 20.0,
    adapter: str | None = None,
    link: Link | None = None,
    report: Report = silent,
) -> Pairing:
    """Find the device within `timeout` seconds, and pair with it; or over `link`, and close that.

    It is looked for over Bluetooth LE, and before that at the addresses that bootstrap data may hint at. A tap tells
    what to pair by; all goes through the tag where that is the device's own.

    `code` is what the person typed, scanned or tapped for this try, or a `Comparison`; `issuer` the directory URL,
    `root` the issuer's root certificate in DER and `token` its enrolment token, if any; `directory` keeps the pairing;
    `adapter` is "hci1" where BlueZ has several; `report` hears of each step. Raises DeviceNotFound, LinkError,
    UsageError, AuthenticationError, PeerError, IssuanceError, StorageError.
    """
    async with AsyncExitStack() as stack:
        if link is not None:
            stack.push_async_callback(link.close)
        carried = _carried(code)
        if isinstance(code, Tap) and link is None and code.link is not None:
            link = code.link
            stack.push_async_callback(link.close)
        client = Client(issuer, root, directory, token=token, report=report)
        stack.callback(client.close)
        if link is not None:
            return await client.pair(link, carried, names=names)
        told = carried if isinstance(carried, Bootstrap) and address is None else None
        search = Search(
            tag_key=told.tag_key if told is not None else None,
            address=address,
            hints=told.hints if told is not None else (),
            timeout=timeout,
            adapter=adapter,
            report=report,
        )
        return await client.pair_nearby(search, carried, names=names)
