"""The emulated tag, from the reader's side: what a tap shows; and a front-end that fails."""

import asyncio
from collections.abc import Iterable

import pytest

from oob.errors import LinkError, OobError, UsageError
from oob.framing.ndef import Record, Tnf
from oob.progress import Progress
from oob.sim.field import Field
from oob.transport import tnep_stack
from oob.transport.nfc import Card
from oob.transport.tnep_poller import tap
from oob.transport.tnep_stack import SERVICE, nfc_listener


async def test_each_tap_is_greeted_anew() -> None:
    greetings = iter([Record(Tnf.WELL_KNOWN, b"U", b"\x04a"), Record(Tnf.WELL_KNOWN, b"U", b"\x04b")])
    field = Field()
    listener = nfc_listener(field, lambda: [next(greetings)])
    await listener.start()
    await listener.advertise(b"")
    await asyncio.sleep(0)
    for url in (b"\x04a", b"\x04b"):
        tapped = await tap(field, 5)
        assert [each.payload for each in tapped.records] == [url, SERVICE.to_record().payload]
        await tapped.close()
    await listener.close()


class Frontend:
    """An Emulator that fails each time it is opened as it is told, None: it opens, and then goes on for `emulating`."""

    name = "simulated front-end"

    def __init__(self, failures: Iterable[OobError | None], emulating: OobError | None = None) -> None:
        self._failures, self._emulating = iter(failures), emulating
        self.is_through = asyncio.Event()
        self.is_closed = False

    async def open(self) -> None:
        try:
            failure = next(self._failures)
        except StopIteration:
            self.is_through.set()
            failure = None
        if failure is not None:
            raise failure

    async def emulate(self, card: Card) -> None:
        if self._emulating is None or self.is_through.is_set():
            await asyncio.get_running_loop().create_future()
        assert self._emulating is not None
        raise self._emulating

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("error", [UsageError("no nfcpy"), LinkError("no reader", remedy="Plug it in")])
async def test_a_front_end_that_is_of_no_use_is_told_at_the_start(error: OobError) -> None:
    frontend = Frontend([error])
    listener = nfc_listener(frontend)
    with pytest.raises(OobError, match=error.cause):
        await listener.start()
    await listener.close()
    assert frontend.is_closed


async def test_what_fails_later_is_told_once_for_each_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tnep_stack, "AGAIN", 0.0)
    gone = LinkError("it is gone", step="reader", remedy="Plug it in")
    busy = LinkError("it is in use", step="reader")
    told: list[Progress] = []
    frontend = Frontend([None, None, gone, gone, gone, busy, busy, gone, None], emulating=gone)
    listener = nfc_listener(frontend, report=told.append)
    await listener.start()
    async with asyncio.timeout(5):
        await frontend.is_through.wait()
    await listener.close()
    assert [each.detail for each in told] == [str(gone), str(busy), str(gone), str(gone)]
    assert str(gone) == "reader: it is gone. Plug it in"
    assert {(each.who, each.step) for each in told} == {("device", "no reader")}
