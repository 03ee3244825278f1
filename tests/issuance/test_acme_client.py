import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from oob.cose import CoseKey
from oob.errors import IssuanceError, UsageError
from oob.issuance import AcmeClient, TlsKey
from oob.issuance.http import Response
from oob.issuance.server import Policy
from tests.issuance.served import Served, served
from tests.issuance.world import ZONE, new_key

LAMP = f"lamp.{ZONE}"


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as issuer:
        yield issuer


async def test_a_bound_device_gets_its_certificate(issuer: Served) -> None:
    device, key = await issuer.bound("lamp"), TlsKey.generate()
    client = issuer.acme(device)
    certificate = await client.obtain(["LAMP.home.example", LAMP], key)
    assert certificate.names == (LAMP,)
    assert certificate.issuer == "CN=oob local root"
    assert certificate.account_thumbprint == CoseKey.of(device).thumbprint()
    assert certificate.not_before < time.time() < certificate.not_after
    stored = await issuer.issuer.store.orders.account_key_of(certificate.serial)
    assert stored == certificate.account_thumbprint
    again = await client.obtain([LAMP], key)
    assert again.leaf_hash != certificate.leaf_hash
    assert (await issuer.issuer.store.audit()).accounts == 1
    client.close()


async def test_a_device_that_is_not_bound_gets_none(issuer: Served) -> None:
    client = issuer.acme(new_key())
    with pytest.raises(IssuanceError, match=r"^newAccount: no device with this identity key is bound") as caught:
        await client.obtain([LAMP], TlsKey.generate())
    assert caught.value.problem == "urn:ietf:params:acme:error:unauthorized"
    client.close()


async def test_names_beyond_the_binding_are_refused(issuer: Served) -> None:
    client = issuer.acme(await issuer.bound("lamp"))
    with pytest.raises(IssuanceError, match=r"^newOrder: .*desk\.home\.example") as caught:
        await client.obtain([LAMP, f"desk.{ZONE}"], TlsKey.generate())
    assert caught.value.problem == "urn:ietf:params:acme:error:rejectedIdentifier"
    client.close()


async def test_the_tls_key_is_another_key(issuer: Served) -> None:
    key = TlsKey.generate()
    pem_as_identity = new_key()
    client = issuer.acme(pem_as_identity)
    object.__setattr__(pem_as_identity, "x", key.public.x)
    object.__setattr__(pem_as_identity, "y", key.public.y)
    with pytest.raises(UsageError, match="must not be the identity key"):
        await client.obtain([LAMP], key)


async def test_a_restart_of_the_issuer_goes_unnoticed(tmp_path: Path) -> None:
    async with served(tmp_path) as issuer:
        device = await issuer.bound("lamp")
        client = issuer.acme(device)
        await client.obtain([LAMP], TlsKey.generate())
        port = int(issuer.issuer.base_url.rpartition(":")[2])
    async with served(tmp_path, port=port) as issuer:
        assert (await client.obtain([LAMP], TlsKey.generate())).names == (LAMP,)
        client.close()


async def test_an_issuer_that_is_down_is_an_error_and_the_next_try_works(tmp_path: Path) -> None:
    async with served(tmp_path) as issuer:
        device = await issuer.bound("lamp")
        client = issuer.acme(device)
        port = int(issuer.issuer.base_url.rpartition(":")[2])
    with pytest.raises(IssuanceError, match=r"https://127\.0\.0\.1:\d+/directory cannot be reached") as caught:
        await client.obtain([LAMP], TlsKey.generate())
    assert caught.value.exit_code == 5
    async with served(tmp_path, port=port):
        assert (await client.obtain([LAMP], TlsKey.generate())).names == (LAMP,)
        client.close()


async def test_an_issuer_set_up_anew_wants_a_new_pairing(issuer: Served) -> None:
    client = issuer.acme(await issuer.bound("lamp"))
    client._account = issuer.issuer.url("/account/gone")
    with pytest.raises(IssuanceError, match="there is no such account"):
        await client.obtain([LAMP], TlsKey.generate())
    assert (await client.obtain([LAMP], TlsKey.generate())).names == (LAMP,)
    client.close()


async def test_an_order_left_behind_is_no_obstacle(issuer: Served) -> None:
    device, key = await issuer.bound("lamp"), TlsKey.generate()
    client = issuer.acme(device)
    genuine = client._post

    async def dies(url: str, payload: object, step: str) -> Response:
        if step == "certificate":
            raise IssuanceError("the device lost its power")
        return await genuine(url, payload, step)

    client._post = dies  # type: ignore[method-assign]
    with pytest.raises(IssuanceError, match="lost its power"):
        await client.obtain([LAMP], key)
    client.close()
    client = issuer.acme(device)
    assert (await client.obtain([LAMP], key)).names == (LAMP,)
    client.close()


async def altered(issuer: Served, where: str, **changes: object) -> AcmeClient:
    """Return a client of a bound device whose issuer answers otherwise in one step."""
    client = issuer.acme(await issuer.bound("lamp"))
    genuine = client._post

    async def post(url: str, payload: object, step: str) -> Response:
        answer = await genuine(url, payload, step)
        return replace(answer, **changes) if step == where else answer  # type: ignore[arg-type]

    client._post = post  # type: ignore[method-assign]
    return client


@pytest.mark.parametrize(
    ("step", "changes", "reason"),
    [
        ("newOrder", {"body": b'{"status": "pending", "finalize": "https://x"}'}, "newOrder: the order is not ready"),
        ("newOrder", {"headers": {}}, "newOrder: .* lacks its Location"),
        ("finalize", {"body": b'{"status": "invalid"}'}, "finalize: the order became invalid"),
        ("finalize", {"body": b'{"status": "valid"}'}, "finalize: .* lacks certificate"),
        ("certificate", {"body": b"no chain"}, "certificate: .*not a certificate chain"),
    ],
)
async def test_what_the_issuer_does_wrong_is_named(
    issuer: Served, step: str, changes: dict[str, object], reason: str
) -> None:
    client = await altered(issuer, step, **changes)
    with pytest.raises(IssuanceError, match=reason):
        await client.obtain([LAMP], TlsKey.generate())
    client.close()


async def test_an_order_in_work_is_waited_for(issuer: Served) -> None:
    client = await altered(issuer, "none")
    genuine, polls = client._post, 0

    async def slow(url: str, payload: object, step: str) -> Response:
        nonlocal polls
        answer = await genuine(url, payload, step)
        polls += step == "order"
        return replace(answer, body=b'{"status": "processing"}') if step == "finalize" else answer

    client._post = slow  # type: ignore[method-assign]
    assert (await client.obtain([LAMP], TlsKey.generate())).names == (LAMP,)
    assert polls == 1
    client.close()


async def test_an_issuance_has_a_deadline(issuer: Served) -> None:
    client = await altered(issuer, "finalize", body=b'{"status": "processing"}')
    genuine = client._post

    async def never(url: str, payload: object, step: str) -> Response:
        answer = await genuine(url, payload, step)
        return replace(answer, body=b'{"status": "processing"}') if step == "order" else answer

    client._post = never  # type: ignore[method-assign]
    client._deadline = 0.5
    with pytest.raises(IssuanceError, match=r"issued no certificate within 0\.5 seconds"):
        await client.obtain([LAMP], TlsKey.generate())
    client.close()


async def test_a_policy_of_the_issuer_shows(tmp_path: Path) -> None:
    async with served(tmp_path, Policy(ZONE, certificate_lifetime=3600)) as issuer:
        client = issuer.acme(await issuer.bound("lamp"))
        certificate = await client.obtain([LAMP], TlsKey.generate())
        assert certificate.not_after - certificate.not_before == 3600 + 300
        client.close()
