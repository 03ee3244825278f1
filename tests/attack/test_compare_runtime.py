"""Attacks on the model `compare` where users say yes and no: what the runtimes of device and client hold against.

Where a test takes `defended`, the attack runs twice, as in test_runtimes.py.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from oob.binding import InitiatorExchange
from oob.client import Comparison
from oob.device.screen_offers import CompareOffer
from oob.errors import AuthenticationError, OobError
from oob.framing.gatt import MessageType
from oob.pairing import CompareInitiator, Model
from oob.sim.screens import Screens
from tests.attack.refusal import DEFENDED
from tests.attack.test_runtimes import ask
from tests.e2e.stage import stage
from tests.exchange import CONTEXT, ephemeral, identity


async def say_yes(number: str, who: str) -> bool:
    return True


async def say_no(number: str, who: str) -> bool:
    return False


async def test_compare_pairs_when_both_say_yes(tmp_path: Path) -> None:
    screens = Screens()
    async with stage(tmp_path, model=Model.COMPARE, confirm=screens.device) as on:
        on.device.offer.press()
        pairing = await on.pair(Comparison(screens.client))
        assert (pairing.strength, pairing.bits, pairing.confirmed, pairing.dynamic) == ("compare", 19, True, True)


@pytest.mark.parametrize(("device", "client"), [(say_yes, say_no), (say_no, say_yes), (say_no, say_no)])
async def test_one_no_is_enough(tmp_path: Path, device: Any, client: Any) -> None:
    """Defence: pairing/compare.py, `_require_confirmed`, in check_4 and ead_4."""
    async with stage(tmp_path, model=Model.COMPARE, confirm=device) as on:
        on.device.offer.press()
        assert isinstance(await on.fail(Comparison(client)), AuthenticationError)
        assert on.device.store.state.pairings == ()


@DEFENDED
async def test_abandon_and_retry_grinding_of_compare(
    tmp_path: Path, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker knows his number at message_2, goes away, and comes again until it fits.

    Defence: device/offer.py, CompareOffer._admit: one answered message_1 for each press.
    """
    if not defended:
        monkeypatch.setattr(CompareOffer, "_admit", lambda self: None)
    async with stage(tmp_path, model=Model.COMPARE, confirm=say_yes) as on:
        on.device.offer.press()
        numbers = []
        for _ in range(5):
            link, session_key = await on.connect(), identity()
            model = CompareInitiator(bytes(16), session_key.credential.cred)
            exchange = InitiatorExchange(session_key, model, CONTEXT)
            try:
                exchange.receive_2(await ask(link, exchange.start(ephemeral(), b"\x01")))
                numbers.append(model.show(0))
            except OobError:
                pass
            await link.close()
            await asyncio.sleep(0)
        assert len(numbers) == (1 if defended else 5)


async def test_nobody_arms_but_a_press(tmp_path: Path) -> None:
    async with stage(tmp_path, model=Model.COMPARE, confirm=say_yes) as on:
        assert (await on.fail(Comparison(say_yes))).step == "message_1"


async def test_a_number_that_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(number: str, who: str) -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr("oob.device.device.LIFETIME", 0.05)
    async with stage(tmp_path, model=Model.COMPARE, confirm=never) as on:
        on.device.offer.press()
        assert isinstance(await on.fail(Comparison(say_yes)), AuthenticationError)
        assert on.device.store.state.pairings == ()
        monkeypatch.setattr("oob.client.client.LIFETIME", 0.05)
        monkeypatch.setattr(on.device, "_confirm_number", say_yes)
        on.device.offer.press()
        assert "did not say" in str(await on.fail(Comparison(never)))


async def test_a_user_who_is_asked_while_the_link_breaks(tmp_path: Path) -> None:
    async def broken(number: str, who: str) -> bool:
        await on.stop_device()
        await asyncio.Event().wait()
        return True

    async def never(number: str, who: str) -> bool:
        await asyncio.Event().wait()
        return True

    async with stage(tmp_path, model=Model.COMPARE, confirm=never) as on:
        on.device.offer.press()
        link = await on.connect()
        trying = asyncio.create_task(on.client.pair(link, Comparison(broken)))
        with pytest.raises(OobError):
            await asyncio.wait_for(trying, 10)


async def test_who_leaves_while_people_compare_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Defence: transport/conversation.py, `ask`: the device stops asking when the link ends."""

    async def never(number: str, who: str) -> bool:
        await asyncio.Event().wait()
        return True

    async with stage(tmp_path, model=Model.COMPARE, confirm=never) as on:
        on.device.offer.press()
        link, session_key = await on.connect(), identity()
        model = CompareInitiator(bytes(16), session_key.credential.cred)
        exchange = InitiatorExchange(session_key, model, CONTEXT)
        message_3 = exchange.receive_2(await ask(link, exchange.start(ephemeral(), b"\x01")))
        await link.send(MessageType.HANDSHAKE, message_3)
        await on.until(("device", "guess counted"))
        await link.close()
        await on.until(("device", "failed"))
        screens = Screens()
        on.device._confirm_number = screens.device
        on.device.offer.press()
        assert (await on.pair(Comparison(screens.client))).status == "ready"
