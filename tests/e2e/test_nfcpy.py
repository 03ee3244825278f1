"""Taps with genuine nfcpy on both sides, as the programs that a user runs; only the air is simulated, by nfcpy, in UDP.

`oob issuer serve`, `oob device run` and `oob pair` are processes of their own: handshake, binding, certificate, page.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from oob.client import Client, Pairing, parse_out_of_band, reach, tap
from oob.errors import LinkError
from oob.sim.bluez import simulated_bluez
from oob.sim.radio import VirtualRadio
from oob.sim.tags import SimulatedNtag
from oob.transport.link import Link
from tests.e2e.family import PATIENCE, free_port
from tests.e2e.house import House, Told, check_paired, device, house, shown, told, told_by
from tests.e2e.program import at_terminal, check_stopped, program, read_until
from tests.transport.udp_field import free_path, tag_at, type_a


@pytest.fixture(scope="module", name="home")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture
def path() -> str:
    """Return a place on nfcpy's air of which nobody else knows."""
    return free_path()


def nfc(path: str) -> tuple[str, ...]:
    return "--nfc", "--reader", path


def test_an_owner_a_stranger_and_after_a_press_a_new_owner(tmp_path: Path, path: str, home: House) -> None:
    arguments = ("device", "run", *nfc(path), "--model", "secret", "--fresh", "--state", "d")
    with at_terminal(*arguments, directory=tmp_path) as (keyboard, _):
        read_until(keyboard, b"Ctrl-C stops")
        check_paired(home.pair(*nfc(path), temporary=tmp_path), "secret")
        refused = home.pair(*nfc(path), "--state", tmp_path / "other", temporary=tmp_path)
        assert (refused.code, refused.result["error"]["step"]) == (2, "passcode")
        assert "press its button and tap again" in refused.error
        os.write(keyboard, b"\n")
        read_until(keyboard, b"a secret of its own")
        check_paired(home.pair(*nfc(path), "--state", tmp_path / "other", temporary=tmp_path), "secret")


def test_three_devices_lives_in_a_row(tmp_path: Path, path: str, home: House) -> None:
    """The place is free again as soon as a device has ended."""
    for _ in range(3):
        with device(tmp_path, *nfc(path), "--press") as running:
            code = shown(running)
            check_paired(home.pair(*nfc(path), temporary=tmp_path, stdin=code), "passcode")
            assert running.stop() == 130


def test_the_passcode_is_typed_after_the_tap(tmp_path: Path, path: str, home: House) -> None:
    with device(tmp_path, *nfc(path), "--url", "https://example.com/d") as running:
        with program("pair", *home.asks, *nfc(path), temporary=tmp_path) as client:
            client.until("names https://example.com/d, which is not opened")
            client.until("Type the passcode")
            client.say(shown(running) + "\n")
            assert client.wait() == 0, client.output
        assert "over verified TLS" in client.output


def test_a_wrong_passcode(tmp_path: Path, path: str, home: House) -> None:
    with device(tmp_path, *nfc(path)) as running:
        wrong = "0000 0000" if shown(running) != "00000000" else "1111 1111"
        outcome = home.pair(*nfc(path), temporary=tmp_path, stdin=wrong)
    assert outcome.code in (2, 4), outcome.output


def test_a_device_without_a_secret_is_not_bound(tmp_path: Path, path: str, home: House) -> None:
    with device(tmp_path, *nfc(path), "--model", "pinned"):
        outcome = home.pair(*nfc(path), temporary=tmp_path)
    assert outcome.code == 2
    assert "pinned proves too little" in outcome.error


def test_a_sticker_leads_to_its_device_in_the_local_network(tmp_path: Path, path: str, home: House) -> None:
    sticker = SimulatedNtag()
    with (
        device(tmp_path, "--tcp", f"127.0.0.1:{free_port()}", "--model", "secret") as running,
        tag_at(path, type_a(0x00), sticker.process),
    ):
        label = shown(running, "bootstrap")
        assert told("tag", "write", "--reader", path, temporary=tmp_path, stdin=label).code == 0
        check_paired(home.pair(*nfc(path), temporary=tmp_path), "secret")


def test_the_tag_comes_while_it_is_waited_for(tmp_path: Path, path: str, home: House) -> None:
    fresh = (*nfc(path), "--model", "secret", "--fresh")
    with program("pair", *home.asks, *nfc(path), "--json", temporary=tmp_path) as client:
        wait_for_reader(path)
        with device(tmp_path, *fresh):
            check_paired(told_by(client), "secret")


def wait_for_reader(path: str) -> None:
    """Wait until somebody looks for a tag at this place."""
    _, host, port = path.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as place:
        place.bind((host, int(port)))
        place.settimeout(PATIENCE)
        assert place.recv(16)


def test_ctrl_c_while_a_tag_is_waited_for(tmp_path: Path, path: str, home: House) -> None:
    with program("pair", *home.asks, *nfc(path), temporary=tmp_path) as client:
        client.until("waiting for a tap")
        wait_for_reader(path)
        check_stopped(client)


def test_no_tag_comes(tmp_path: Path, path: str, home: House) -> None:
    outcome = home.pair(*nfc(path), "--timeout", "0.3", temporary=tmp_path)
    assert outcome.code == 3
    assert outcome.error == "DeviceNotFound: no tag came within 0.3 s. Hold the tag flat to the reader"


# --- what happens in the middle


Reach = Callable[[str], Awaitable[Link]]


async def by_tap(path: str) -> Link:
    link = (await tap(path, timeout=PATIENCE)).link
    assert link is not None
    return link


async def by_radio(_: str) -> Link:
    return await reach(timeout=PATIENCE, settle=0.05, adapter="hci1")


@asynccontextmanager
async def in_the_middle(client: Client, link: Link, code: str) -> AsyncIterator["asyncio.Task[Pairing]"]:
    """Pair in this process; inside the block, the binding is signed and the issuer has not heard of it yet."""
    submit, is_bound, may_go_on = client.issuer.submit, asyncio.Event(), asyncio.Event()

    async def submit_later(*arguments: object) -> object:
        is_bound.set()
        await may_go_on.wait()
        return await submit(*arguments)  # type: ignore[arg-type]

    client.issuer.submit = submit_later  # type: ignore[assignment,method-assign]
    carried = parse_out_of_band(code)
    pairing = asyncio.create_task(client.pair(link, carried))
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({pairing, asyncio.create_task(is_bound.wait())}, return_when=asyncio.FIRST_COMPLETED)
            yield pairing
            may_go_on.set()
            await asyncio.wait({pairing})
    finally:
        pairing.cancel()
        await link.close()
        client.close()


async def test_the_device_is_killed_and_started_anew(tmp_path: Path, path: str, home: House) -> None:
    with ExitStack() as lives:
        first = lives.enter_context(device(tmp_path, *nfc(path)))
        async with in_the_middle(home.client(tmp_path / "c"), await by_tap(path), shown(first)) as pairing:
            assert first.stop(signal.SIGKILL) == -signal.SIGKILL
            second = lives.enter_context(device(tmp_path, *nfc(path), "--press"))
            code = await asyncio.to_thread(shown, second)
        with pytest.raises(LinkError):
            await pairing
        check_paired(home.pair(*nfc(path), temporary=tmp_path, stdin=code), "passcode")


@pytest.mark.parametrize(("begins", "comes_later"), [(by_tap, "ble"), (by_radio, "nfc")])
async def test_whoever_begins_is_served_and_the_other_is_told_so(
    tmp_path: Path, path: str, home: House, monkeypatch: pytest.MonkeyPatch, begins: Reach, comes_later: str
) -> None:
    ways = {"nfc": nfc(path), "ble": ("--adapter", "hci1")}
    async with VirtualRadio() as radio, simulated_bluez(radio, adapters=2) as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        with device(
            tmp_path, "--ble", "--adapter", "hci0", *nfc(path), "--printed"
        ) as running:  # else hidden once used
            code = await asyncio.to_thread(shown, running)
            other = partial(home.pair, *ways[comes_later], temporary=tmp_path, stdin=code)
            async with in_the_middle(home.client(tmp_path / "c"), await begins(path), code) as pairing:
                refused: Told = await asyncio.to_thread(other)
    assert (refused.code, refused.result["error"]["kind"]) == (3, "LinkBusy"), refused.output
    assert (await pairing).status == "ready"
