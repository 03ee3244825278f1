"""An issuer in memory with everybody around it: what the tests of issuance share."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from oob.binding import Binding, BindingStatement, Receipt, SessionContext, countersign, sign_binding
from oob.cose import CoseKey
from oob.crypto import Algorithm, SigningKey
from oob.issuance import Authority, TlsKey, base64url
from oob.issuance.jws import sign_jws
from oob.issuance.server import Issuer, Policy, create_app
from oob.issuance.store import Store
from oob.pairing.models import Model, Proof

NOW = 1_800_000_000.0
ZONE = "home.example"
BASE = "https://issuer.home.example"
MUTUAL = Proof(Model.PASSCODE, "passcode", 23, True, True, False)
JOSE = "application/jose+json"
POLICY = Policy(ZONE, origins=frozenset({"", "https://app.example"}), ip_networks=("192.168.7.0/24",))


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def new_key(algorithm: Algorithm = Algorithm.ES256) -> SigningKey:
    return SigningKey.generate(algorithm, os.urandom)


def new_authority(directory: Path, now: float = NOW) -> Authority:
    networks = ("127.0.0.0/8", "192.168.7.0/24")
    return Authority.create(directory / "authority", dns_zones=[ZONE], ip_networks=networks, now=now)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def problem(self) -> str:
        """The last word of the problem type; the answer must be a proper problem document."""
        assert self.headers["content-type"] == "application/problem+json"
        document = self.json
        assert document["status"] == self.status >= 400
        assert document["detail"]
        return str(document["type"]).rpartition(":")[2]

    @property
    def location(self) -> str:
        return self.headers["location"]


@dataclass
class World:
    """The issuer, its clock, and an HTTP client that goes straight to the application."""

    issuer: Issuer
    clock: Clock
    http: httpx.AsyncClient
    nonce: str = ""

    async def send(self, method: str, url: str, **options: Any) -> Answer:
        """Send a request; every answer carries a nonce and the way to the directory."""
        response = await self.http.request(method, url, **options)
        assert response.headers["replay-nonce"]
        assert f'<{BASE}/directory>;rel="index"' in response.headers.get_list("link")
        self.nonce = response.headers["replay-nonce"]
        return Answer(response.status_code, response.headers, response.content)

    async def fresh_nonce(self) -> str:
        return (await self.send("HEAD", "/new-nonce")).headers["replay-nonce"]

    async def post(self, url: str, payload: object, key: SigningKey, kid: str | None = None, **headers: str) -> Answer:
        """Send a request that is signed by `key`; payload None is a POST-as-GET."""
        url = url if url.startswith("https:") else BASE + url
        nonce, self.nonce = self.nonce or await self.fresh_nonce(), ""
        body = b"" if payload is None else json.dumps(payload).encode()
        return await self.post_raw(url, sign_jws(key, body, url=url, nonce=nonce, kid=kid), **headers)

    async def post_raw(self, url: str, body: bytes, **headers: str) -> Answer:
        return await self.send("POST", url, content=body, headers={"content-type": JOSE, **headers})

    async def open_session(self, key: SigningKey, *names: str, origin: str = "", **headers: str) -> "Opened":
        answer = await self.post("/sessions", {"origin": origin, "names": list(names)}, key, **headers)
        assert answer.status == 201, answer.content
        return Opened(answer.location, key, answer.json)

    async def submit(self, session: str, binding: Binding, **headers: str) -> Answer:
        return await self.submit_json({"session": session, **binding.to_json()}, **headers)

    async def submit_json(self, body: Mapping[str, Any], **headers: str) -> Answer:
        content = json.dumps(dict(body))
        return await self.send(
            "POST", "/bindings", content=content, headers={"content-type": "application/json", **headers}
        )

    async def bind(self, device: SigningKey, *names: str) -> Answer:
        """Bind a device the honest way."""
        opened = await self.open_session(new_key(), *names)
        return await self.submit(opened.url, opened.binding(device))

    async def bound_device(self, *names: str) -> "Device":
        """Return a device that is bound and has an account."""
        key = new_key()
        assert (await self.bind(key, *(names or ("lamp",)))).status == 201
        answer = await self.post("/new-account", {}, key)
        assert answer.status == 201, answer.content
        return Device(self, key, answer.location)


@dataclass
class Opened:
    """An open session at the client."""

    url: str
    key: SigningKey = field(repr=False)
    answer: dict[str, Any]

    @property
    def context(self) -> SessionContext:
        return SessionContext(
            issuer=self.answer["issuer"],
            root_hash=base64url.decode(self.answer["root_hash"]),
            origin=self.answer.get("origin", ""),
            challenge=base64url.decode(self.answer["challenge"]),
            names=tuple(self.answer["names"]),
        )

    def binding(
        self,
        device: SigningKey,
        *,
        proof: Proof = MUTUAL,
        key: SigningKey | None = None,
        **changes: Any,
    ) -> Binding:
        """Return what an honest pairing yields; `changes` are to the session context, `key` another session key."""
        return self.binding_in(replace(self.context, **changes), device, proof=proof, key=key)

    def binding_in(
        self, context: SessionContext, device: SigningKey, *, proof: Proof = MUTUAL, key: SigningKey | None = None
    ) -> Binding:
        """Return the binding for this very context."""
        key = key or self.key
        statement = BindingStatement(
            device_thumbprint=CoseKey.of(device).thumbprint(),
            session_thumbprint=CoseKey.of(key).thumbprint(),
            audience=context.issuer,
            challenge=context.challenge,
            origin=context.origin,
            names=context.names,
            proof=proof,
            exporter=os.urandom(32),
            context_hash=context.hash(),
            jti=os.urandom(16),
        )
        receipt: Receipt = sign_binding(device, statement)
        return countersign(key, CoseKey.of(device), statement, receipt, context)


@dataclass
class Device:
    """A bound device with its account."""

    world: World
    key: SigningKey = field(repr=False)
    account: str

    async def post(self, url: str, payload: object = None) -> Answer:
        return await self.world.post(url, payload, self.key, kid=self.account)

    async def order(self, *names: str) -> Answer:
        identifiers = [{"type": "dns", "value": name} for name in names or ("lamp.home.example",)]
        return await self.post("/new-order", {"identifiers": identifiers})

    async def finalize(self, order: Answer, csr: bytes) -> Answer:
        return await self.post(order.json["finalize"], {"csr": base64url.encode(csr)})

    async def certificate(self, tls_key: TlsKey, *names: str) -> Answer:
        """Go all the way."""
        names = names or ("lamp.home.example",)
        order = await self.finalize(await self.order(*names), tls_key.csr(names))
        assert order.status == 200, order.content
        return await self.post(order.json["certificate"])


@asynccontextmanager
async def new_world(directory: Path, policy: Policy = POLICY) -> AsyncIterator[World]:
    """Set up an issuer in a directory."""
    clock = Clock()
    store = await Store.open(directory / "issuer" / "issuer.sqlite")
    try:
        issuer = Issuer(new_authority(directory), store, BASE, policy, clock)
        transport = httpx.ASGITransport(app=create_app(issuer))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
            yield World(issuer, clock, http)
    finally:
        await store.close()
