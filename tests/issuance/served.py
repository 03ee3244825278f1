"""An issuer on loopback, over TLS, as its clients meet it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from oob.binding import Binding
from oob.crypto import SigningKey
from oob.issuance import AcmeClient, Authority, IssuerClient, IssuerSession
from oob.issuance.server import Issuer, Policy, serve
from oob.issuance.store import Store
from tests.issuance.world import ZONE, Opened, new_authority, new_key


@dataclass
class Served:
    """A running issuer."""

    issuer: Issuer

    @property
    def root(self) -> bytes:
        return self.issuer.authority.root_der

    def client(self) -> IssuerClient:
        return IssuerClient(self.issuer.directory_url, self.root, timeout=5)

    def acme(self, key: SigningKey) -> AcmeClient:
        return AcmeClient(self.issuer.directory_url, self.root, key, timeout=5)

    async def bound(self, *names: str) -> SigningKey:
        """Bind a device the honest way."""
        client, device = self.client(), new_key()
        session = await client.open_session(new_key(), names=names)
        await client.submit(session, binding_for(session, device))
        client.close()
        return device


def binding_for(session: IssuerSession, device: SigningKey) -> Binding:
    """Return what an honest pairing yields for a session."""
    assert isinstance(session.key, SigningKey)
    opened = Opened(session.url, session.key, {})
    return opened.binding_in(session.context, device)


@asynccontextmanager
async def served(directory: Path, policy: Policy | None = None, port: int = 0) -> AsyncIterator[Served]:
    """Serve an issuer from a directory, in which it finds itself again."""
    known = (directory / "authority").exists()
    authority = Authority.load(directory / "authority") if known else new_authority(directory, time.time())
    store = await Store.open(directory / "issuer" / "issuer.sqlite")
    try:
        async with serve(authority, store, policy or Policy(ZONE), port=port) as issuer:
            yield Served(issuer)
    finally:
        await store.close()
