"""Who becomes an owner, and for how long: two clients that come at the same time, and one that was removed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oob.binding import Proceed, SessionContext
from oob.binding.management import Invite
from oob.client import Client, Pairing
from oob.client.client import _paired, _resuming
from oob.device import Device
from oob.device.offer import Offer
from oob.device.owners import Owners
from oob.errors import AuthenticationError, OobError
from oob.framing.gatt import MessageType
from oob.issuance import Certificate
from oob.pairing import Model
from oob.transport.memory import MemoryListener
from tests.e2e.stage import Stage, stage


@asynccontextmanager
async def second_listener(on: Stage) -> AsyncIterator[MemoryListener]:
    other = MemoryListener()
    await other.start()
    serving = asyncio.create_task(on.device.serve(other))
    try:
        yield other
    finally:
        await other.close()
        await serving


async def race(on: Stage, tmp_path: Path) -> list[Pairing | BaseException]:
    """Have two clients pair by one label at the same time, over two listeners."""
    carried, second = on.device.offer.out_of_band(), Client(on.switch.url, on.root, tmp_path / "second")
    async with second_listener(on) as other:
        links = [await on.connect(), await other.connect()]
        clients = (on.client, second)
        trying = [each.pair(link, carried, names=("lamp",)) for each, link in zip(clients, links, strict=True)]
        outcomes = await asyncio.gather(*trying, return_exceptions=True)
        for link in links:
            await link.close()
    second.close()
    return outcomes


@pytest.mark.parametrize("pressed", [True, False])
@pytest.mark.parametrize("defended", [True, False])
async def test_two_clients_by_one_label(
    tmp_path: Path, pressed: bool, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two becomes the first owner, or uses the press up.

    Defences: device/device.py, `_claim` and `_require_entitled`; device/offer.py, Offer.attempt: `require_armed` at
    message_3, too.
    """
    if not defended:
        monkeypatch.setattr(Device, "_claim", lambda self, link, attempt: True)
        monkeypatch.setattr(Device, "_require_entitled", lambda self, met: None)
        monkeypatch.setattr(Offer, "_use_up", lambda self: {})
    async with stage(tmp_path, model=Model.SECRET) as on:
        if pressed:
            first = on.client
            await on.pair()
            on.client = Client(on.switch.url, on.root, tmp_path / "third", report=on.report)
            on.device.offer.press()
            first.close()
        before = len(on.device.store.state.pairings)
        outcomes = await race(on, tmp_path)
        on.client.close()
        paired = [each for each in outcomes if isinstance(each, Pairing)]
        assert len(on.device.store.state.pairings) - before == (1 if defended else 2)
        assert len(paired) == 1 or not defended
        assert all(isinstance(each, OobError | Pairing) for each in outcomes)


@pytest.mark.parametrize("defended", [True, False])
async def test_a_removed_owner_does_not_ask_once_more(
    tmp_path: Path, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its channel was open when another owner removed it. Defence: device/device.py, `_attend`: Owners.require."""
    if not defended:
        monkeypatch.setattr(Owners, "require", lambda self, id: None)
    async with stage(tmp_path, model=Model.SECRET) as on:
        pairing = await on.pair()
        link = await on.connect()
        device = await on.client.resume(link, pairing)
        (own,) = await device.pairings()
        on.device.owners.remove(own.id)
        if defended:
            with pytest.raises(OobError):
                await device.invite()
        else:
            await device.invite()
        assert ("device", "refused") in on.steps or not defended
        await link.close()


async def test_a_removed_owner_gets_no_new_certificate(tmp_path: Path) -> None:
    """Removed between message_4 and `proceed`. Defence: device/device.py, `_require_entitled`."""
    async with stage(tmp_path) as on:
        pairing = await on.pair()
        key, identity = on.client._session_key()
        session = await on.client.issuer.open_session(key, names=("lamp",))
        link = await on.connect()
        agreement = await on.client._run(link, identity, _resuming(pairing), session.context, None)
        await on.client.issuer.submit(session, agreement.binding)
        on.device.owners.remove(on.device.store.state.pairings[0].id)
        await link.send(MessageType.CHANNEL, agreement.channel.seal(Proceed(on.root).encode()))
        await link.receive(10)
        await on.until(("device", "refused"))
        assert (on.device.store.state.pairings, on.device.store.state.owner) == ((), None)
        await link.close()


async def test_an_invitation_of_a_stranger(tmp_path: Path) -> None:
    """Owners are told apart by their channel: a request of somebody else is not even read."""
    async with stage(tmp_path, model=Model.SECRET) as on:
        pairing = await on.pair()
        link = await on.connect()
        await on.client.resume(link, pairing)
        await link.send(MessageType.CHANNEL, Invite().encode())
        with pytest.raises(OobError):
            await link.receive(5)
        with pytest.raises(AuthenticationError):
            on.device.offer.require_armed()
        await link.close()


async def test_a_reset_is_not_undone_by_an_issuance_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence: device/certifier.py, `_require_current`."""
    async with stage(tmp_path) as on:
        genuine, got, waiting = on.device.certifier.obtain, asyncio.Event(), asyncio.Event()

        async def slow(context: SessionContext, root: bytes) -> tuple[Certificate, bytes]:
            obtained = await genuine(context, root)
            got.set()
            await waiting.wait()
            return obtained

        monkeypatch.setattr(on.device.certifier, "obtain", slow)
        trying = asyncio.create_task(on.fail())
        await got.wait()
        await on.device.reset()
        waiting.set()
        assert "changed hands" in str(await trying)
        state = on.device.store.state
        assert (state.pairings, state.owner, state.certificate) == ((), None, None)


async def test_a_client_from_before_a_reset_does_not_become_an_owner(tmp_path: Path) -> None:
    """Defence: device/device.py, `_require_entitled`."""
    async with stage(tmp_path) as on:
        link, session, agreement = await on.agree()
        await on.client.issuer.submit(session, agreement.binding)
        await on.device.reset()
        await link.send(MessageType.CHANNEL, agreement.channel.seal(Proceed(on.root).encode()))
        await link.receive(10)
        assert (on.device.store.state.pairings, on.device.store.state.owner) == ((), None)
        await link.close()


async def test_a_reset_while_message_4_leaves(tmp_path: Path) -> None:
    """Defence: device/device.py, `_meet`: the resets are counted before anything is signed."""

    def reset(who: str, step: str) -> None:
        if (who, step) == ("device", "bound"):
            on.device.store.update(pairings=(), owner=None, certificate=None)
            on.device._resets += 1

    async with stage(tmp_path) as on:
        on.on_step = reset
        assert "reset meanwhile" in str(await on.fail())
        assert on.device.store.state.owner is None


async def test_a_pairing_that_broke_off_leaves_the_former_one_in_force(tmp_path: Path) -> None:
    """The device knows the client by the former key until it took the new one. Defence: client/store.py, `save`."""
    async with stage(tmp_path) as on:
        first = await on.pair()
        on.device.offer.press()
        link, session, agreement = await on.agree()
        again = _paired(agreement, session.key, session)  # type: ignore[arg-type]
        on.client.store.save(again)
        on.client.store.save(again, status="bound")
        await link.close()
        kept = [each for each in on.client.store.all() if each.status == "ready"]
        assert kept == [first]
        await on.until(("device", "failed"))
        link = await on.connect()
        async with await on.client.resume(link, kept[0]) as device:
            assert len(await device.pairings()) == 1
