"""A reader as nfcpy drives it: opened when it is needed, closed when it fails. What is opened here stands for one."""

import asyncio
import errno
import threading
from collections.abc import Callable
from typing import NoReturn

import nfc
import nfc.clf
import pytest
from nfc.clf import RemoteTarget

from oob.errors import LinkError, LinkTimeout, OobError, UsageError
from oob.framing.procedure import TagType
from oob.transport import nfcpy_frontend
from oob.transport.nfcpy_edge import ReaderAbsent
from oob.transport.nfcpy_frontend import Frontend, FrontendThread


class Driver:
    vendor_name: str | None = "SONY"
    product_name: str | None = "RC-S380"


class StandIn:
    """Stands for nfc.ContactlessFrontend; `events` are those of all that were made."""

    events: list[str]
    max_send_data_size = max_recv_data_size = 290
    device = Driver()
    does: Callable[[], object] = staticmethod(lambda: True)
    senses: Callable[[RemoteTarget], RemoteTarget | None] = staticmethod(lambda _: None)

    def open(self, path: str) -> object:
        self.events.append(f"open {path}")
        return self.does()

    def close(self) -> None:
        self.events.append("close")
        raise OSError(errno.ENODEV, "unplugged")

    def sense(self, *targets: RemoteTarget) -> RemoteTarget | None:
        self.events.append(f"sense {' '.join(target.brty for target in targets)}".strip())
        return self.senses(targets[0]) if targets else None


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """The stand-in that every front-end of this test opens."""
    kind = type("Made", (StandIn,), {"events": []})
    monkeypatch.setattr(nfc, "ContactlessFrontend", kind)
    return kind


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def call(*_: object) -> NoReturn:
        raise error

    return call


def test_it_is_opened_when_it_is_needed_and_kept(made: type[StandIn]) -> None:
    frontend = Frontend("usb")
    frontend.mute()
    frontend.close()
    assert not made.events
    assert frontend.sense("106A") is None
    assert frontend.sense("212F") is None
    frontend.mute()
    frontend.close()
    frontend.close()
    assert made.events == ["open usb", "sense 106A", "sense 212F", "sense", "close"]
    assert frontend.name == "SONY RC-S380"


def test_a_tag_that_is_found(made: type[StandIn]) -> None:
    made.senses = staticmethod(
        lambda _: RemoteTarget("106A", sens_res=bytearray(2), sel_res=bytearray(1), sdd_res=bytearray(4))
    )
    connection = Frontend("usb").sense("106A")
    assert connection is not None
    assert connection.type is TagType.TYPE_2


@pytest.mark.parametrize(
    "raised", [nfc.clf.UnsupportedTargetError("no"), ValueError("unsupported bitrate"), IndexError(), AssertionError()]
)
def test_what_answers_and_is_no_tag(made: type[StandIn], raised: Exception) -> None:
    made.senses = staticmethod(raising(raised))
    frontend = Frontend("usb")
    assert frontend.sense("106A") is None
    assert "close" not in made.events


def test_a_reader_that_was_unplugged_is_opened_anew(made: type[StandIn]) -> None:
    made.senses = staticmethod(raising(OSError(errno.ENODEV, "No such device")))
    frontend = Frontend("usb")
    for _ in range(2):
        with pytest.raises(ReaderAbsent, match="No such device"):
            frontend.sense("106A")
    assert made.events == ["open usb", "sense 106A", "close"] * 2


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        (lambda: False, ReaderAbsent),
        (raising(OSError(errno.ENODEV, "No such device")), ReaderAbsent),
        (raising(OSError(errno.EBUSY, "busy")), LinkError),
        (raising(ModuleNotFoundError("nfc.clf.pn999")), UsageError),
        (raising(RuntimeError("usb1.USBErrorNotSupported")), LinkError),
        (raising(AssertionError()), LinkError),
    ],
)
def test_a_reader_that_cannot_be_opened(
    made: type[StandIn], does: Callable[[], object], expected: type[OobError]
) -> None:
    made.does = staticmethod(does)
    with pytest.raises(OobError) as caught:
        Frontend("tty:USB0:pn999").sense("106A")
    assert type(caught.value) is expected
    assert caught.value.remedy


@pytest.mark.parametrize(("path", "expected"), [("udp:127.0.0.1:60179", UsageError), ("usb", LinkError)])
def test_a_port_that_has_a_name(made: type[StandIn], path: str, expected: type[OobError]) -> None:
    made.does = staticmethod(raising(ValueError("invalid literal for int() with base 10: 'fido'")))
    with pytest.raises(OobError) as caught:
        Frontend(path).sense("106A")
    assert type(caught.value) is expected


def test_a_reader_without_names_is_called_by_its_path(made: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Driver, "vendor_name", None)
    monkeypatch.setattr(Driver, "product_name", "")
    frontend = Frontend("usb")
    frontend.sense("106A")
    assert frontend.name == "usb"
    assert made.events


async def test_what_is_released_is_closed_after_the_calls_that_there_are(made: type[StandIn]) -> None:
    thread, free = FrontendThread("usb"), threading.Event()

    def slow(frontend: Frontend) -> None:
        free.wait(30)
        frontend.sense("106A")

    first = asyncio.create_task(thread.run(slow))
    await asyncio.sleep(0)
    release = asyncio.create_task(thread.release())
    await asyncio.sleep(0)
    again = asyncio.create_task(thread.release())
    await asyncio.sleep(0)
    next_one = asyncio.create_task(thread.run(lambda frontend: frontend.sense("212F")))
    await asyncio.wait({next_one}, timeout=0.05)
    assert not made.events, "the next one waits"
    free.set()
    await asyncio.gather(first, release, again, next_one)
    await thread.release()
    await thread.release()
    assert made.events == ["open usb", "sense 106A", "close", "open usb", "sense 212F", "close"]


async def test_a_front_end_that_hangs_is_left_to_its_thread(made: type[StandIn]) -> None:
    thread, free = FrontendThread("usb", 0.05), threading.Event()
    used: list[Frontend] = []

    def hang(frontend: Frontend) -> None:
        used.append(frontend)
        free.wait(30)

    with pytest.raises(LinkTimeout, match="nfcpy usb did not return"):
        await thread.run(hang)
    await thread.run(used.append)
    assert used[0] is not used[1]
    free.set()
    await thread.release()
    assert not made.events


async def test_nobody_waits_for_long_to_let_go_of_one_that_hangs(
    made: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nfcpy_frontend, "PARTING", 0.05)
    thread, free, hanging = FrontendThread("usb"), threading.Event(), threading.Event()

    def hang(frontend: Frontend) -> None:
        hanging.set()
        free.wait(30)

    call = asyncio.create_task(thread.run(hang))
    while not hanging.is_set():
        await asyncio.sleep(0.001)
    async with asyncio.timeout(5):
        await thread.release()
        await thread.release()
    free.set()
    await call
    assert not made.events
