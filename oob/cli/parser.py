"""What can be said on the command line. The help teaches by example."""

import argparse
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ATTACKS = (
    "wrong-code",
    "mitm",
    "swapped-key",
    "replayed-binding",
    "hijacked-challenge",
    "foreign-csr",
    "extra-name",
)
"""The keys of `oob.sim.attacks.ATTACKS`, which the help must not need the simulator for."""

_Raw = argparse.RawDescriptionHelpFormatter
_EPILOG = """\
try it, without any hardware:
  oob demo                       a simulated device, paired and opened over HTTPS
  oob demo --attack mitm         an attack on it, which must fail

be all three parties, in three terminals:
  oob issuer init --zone home.example --network 127.0.0.0/8 --state ca
  oob issuer serve --state ca
  oob device run --socket lamp
  oob pair --socket lamp --issuer https://127.0.0.1:8443/directory --root ca/root.pem --token-file ca/token

exit codes:
  0 done    1 local failure    2 usage    3 link    4 authentication refused
  5 issuance refused    130 stopped by Ctrl-C    143 terminated"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse `argv`; bad usage exits with 2. The namespace has `run`, the dotted name of the command's function."""
    parser = argparse.ArgumentParser(
        prog="oob",
        description="Pair with a device within reach, then talk real HTTPS to it.",
        epilog=_EPILOG,
        formatter_class=_Raw,
    )
    parser.add_argument("--version", action="version", version=f"oob {_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (_demo, _pair, _owner, _device, _issuer, _discover, _conformance):
        add(commands)
    args = parser.parse_args(argv)
    if getattr(args, "part", None) and args.state is None:
        args.state = _state(args.part, parser)
    return args


def _version() -> str:
    try:
        return version("oob")
    except PackageNotFoundError:
        return "(not installed)"


def _demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "demo",
        help="the whole idea in a few seconds: a simulated device, paired and opened over HTTPS",
        description="Run a simulated device, a client and an issuer: pair, bind, issue, open the page. No hardware.",
        epilog=(
            "examples:\n"
            "  oob demo                                   over simulated Bluetooth LE, by passcode\n"
            "  oob demo --carrier memory --model secret   without a radio, by the secret of a QR code\n"
            "  oob demo --attack mitm                     watch an attack fail: exit code 4 or 5"
        ),
        formatter_class=_Raw,
    )
    parser.add_argument(
        "--carrier", choices=("ble", "memory"), default="ble", help="default: ble, on a simulated radio"
    )
    models = ("passcode", "secret", "compare")
    parser.add_argument("--model", choices=models, default="passcode", help="default: passcode")
    parser.add_argument(
        "--attack",
        metavar="NAME",
        choices=ATTACKS,
        help=f"run this attack for real, it must end refused: {', '.join(ATTACKS)}",
    )
    _common(parser, state="a new temporary directory, removed at the end")
    parser.set_defaults(run="oob.cli.demo.run")


def _pair(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "pair",
        help="pair with a device and get its HTTPS address",
        description="Pair with a device within reach. The passcode, or the text of its QR code, is read from stdin.",
        epilog=(
            "examples:\n"
            "  oob pair --issuer https://box.home.example:8443/directory --root root.pem\n"
            "      over Bluetooth LE; asks for the passcode that the device shows\n"
            "  oob pair --socket device.sock --issuer URL --root root.pem --name 'kitchen lamp' <code.txt\n"
            "      a device on this machine (oob device run); the passcode comes from a file\n"
            "  oob pair --compare --socket device.sock --issuer URL --root root.pem\n"
            "      both screens show a number; say whether it is the same"
        ),
        formatter_class=_Raw,
    )
    parser.add_argument("--issuer", required=True, metavar="URL", help="the issuer's directory")
    parser.add_argument("--root", required=True, type=Path, metavar="FILE", help="its root certificate")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="its enrolment token, where it asks for one")
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="reach a device on this machine instead of by radio"
    )
    parser.add_argument("--address", metavar="ADDR", help="pair with this Bluetooth LE address")
    parser.add_argument("--compare", action="store_true", help="compare a number on both screens instead of a passcode")
    parser.add_argument("--name", action="append", default=[], metavar="LABEL", help="wish for this name (repeatable)")
    parser.add_argument(
        "--timeout", type=_seconds, default=20.0, metavar="S", help="for finding the device; default 20"
    )
    _common(parser, part="client")
    parser.set_defaults(run="oob.cli.pair.run")


def _owner(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "owner",
        help="come again to a paired device: list, name and remove its pairings, invite, renew, reset, unpair",
        description="Come again to a device that is paired, without its passcode.",
        epilog=(
            "examples:\n"
            "  oob owner pairings                                  the devices that are paired here\n"
            "  oob owner list --socket device.sock --root root.pem   who is paired with the device\n"
            "  oob owner rename 5f2a 'phone in the hall' --socket device.sock --root root.pem\n"
            "  oob owner unpair --socket device.sock --root root.pem"
        ),
        formatter_class=_Raw,
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    kept = verbs.add_parser("pairings", help="list the devices that are paired here")
    _common(kept, part="client")
    kept.set_defaults(run="oob.cli.owner.pairings")
    for verb, text in _OWNER_VERBS.items():
        each = verbs.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if verb in ("rename", "remove"):
            each.add_argument("id", metavar="ID", help="the head of its id, as `list` shows it")
        if verb == "rename":
            each.add_argument("label", metavar="LABEL", help="at most 64 bytes")
        if verb == "renew":
            each.add_argument("--name", action="append", default=[], metavar="LABEL", help="wish for this name")
            each.add_argument("--token-file", type=Path, metavar="FILE", help="the issuer's enrolment token")
        each.add_argument("--device", metavar="NAME", help="which one, where several are paired here: name or key")
        each.add_argument("--root", required=True, type=Path, metavar="FILE", help="the issuer's root certificate")
        each.add_argument("--socket", type=Path, metavar="PATH", help="reach a device on this machine")
        each.add_argument("--address", metavar="ADDR", help="reach it at this Bluetooth LE address")
        each.add_argument("--timeout", type=_seconds, default=20.0, metavar="S", help="default: 20")
        _common(each, part="client")
        each.set_defaults(run="oob.cli.owner.run", verb=verb)


_OWNER_VERBS = {
    "list": "list the pairings of the device",
    "status": "ask where its page is",
    "rename": "name one of its pairings",
    "remove": "end one of its pairings",
    "invite": "let another owner pair now",
    "renew": "get it a new certificate",
    "reset": "end all its pairings",
    "unpair": "end this machine's pairing, there and here",
    "forget": "end this machine's pairing here and at the issuer, without the device",
}


def _device(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("device", help="be a device")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    run = verbs.add_parser(
        "run",
        help="offer pairing until stopped",
        description="Offer pairing, get a certificate for whoever pairs, and serve a page under it, until stopped.",
        epilog=(
            "examples:\n"
            "  oob device run --socket device.sock --name 'Lab printer' --listen 127.0.0.1:8444\n"
            "  oob device run --socket device.sock --model secret   prints the text of its QR code\n"
            "  oob device run --socket device.sock --model compare   both screens show a number, both users say yes\n"
            "  oob device run --socket device.sock --press          begins with a new passcode\n"
            "Enter presses the device's button: it shows a new passcode, lets a new owner in, or arms a comparison."
        ),
        formatter_class=_Raw,
    )
    run.add_argument("--name", default="Demo device", help="what people see; default: Demo device")
    models = ("passcode", "secret", "compare", "pinned", "button")
    run.add_argument("--model", choices=models, default="passcode", help="default: passcode")
    run.add_argument("--printed", action="store_true", help="the passcode stands on the device, and stays")
    run.add_argument("--socket", type=Path, metavar="PATH", required=True, help="be reachable here, on this machine")
    run.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="of the page; default: 127.0.0.1:0")
    run.add_argument("--press", action="store_true", help="begin with a press of the button: a new passcode, or owner")
    run.add_argument(
        "--allow-issuer", action="append", metavar="URL", help="take certificates from no other (repeatable)"
    )
    _common(run, part="device")
    run.set_defaults(run="oob.cli.device.run")


def _issuer(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("issuer", help="be an issuer: a local CA behind an ACME server")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    init = verbs.add_parser(
        "init",
        help="make the local CA, once",
        description=(
            "Make a root that can certify the names of one home and nothing else, and print its certificate.\n"
            "The file token beside it is for those who are to pair."
        ),
        epilog=(
            "examples:\n"
            "  oob issuer init --zone home.example --network 127.0.0.0/8\n"
            "  oob issuer init --zone home.example --network 192.168.1.0/24 --network fd12:3456:789a::/48\n"
            "  oob issuer init --zone home.example   with >root.pem to keep what it prints"
        ),
        formatter_class=_Raw,
    )
    init.add_argument("--zone", required=True, action="append", metavar="DNS", help="DNS names below this (repeatable)")
    init.add_argument(
        "--network", action="append", default=[], metavar="CIDR", help="IP addresses in this (repeatable)"
    )
    _common(init, part="issuer")
    init.set_defaults(run="oob.cli.issuer.init")
    serve = verbs.add_parser(
        "serve",
        help="issue certificates until stopped",
        description="Serve ACME (RFC 8555), sessions and bindings over HTTPS, until stopped.",
        epilog=(
            "examples:\n"
            "  oob issuer serve                               on this machine only\n"
            "  oob issuer serve --listen 0.0.0.0:8443 --name box.home.example\n"
            "  oob issuer serve --origin https://app.example   pages from there may pair, too\n"
            "  oob issuer serve --assign-network 192.168.1.0/24   devices may have addresses, too"
        ),
        formatter_class=_Raw,
    )
    serve.add_argument("--listen", default="127.0.0.1:8443", metavar="HOST:PORT", help="default: 127.0.0.1:8443")
    serve.add_argument(
        "--name", action="append", default=[], help="its own name or address; default: HOST (repeatable)"
    )
    serve.add_argument(
        "--assign-network", action="append", default=[], metavar="CIDR", help="devices may have these (repeatable)"
    )
    serve.add_argument("--open", action="store_true", help="ask for no enrolment token: for trials")
    serve.add_argument(
        "--origin", action="append", default=[], metavar="URL", help="allow this web origin (repeatable)"
    )
    _common(serve, part="issuer")
    serve.set_defaults(run="oob.cli.issuer.serve")


def _discover(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "discover",
        help="list the devices that offer pairing over Bluetooth LE",
        description="Listen for devices that offer pairing over Bluetooth LE, and list them as they are seen.",
        epilog="example:\n  oob discover --timeout 5 --json",
        formatter_class=_Raw,
    )
    parser.add_argument("--timeout", type=_seconds, default=5.0, metavar="S", help="default: 5")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
    parser.set_defaults(run="oob.cli.discover.run")


def _conformance(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("conformance", help="check this library, or a device of any maker")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    vectors = verbs.add_parser(
        "vectors",
        help="run every vector of these files",
        description="Run every vector of these files through the library's public API.",
        epilog="example:\n  oob conformance vectors tests/vectors/*.json",
        formatter_class=_Raw,
    )
    vectors.add_argument("files", nargs="+", type=Path, metavar="FILE")
    vectors.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
    vectors.set_defaults(run="oob.cli.conformance.vectors")
    device = verbs.add_parser(
        "device",
        help="check what a device answers, refuses and counts",
        description=(
            "Play the client against a device of any maker, right and wrong, and report case by case.\n"
            "Its passcode, or the text of its QR code, is read from stdin. A passcode is soon used up: then the next\n"
            "line is read, three times in all. The device is left without a code, and is never sent to an issuer."
        ),
        epilog=(
            "examples:\n"
            "  oob conformance device memory              a device of this library: see what is checked\n"
            "  oob conformance device socket:lamp         a device on this machine; asks for its codes\n"
            "  oob conformance device AA:BB:CC:DD:EE:FF   over Bluetooth LE\n"
            "  oob conformance device memory --model secret --json"
        ),
        formatter_class=_Raw,
    )
    device.add_argument("address", metavar="ADDRESS", help="memory, socket:PATH, or a Bluetooth LE address")
    device.add_argument(
        "--wait", type=_seconds, default=15.0, metavar="S", help="for an answer, and for giving a client up; default 15"
    )
    device.add_argument(
        "--issuer",
        default="https://issuer.invalid/directory",
        metavar="URL",
        help="name this issuer, to a device that knows its own; it is not contacted",
    )
    device.add_argument(
        "--model", choices=("passcode", "secret"), default="passcode", help="of the device in memory; default: passcode"
    )
    device.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
    device.set_defaults(run="oob.cli.conformance.device")


def _common(parser: argparse.ArgumentParser, *, part: str = "", state: str = "") -> None:
    place = state or f"oob/{part} in $XDG_STATE_HOME or ~/.local/state"
    parser.add_argument("--state", type=Path, metavar="DIR", help=f"where to keep state; default: {place}")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, for machines")
    parser.set_defaults(part=part)


def _state(part: str, parser: argparse.ArgumentParser) -> Path:
    """Return a part of the state directory (XDG Base Directory Specification, which ignores relative paths)."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path.home() / ".local" / "state"
        except RuntimeError:
            parser.error("this user has no home directory: say --state DIR")
    return base / "oob" / part


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("seconds, above 0 and at most 3600")
    return value
