"""The commands that show and check: demo, label, discover, doctor, conformance, sim."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from oob.cli.arguments import Raw, adapters, add_adapter, add_common, add_offer, millimetres, seconds

if TYPE_CHECKING:
    from oob.cli.arguments import Commands

ATTACKS = (
    "wrong-code",
    "mitm",
    "swapped-key",
    "replayed-binding",
    "hijacked-challenge",
    "foreign-csr",
    "extra-name",
)
"""The keys of `oob.sim.attacks.ATTACKS`, for which the help must not load the simulator."""


def add_demo(commands: "Commands") -> None:
    """Add `oob demo`."""
    parser = commands.add_parser(
        "demo",
        help="the whole idea in a few seconds: a simulated device, paired and opened over HTTPS",
        description="Run a simulated device, a client and an issuer: pair, bind, issue, open the page. No hardware.",
        epilog=(
            "examples:\n"
            "  oob demo                                   over simulated Bluetooth LE, by passcode\n"
            "  oob demo --carrier nfc                     one tap on a simulated NFC tag does it all\n"
            "  oob demo --carrier nfc-static              a simulated sticker, then simulated Bluetooth LE\n"
            "  oob demo --carrier memory --model secret   without a radio, by the secret of a QR code\n"
            "  oob demo --attack mitm                     watch an attack fail: exit code 4 or 5"
        ),
        formatter_class=Raw,
    )
    parser.add_argument(
        "--carrier",
        choices=("ble", "nfc", "nfc-static", "memory"),
        default="ble",
        help="default: ble, on a simulated radio; nfc-static: a simulated sticker, then ble",
    )
    models = ("passcode", "secret", "compare")
    parser.add_argument("--model", choices=models, help="default: passcode; with NFC: secret")
    parser.add_argument(
        "--attack",
        metavar="NAME",
        choices=ATTACKS,
        help=f"run this attack for real, it must end refused: {', '.join(ATTACKS)}",
    )
    add_common(parser, state="a new temporary directory, removed at the end")
    parser.set_defaults(run="oob.cli.demo.run")


def add_label(commands: "Commands") -> None:
    """Add `oob label`."""
    parser = commands.add_parser(
        "label",
        help="draw the label of a device, or make a batch of devices with their labels",
        usage=(
            "oob label [-h] [--out FILE] [--name TEXT] [--size MM] [--font FILE] [--json]\n"
            "       oob label batch [-h] ..."
        ),
        description=(
            "Draw the label of a device: its QR code, its passcode and its name. The text of the QR code is read from\n"
            "stdin; a second line may hold the passcode. Without --out the label is shown in the terminal."
        ),
        epilog=(
            "examples:\n"
            "  oob label <code.txt                         the QR code, in the terminal\n"
            "  oob label --out lamp.svg <code.txt          or lamp.png, lamp.pdf; only you can read the file\n"
            "  oob label --out lamp.pdf --name 'Kitchen lamp' --size 40 <code.txt\n"
            "  oob label batch --count 100 --name 'Lab printer' --out batch-7"
        ),
        formatter_class=Raw,
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="draw it into this file: .svg, .png or .pdf")
    parser.add_argument("--name", metavar="TEXT", help="what stands below the code; default: the name in the code")
    _add_drawing(parser)
    parser.set_defaults(run="oob.cli.label.run")
    verbs = parser.add_subparsers(title="verbs", prog="oob label", metavar="VERB")
    batch = verbs.add_parser(
        "batch",
        help="make devices and their labels, for a production line",
        description=(
            "Make new devices: the state of each, which belongs on the device, its label, and a table of them all.\n"
            "No secret is in the table unless it is asked for. A batch that was interrupted goes on when the same is\n"
            "asked for again; one that is complete is never overwritten."
        ),
        epilog=(
            "examples:\n"
            "  oob label batch --count 100 --name 'Lab printer' --out batch-7\n"
            "  oob label batch --count 20 --name Lamp --model passcode --format pdf --size 40 --out batch-8\n"
            "  oob label batch --count 5 --name Lamp --url-template 'https://example.com/d/{number}' --out batch-9\n"
            "  oob device run --state batch-7/0001 --model secret --name 'Lab printer' --socket printer.sock"
        ),
        formatter_class=Raw,
    )
    batch.add_argument("--count", type=int, required=True, metavar="N", help="how many")
    batch.add_argument("--name", required=True, help="of the product, at most 32 bytes; the devices are run under it")
    batch.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new directory")
    batch.add_argument("--format", choices=("svg", "png", "pdf"), default="svg", help="of the labels; default: svg")
    models = ("secret", "passcode", "pinned")
    batch.add_argument("--model", choices=models, default="secret", help="what they are paired by; default: secret")
    batch.add_argument("--url-template", default="", metavar="URL", help="for the table, with {number} or {hash} in it")
    batch.add_argument("--with-secrets", action="store_true", help="secrets in the table (and JSON), too")
    _add_drawing(batch)
    batch.set_defaults(run="oob.cli.label.batch")


def _add_drawing(parser: argparse.ArgumentParser) -> None:
    """Add how a label is drawn."""
    parser.add_argument("--size", type=millimetres, default=30.0, metavar="MM", help="its width; default: 30")
    parser.add_argument("--font", type=Path, metavar="FILE", help="for names that the usual fonts cannot write")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for machines")


def add_discover(commands: "Commands") -> None:
    """Add `oob discover`."""
    parser = commands.add_parser(
        "discover",
        help="list the devices that offer pairing over Bluetooth LE",
        description=(
            "Listen for devices that offer pairing over Bluetooth LE, show them as they are seen, and list them in\n"
            "the end, strongest signal first. Devices change address and tag so that nobody can follow them:\n"
            "where one may be another under a new address, the list says so. JSON has a line for each sighting."
        ),
        epilog="examples:\n  oob discover --timeout 5 --json\n  oob discover --adapter hci1",
        formatter_class=Raw,
    )
    parser.add_argument("--timeout", type=seconds, default=5.0, metavar="S", help="default: 5")
    add_adapter(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
    parser.set_defaults(run="oob.cli.discover.run")


def add_doctor(commands: "Commands") -> None:
    """Add `oob doctor`."""
    parser = commands.add_parser(
        "doctor",
        help="say what this machine has for Bluetooth LE and NFC, what it lacks, and how to mend it",
        description=(
            "Say what this machine has for Bluetooth LE and NFC, what it lacks, and the command that mends it.\n"
            "It changes nothing, starts nothing and needs no privilege."
        ),
        epilog=(
            "examples:\n"
            "  oob doctor\n"
            "  oob doctor --adapter hci1 --json\n\n"
            "exit codes:\n"
            "  0 this machine can be a client over Bluetooth LE, whatever else is missing    3 it cannot"
        ),
        formatter_class=Raw,
    )
    add_adapter(parser, "look at this one only; Linux: hci1")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
    parser.set_defaults(run="oob.cli.doctor.run")


def add_conformance(commands: "Commands") -> None:
    """Add `oob conformance`."""
    parser = commands.add_parser("conformance", help="check this library, or a device of any maker")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    vectors = verbs.add_parser(
        "vectors",
        help="run every vector of these files",
        description="Run every vector of these files through the library's public API.",
        epilog="example:\n  oob conformance vectors tests/vectors/*.json",
        formatter_class=Raw,
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
            "  oob conformance device nfc                 through its own tag, which stays on the reader; nfc:READER\n"
            "  oob conformance device tcp:192.168.1.7:4433   in the local network\n"
            "  oob conformance device memory --model secret --json"
        ),
        formatter_class=Raw,
    )
    device.add_argument(
        "address",
        metavar="ADDRESS",
        help="memory, socket:PATH, tcp:HOST:PORT, nfc, nfc:READER, or a Bluetooth LE address",
    )
    add_adapter(device)
    device.add_argument(
        "--wait", type=seconds, default=15.0, metavar="S", help="for an answer, and for giving a client up; default 15"
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


def add_sim(commands: "Commands") -> None:
    """Add `oob sim`."""
    parser = commands.add_parser("sim", help="simulated Bluetooth, for this library's programs and any others")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    bluez = verbs.add_parser(
        "bluez",
        help="run a program for BlueZ with simulated adapters",
        usage="oob sim bluez [-h] [--adapters N] -- COMMAND [ARGUMENT ...]",
        description=(
            "Run any program with simulated Bluetooth adapters, hci0 and so on, all within reach of one another.\n"
            "The program finds a simulated org.bluez on a system bus of its own: nothing of this machine's Bluetooth\n"
            "is touched, and none is needed. Linux only; needs dbus-daemon. Exits with the program's exit code."
        ),
        epilog=(
            "examples:\n"
            "  oob sim bluez -- bluetoothctl show\n"
            "  oob sim bluez -- bluetoothctl --timeout 5 scan on\n"
            "  oob sim bluez --adapters 2 -- bash           a shell: a device on one adapter, its client on the other\n"
            "  oob sim bluez --adapters 2 -- python -m pytest tests/radio"
        ),
        formatter_class=Raw,
    )
    bluez.add_argument("--adapters", type=adapters, default=1, metavar="N", help="1 to 16; default: 1")
    bluez.add_argument("command", nargs="+", metavar="COMMAND", help="the program and its arguments, after --")
    bluez.set_defaults(run="oob.cli.sim.bluez", json=False)
    device = verbs.add_parser(
        "device",
        help="be a simulated device, for programs that are told where",
        description=(
            "Be a simulated device on a simulated radio, until stopped. The first line says how programs find it: by\n"
            "DBUS_SYSTEM_BUS_ADDRESS, where a simulated org.bluez has one adapter. Linux only; needs dbus-daemon."
        ),
        epilog=(
            "examples:\n"
            "  oob sim device --ble        then, in another terminal, with the variable that it names:\n"
            "  oob discover --timeout 2\n"
            "  oob pair --issuer https://127.0.0.1:8443/directory --root root.pem --token-file issuer/token\n"
            "  oob sim device --ble --model secret --name 'Lab printer'\n"
            "Enter presses its button, as with: oob device run"
        ),
        formatter_class=Raw,
    )
    device.add_argument("--ble", action="store_true", required=True, help="over simulated Bluetooth LE")
    add_offer(device, part="simulated-device")  # what is simulated does not count for the device of this machine
    device.set_defaults(run="oob.cli.sim.device", fresh=False)
