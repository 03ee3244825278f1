"""Whole pairings through a tag, in virtual time: taps torn at every command, other tags, other readers, patience.

The field is simulated and the issuer a stand-in; device, client and all that lies between them are the real ones.
"""

import asyncio
import gc
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from oob.binding import InitiatorExchange
from oob.client import Comparison, Pairing, initiator_model
from oob.device import Device
from oob.errors import LinkError, LinkLost, OobError
from oob.framing.gatt import MessageType, resume
from oob.framing.ndef import Record, Tnf
from oob.pairing import Model
from oob.pairing.tag_content import BOOTSTRAP_TYPE
from oob.progress import Progress
from oob.sim.field import Field, FieldModel
from oob.sim.virtual_time import run
from oob.transport.carrier import beside
from oob.transport.link import Link
from oob.transport.nfc import Reader, Tag
from oob.transport.tnep_poller import connect, tap
from oob.transport.tnep_stack import KEPT, nfc_listener
from tests.e2e.stage import stage
from tests.e2e.tapping import Tapping, tapping
from tests.exchange import ephemeral, identity

AWAY = 0.7
"""Seconds until a person holds the two together again."""
MODELS = [Model.PASSCODE, Model.SECRET]

Scene = Callable[[Tapping], Awaitable[object]]

_faults: list[dict[str, object]] = []


@pytest.fixture(autouse=True)
def _no_faults() -> Iterator[None]:
    """What a task raised and nobody heeded shows when it is collected: once for each test, since that takes long."""
    _faults.clear()
    yield
    gc.collect()
    assert _faults == []


def play(scene: Scene, *, model: Model = Model.PASSCODE, within: float = 120, **options: object) -> None:
    """Play a scene with device and client; it takes no more than so many virtual seconds, and leaves no task."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: _faults.append(context))
        with tempfile.TemporaryDirectory() as directory:
            async with asyncio.timeout(within), tapping(Path(directory), model=model, **options) as both:  # type: ignore[arg-type]
                await scene(both)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def tear(both: Tapping, after: int, loses_response: bool, away: float = AWAY) -> None:
    """Take the two apart at a command, counted from now on, and bring them together again after a while."""
    both.field.torn_after, both.field.loses_response = after, loses_response
    part = both.field.part

    def parted(tap: int | None = None) -> None:
        part(tap)
        if both.field.torn_after is None and tap is None:
            both.field.part = part  # type: ignore[method-assign]
            both.field.near(False)
            asyncio.get_running_loop().call_later(away, both.field.near)

    both.field.part = parted  # type: ignore[method-assign]


async def pair(both: Tapping) -> Pairing:
    pairing = await both.pair()
    assert (pairing.device, pairing.status) == (both.key, "ready")
    assert len(both.issuer.bound) == 1
    return pairing


def commands(model: Model) -> int:
    counted = []

    async def scene(both: Tapping) -> None:
        await pair(both)
        counted.append(both.field.commands)

    play(scene, model=model)
    return counted[0]


@pytest.mark.parametrize("loses_response", [False, True], ids=["command lost", "response lost"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name.lower())
def test_a_pairing_torn_at_any_command_is_completed_by_the_next_tap(model: Model, loses_response: bool) -> None:
    total = commands(model)
    assert total >= 18
    for after in range(total):

        async def scene(both: Tapping, after: int = after) -> None:
            tear(both, after, loses_response)
            begin = asyncio.get_running_loop().time()
            await pair(both)
            taken = asyncio.get_running_loop().time() - begin
            assert taken < 5, (after, taken)
            assert both.steps.count(("device", "guess counted")) == 1

        play(scene, model=model, asking=0.2)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name.lower())
def test_a_pairing_torn_twice_is_completed_by_the_third_tap(model: Model) -> None:
    for after in range(5, commands(model)):
        for again in range(5, 11):  # among others RESUME, whose answer is lost with its connection

            async def scene(both: Tapping, after: int = after, again: int = again) -> None:
                tear(both, after, loses_response=True)

                def tear_again(who: str, step: str) -> None:
                    if step == "tap again":
                        both.on_step = lambda *_: None
                        tear(both, again, loses_response=True)

                both.on_step = tear_again
                await pair(both)

            play(scene, model=model)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name.lower())
def test_a_tag_that_does_not_come_back_is_a_clear_error_and_the_next_try_works(model: Model) -> None:
    for after in range(0, commands(model), 3):

        async def scene(both: Tapping, after: int = after) -> None:
            tear(both, after, loses_response=False, away=100)
            begin = asyncio.get_running_loop().time()
            error = await both.fail()
            assert isinstance(error, LinkError), error
            assert error.exit_code == 3
            assert error.remedy
            assert asyncio.get_running_loop().time() - begin < 60
            await asyncio.sleep(60)
            await both.check_next()

        play(scene, model=model, within=300)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name.lower())
def test_parted_at_any_time_also_while_nothing_is_under_way(model: Model) -> None:
    """While the issuer is asked, a response is in the air, the certificate is waited for; for a moment, or for long."""
    for step in range(60):

        async def scene(both: Tapping, step: int = step) -> None:
            async def part() -> None:
                await asyncio.sleep(step * 0.018)
                both.field.near(False)
                await asyncio.sleep((0.0, 0.5, 25.0)[step % 3])
                both.field.near()

            async with beside(part()):
                await pair(both)

        play(scene, model=model, asking=0.1, certifying=0.4)


def test_two_people_may_take_the_tag_away_to_compare_numbers() -> None:
    numbers: list[str] = []

    async def look(number: str, who: str) -> bool:
        numbers.append(number)
        await asyncio.sleep(8)
        return True

    async def scene(both: Tapping) -> None:
        def leave(who: str, step: str) -> None:
            if step == "message_3":
                asyncio.get_running_loop().call_later(1, tear, both, 0, False, 20)

        both.on_step = leave
        both.device.offer.press()
        _, link = await both.link()
        pairing = await both.client.pair(link, Comparison(look))
        await link.close()
        assert (pairing.device, pairing.status, pairing.model) == (both.key, "ready", "compare")
        assert len(numbers) == 2
        assert len(set(numbers)) == 1

    play(scene, model=Model.COMPARE, confirm=look)


def test_taken_away_while_the_device_waits_for_its_certificate() -> None:
    async def scene(both: Tapping) -> None:
        def leave(who: str, step: str) -> None:
            if step == "owned":
                asyncio.get_running_loop().call_later(1, tear, both, 0, False, 5)

        both.on_step = leave
        await pair(both)
        assert both.steps.count(("client", "tap again")) == 1

    for seconds in (3.0, 20.0):  # the certificate is there before the tag comes back, or after
        play(scene, certifying=seconds)


class Hand:
    """A reader that is held to one device or another."""

    name = "simulated NFC"

    def __init__(self, field: Field) -> None:
        self.field = field

    async def tap(self, timeout: float) -> Tag:
        return await self.field.tap(timeout)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name.lower())
def test_a_second_device_in_the_middle_is_told_apart(model: Model) -> None:
    """By what it shows; where all devices show the same, by the answer to RESUME."""

    async def scene(both: Tapping) -> None:
        with tempfile.TemporaryDirectory() as directory:
            other_field = Field()
            async with tapping(Path(directory), model=model, field=other_field) as other:
                if model is Model.PASSCODE:
                    other.greeting = lambda: [Record(Tnf.WELL_KNOWN, b"U", b"\x04maker.example/d/2")]  # type: ignore[method-assign]
                hand = Hand(both.field)

                def err(who: str, step: str) -> None:
                    if step == "message_2":
                        both.field.part()
                        hand.field = other_field
                        asyncio.get_running_loop().call_later(2, setattr, hand, "field", both.field)
                        both.on_step = lambda *_: None

                both.on_step = err
                pairing = await both.pair(hand)
                assert (pairing.device, pairing.status) == (both.key, "ready")
                assert other_field.commands >= 5
                assert not [step for who, step in other.steps if who == "device"]

    play(scene, model=model)


def test_a_second_device_that_shows_the_same_is_a_clear_error() -> None:
    async def scene(both: Tapping) -> None:
        with tempfile.TemporaryDirectory() as directory:
            other_field = Field()
            async with tapping(Path(directory), field=other_field):
                hand = Hand(both.field)

                def err(who: str, step: str) -> None:
                    if step == "message_3":
                        both.field.part()
                        hand.field = other_field

                both.on_step = err
                error = await both.fail(hand)
                assert isinstance(error, LinkLost)
                assert "given the conversation up" in str(error.__cause__)
                both.on_step = lambda *_: None
                await both.check_next()

    play(scene)


def message_1(device: Device) -> bytes:
    session = identity()
    model = initiator_model(device.offer.out_of_band(), os.urandom, session.credential.cred)
    return InitiatorExchange(session, model, None).start(ephemeral(), b"\x00")


async def told(reader: Reader, frame: bytes) -> bytes:
    """Tap as a stranger, write a frame, and return the answer."""
    async with await connect(await tap(reader, 5)) as link:
        await link.send_frames([frame])
        answer: bytes = await vars(link)["_carrier"].receive()
        return answer


async def goes_on(link: Link) -> None:
    """Read the device's error message, if there is one, and go on."""
    await link.receive(10)
    await link.send(MessageType.HANDSHAKE, b"too late")
    await link.receive(10)


def test_two_readers_one_after_the_other() -> None:
    """The tag is in one field at a time: the second reader ends the tap of the first, and may begin in its place."""

    async def scene(both: Tapping) -> None:
        _, link = await both.link()
        await link.send(MessageType.HANDSHAKE, message_1(both.device))
        assert await told(both.field, resume(bytes(8))) == resume(bytes(8), False)
        await link.receive(10)  # what it had before the second reader came
        await link.send(MessageType.HANDSHAKE, b"it goes on")
        assert vars(link)["_resumptions"] == 1
        await both.check_next()
        with pytest.raises(LinkLost) as caught:
            await goes_on(link)
        assert "given the conversation up" in str(caught.value.__cause__)
        await link.close()

    play(scene)


def test_a_conversation_is_not_known_to_who_comes_after_its_end() -> None:
    async def scene(both: Tapping) -> None:
        first = b""

        def note(who: str, step: str) -> None:
            nonlocal first
            if step == "message_2":
                active = vars(both.listener)["_active"]
                first = active.link.id

        both.on_step = note
        await pair(both)
        assert len(first) == 8
        assert await told(both.field, resume(first)) == resume(first, False)

    play(scene)


def test_a_second_message_1_in_one_tap_is_no_second_conversation() -> None:
    async def scene(both: Tapping) -> None:
        _, link = await both.link()
        await link.send(MessageType.HANDSHAKE, b"\x00")
        _, message = await link.receive(5)  # an EDHOC error
        assert message
        await link.close()
        await both.check_next()

    play(scene)


def test_left_on_the_reader_for_a_minute() -> None:
    """Before the pairing begins; and then the client goes on as if nothing had been."""

    async def scene(both: Tapping) -> None:
        _, link = await both.link()
        await asyncio.sleep(60)
        pairing = await both.client.pair(link, both.device.offer.out_of_band())
        assert pairing.status == "ready"
        await asyncio.sleep(60)
        commands = both.field.commands
        await asyncio.sleep(60)
        assert both.field.commands == commands  # nothing is asked while nobody waits
        await link.close()

    play(scene, within=300)


def test_left_on_the_reader_in_the_middle_the_device_gives_up_in_time() -> None:
    async def scene(both: Tapping) -> None:
        _, link = await both.link()
        await link.send(MessageType.HANDSHAKE, b"\x03\x02\x58\x20" + bytes(32) + b"\x00")
        await asyncio.sleep(60)
        with pytest.raises(OobError):
            await goes_on(link)
        await link.close()
        await both.check_next()

    play(scene, within=300)


def test_a_device_that_offers_a_secret_for_each_tap_is_paired_by_the_first_one() -> None:
    async def scene(both: Tapping) -> None:
        await asyncio.sleep(10)  # nobody has tapped: over Bluetooth it would be invisible
        await pair(both)
        assert both.steps.count(("client", "waiting for a tap")) == 1

    play(scene, model=Model.SECRET)


def shown(records: tuple[Record, ...]) -> bytes:
    return next(each.payload for each in records if each.type == BOOTSTRAP_TYPE)


def test_a_secret_is_made_for_each_tap_and_kept_while_its_tap_may_come_again() -> None:
    async def scene(both: Tapping) -> None:
        secrets = []
        for _ in range(3):
            tapped = await tap(both.field, 5)
            secrets.append(shown(tapped.records))
            await tapped.close()
        assert len(set(secrets)) == 3  # who only read is not waited for

        records, link = await both.link()
        both.field.part()  # it had selected the service, and broke off
        await asyncio.sleep(KEPT - 1)
        again = await tap(both.field, 5)
        assert shown(again.records) == shown(records)
        await again.close()
        await asyncio.sleep(2)
        later = await tap(both.field, 5)
        assert shown(later.records) not in (*secrets, shown(records))
        await later.close()
        await link.close()

        records, link = await both.link()
        await link.close()  # it said that no more would come
        after = await tap(both.field, 5)
        assert shown(after.records) != shown(records)
        await after.close()

        records, link = await both.link()
        await link.send(MessageType.HANDSHAKE, b"\xff")
        await link.receive(5)
        await asyncio.sleep(10)  # the device has hung up
        both.field.part()
        last = await tap(both.field, 5)
        assert shown(last.records) != shown(records)
        await last.close()
        await link.close()

    play(scene, model=Model.SECRET)


async def test_with_a_genuine_issuer_in_real_time(tmp_path: Path) -> None:
    """The certificate comes over TLS and ACME; meanwhile the tag is asked again and again, and torn off once."""
    field = Field()
    listener = nfc_listener(field)
    await listener.start()

    async def reach() -> Link:
        return await connect(await tap(field, 5))

    async with stage(tmp_path, listener=listener, connect=reach) as on:

        def leave(who: str, step: str) -> None:
            if step == "owned":
                field.part()

        on.on_step = leave
        pairing = await on.pair()
        assert (pairing.device, pairing.status) == (on.key, "ready")
        assert on.device.certificate is not None
    await listener.close()


def test_progress_says_to_tap_again() -> None:
    reports: list[Progress] = []

    async def scene(both: Tapping) -> None:
        tear(both, 9, loses_response=False)
        _, link = await both.link()
        await both.client.pair(link, both.device.offer.out_of_band())
        await link.close()
        reports.extend(Progress(who, step) for who, step in both.steps if step == "tap again")

    play(scene)
    assert len(reports) == 1


def test_a_device_without_latency_and_a_slow_one() -> None:
    for model in (FieldModel(), FieldModel(0.1, air=True)):
        play(lambda both: pair(both), field=Field(model))
