"""The cases, played against our own device, sound and broken; in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from oob.conformance import bench
from oob.conformance.bench import OutOfBand
from oob.conformance.device import CASES, check_device
from oob.conformance.result import Outcome, Result
from oob.device import Device
from oob.errors import LinkBusy, LinkError, LinkTimeout, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.handshake import refusal
from oob.pairing import Bootstrap, Code, Guesses, Model, Passcode
from oob.sim.virtual_time import VirtualTimeLoop
from oob.transport.link import FramedLink, Link
from oob.transport.memory import MemoryListener, link_pair
from tests.conformance.broken import BROKEN, Break, signing_badly, without_tag
from tests.e2e.stage import NoPage

OTHER_MODEL = {
    Model.PASSCODE: {"a tag of another secret is refused"},
    Model.SECRET: {
        "CPace shares of low order are refused",
        "message_3 that is sent again frame by frame counts once",
        "wrong codes are counted",
    },
}
CODE = Passcode.from_number(7)


@asynccontextmanager
async def serving(directory: Path, model: Model) -> AsyncIterator[tuple[Device, MemoryListener]]:
    device, listener = Device("Lamp", directory, NoPage(), model=model), MemoryListener()
    await listener.start()
    task = asyncio.create_task(device.serve(listener))
    try:
        yield device, listener
    finally:
        await listener.close()
        task.cancel()
        await asyncio.wait({task})


def judge(directory: Path, model: Model = Model.PASSCODE, *, codes: int = 100) -> dict[str, Result]:
    """Play all cases against a device that shows that many codes."""

    async def run() -> list[Result]:
        async with serving(directory, model) as (device, listener):
            presses = iter(range(codes - 1))

            async def renew() -> OutOfBand | None:
                if next(presses, None) is None:
                    return None
                device.offer.press()
                return device.offer.out_of_band()

            played = check_device(listener.connect, device.offer.out_of_band(), renew=renew)
            return [result async for result in played]

    return in_virtual_time(run)


def in_virtual_time(run: Callable[[], object]) -> dict[str, Result]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        results: list[Result] = runner.run(run())  # type: ignore[arg-type]
    assert [result.name for result in results] == [case.name for case in CASES]
    return {result.name: result for result in results}


def judge_link(connect: Callable[[], Link]) -> dict[str, Result]:
    """Play all cases over whatever `connect` gives."""

    async def opened() -> Link:
        return connect()

    async def run() -> list[Result]:
        return [result async for result in check_device(opened, CODE)]

    return in_virtual_time(run)


def of(results: dict[str, Result], outcome: Outcome) -> set[str]:
    return {name for name, result in results.items() if result.outcome is outcome}


@pytest.mark.parametrize("model", OTHER_MODEL, ids=lambda model: model.name)
def test_our_own_device_passes(tmp_path: Path, model: Model) -> None:
    results = judge(tmp_path, model)
    assert not {name: results[name].detail for name in of(results, Outcome.FAILED)}
    assert of(results, Outcome.NOT_APPLICABLE) == OTHER_MODEL[model]


@pytest.mark.parametrize(("break_it", "meant"), BROKEN.values(), ids=BROKEN)
def test_a_broken_device_fails_the_case_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Break, meant: set[str]
) -> None:
    break_it(monkeypatch)
    results = judge(tmp_path)
    assert of(results, Outcome.FAILED) == meant
    assert all(results[name].detail for name in meant)


def test_a_broken_device_with_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_tag(monkeypatch)
    failed = of(judge(tmp_path, Model.SECRET), Outcome.FAILED)
    assert failed == {"a tag of another secret is refused", "a model value of the wrong length is refused"}


def test_a_device_that_does_not_hold_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signing_badly(monkeypatch)
    failed = of(judge(tmp_path), Outcome.FAILED)
    assert {
        "message_1 is answered",
        "padding in EAD_1 is skipped",
        "a longer C_I is taken",
        "a whole pairing ends in a binding that verifies",
    } <= failed
    assert "G_X of low order is refused" not in failed


def test_a_device_that_is_not_the_one_on_the_label(tmp_path: Path) -> None:
    async def run() -> list[Result]:
        async with serving(tmp_path, Model.SECRET) as (device, listener):
            label = device.offer.out_of_band()
            assert isinstance(label, Bootstrap)
            other = replace(label, cred_r_hash=bytes(32))
            return [result async for result in check_device(listener.connect, other)]

    results = in_virtual_time(run)
    assert "does not verify" in results["message_1 is answered"].detail
    assert not results["message_1 is answered"].passed
    assert not results["a whole pairing ends in a binding that verifies"].passed


def test_a_single_code_is_enough_for_a_whole_pairing(tmp_path: Path) -> None:
    results = judge(tmp_path, codes=1)
    assert not of(results, Outcome.FAILED)
    assert results["a whole pairing ends in a binding that verifies"].applicable
    assert results["every refusal says the same"].applicable
    assert "let the device show another" in results["message_3 cut short is refused"].detail


def test_four_codes_are_enough_for_all(tmp_path: Path) -> None:
    assert of(judge(tmp_path, codes=4), Outcome.NOT_APPLICABLE) == OTHER_MODEL[Model.PASSCODE]


def test_a_device_that_refuses_everything_refuses_nothing_right(tmp_path: Path) -> None:
    async def run() -> list[Result]:
        async with serving(tmp_path, Model.PASSCODE) as (device, listener):
            device.store.update(guesses=Guesses(Code.DISPLAYED, burnt=True))
            return [result async for result in check_device(listener.connect, device.offer.out_of_band())]

    results = in_virtual_time(run)
    assert of(results, Outcome.PASSED) == {
        "an unknown suite is answered with SUITES_R",
        "a suite that is not the best is answered with SUITES_R",
        "every refusal says the same",
    }
    assert "does not answer a right message_1 after that" in results["no model is refused"].detail


def test_says_that_the_device_is_locked(tmp_path: Path) -> None:
    assert "locked until it shows another" in judge(tmp_path)["wrong codes are counted"].detail


def test_a_device_that_leaves_while_a_copy_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def repeat(self: FramedLink) -> None:
        raise LinkError("lost")

    monkeypatch.setattr(FramedLink, "repeat", repeat)
    assert not of(judge(tmp_path), Outcome.FAILED)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(LinkError):
        judge_link(_unreachable)


def test_a_device_that_goes_away_fails_all_that_is_left(tmp_path: Path) -> None:
    calls: list[str] = []

    async def run() -> list[Result]:
        async with serving(tmp_path, Model.PASSCODE) as (device, listener):

            async def connect() -> Link:
                calls.append("connect")
                if len(calls) > 5:
                    raise LinkError("gone")
                return await listener.connect()

            return [result async for result in check_device(connect, device.offer.out_of_band())]

    results = in_virtual_time(run)
    assert len(of(results, Outcome.PASSED)) == 3
    assert len(calls) == 7, "it is tried once more, and then no case waits for it again"
    gone = list(results.values())[3:-1]
    assert {result.detail for result in gone if result.applicable} == {"the device cannot be reached any more"}
    assert not any(result.passed for result in gone if result.applicable)


def _unreachable() -> Link:
    raise LinkError("no radio")


def test_a_device_that_hangs_is_a_failure_and_no_hang() -> None:
    kept: list[FramedLink] = []

    def connect() -> Link:
        client, device = link_pair()
        kept.append(device)
        return client

    results = judge_link(connect)
    assert results["message_1 is answered"].detail == "stayed silent for 15 s, where an answer is due"
    assert not results["a client that falls silent after message_2 is given up"].passed


def test_a_connection_that_never_comes_about(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect() -> Link:
        await asyncio.sleep(1e6)
        raise AssertionError("nobody waits that long")

    async def run() -> list[Result]:
        return [result async for result in check_device(connect, CODE)]

    with pytest.raises(LinkError, match="in time"):
        in_virtual_time(run)
    assert bench.CONNECT_WAIT < 1e6


class Parrot:
    """A device that says the same to everything, or does not even take a message."""

    carrier, bytes_sent, bytes_received = "test", 0, 0

    def __init__(self, said: bytes | Exception, deaf: Exception | None = None) -> None:
        self._said, self._deaf = said, deaf

    async def send(self, type: MessageType, message: bytes) -> None:
        if self._deaf is not None:
            raise self._deaf

    async def receive(self, timeout: float) -> tuple[MessageType, bytes]:
        if isinstance(self._said, Exception):
            raise self._said
        return MessageType.HANDSHAKE, self._said

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "said", [b"", b"\x00", b"\x01", b"\x02\x80", b"\xff", b"\x58\x40" + bytes(64), refusal(), bytes(4096), b"\x01\xf6"]
)
def test_a_device_that_says_anything_only_fails(said: bytes) -> None:
    results = judge_link(lambda: Parrot(said))
    assert not results["message_1 is answered"].passed
    assert of(results, Outcome.FAILED)
    assert all(result.detail for result in results.values())


@pytest.mark.parametrize(
    ("parrot", "text"),
    [
        (Parrot(LinkBusy("busy")), "says that it serves another client"),
        (Parrot(PeerError("a frame of 1 bytes")), "sent what is no frame (a frame of 1 bytes)"),
        (Parrot(LinkError("lost")), "ended the connection without an answer"),
        (Parrot(b"", LinkError("lost")), "ended the connection before the message"),
        (Parrot(b"", LinkTimeout("stuck")), "took no message in time"),
        (Parrot(ValueError("odd")), "the device sent what cannot be used: ValueError"),
    ],
    ids=["busy", "odd", "ends", "ended", "stuck", "unforeseen"],
)
def test_says_what_the_device_did(parrot: Parrot, text: str) -> None:
    result = judge_link(lambda: parrot)["message_1 is answered"]
    assert not result.passed
    assert result.detail.startswith(text)


def test_bootstrap_data_without_a_secret_fit_no_model() -> None:
    async def run() -> list[Result]:
        label = Bootstrap(version=1, models=(Model.PASSCODE,), cred_r_hash=bytes(32))
        return [result async for result in check_device(link_pair, label)]  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="no secret"):
        in_virtual_time(run)


def test_the_names_of_the_cases_differ() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
