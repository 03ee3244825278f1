"""The commands that are a party: client, owner, device, issuer."""

from pathlib import Path
from typing import TYPE_CHECKING

from oob.cli.arguments import Raw, add_adapter, add_common, add_offer, add_reader, add_way, seconds

if TYPE_CHECKING:
    from oob.cli.arguments import Commands


def add_pair(commands: "Commands") -> None:
    """Add `oob pair`."""
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
            "  oob pair --qr label.jpg --issuer URL --root root.pem\n"
            "      the picture of a label, for example one that a phone took\n"
            "  oob pair --compare --socket device.sock --issuer URL --root root.pem\n"
            "      both screens show a number; say whether it is the same\n"
            "  oob pair --nfc --issuer URL --root root.pem\n"
            "      tap the device, or its sticker, with the reader of this machine"
        ),
        formatter_class=Raw,
    )
    parser.add_argument("--issuer", required=True, metavar="URL", help="the issuer's directory")
    parser.add_argument("--root", required=True, type=Path, metavar="FILE", help="its root certificate")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="its enrolment token, where it asks for one")
    add_way(parser)
    carried = parser.add_mutually_exclusive_group()
    text = "compare a number on both screens instead of a passcode"
    carried.add_argument("--compare", action="store_true", help=text)
    text = "read the QR code in this picture, or its text in this file, instead of a passcode; - is stdin"
    carried.add_argument("--qr", metavar="IMAGE", help=text)
    text = (
        "tap: the device's own tag, through which all goes, or a sticker that tells how to reach it; "
        "the passcode is asked for only if the tag tells no secret"
    )
    carried.add_argument("--nfc", action="store_true", help=text)
    add_reader(parser)
    parser.add_argument("--name", action="append", default=[], metavar="LABEL", help="wish for this name (repeatable)")
    parser.add_argument("--timeout", type=seconds, default=20.0, metavar="S", help="for finding the device; default 20")
    add_common(parser, part="client")
    parser.set_defaults(run="oob.cli.pair.run")


def add_owner(commands: "Commands") -> None:
    """Add `oob owner`."""
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
        formatter_class=Raw,
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    kept = verbs.add_parser("pairings", help="list the devices that are paired here")
    add_common(kept, part="client")
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
        add_way(each)
        each.add_argument("--nfc", action="store_true", help="reach it by a tap on its own tag")
        add_reader(each)
        each.add_argument("--timeout", type=seconds, default=20.0, metavar="S", help="default: 20")
        add_common(each, part="client")
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


def add_device(commands: "Commands") -> None:
    """Add `oob device`."""
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
            "  oob device run --ble --adapter hci1                  over Bluetooth LE, on Linux\n"
            "  oob device run --ble --nfc --model secret --fresh   and by a tap, with a new secret each time\n"
            "  oob device run --tcp 192.168.1.7:4433 --model secret   in the local network, for who has its label\n"
            "Enter presses the device's button: it shows a new passcode, lets a new owner in, or arms a comparison."
        ),
        formatter_class=Raw,
    )
    run.add_argument("--socket", type=Path, metavar="PATH", help="be reachable here, on this machine, and nowhere else")
    run.add_argument("--ble", action="store_true", help="be reachable over Bluetooth LE (Linux, BlueZ)")
    add_adapter(run, "with --ble: hci0, or its address; default: the first that is on")
    run.add_argument("--nfc", action="store_true", help="be a tag that can be tapped, by a reader that nfcpy drives")
    add_reader(run, is_tag=True)
    run.add_argument("--url", default="", metavar="URL", help="with --nfc: what a phone without an app opens, https://")
    run.add_argument("--tcp", metavar="HOST:PORT", help="be reachable at this address of the local network")
    text = "with --nfc and the model secret: a new secret for each tap, instead of the one of the label"
    run.add_argument("--fresh", action="store_true", help=text)
    add_offer(run)
    run.set_defaults(run="oob.cli.device.run")


def add_issuer(commands: "Commands") -> None:
    """Add `oob issuer`."""
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
        formatter_class=Raw,
    )
    init.add_argument("--zone", required=True, action="append", metavar="DNS", help="DNS names below this (repeatable)")
    init.add_argument(
        "--network", action="append", default=[], metavar="CIDR", help="IP addresses in this (repeatable)"
    )
    add_common(init, part="issuer")
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
        formatter_class=Raw,
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
    add_common(serve, part="issuer")
    serve.set_defaults(run="oob.cli.issuer.serve")
