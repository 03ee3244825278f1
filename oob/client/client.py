"""The client runtime: joins link, exchange, store, clock, randomness and the issuer's client.

session at the issuer -> message_1 .. message_4 -> both halves to the issuer -> channel: proceed -> ready -> page
"""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from oob.binding import Agreement, InitiatorExchange, Proceed, Ready, Unable, decode_record
from oob.client.nearby import reach
from oob.client.store import Pairing, PairingStore
from oob.cose import CoseKey
from oob.crypto import Algorithm, Curve, EcdhKey, SigningKey
from oob.errors import AuthenticationError, IssuanceError, OobError, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.handshake import Credential, Identity, Refused
from oob.issuance import IssuerClient, IssuerSession
from oob.pairing import Bootstrap, InitiatorModel, Passcode, PasscodeInitiator, SecretInitiator
from oob.progress import Progress, Report, silent
from oob.transport.conversation import expect, part
from oob.transport.link import Link

MESSAGE_WAIT = 10.0
"""Seconds that a device has for its next message of the handshake."""
ISSUANCE_WAIT = 70.0
"""Seconds that a device has to get its certificate: a little more than it takes before it gives up and says why."""
C_I = b"\x00"


def initiator_model(out_of_band: Passcode | Bootstrap, random: Callable[[int], bytes]) -> InitiatorModel:
    """Return the client's side of the model that fits what a person brought; UsageError if nothing does.

    It serves one handshake: for another try the person enters or scans it again.
    """
    if isinstance(out_of_band, Passcode):
        return PasscodeInitiator(out_of_band, random(32))
    if out_of_band.secret is None:
        remedy = "Pair by the device's passcode"
        raise UsageError("this tag or code carries no secret", step="bootstrap", remedy=remedy)
    return SecretInitiator(out_of_band.secret, out_of_band.cred_r_hash, out_of_band.dynamic)


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
        random: Callable[[int], bytes] = os.urandom,
        report: Report = silent,
    ) -> None:
        self.store = PairingStore(directory)
        self.issuer = IssuerClient(issuer_url, root_der, token=token)
        self._root_der, self._origin, self._random, self._report = root_der, origin, random, report

    async def pair(self, link: Link, out_of_band: Passcode | Bootstrap, *, names: tuple[str, ...] = ()) -> Pairing:
        """Pair with the device at the other end of `link` and see its certificate through.

        `out_of_band` is the passcode that a person typed, or what a tag or QR code carried, for this one try; `names`
        are wishes, which the issuer turns into names of its zone. Raises LinkError, AuthenticationError, PeerError,
        IssuanceError or StorageError; a new try starts anew.
        """
        key = SigningKey.generate(Algorithm.ES256, self._random)
        session = await self.issuer.open_session(key, origin=self._origin, names=names)
        self._tell("session", session.context.issuer)
        agreement = await self.handshake(link, out_of_band, key, session)
        pairing = self._keep(agreement, key, session)
        await self._submit(session, agreement)
        pairing = self.store.save(pairing, status="bound")
        self._tell("bound", ", ".join(pairing.names))
        ready = _checked(await self._proceed(link, agreement), pairing)
        pairing = self.store.save(
            pairing, status="ready", url=ready.url, address=ready.address, leaf_hash=ready.leaf_hash
        )
        self._tell("ready", pairing.url)
        return pairing

    def close(self) -> None:
        """Let go of the connection to the issuer."""
        self.issuer.close()

    async def handshake(
        self, link: Link, out_of_band: Passcode | Bootstrap, key: SigningKey, session: IssuerSession
    ) -> Agreement:
        """Run the four messages and return what both ends agreed on; two round trips."""
        identity = Identity(Credential.of_key(CoseKey.of(key)), key)
        exchange = InitiatorExchange(identity, initiator_model(out_of_band, self._random), session.context)
        try:
            message = exchange.start(EcdhKey.generate(Curve.X25519, self._random), C_I)
            message = exchange.receive_2(await self._ask(link, message))
            self._tell("message_3", exchange.device_name)
            agreement = exchange.receive_4(await self._ask(link, message))
        except Refused as refusal:
            raise _explained(refusal, exchange.device_name) from refusal
        except OobError:
            await part(link, exchange.parting())
            raise
        self._tell("agreed", agreement.proof.strength)
        return agreement

    def _keep(self, agreement: Agreement, key: SigningKey, session: IssuerSession) -> Pairing:
        proof = agreement.proof
        pairing = Pairing(
            device=agreement.device.key.thumbprint(),
            name=agreement.device.subject,
            model=proof.model.name.lower(),
            strength=proof.strength,
            bits=proof.bits,
            mutual=proof.mutual,
            issuer=session.context.issuer,
            session_url=session.url,
            session_key=key.to_bytes(),
            names=session.names,
        )
        return self.store.save(pairing)

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


def _checked(ready: Ready, pairing: Pairing) -> Ready:
    """Refuse a page under a name that this device was not given, which would lead the user to another one."""
    try:
        host = urlsplit(ready.url).hostname
    except ValueError:
        host = None
    if host not in pairing.names:
        raise PeerError("the device names a page that is not under its own name", step="channel")
    return ready


def parse_out_of_band(text: str) -> Passcode | Bootstrap:
    """Read what a person typed or pasted; UsageError or PeerError if it is neither a passcode nor a QR code's text."""
    text = text.strip("\r\n")
    return Bootstrap.from_text(text) if text.startswith("OOB:") else Passcode.parse(text)


async def pair(
    code: str | Passcode | Bootstrap,
    *,
    issuer: str,
    root: bytes,
    directory: Path,
    token: str = "",
    names: tuple[str, ...] = (),
    address: str | None = None,
    timeout: float = 20.0,
    link: Link | None = None,
    report: Report = silent,
) -> Pairing:
    """Find the device over Bluetooth LE within `timeout` seconds, and pair with it; or over `link`, and close that.

    `code` is what the person typed or scanned for this try; `issuer` the directory URL, `root` the issuer's root
    certificate in DER and `token` its enrolment token, if it asks for one; `directory` keeps the pairing. Raises
    DeviceNotFound, LinkError, AuthenticationError, PeerError, IssuanceError, StorageError, UsageError.
    """
    async with AsyncExitStack() as stack:
        if link is not None:
            stack.push_async_callback(link.close)
        out_of_band = parse_out_of_band(code) if isinstance(code, str) else code
        client = Client(issuer, root, directory, token=token, report=report)
        stack.callback(client.close)
        if link is None:
            tag_key = out_of_band.tag_key if isinstance(out_of_band, Bootstrap) and address is None else None
            link = await reach(tag_key=tag_key, address=address, timeout=timeout)
            stack.push_async_callback(link.close)
        return await client.pair(link, out_of_band, names=names)
