"""`oob pair`: pair with a device and see its page open."""

import argparse
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from oob.cli.arguments import parse_address
from oob.cli.keyboard import Keyboard
from oob.cli.terminal import Terminal
from oob.client import Carried, Comparison, Pairing, pair, parse_out_of_band, tap
from oob.client.page import visit
from oob.errors import OobError, UsageError
from oob.labels.scanning import MAX_FILE, load, scan
from oob.pairing import Bootstrap
from oob.pairing.claims import explain
from oob.storage import private_directory, read
from oob.transport import tcp
from oob.transport.link import Link
from oob.transport.socket import connect

QUESTION = "Passcode on the device (or the text of its QR code):"

_SEQUENCE = b"\x30"
"""What each certificate in DER begins with."""

UNTOLD = "Type the passcode of the device; if it has none, press its button and tap again"
"""What to do after the tap of a device that tells nothing to pair by."""


def run(args: argparse.Namespace, terminal: Terminal) -> Coroutine[Any, Any, int]:
    """Ask for the passcode, and return what remains to be done."""
    require_one_carrier(args)
    root = read_root(args.root)
    if args.compare:
        return _compare(args, terminal, root)
    if args.qr is not None:
        return _run(args, terminal, root, _scanned(args.qr, terminal))
    if args.nfc:
        return _tap(args, terminal, root)
    return _run(args, terminal, root, parse_out_of_band(_asked(terminal)))


def _asked(terminal: Terminal, remedy: str = "Type it, or pipe it to stdin") -> str:
    """Return what a person typed, or piped to stdin. UsageError for nothing."""
    text = terminal.ask(QUESTION)
    if not text:
        raise UsageError("no passcode was given", step="passcode", remedy=remedy)
    return text


def _scanned(image: str, terminal: Terminal) -> Bootstrap:
    """Return what a picture or text says, from stdin if it is "-". UsageError already here if it is of no use."""
    carried = scan(terminal.read(MAX_FILE + 1) if image == "-" else load(Path(image)))
    if carried.secret is None:
        remedy = "Type the passcode that stands beside it, if there is one"
        raise UsageError("this code carries no secret to pair by", step="qr", remedy=remedy)
    return carried


async def _tap(args: argparse.Namespace, terminal: Terminal, root: bytes) -> int:
    """Wait for a tag; pair through it where it is the device's own, else by what it tells."""
    async with await tap(args.reader, timeout=args.timeout, report=terminal.progress) as tapped:
        if tapped.content.url:
            terminal.say(f"The tag names {tapped.content.url}, which is not opened.")
        if tapped.link is None or tapped.content.bootstrap is not None:
            carried: Carried = tapped.bootstrap
        else:
            terminal.say(f"The tag tells no secret. {UNTOLD}.")
            carried = parse_out_of_band(_asked(terminal, UNTOLD))
        return await _run(args, terminal, root, carried, tapped.link)


async def _compare(args: argparse.Namespace, terminal: Terminal, root: bytes) -> int:
    keyboard = Keyboard(terminal)
    if not keyboard.is_there:
        raise UsageError("somebody must compare the numbers", step="compare", remedy="Run it in a terminal")

    async def confirm(number: str, name: str) -> bool:
        return await keyboard.confirm(f"{number}: does {name or 'the device'} show this number, too?")

    with keyboard.listening(lambda: None):
        return await _run(args, terminal, root, Comparison(confirm))


async def _run(
    args: argparse.Namespace, terminal: Terminal, root: bytes, carried: Carried, link: Link | None = None
) -> int:
    """Pair, and fetch the page once to show that it can be reached."""
    pairing = await pair(
        carried,
        issuer=args.issuer,
        root=root,
        token=read_token(args.token_file),
        directory=private_directory(args.state),  # before anybody is called who would wait for us
        names=tuple(args.name),
        address=args.address,
        timeout=args.timeout,
        adapter=args.adapter,
        link=link or await connect_to_address(args),
        report=terminal.progress,
    )
    reachable = await _look(pairing, root, terminal)
    terminal.say(f"Proven: {explain(pairing.strength, dynamic=pairing.dynamic)}.")
    terminal.result({**_describe(pairing), "reachable": reachable})
    terminal.show(pairing.url)
    return 0


def require_one_carrier(args: argparse.Namespace) -> None:
    """Raise UsageError where a device is to be reached in two ways at once."""
    ble = args.address is not None or args.adapter is not None
    ways = {"--socket": args.socket, "--tcp": args.tcp, "--nfc": args.nfc, "Bluetooth LE (--address, --adapter)": ble}
    named = [name for name, value in ways.items() if value]
    if len(named) > 1:
        cause = f"the device is reached in one way, not by {' and '.join(named)}"
        raise UsageError(cause, step="connect", remedy="Leave out all but one")
    if args.reader is not None and not args.nfc:
        raise UsageError("a reader is for NFC", step="connect", remedy="Say --nfc, too")


async def connect_to_address(args: argparse.Namespace) -> Link | None:
    """Return a link to the device whose socket or address was named, None where none was. Raises LinkError."""
    if args.socket is not None:
        return await connect(args.socket)
    return await tcp.connect(*parse_address(args.tcp)) if args.tcp is not None else None


def read_root(path: Path) -> bytes:
    """Return the root certificate in `path`, PEM or DER, as DER. Raises StorageError, UsageError."""
    data = read(path)
    not_one = UsageError(f"{path} is not a certificate", step="root", remedy="Use root.pem of the issuer")
    try:
        der = ssl.PEM_cert_to_DER_cert(data.decode("ascii")) if data.lstrip().startswith(b"-----") else data
    except ValueError as error:
        raise not_one from error
    if not der.startswith(_SEQUENCE):
        raise not_one
    return der


def read_token(path: Path | None) -> str:
    """Return the enrolment token in `path`, "" without one. Raises StorageError."""
    return read(path).decode("ascii", "replace").strip() if path else ""


async def _look(pairing: Pairing, root: bytes, terminal: Terminal) -> bool:
    """Fetch the page; that this machine cannot reach it makes the pairing no less done."""
    try:
        page = await visit(pairing, root)
    except OobError as error:
        terminal.say(f"Paired, but its page was not reached from here: {error}")
        return False
    terminal.say(f"HTTP {page.status} from {pairing.url}, over verified TLS.")
    return True


def _describe(pairing: Pairing) -> dict[str, object]:
    return {
        "device": pairing.device.hex(),
        "name": pairing.name,
        "model": pairing.model,
        "strength": pairing.strength,
        "bits": pairing.bits,
        "dynamic": pairing.dynamic,
        "mutual": pairing.mutual,
        "confirmed": pairing.confirmed,
        "proven": explain(pairing.strength, dynamic=pairing.dynamic),
        "names": list(pairing.names),
        "url": pairing.url,
        "address": pairing.address,
        "certificate_sha256": pairing.leaf_hash.hex(),
    }
