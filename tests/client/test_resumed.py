"""A paired client comes again: what it may do, who else may not, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oob.client import Client, Pairing, Resumed, page
from oob.device.state import MAX_PAIRINGS, Paired
from oob.errors import AuthenticationError, IssuanceError, LinkError, OobError, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.pairing import Model
from oob.transport.memory import MemoryListener
from tests.e2e.stage import Stage, stage


@asynccontextmanager
async def resumed(on: Stage, pairing: Pairing, client: Client | None = None) -> AsyncIterator[Resumed]:
    link = await on.connect()
    try:
        async with await (client or on.client).resume(link, pairing) as device:
            yield device
    finally:
        await link.close()


async def is_known(on: Stage, pairing: Pairing) -> bool:
    try:
        async with resumed(on, pairing):
            return True
    except AuthenticationError:
        return False


async def test_comes_again_without_the_passcode(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        async with resumed(on, pairing) as device:
            assert device.agreement.proof.strength == "resumed"
            ready = await device.status()
            assert (ready.url, ready.leaf_hash) == (pairing.url, pairing.leaf_hash)
            (own,) = await device.pairings()
            assert (own.own, own.model, own.strength, own.label) == (True, "passcode", "passcode", "")
        memory = MemoryListener()
        on.connect = memory.connect
        await on.restart_device(memory)
        (stored,) = on.client.store.all()
        assert stored == pairing
        assert await is_known(on, stored)


async def test_a_renewal_brings_a_new_certificate(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        first = await on.pair()
        link = await on.connect()
        renewed = await on.client.renew(link, first, names=("lamp",))
        await link.close()
        assert (renewed.device, renewed.names, renewed.strength) == (first.device, first.names, "resumed")
        assert renewed.leaf_hash != first.leaf_hash
        assert (await page.visit(renewed, on.root)).status == 200
        assert len(on.device.store.state.pairings) == 1
        assert await is_known(on, renewed)


async def test_an_owner_after_whom_another_one_named_the_device_is_told_to_renew(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        first = await on.pair()
        on.device.offer.press()
        second = Client(on.switch.url, on.root, tmp_path / "second")
        link = await on.connect()
        await second.pair(link, on.device.offer.out_of_band(), names=("attic",))
        await link.close()
        second.close()
        async with resumed(on, first) as device:
            with pytest.raises(PeerError, match="not under its own name") as caught:
                await device.status()
        assert "oob owner renew" in caught.value.remedy
        assert on.steps.count(("device", "guess counted")) == 2  # to come again is no guess


async def test_both_ends_export_the_same_key(tmp_path: Path) -> None:
    from oob.binding import PairingKey

    async with stage(tmp_path) as on:
        pairing = await on.pair()
        (paired,) = on.device.store.state.pairings
        assert pairing.export("app", b"c", 40) == PairingKey(paired.key, mutual=True).export("app", b"c", 40)
        assert pairing.export("app", b"d", 40) != pairing.export("app", b"c", 40)


async def test_unpairing_ends_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        link = await on.connect()
        await on.client.unpair(link, pairing)
        await link.close()
        assert on.client.store.all() == []
        assert not await is_known(on, pairing)
        state = on.device.store.state
        assert (state.pairings, state.owner, state.certificate) == ((), None, None)
        assert on.switch.issuer is not None
        assert (await on.switch.issuer.store.audit()).bindings == 0
        with pytest.raises(OobError):
            await page.visit(pairing, on.root)
        on.device.offer.press()
        assert (await on.pair()).status == "ready"


async def test_a_second_owner_needs_consent_or_a_press(tmp_path: Path) -> None:
    async with stage(tmp_path, model=Model.SECRET) as on:
        first = await on.pair()
        second = Client(on.switch.url, on.root, tmp_path / "second")
        carried = on.device.offer.out_of_band()
        link = await on.connect()
        with pytest.raises(AuthenticationError, match="has an owner"):
            await second.pair(link, carried, names=("lamp",))
        await link.close()
        async with resumed(on, first) as device:
            await device.invite()
        link = await on.connect()
        other = await second.pair(link, carried, names=("lamp",))
        await link.close()
        async with resumed(on, first) as device:
            listing = await device.pairings()
            assert [each.own for each in listing] == [True, False]
            await device.rename(listing[1].id, "the phone in the hall")
            assert (await device.pairings())[1].label == "the phone in the hall"
            assert (await device.status()).leaf_hash == other.leaf_hash
            await device.remove(listing[1].id)
        assert not await is_known(on, other)
        assert await is_known(on, first)
        assert on.device.store.state.owner is None, "the certificate was the other one's"
        async with resumed(on, first) as device:
            with pytest.raises(IssuanceError, match="no certificate"):
                await device.status()
        link = await on.connect()
        renewed = await on.client.renew(link, first, names=("lamp",))
        await link.close()
        assert (await page.visit(renewed, on.root)).status == 200
        second.close()


async def test_a_reset_ends_all(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        async with resumed(on, pairing) as device:
            await device.reset()
        assert not await is_known(on, pairing)
        assert ("device", "account ended") in on.steps
        on.device.offer.press()
        again = await on.pair()
        assert (again.status, again.device, again.names) == ("ready", pairing.device, pairing.names)


async def test_a_reset_goes_without_the_issuer(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        on.client.close()
        await on.switch.off()
        await on.device.reset()
        assert ("device", "issuer not told") in on.steps
        assert on.device.store.state.pairings == ()
        assert not await is_known(on, pairing)


@pytest.mark.parametrize("change", ["key", "cred_r_hash"])
async def test_nobody_else_comes_again(tmp_path: Path, change: str) -> None:
    """Who lacks the pairing's key is a stranger; who knows another device is not taken in by this one."""
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        changes: dict[str, Any] = {change: bytes(32)}
        assert not await is_known(on, replace(pairing, **changes))
        assert await is_known(on, pairing)


async def test_an_unpaired_device_knows_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        on.device.store.update(pairings=())
        assert not await is_known(on, pairing)


async def test_what_cannot_be_done(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        async with resumed(on, pairing) as device:
            with pytest.raises(UsageError, match="no such pairing"):
                await device.rename(bytes(32), "x")
            with pytest.raises(UsageError, match="no such pairing"):
                await device.remove(bytes(32))
            with pytest.raises(UsageError, match="at most 64 bytes"):
                await device.rename(bytes(32), "x" * 65)
            with pytest.raises(UsageError, match="has 32 bytes"):
                await device.remove(bytes(31))
            await device.rename((await device.pairings())[0].id, "still here")


async def test_a_page_that_is_owed(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        on.device.store.update(certificate=None)
        on.device.certifier.outdate()
        async with resumed(on, pairing) as device:
            assert (await device.status()).leaf_hash != pairing.leaf_hash
            on.client.close()
            await on.switch.off()
            on.device.store.update(certificate=None)
            on.device.certifier.outdate()
            with pytest.raises(IssuanceError, match="no certificate"):
                await device.status()


async def test_a_request_from_who_did_not_resume_is_not_obeyed(tmp_path: Path) -> None:
    """Right after pairing the device awaits `proceed` and nothing else."""
    from oob.binding.management import Reset

    async with stage(tmp_path) as on:
        link, _, agreement = await on.agree()
        await link.send(MessageType.CHANNEL, agreement.channel.seal(Reset().encode()))
        with pytest.raises(LinkError):
            await link.receive(5)
        await link.close()


async def test_the_oldest_of_too_many_pairings_gives_way(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        row = Paired(bytes(32), "", "passcode", "passcode", bytes(32))
        on.device.store.update(pairings=tuple(replace(row, id=bytes([n]) * 32) for n in range(MAX_PAIRINGS)))
        pairing = await on.pair()
        async with resumed(on, pairing) as device:
            listing = await device.pairings()
        assert len(listing) == MAX_PAIRINGS
        assert (listing[0].id, listing[-1].own) == (bytes([1]) * 32, True)


async def test_requests_that_are_none_end_the_conversation(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        link = await on.connect()
        device = await on.client.resume(link, pairing)
        await link.send(MessageType.CHANNEL, device.agreement.channel.seal(b"\x81\x18\x63"))
        with pytest.raises(LinkError):
            await link.receive(5)
        await asyncio.sleep(0)
        assert await is_known(on, pairing)
