import asyncio
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from oob.cose import CoseKey
from oob.issuance import TlsKey, base64url
from oob.issuance.certificate import check_chain
from oob.issuance.server import Policy
from oob.issuance.store import Certificate, Order, Orders
from tests.issuance.world import BASE, NOW, ZONE, Device, World, new_world

LAMP = "lamp.home.example"


@pytest.fixture
async def device(world: World) -> Device:
    return await world.bound_device("lamp", "192.168.7.9")


async def test_an_order_is_born_ready(device: Device) -> None:
    order = await device.order()
    assert order.status == 201
    assert order.location.startswith(f"{BASE}/order/")
    assert order.json == {
        "status": "ready",
        "expires": "2027-01-16T08:00:00Z",
        "identifiers": [{"type": "dns", "value": LAMP}],
        "authorizations": [order.json["authorizations"][0]],
        "finalize": f"{order.location}/finalize",
    }
    assert (await device.post(order.location)).json == order.json


async def test_its_authorizations_are_valid(device: Device) -> None:
    order = await device.order()
    answer = await device.post(order.json["authorizations"][0])
    assert answer.json == {
        "status": "valid",
        "expires": order.json["expires"],
        "identifier": {"type": "dns", "value": LAMP},
        "challenges": [],
    }
    assert (await device.post(order.json["authorizations"][0][:-1] + "1")).status == 404


async def test_it_ends_in_a_certificate(world: World, device: Device) -> None:
    key = TlsKey.generate()
    answer = await device.certificate(key)
    assert answer.headers["content-type"] == "application/pem-certificate-chain"
    assert f'<{BASE}/root.pem>;rel="up"' in answer.headers.get_list("link")
    assert len(re.findall(b"BEGIN CERTIFICATE", answer.content)) == 2
    account = CoseKey.of(device.key).thumbprint()
    root = world.issuer.authority.root_der
    certificate = check_chain(answer.content, root_der=root, key=key.public, names=[LAMP], now=NOW, account=account)
    assert certificate.not_after == NOW + 30 * 86400
    assert await world.issuer.store.orders.account_key_of(certificate.serial) == account


async def test_an_address_is_certified(device: Device) -> None:
    identifiers = [{"type": "ip", "value": "192.168.7.9"}, {"type": "dns", "value": "LAMP.home.example"}]
    order = await device.post("/new-order", {"identifiers": identifiers})
    key = TlsKey.generate()
    order = await device.finalize(order, key.csr(["192.168.7.9", LAMP]))
    chain = await device.post(order.json["certificate"])
    names = x509.load_pem_x509_certificate(chain.content).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [str(each.value) for each in names.value] == ["192.168.7.9", LAMP]


async def test_names_outside_the_binding_are_rejected_one_by_one(world: World, device: Device) -> None:
    answer = await device.order(LAMP, "desk.home.example", "evil.example")
    assert (answer.status, answer.problem) == (403, "rejectedIdentifier")
    assert [each["identifier"]["value"] for each in answer.json["subproblems"]] == ["desk.home.example", "evil.example"]
    assert (await world.issuer.store.audit()).orders == 0


@pytest.mark.parametrize(
    ("identifiers", "problem"),
    [
        (None, "malformed"),
        ([], "malformed"),
        ([{"type": "dns", "value": LAMP}] * 9, "malformed"),
        ([LAMP], "malformed"),
        ([{"type": "dns"}], "malformed"),
        ([{"type": "dns", "value": 1}], "malformed"),
        ([{"type": "email", "value": "a@b"}], "unsupportedIdentifier"),
        ([{"type": "dns", "value": f"*.{ZONE}"}], "rejectedIdentifier"),
        ([{"type": "dns", "value": "192.168.7.9"}], "malformed"),
        ([{"type": "ip", "value": LAMP}], "malformed"),
        ([{"type": "dns", "value": f"a.{LAMP}"}], "rejectedIdentifier"),
        ([{"type": "ip", "value": "192.168.7.10"}], "rejectedIdentifier"),
    ],
)
async def test_bad_identifiers_are_refused(device: Device, identifiers: object, problem: str) -> None:
    assert (await device.post("/new-order", {"identifiers": identifiers})).problem == problem


@pytest.mark.parametrize("member", ["notBefore", "notAfter"])
async def test_the_validity_is_not_for_clients(device: Device, member: str) -> None:
    identifiers = [{"type": "dns", "value": LAMP}]
    answer = await device.post("/new-order", {"identifiers": identifiers, member: "2027-01-01T00:00:00Z"})
    assert answer.problem == "malformed"


async def test_a_csr_names_exactly_what_was_ordered(device: Device) -> None:
    key, order = TlsKey.generate(), await device.order(LAMP)
    for names in ([LAMP, "192.168.7.9"], ["192.168.7.9"], ["evil.example"]):
        assert (await device.finalize(order, key.csr(names))).problem == "badCSR"
    assert (await device.finalize(order, key.csr([LAMP]))).status == 200


async def test_the_csr_is_not_over_an_identity_key(world: World, device: Device) -> None:
    other = await world.bound_device("desk")
    for key in (device.key, other.key):
        answer = await device.finalize(await device.order(), as_tls_key(key.to_bytes()).csr([LAMP]))
        assert answer.problem == "badCSR"
        assert "is an account key" in answer.json["detail"]


def as_tls_key(private: bytes) -> TlsKey:
    return TlsKey(ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1()))


async def test_the_csr_is_signed_by_its_key(device: Device) -> None:
    csr = bytearray(TlsKey.generate().csr([LAMP]))
    csr[-1] ^= 1
    assert (await device.finalize(await device.order(), bytes(csr))).problem == "badCSR"


@pytest.mark.parametrize(("payload", "problem"), [({}, "malformed"), ({"csr": "="}, "badCSR"), ({"csr": ""}, "badCSR")])
async def test_a_request_without_a_csr_is_refused(device: Device, payload: object, problem: str) -> None:
    order = await device.order()
    assert (await device.post(order.json["finalize"], payload)).problem == problem


async def test_another_account_cannot_touch_an_order(world: World, device: Device) -> None:
    other = await world.bound_device("desk")
    key, order = TlsKey.generate(), await device.order()
    assert (await other.finalize(order, key.csr([LAMP]))).status == 404
    for url in (order.location, order.json["authorizations"][0]):
        assert (await other.post(url)).status == 404
    issued = await device.finalize(order, key.csr([LAMP]))
    assert (await other.post(issued.json["certificate"])).status == 404
    stolen = {"csr": base64url.encode(key.csr([LAMP]))}
    answer = await world.post(order.json["finalize"], stolen, other.key, kid=device.account)
    assert answer.problem == "malformed"


async def test_an_order_is_finalized_once(world: World, device: Device) -> None:
    order = await device.order()
    csr = TlsKey.generate().csr([LAMP])
    assert (await device.finalize(order, csr)).json["status"] == "valid"
    again = await device.finalize(order, csr)
    assert (again.status, again.problem) == (403, "orderNotReady")
    assert (await world.issuer.store.audit()).certificates == 1


async def test_an_expired_order_is_invalid(world: World, device: Device) -> None:
    order = await device.order()
    world.clock.now += 86400
    assert (await device.post(order.location)).json["status"] == "invalid"
    assert (await device.finalize(order, TlsKey.generate().csr([LAMP]))).problem == "orderNotReady"


async def test_the_binding_is_looked_at_again(world: World, device: Device) -> None:
    order = await device.order()
    assert (await world.bind(device.key, "desk")).status == 201
    assert (await device.post(order.json["authorizations"][0])).json["status"] == "revoked"
    assert (await device.finalize(order, TlsKey.generate().csr([LAMP]))).problem == "rejectedIdentifier"
    assert (await device.order("desk.home.example")).status == 201


async def test_a_binding_that_ends_while_the_order_is_finalized_wins(
    world: World, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await device.order()
    genuine = Orders.issue

    async def late(self: Orders, order: Order, binding: str, certificate: Certificate) -> None:
        await world.bind(device.key, "lamp")
        await genuine(self, order, binding, certificate)

    monkeypatch.setattr(Orders, "issue", late)
    assert (await device.finalize(order, TlsKey.generate().csr([LAMP]))).problem == "orderNotReady"
    assert (await world.issuer.store.audit()).certificates == 0


async def test_certificates_are_unlike(device: Device) -> None:
    chains = [await device.certificate(TlsKey.generate()) for _ in range(3)]
    assert len({x509.load_pem_x509_certificate(each.content).serial_number for each in chains}) == 3


async def test_a_policy_sets_the_lifetime(tmp_path: Path) -> None:
    async with new_world(tmp_path, Policy(ZONE, certificate_lifetime=3600)) as world:
        chain = await (await world.bound_device("lamp")).certificate(TlsKey.generate())
        leaf = x509.load_pem_x509_certificate(chain.content)
        assert leaf.not_valid_after_utc.timestamp() == NOW + 3600


async def test_concurrent_orders_all_succeed(world: World) -> None:
    devices = [await world.bound_device(f"lamp-{number}") for number in range(4)]

    async def issue(number: int, device: Device) -> int:
        name = f"lamp-{number}.{ZONE}"
        return (await device.certificate(TlsKey.generate(), name)).status

    world.nonce = ""
    for device in devices:
        device.world = World(world.issuer, world.clock, world.http)
    assert await asyncio.gather(*map(issue, range(4), devices)) == [200] * 4
