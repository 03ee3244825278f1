import asyncio
from pathlib import Path

import pytest

from oob.binding import Agreement, Proceed, Ready, Unable, decode_record
from oob.binding.records import Record
from oob.client import page
from oob.crypto import Hash
from oob.device import Device, device
from oob.device.certifier import Certifier
from oob.device.state import STATE_FILE, DeviceState
from oob.errors import (
    AuthenticationError,
    IssuanceError,
    LinkError,
    LinkTimeout,
    LockedOut,
    PeerError,
    StorageError,
    UsageError,
)
from oob.framing.gatt import MessageType
from oob.issuance import Authority
from oob.pairing import Model, Passcode, PasscodeInitiator
from oob.transport.link import Link
from oob.transport.memory import MemoryListener
from tests.attack.mallory import REFUSED, FakeClient
from tests.e2e.stage import NoPage, Stage, at, stage, wrong
from tests.exchange import identity

WRONG = Passcode.from_number(1)


def stored(on: Stage) -> DeviceState:
    return DeviceState.decode((on.directory / "device" / STATE_FILE).read_bytes())


async def test_takes_up_its_life_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        first = await on.pair()
        assert (first.device, first.status) == (on.key, "ready")
        on.steps.clear()
        memory = MemoryListener()
        on.connect = memory.connect
        await on.restart_device(memory)
        await on.until(("device", "page"))
        assert ("device", "certificate") not in on.steps
        assert on.key == first.device
        assert (await page.visit(at(on.page, first), on.root)).status == 200


async def test_three_wrong_passcodes_burn_the_code(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        right = on.device.offer.out_of_band()
        for tries in (1, 2, 3):
            error = await on.fail(wrong(right))
            assert isinstance(error, AuthenticationError)
            assert (error.step, error.exit_code) == ("message_3", 4)
            assert stored(on).guesses is not None
            assert stored(on).guesses.window == tries  # type: ignore[union-attr]
        error = await on.fail(right)
        assert isinstance(error, AuthenticationError)
        assert error.step == "message_1"
        assert "used up" in error.cause
        assert "Press its button" in error.remedy
        assert on.steps[-1] == ("device", "refused")
        assert "Let the device show a new code" in on.details[-1]
        with pytest.raises(LockedOut):
            on.device.offer.require_armed()
        on.device.offer.press()
        assert on.device.offer.out_of_band() != right
        assert (await on.pair()).status == "ready"


async def test_the_account_of_guesses_survives(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        right = on.device.offer.out_of_band()
        for _ in range(2):
            await on.fail(wrong(right))
            memory = MemoryListener()
            on.connect = memory.connect
            await on.restart_device(memory)
            assert on.device.offer.out_of_band() == right
        await on.fail(wrong(right))
        error = await on.fail(right)
        assert error.step == "message_1"
        assert on.switch.issuer is not None
        assert (await on.switch.issuer.store.audit()).bindings == 0


async def test_a_mistake_leaves_two_more_tries(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.fail(wrong(on.device.offer.out_of_band()))
        assert (await on.pair()).status == "ready"


async def test_a_passcode_serves_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.pair()
        assert (await on.fail()).step == "message_1"


async def test_a_static_secret_binds_an_unowned_device_or_with_a_press(tmp_path: Path) -> None:
    async with stage(tmp_path, model=Model.SECRET) as on:
        first = await on.pair()
        assert first.strength == "secret-static"
        error = await on.fail()
        assert isinstance(error, AuthenticationError)
        assert error.step == "message_1"
        assert "it has an owner" in error.cause
        on.device.offer.press()
        assert (await on.pair()).device == first.device
        assert (await on.fail()).step == "message_1", "the press was for one"


async def test_another_model_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path, model=Model.SECRET) as on:
        error = await on.fail(Passcode.from_number(7))
        assert isinstance(error, AuthenticationError)
        assert error.step == "message_1"


def test_no_other_model_is_offered(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot offer the model resumed"):
        Device("Lamp", tmp_path, NoPage(), model=Model.RESUMED)
    with pytest.raises(UsageError, match="somebody to ask"):
        Device("Lamp", tmp_path, NoPage(), model=Model.COMPARE)


async def test_takes_certificates_from_issuers_that_it_knows(tmp_path: Path) -> None:
    async with stage(tmp_path, issuers=["https://other.example/directory"]) as on:
        error = await on.fail()
        assert isinstance(error, AuthenticationError)
        assert (error.step, stored(on).owner) == ("message_3", None)
        assert "not one that this device accepts" in on.details[-1]
        on.device._issuers = [on.switch.url]
        assert (await on.pair()).status == "ready"


async def test_refuses_another_root_than_the_one_that_was_bound(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        link, session, agreement = await on.agree()
        await on.client.issuer.submit(session, agreement.binding)
        other = Authority.create(tmp_path / "other", dns_zones=["home.example"], now=1.7e9).root_der
        answer = await _send(link, agreement, Proceed(other))
        assert answer == Unable("channel", "the issuer's root is not the one that was bound")
        assert stored(on).owner is None
        assert ("device", "owned") not in on.steps


async def test_refuses_an_issuer_without_a_root(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        link, _, agreement = await on.agree()
        answer = await _send(link, agreement, Proceed(None))
        assert isinstance(answer, Unable)
        assert stored(on).owner is None


async def _send(link: Link, agreement: Agreement, record: Proceed) -> Record:
    await link.send(MessageType.CHANNEL, agreement.channel.seal(record.encode()))
    _, answer = await link.receive(5)
    await link.close()
    return decode_record(agreement.channel.open(answer))


async def test_a_record_that_is_not_awaited_ends_the_conversation(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        link, _, agreement = await on.agree()
        ready = Ready("https://lamp.home.example/", Hash.SHA256.digest(b""))
        await link.send(MessageType.CHANNEL, agreement.channel.seal(ready.encode()))
        with pytest.raises(LinkError):
            await link.receive(5)
        assert stored(on).owner is None


async def test_nothing_is_taken_that_the_channel_does_not_vouch_for(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        link, _, agreement = await on.agree()
        sealed = bytearray(agreement.channel.seal(Proceed(on.root).encode()))
        sealed[-1] ^= 1
        await link.send(MessageType.CHANNEL, bytes(sealed))
        with pytest.raises(LinkError):
            await link.receive(5)
        assert stored(on).owner is None


async def test_the_former_owner_is_served_until_the_new_one_is_confirmed(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        first = await on.pair()
        owner = stored(on).owner
        on.device.offer.press()
        link, session, agreement = await on.agree()
        assert (await page.visit(first, on.root)).status == 200
        assert stored(on).owner == owner
        await on.client.issuer.submit(session, agreement.binding)
        answer = await _send(link, agreement, Proceed(on.root))
        assert isinstance(answer, Ready)
        assert stored(on).owner != owner
        assert answer.leaf_hash != first.leaf_hash
        with pytest.raises(AuthenticationError):
            await page.visit(first, on.root)


async def test_a_new_owner_who_turns_away_changes_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        first = await on.pair()
        on.device.offer.press()
        link, _, _ = await on.agree()
        await link.close()
        await on.until(("device", "failed"))
        memory = MemoryListener()
        on.connect = memory.connect
        on.steps.clear()
        await on.restart_device(memory)
        await on.until(("device", "page"))
        assert (await page.visit(at(on.page, first), on.root)).status == 200


async def test_gives_up_on_a_client_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "MESSAGE_WAIT", 0.05)
    async with stage(tmp_path) as on:
        silent = await on.connect()
        await on.until(("device", "failed"))
        assert "did not answer within 0.05 s" in on.details[-1]
        assert (await on.pair()).status == "ready"
        await silent.close()


async def test_gives_up_on_a_client_that_never_proceeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "PROCEED_WAIT", 0.05)
    async with stage(tmp_path) as on:
        link, _, _ = await on.agree()
        await on.until(("device", "failed"))
        assert stored(on).owner is None
        on.device.offer.press()
        monkeypatch.undo()
        assert (await on.pair()).status == "ready"
        await link.close()


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\xff" * 40, bytes(300)])
@pytest.mark.parametrize("type", [MessageType.HANDSHAKE, MessageType.CHANNEL])
async def test_garbage_costs_nothing(tmp_path: Path, garbage: bytes, type: MessageType) -> None:
    async with stage(tmp_path) as on:
        link = await on.connect()
        await link.send(type, garbage)
        await on.until(("device", "failed"))
        await link.close()
        guesses = stored(on).guesses
        assert guesses is not None
        assert guesses.window == 0
        assert (await on.pair()).status == "ready"


async def test_an_issuer_that_is_down_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "RETRY", 0.01)
    async with stage(tmp_path) as on:
        link, session, agreement = await on.agree()
        await on.client.issuer.submit(session, agreement.binding)
        on.client.close()
        await on.switch.off()
        answer = await _send(link, agreement, Proceed(on.root))
        assert isinstance(answer, Unable)
        assert "cannot be reached" in answer.reason
        await on.until(("device", "not resumed"))
        assert stored(on).certificate is None
        await on.switch.on()
        await on.until(("device", "page"))
        assert stored(on).certificate is not None


async def test_a_client_goes_before_a_certificate_that_is_owed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "RETRY", 3600)
    async with stage(tmp_path) as on:
        link, session, agreement = await on.agree()
        await on.client.issuer.submit(session, agreement.binding)
        on.client.close()
        await on.switch.off()
        await _send(link, agreement, Proceed(on.root))
        await on.until(("device", "not resumed"))
        await on.switch.on()
        on.device.offer.press()
        assert (await on.pair()).status == "ready"


async def test_a_damaged_certificate_is_replaced(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        first = await on.pair()
        on.device.store.update(certificate=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        memory = MemoryListener()
        on.connect = memory.connect
        on.steps.clear()
        await on.restart_device(memory)
        await on.until(("device", "page"))
        assert on.steps[:2] == [("device", "certificate lost"), ("device", "certificate")]
        assert on.device.certificate is not None
        assert on.device.certificate.names == first.names


async def test_a_closed_listener_ends_the_service(tmp_path: Path) -> None:
    listener = MemoryListener()
    async with stage(tmp_path, listener=listener, connect=listener.connect) as on:
        await listener.close()
        assert on.serving is not None
        await asyncio.wait_for(on.serving, 5)


async def test_stops_at_once_when_cancelled(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        link = await on.connect()
        serving = on.serving
        assert serving is not None
        for _ in range(3):
            await asyncio.sleep(0)
        serving.cancel()
        await asyncio.wait({serving}, timeout=5)
        assert serving.cancelled()
        await link.close()


async def test_a_failure_is_told_to_whoever_serves_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "MESSAGE_WAIT", 0.02)
    async with stage(tmp_path) as on:
        await on.stop_device()
        memory = MemoryListener()
        await memory.start()
        link = await memory.connect()
        assert isinstance(await on.device.serve_link(await memory.accept()), LinkTimeout)
        await link.close()
        link = await memory.connect()
        await link.send(MessageType.CHANNEL, b"x")
        assert isinstance(await on.device.serve_link(await memory.accept()), PeerError)


async def test_start_raises_when_the_issuer_is_down(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.pair()
        await on.stop_device()
        on.device.store.update(certificate=None)
        on.device.certifier.outdate()
        on.client.close()
        await on.switch.off()
        with pytest.raises(IssuanceError):
            await on.device.start()


def test_names_what_is_damaged(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(b"\xa1")
    with pytest.raises(StorageError, match=r"device\.cbor: it is damaged\. Restore it, or delete its directory"):
        Device("Lamp", tmp_path, NoPage())


async def test_an_error_inside_ends_the_conversation_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The issuer that a client chose is nobody's to trust: whatever it brings up must not stop the device."""

    async def fail(self: Certifier, context: object, root: bytes) -> object:
        raise ValueError("unforeseen, with a secret in it")

    async with stage(tmp_path) as on:
        with monkeypatch.context() as broken:
            broken.setattr(Certifier, "obtain", fail)
            await on.fail()
            assert any("an error inside: ValueError" in detail for detail in on.details)
            assert not any("a secret in it" in detail for detail in on.details)
        on.device.offer.press()
        assert (await on.pair()).status == "ready"


async def test_a_client_that_dawdles_keeps_nobody_out(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        other = MemoryListener()
        await other.start()
        serving = asyncio.create_task(on.device.serve(other))
        dawdler = await other.connect()
        client = FakeClient(identity())
        await dawdler.send(MessageType.HANDSHAKE, client.message_1(PasscodeInitiator(WRONG, bytes(32)).ead_1))
        assert (await dawdler.receive(5))[0] is MessageType.HANDSHAKE
        assert (await on.pair()).status == "ready"
        await dawdler.send(MessageType.HANDSHAKE, b"\x41\x00")
        assert (await dawdler.receive(5))[1] == REFUSED
        assert stored(on).guesses.burnt  # type: ignore[union-attr]
        await dawdler.close()
        await other.close()
        await serving
