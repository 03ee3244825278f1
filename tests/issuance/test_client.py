from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from oob.cose import CoseKey
from oob.errors import IssuanceError
from oob.issuance import IssuerClient
from oob.issuance.server import Policy
from tests.issuance.served import Served, binding_for, served
from tests.issuance.world import ZONE, new_key


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, Policy(ZONE, origins=frozenset({"", "https://app.example"}))) as issuer:
        yield issuer


@pytest.fixture
async def client(issuer: Served) -> AsyncIterator[IssuerClient]:
    client = issuer.client()
    yield client
    client.close()


@pytest.mark.parametrize("origin", ["", "https://app.example"])
async def test_a_session_ends_in_a_binding(issuer: Served, client: IssuerClient, origin: str) -> None:
    device = new_key()
    session = await client.open_session(new_key(), origin=origin, names=["Kitchen lamp"])
    assert session.names == ("kitchen-lamp.home.example",)
    assert session.context.issuer == issuer.issuer.directory_url
    assert session.context.root_hash == issuer.issuer.authority.root_hash
    assert session.context.origin == origin
    assert (await client.session_status(session)).status == "pending"
    bound = await client.submit(session, binding_for(session, device))
    assert (bound.names, bound.device) == (session.names, CoseKey.of(device).thumbprint())
    status = await client.session_status(session)
    assert (status.status, status.device) == ("bound", bound.device)
    assert "SigningKey" not in repr(session)


async def test_a_refusal_keeps_its_type(client: IssuerClient) -> None:
    session = await client.open_session(new_key(), names=["lamp"])
    binding = binding_for(session, new_key())
    await client.submit(session, binding)
    with pytest.raises(IssuanceError, match=r"^binding: the challenge of this session was used") as caught:
        await client.submit(session, binding)
    assert caught.value.problem == "urn:oob:error:challengeUsed"
    with pytest.raises(IssuanceError, match="session: this origin is not allowed") as caught:
        await client.open_session(new_key(), origin="https://evil.example")
    assert caught.value.problem == "urn:oob:error:originMismatch"


async def test_an_issuer_by_another_url_is_not_told_to_devices(issuer: Served) -> None:
    url = issuer.issuer.directory_url + "?"
    client = IssuerClient(url, issuer.root)
    with pytest.raises(IssuanceError, match="calls itself by another URL"):
        await client.open_session(new_key())
    client.close()


async def test_an_issuer_with_another_root_is_not_told_to_devices(client: IssuerClient) -> None:
    client._root_hash = bytes(32)
    with pytest.raises(IssuanceError, match="names another root certificate"):
        await client.open_session(new_key())


async def test_a_binding_for_another_device_is_noticed(client: IssuerClient) -> None:
    session = await client.open_session(new_key(), names=["lamp"])
    binding = replace(binding_for(session, new_key()), device_key=CoseKey.of(new_key()))
    with pytest.raises(IssuanceError) as caught:
        await client.submit(session, binding)
    assert caught.value.problem == "urn:oob:error:deviceHalf"


async def test_a_device_is_forgotten(issuer: Served, client: IssuerClient) -> None:
    session = await client.open_session(new_key(), names=["lamp"])
    await client.submit(session, binding_for(session, new_key()))
    await client.forget(session)
    assert (await client.session_status(session)).status == "withdrawn"
    assert (await issuer.issuer.store.audit()).bindings == 0


async def test_the_client_tells_the_token(tmp_path: Path) -> None:
    right = "right"
    async with served(tmp_path, Policy(ZONE, token_hash=sha256(right.encode()).digest())) as issuer:
        for token in ("", "wrong"):
            client = IssuerClient(issuer.issuer.directory_url, issuer.root, token=token, timeout=5)
            with pytest.raises(IssuanceError, match="enrolment token") as caught:
                await client.open_session(new_key())
            assert caught.value.problem == "urn:oob:error:notEnrolled"
            client.close()
        client = IssuerClient(issuer.issuer.directory_url, issuer.root, token=right, timeout=5)
        assert (await client.open_session(new_key(), names=["lamp"])).names == ("lamp.home.example",)
        client.close()
