"""`oob conformance`."""

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from oob.cli.arguments import parse_address
from oob.cli.terminal import Terminal
from oob.client import parse_out_of_band, reach, tap
from oob.conformance.bench import Connect, OutOfBand, Renew, checked_model
from oob.conformance.device import check_device
from oob.conformance.result import Outcome, Result
from oob.conformance.vectors import run_file
from oob.device import Device
from oob.errors import LinkError, UsageError
from oob.pairing import Model
from oob.transport import tcp
from oob.transport.link import Link
from oob.transport.memory import MemoryListener
from oob.transport.nfc import Reader
from oob.transport.readers import open_reader
from oob.transport.socket import connect

QUESTION = "Passcode on the device (or the text of its QR code):"
AGAIN = "The code is used up. Let the device show another, and type it:"
MEMORY, SOCKET, TCP, NFC = "memory", "socket:", "tcp:", "nfc"


class Report:
    """Shows results as they come, and sums them up."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._counts: Counter[Outcome] = Counter()

    def add(self, source: dict[str, str], result: Result) -> None:
        """Show a line; `source` is put before it."""
        outcome = result.outcome.value
        self._counts[result.outcome] += 1
        self._terminal.result({**source, "name": result.name, "outcome": outcome, "detail": result.detail})
        self._terminal.show("  ".join([f"{outcome:14}", *source.values(), f"{result.name}: {result.detail}"]))

    def close(self, reason: str) -> int:
        """Show the sums, with the reason why some count neither way; return the exit code, 1 if anything failed."""
        self._terminal.result({each.value.replace(" ", "_"): self._counts[each] for each in Outcome})
        if self._counts[Outcome.NOT_APPLICABLE]:
            self._terminal.show(f"{self._counts[Outcome.NOT_APPLICABLE]} not applicable: {reason}")
        self._terminal.show(f"{self._counts[Outcome.PASSED]} passed, {self._counts[Outcome.FAILED]} failed")
        return 1 if self._counts[Outcome.FAILED] else 0


async def vectors(args: argparse.Namespace, terminal: Terminal) -> int:
    """Run vector files; 1 if any vector failed. One for something that is not implemented counts neither way."""
    report = Report(terminal)
    for path in args.files:
        for result in run_file(path):
            report.add({"file": path.name}, result)
    return report.close("for what this library does not implement")


def device(args: argparse.Namespace, terminal: Terminal) -> Coroutine[Any, Any, int]:
    """Ask for the device's code, unless the device is one of ours in memory, and return what remains to be done."""
    if args.address == MEMORY:
        return _check_memory(args, terminal)
    out_of_band = _ask(terminal, QUESTION)
    if out_of_band is None:
        raise UsageError("no passcode was given", step="passcode", remedy="Type it, or pipe it to stdin")
    checked_model(out_of_band, bytes)  # what cannot be checked is found before anybody is called
    return _check(args, terminal, _way_to(args), out_of_band, _renewal(terminal))


async def _check(
    args: argparse.Namespace, terminal: Terminal, way: Connect, out_of_band: OutOfBand, renew: Renew
) -> int:
    report = Report(terminal)
    async for result in check_device(way, out_of_band, renew=renew, wait=args.wait, issuer=args.issuer):
        report.add({}, result)
    return report.close("of another model, or for want of another code")


def _ask(terminal: Terminal, question: str) -> OutOfBand | None:
    text = terminal.ask(question)
    return parse_out_of_band(text) if text else None


def _renewal(terminal: Terminal) -> Renew:
    async def renew() -> OutOfBand | None:
        return _ask(terminal, AGAIN)

    return renew


def _way_to(args: argparse.Namespace) -> Connect:
    """Return what connects to "socket:PATH", "tcp:HOST:PORT", "nfc" or "nfc:READER", or to a Bluetooth LE address."""
    address: str = args.address
    if address.startswith(SOCKET):
        return lambda: connect(Path(address.removeprefix(SOCKET)))
    if address.startswith(TCP):
        host, port = parse_address(address.removeprefix(TCP))
        return lambda: tcp.connect(host, port)
    if address == NFC or address.startswith(f"{NFC}:"):
        reader = open_reader(address.removeprefix(NFC).removeprefix(":") or None)
        return lambda: _through_tag(reader)
    return lambda: reach(address=address, adapter=args.adapter)


async def _through_tag(reader: Reader) -> Link:
    """Return a link through the tag that lies on the reader."""
    tapped = await tap(reader)
    if tapped.link is None:
        await tapped.close()
        raise UsageError("nothing goes through this tag", step="tap", remedy="Put the device itself on the reader")
    return tapped.link


# --- a device of our own


async def _check_memory(args: argparse.Namespace, terminal: Terminal) -> int:
    async with _memory_device(Model[args.model.upper()]) as (ours, way):

        async def renew() -> OutOfBand:
            ours.offer.press()
            return ours.offer.out_of_band()

        return await _check(args, terminal, way, ours.offer.out_of_band(), renew)


@asynccontextmanager
async def _memory_device(model: Model) -> AsyncIterator[tuple[Device, Callable[[], Coroutine[Any, Any, Link]]]]:
    """Run a device in this process, without a page: no client leads it to a certificate."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="oob-conformance-"))
        ours = Device("Device in memory", Path(directory), _NoPage(), model=model)
        listener = MemoryListener()
        await listener.start()
        serving = asyncio.create_task(ours.serve(listener))
        try:
            yield ours, listener.connect
        finally:
            await listener.close()
            serving.cancel()
            await asyncio.wait({serving})


class _NoPage:
    async def publish(self, tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
        """Refuse."""
        raise LinkError("this device has no page")

    async def withdraw(self) -> None:
        """Do nothing: there is none."""
