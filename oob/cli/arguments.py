"""Arguments that many commands have."""

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from oob.errors import UsageError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Raw = argparse.RawDescriptionHelpFormatter


def add_common(parser: argparse.ArgumentParser, *, part: str = "", state: str = "") -> None:
    """Add --state and --json; `part` names the place of the state under the state directory."""
    place = state or f"oob/{part} in $XDG_STATE_HOME or ~/.local/state"
    parser.add_argument("--state", type=Path, metavar="DIR", help=f"where to keep state; default: {place}")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, for machines")
    parser.set_defaults(part=part)


def add_offer(parser: argparse.ArgumentParser, *, part: str = "device") -> None:
    """Add what a device may be told: its name, what it is paired by, where its page is; and its state, at `part`."""
    parser.add_argument("--name", default="Demo device", help="what people see; default: Demo device")
    models = ("passcode", "secret", "compare", "pinned", "button")
    parser.add_argument("--model", choices=models, default="passcode", help="default: passcode")
    parser.add_argument("--printed", action="store_true", help="the passcode stands on the device, and stays")
    parser.add_argument(
        "--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="of the page; default: 127.0.0.1:0"
    )
    parser.add_argument("--press", action="store_true", help="begin with a press of the button: a new code, or owner")
    parser.add_argument(
        "--allow-issuer", action="append", metavar="URL", help="take certificates from no other (repeatable)"
    )
    add_common(parser, part=part)


_ADAPTER = "the Bluetooth adapter, such as hci1; needed where Linux has several: bleak takes any of them by itself"


def add_adapter(parser: argparse.ArgumentParser, text: str = _ADAPTER) -> None:
    """Add --adapter with this help; None where it is not said."""
    parser.add_argument("--adapter", metavar="HCI", help=text)


def add_way(parser: argparse.ArgumentParser) -> None:
    """Add how a client reaches the device: --socket, --tcp, --address, --adapter; all None where nothing is said."""
    parser.add_argument("--socket", type=Path, metavar="PATH", help="reach a device on this machine")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="reach it at this address of the local network")
    parser.add_argument("--address", metavar="ADDR", help="reach it at this Bluetooth LE address")
    add_adapter(parser)


def add_reader(parser: argparse.ArgumentParser, *, is_tag: bool = False) -> None:
    """Add --reader; None for the first that is found. PC/SC has no reader that can be a tag (`is_tag`)."""
    nfcpy = "usb, usb:VVVV:PPPP, tty:USB0:pn532, udp:HOST:PORT (simulated)"
    pcsc = "" if is_tag else ", pcsc, or pcsc:PART-OF-NAME"
    first = "the first on USB" if is_tag else "the first that is found"
    parser.add_argument("--reader", metavar="READER", help=f"{nfcpy}{pcsc}; default: {first}")


def parse_address(text: str) -> tuple[str, int]:
    """Split "HOST:PORT"; UsageError if it is none."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise UsageError(f"{text!r} is not HOST:PORT", step="listen", remedy="For example 127.0.0.1:8443")
    return host.strip("[]"), int(port)


def seconds(text: str) -> float:
    """Parse seconds, above 0 and at most 3600."""
    with suppress(ValueError):
        if 0 < float(text) <= 3600:
            return float(text)
    raise argparse.ArgumentTypeError("seconds, above 0 and at most 3600")


def millimetres(text: str) -> float:
    """Parse millimetres, 5 to 300."""
    with suppress(ValueError):
        if 5 <= float(text) <= 300:
            return float(text)
    raise argparse.ArgumentTypeError("millimetres, 5 to 300")


def adapters(text: str) -> int:
    """Parse a number of adapters, 1 to 16."""
    with suppress(ValueError):
        if 1 <= int(text) <= 16:
            return int(text)
    raise argparse.ArgumentTypeError("1 to 16")
