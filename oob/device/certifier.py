"""The device's certificate: got from the issuer of whoever owns the device, kept with its key, served by the page."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol

from oob.binding import Ready, SessionContext, Unable
from oob.crypto import Hash, equal
from oob.device.state import DeviceStore, Owner
from oob.errors import AuthenticationError, IssuanceError, OobError, StorageError
from oob.issuance import AcmeClient, Certificate, TlsKey, tls_context
from oob.progress import Progress, Report
from oob.transport.carrier import finish

MAX_ROOT = 4096
"""Bytes of a root certificate in DER, so that the state of a device always fits its file."""


class Page(Protocol):
    """Whatever serves HTTPS on the device."""

    async def publish(self, tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
        """Serve under this TLS key and chain, and return URL and "host:port" ("" where the name resolves).

        Called again for each certificate. Raises StorageError if key and chain are damaged, LinkError.
        """

    async def withdraw(self) -> None:
        """Serve no more until the next `publish`: nobody owns the device."""


class Certifier:
    """Gets certificates and has them served. `certificate` is the one issued in this run, if any."""

    def __init__(self, store: DeviceStore, page: Page, clock: Callable[[], float], report: Report) -> None:
        self._store, self._page, self._clock, self._report = store, page, clock, report
        self._ready: Ready | None = None
        self.certificate: Certificate | None = None

    async def start(self) -> None:
        """Serve the certificate that is stored, or get the one that an owner was promised; do nothing if it is served.

        Raises IssuanceError, StorageError, LinkError.
        """
        state = self._store.state
        if state.owner is None or self._ready is not None:
            return
        if state.certificate is not None:
            try:
                await self._publish(state.certificate, SessionContext.decode(state.owner.context).names)
                return
            except StorageError as error:
                self._tell("certificate lost", str(error))
        await self.certify(state.owner)

    async def status(self) -> Ready | Unable:
        """Say where the page is, after `start`."""
        await self.start()
        return self._ready or Unable("certificate", "nobody had the device certified")

    async def certify(self, owner: Owner) -> Ready:
        """Get a certificate for the names that were bound, keep it with its key, and serve the page under it."""
        context = SessionContext.decode(owner.context)
        certificate, tls_pem = await self.obtain(context, owner.root)
        self._require_current(owner)
        self._store.update(certificate=tls_pem)
        self.certificate = certificate
        self._tell("certificate", ", ".join(certificate.names))
        ready = await self._publish(tls_pem, certificate.names)
        try:
            self._require_current(owner)
        except IssuanceError:
            await self._page.withdraw()
            raise
        return ready

    def _require_current(self, owner: Owner) -> None:
        """Raise IssuanceError if another owner, or nobody, counts by now: an issuance takes its time."""
        if self._store.state.owner is not owner:
            self._ready = self.certificate = None
            raise IssuanceError("the device changed hands meanwhile", step="certificate", remedy="Pair with it anew")

    async def obtain(self, context: SessionContext, root: bytes) -> tuple[Certificate, bytes]:
        """Return a certificate of the issuer, and its fresh TLS key and chain in PEM. Raises IssuanceError."""
        acme = AcmeClient(context.issuer, root, self._store.key, clock=self._clock)
        try:
            tls_key = TlsKey.generate()
            certificate = await acme.obtain(context.names, tls_key)
            return certificate, tls_key.to_pem() + certificate.chain_pem
        finally:
            acme.close()

    def outdate(self) -> None:
        """Take note that what is served is no longer what an owner wants."""
        self._ready = None

    async def end(self, owner: Owner | None) -> None:
        """Serve nobody's page any more, and give the account at the issuer up, where that can be reached."""
        self._ready = self.certificate = None
        await self._page.withdraw()
        if owner is None:
            return
        acme = AcmeClient(SessionContext.decode(owner.context).issuer, owner.root, self._store.key, clock=self._clock)
        try:
            await acme.deactivate()
            self._tell("account ended")
        except OobError as error:  # the device is free all the same
            self._tell("issuer not told", str(error))
        finally:
            acme.close()

    async def _publish(self, tls_pem: bytes, names: tuple[str, ...]) -> Ready:
        # A page that is half up would be nobody's: when a client turns up meanwhile, it waits.
        url, address = await finish(asyncio.ensure_future(self._page.publish(tls_pem, names)))
        self._ready = Ready(url, _leaf_hash(tls_pem), address, self._store.state.tag_key or b"")
        self._tell("page", url)
        return self._ready

    def _tell(self, step: str, detail: str = "") -> None:
        self._report(Progress("device", step, detail))


def check_root(context: SessionContext, root: bytes | None) -> None:
    """Check that `root` is the certificate whose hash was bound. Raises IssuanceError, AuthenticationError."""
    if root is None or context.root_hash is None:
        cause = "this device takes certificates only from an issuer with a root of its own"
        raise IssuanceError(cause, step="channel", remedy="Use a local issuer")
    if not equal(Hash.SHA256.digest(root), context.root_hash):
        raise AuthenticationError("the issuer's root is not the one that was bound", step="channel")
    if len(root) > MAX_ROOT:
        raise IssuanceError(f"the issuer's root has {len(root)} bytes, at most {MAX_ROOT} are kept", step="channel")
    tls_context(root)  # nothing is kept that is no certificate


def _leaf_hash(tls_pem: bytes) -> bytes:
    """Return the SHA-256 of the first certificate in PEM, 32 bytes."""
    begin = tls_pem.find(b"-----BEGIN CERTIFICATE-----")
    end = tls_pem.find(b"-----END CERTIFICATE-----", begin) + len(b"-----END CERTIFICATE-----")
    return Hash.SHA256.digest(ssl.PEM_cert_to_DER_cert(tls_pem[begin:end].decode()))
