import hashlib
import ssl

from tests.issuance.world import BASE, World


async def test_the_directory_names_what_there_is(world: World) -> None:
    answer = await world.send("GET", "/directory")
    directory = answer.json
    assert directory.pop("meta")["rootCertificate"] == f"{BASE}/root.pem"
    assert set(directory) == {"newNonce", "newAccount", "newOrder", "newSession", "newBinding"}
    for url in directory.values():
        assert (await world.send("GET", url)).status in (204, 405)


async def test_nonces_come_by_get_and_head(world: World) -> None:
    head, get = await world.send("HEAD", "/new-nonce"), await world.send("GET", "/new-nonce")
    assert (head.status, get.status) == (200, 204)
    assert head.headers["replay-nonce"] != get.headers["replay-nonce"]
    assert head.headers["cache-control"] == get.headers["cache-control"] == "no-store"


async def test_the_root_is_the_one_that_sessions_name(world: World) -> None:
    answer = await world.send("GET", "/root.pem")
    assert answer.headers["content-type"] == "application/pem-certificate-chain"
    der = ssl.PEM_cert_to_DER_cert(answer.content.decode())
    assert hashlib.sha256(der).digest() == world.issuer.authority.root_hash
