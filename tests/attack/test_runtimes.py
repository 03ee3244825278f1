"""Attacks on the runtimes: what only a device or a client with a disk, a clock and a user can hold against.

Where a test takes `defended`, the attack runs twice: against the code as it is, and with the line that the docstring
names taken out, when it must go through.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from oob.binding import Claim, InitiatorExchange, Proceed, ResponderExchange
from oob.client import Client, PresenceAlone
from oob.client.entries import Entries
from oob.device.screen_offers import PasscodeOffer
from oob.device.tag_offers import DynamicSecretOffer
from oob.errors import AuthenticationError, IssuanceError, LinkError, LockedOut, OobError, UsageError
from oob.framing.gatt import MessageType
from oob.pairing import (
    Bootstrap,
    ButtonInitiator,
    Guesses,
    Model,
    Passcode,
    PasscodeInitiator,
    PasscodeResponder,
    PinnedInitiator,
    ResumedInitiator,
)
from oob.transport.link import Link
from oob.transport.memory import MemoryListener, link_pair
from tests.attack.mallory import REFUSED, FakeClient, FakeDevice
from tests.attack.refusal import DEFENDED
from tests.e2e.stage import Stage, stage, wrong
from tests.exchange import CONTEXT, ephemeral, identity


async def ask(link: Link, message: bytes) -> bytes:
    await link.send(MessageType.HANDSHAKE, message)
    return (await link.receive(5))[1]


async def guess(on: Stage, code: Passcode) -> bool:
    """Try a code as an attacker does, who has no reason to keep to the rules of a client; True if it was right."""
    link = await on.connect()
    exchange = InitiatorExchange(identity(), PasscodeInitiator(code, bytes([7] * 32)), CONTEXT)
    try:
        message_3 = exchange.receive_2(await ask(link, exchange.start(ephemeral(), b"\x01")))
        exchange.receive_4(await ask(link, message_3))
    except OobError:
        return False
    finally:
        await link.close()
    return True


# --- passcode


@DEFENDED
async def test_brute_force_through_reconnects(tmp_path: Path, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence: pairing/guesses.py, Guesses.begin, called by device/offer.py, PasscodeOffer._begin."""
    if not defended:
        monkeypatch.setattr(Guesses, "begin", lambda self, now: self)
        monkeypatch.setattr(Guesses, "succeed", lambda self, now: self)
    async with stage(tmp_path) as on:
        code = on.device.offer.out_of_band()
        assert isinstance(code, Passcode)
        for _ in range(4):
            assert not await guess(on, wrong(code))
        assert await guess(on, code) is not defended


@DEFENDED
async def test_brute_force_through_power_cycles(
    tmp_path: Path, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power goes as soon as message_3 has come, so that what a device notes after judging it is never noted.

    Defence: device/offer.py, PasscodeOffer._begin: the guess is on the disk before it is judged.
    """
    if not defended:
        monkeypatch.setattr(PasscodeOffer, "_begin", lambda self, code: None)
        monkeypatch.setattr(PasscodeOffer, "_succeed", lambda self: {})
    async with stage(tmp_path) as on:
        code = on.device.offer.out_of_band()
        assert isinstance(code, Passcode)
        with monkeypatch.context() as power:
            power.setattr(ResponderExchange, "open", _power_cut)
            for _ in range(3):
                await _guess_until_power_is_cut(on, wrong(code))
        assert await guess(on, code) is not defended


async def _guess_until_power_is_cut(on: Stage, code: Passcode) -> None:
    assert not await guess(on, code)
    assert on.serving is not None
    await asyncio.wait({on.serving}, timeout=10)
    assert on.serving.cancelled()
    memory = MemoryListener()
    on.connect = memory.connect
    await on.restart_device(memory)


def _power_cut(exchange: ResponderExchange, message_3: bytes) -> Claim:
    """Stop the device where it would judge message_3."""
    raise asyncio.CancelledError


async def test_brute_force_through_parallel_sessions(tmp_path: Path) -> None:
    """Ten sessions under one code that are all answered: three message_3 are looked at, and no more.

    Defence: device/offer.py, Attempt.begin at message_3, not at message_1.
    """
    async with stage(tmp_path) as on:
        code = on.device.offer.out_of_band()
        assert isinstance(code, Passcode)
        listeners = [MemoryListener() for _ in range(10)]
        serving = []
        for listener in listeners:
            await listener.start()
            serving.append(asyncio.create_task(on.device.serve(listener)))
        runs = []
        for listener in listeners:
            link = await listener.connect()
            exchange = InitiatorExchange(identity(), PasscodeInitiator(wrong(code), bytes([7] * 32)), CONTEXT)
            runs.append((link, exchange.receive_2(await ask(link, exchange.start(ephemeral(), b"\x01")))))
        for link, message_3 in runs:
            assert await ask(link, message_3) == REFUSED
            await link.close()
        assert on.steps.count(("device", "guess counted")) == 3
        assert on.device.store.state.guesses is not None
        assert on.device.store.state.guesses.window == 3
        assert not await guess(on, code)
        for listener in listeners:
            await listener.close()
        await asyncio.gather(*serving)


@DEFENDED
async def test_a_rogue_device_that_harvests_guesses(
    tmp_path: Path, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rogue device learns from T_I whether its guess was right; the client sends three for a code, and no more.

    Defence: client/client.py, `pair` and `_run`: Entries.check and Entries.enter.
    """
    if not defended:
        monkeypatch.setattr(Entries, "enter", lambda self, code: None)
    code, seen = Passcode.from_number(1234567), 0
    async with stage(tmp_path) as on:
        for number in range(5):
            ours, theirs = link_pair()
            trying = asyncio.create_task(on.client.pair(ours, code))
            seen += await _harvest(theirs, Passcode.from_number(number), trying)
            with pytest.raises(OobError):
                await trying
            await ours.close()
    assert seen == (3 if defended else 5)
    if defended:
        with pytest.raises(LockedOut):
            Client(on.switch.url, on.root, tmp_path / "client").entries.check(code)


async def _harvest(link: Link, code: Passcode, trying: asyncio.Task[Any]) -> bool:
    """Play the device with a guess, as far as message_3; return whether the client sent one."""
    fake, model = FakeDevice(identity("Lamp")), PasscodeResponder(code, bytes([9] * 32))
    message_1 = await _next(link, trying)
    if message_1 is None:
        return False
    offered = fake.receive_1(message_1)
    model.check_1(offered.ead[0].value or b"", offered.g_x)
    await link.send(MessageType.HANDSHAKE, fake.message_2(model.ead_2(fake.session.th, fake.identity.credential.cred)))
    message_3 = await _next(link, trying)
    await link.close()
    if message_3 is None:
        return False
    fake.receive_3(message_3)
    return True


async def _next(link: Link, trying: asyncio.Task[Any]) -> bytes | None:
    """Return the next message of the client; None if it ends its try without one, however long it takes."""
    coming = asyncio.create_task(link.receive(10))
    await asyncio.wait({coming, trying}, return_when=asyncio.FIRST_COMPLETED)
    if coming.done():
        return coming.result()[1]
    coming.cancel()
    return None


async def test_a_code_is_not_used_twice_by_itself(tmp_path: Path) -> None:
    """The library never tries again on its own: one call, one message_3."""
    async with stage(tmp_path) as on:
        await on.fail(wrong(on.device.offer.out_of_band()))
        assert on.steps.count(("client", "message_3")) == 1


# --- secret


async def test_a_dynamic_secret_binds_and_is_burnt(tmp_path: Path) -> None:
    async with stage(tmp_path, model=Model.SECRET, printed=False) as on:
        carried = on.device.offer.out_of_band()
        pairing = await on.pair(carried)
        assert (pairing.strength, pairing.dynamic) == ("secret-dynamic", True)
        on.device.offer.press()
        assert (await on.fail(carried)).step == "message_1"


@DEFENDED
async def test_a_dynamic_secret_tried_twice(tmp_path: Path, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who overheard nothing but saw the tap late finds it spent. Defence: device/offer.py, DynamicSecretOffer._burn."""
    if not defended:
        monkeypatch.setattr(DynamicSecretOffer, "_burn", lambda self, secret: None)
    async with stage(tmp_path, model=Model.SECRET, printed=False) as on:
        carried = on.device.offer.out_of_band()
        await on.pair(carried)
        on.device.offer.press()
        if defended:
            await on.fail(carried)
        else:
            assert (await on.pair(carried)).status == "ready"


async def test_a_printed_passcode_pairs_and_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path, printed=True) as on:
        code = on.device.offer.out_of_band()
        pairing = await on.pair(code)
        assert (pairing.strength, pairing.dynamic, pairing.mutual) == ("passcode", False, True)
        assert (await on.fail(code)).step == "message_1", "it has an owner"
        on.device.offer.press()
        assert (await on.pair(code)).device == pairing.device


# --- pinned and button


async def test_a_stranger_gets_nothing_signed_by_a_pinned_device(tmp_path: Path) -> None:
    """Defence: binding/exchange.py, ResponderExchange.binds."""
    async with stage(tmp_path, model=Model.PINNED) as on:
        carried = on.device.offer.out_of_band()
        assert isinstance(carried, Bootstrap)
        link = await on.connect()
        exchange = InitiatorExchange(identity(), PinnedInitiator(carried.cred_r_hash), CONTEXT)
        message_3 = exchange.receive_2(await ask(link, exchange.start(ephemeral(), b"\x01")))
        agreement = exchange.receive_4(await ask(link, message_3))
        assert agreement.signed is None
        with pytest.raises(AuthenticationError, match="signed no binding"):
            _ = agreement.binding
        with pytest.raises(LinkError):
            await ask_channel(link, agreement.channel.seal(Proceed(on.root).encode()))
        assert on.device.store.state.owner is None
        await link.close()


async def ask_channel(link: Link, record: bytes) -> None:
    await link.send(MessageType.CHANNEL, record)
    await link.receive(5)


@pytest.mark.parametrize("model", [Model.PINNED, Model.BUTTON])
async def test_one_sided_models_meet_and_are_not_paired(tmp_path: Path, model: Model) -> None:
    async with stage(tmp_path, model=model) as on:
        on.device.offer.press()
        carried = PresenceAlone() if model is Model.BUTTON else on.device.offer.out_of_band()
        with pytest.raises(UsageError, match="too little to be bound"):
            await on.pair(carried)
        link = await on.connect()
        met = await on.client.meet(link, carried)
        assert (met.status, met.device, met.mutual) == ("met", on.key, False)
        assert met.channel is not None
        assert len(met.export("app", b"", 32)) == 32
        await link.close()
        await on.until(("device", "met"))
        assert on.device.store.state.pairings == ()
        assert on.client.store.all() == []


@pytest.mark.parametrize("model", [Model.PINNED, Model.BUTTON])
async def test_even_when_commissioned_the_issuer_refuses_one_sided_models(tmp_path: Path, model: Model) -> None:
    """Defence: issuance/server/bindings.py, MUTUAL_PROOFS."""
    async with stage(tmp_path, model=model, commissioning=True) as on:
        on.device.offer.press()
        carried = PresenceAlone() if model is Model.BUTTON else on.device.offer.out_of_band()
        key, _ = on.client._session_key()
        session = await on.client.issuer.open_session(key, names=("lamp",))
        link = await on.connect()
        agreement = await on.client.handshake(link, carried, key, session)
        with pytest.raises(IssuanceError, match="does not prove both ends"):
            await on.client.issuer.submit(session, agreement.binding)
        await link.close()


@DEFENDED
async def test_a_pinned_pairing_does_not_become_mutual_by_coming_again(
    tmp_path: Path, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody whom a commissioned device took for its owner unproven comes again, as if he had been proven.

    Defences: device/device.py, `_take_owner`: no key is kept; binding/pairing_key.py, resumption_secret.
    """
    async with stage(tmp_path, model=Model.PINNED, commissioning=True) as on:
        carried = on.device.offer.out_of_band()
        key, _ = on.client._session_key()
        session = await on.client.issuer.open_session(key, names=("lamp",))
        link = await on.connect()
        agreement = await on.client.handshake(link, carried, key, session)
        await link.send(MessageType.CHANNEL, agreement.channel.seal(Proceed(on.root).encode()))
        await on.until(("device", "owned"))
        await link.close()
        (paired,) = on.device.store.state.pairings
        assert (paired.model, paired.key) == ("pinned", b"")
        with pytest.raises(UsageError, match="not mutual"):
            agreement.key.resumption_secret()
        object.__setattr__(agreement.key, "mutual", True)  # as Mallory's own program would
        if not defended:
            on.device.store.update(pairings=(type(paired)(paired.id, "", "pinned", "pinned", agreement.key.prk),))
        link = await on.connect()
        session_key = identity()
        model = ResumedInitiator(agreement.key.resumption_secret(), agreement.device.hash())
        exchange = InitiatorExchange(session_key, model, CONTEXT)
        message_2 = await ask(link, exchange.start(ephemeral(), b"\x01"))
        assert (message_2 == REFUSED) is defended
        await link.close()


async def test_button_is_for_who_asks_for_it_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="by name"):
        ButtonInitiator()
    async with stage(tmp_path, model=Model.BUTTON) as on:
        link = await on.connect()
        with pytest.raises(AuthenticationError):
            await on.client.meet(link, PresenceAlone())
        await link.close()


async def test_an_unarmed_device_keeps_its_identity_to_itself(tmp_path: Path) -> None:
    """Rule 6: a device answers a message_1 only while it is armed, or to who holds its secret."""
    async with stage(tmp_path) as on:
        await on.pair()
        link = await on.connect()
        client = FakeClient(identity())
        message_1 = client.message_1(PasscodeInitiator(Passcode.from_number(1), bytes([7] * 32)).ead_1)
        assert await ask(link, message_1) == REFUSED
        await link.close()
