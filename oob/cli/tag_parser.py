"""What can be said to `oob tag`."""

from typing import TYPE_CHECKING

from oob.cli.arguments import Raw, add_reader, seconds

if TYPE_CHECKING:
    from oob.cli.arguments import Commands


def add_tag(commands: "Commands") -> None:
    """Add `oob tag`."""
    parser = commands.add_parser("tag", help="read, write, erase or lock an NFC tag that tells about a device")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for verb, (text, description, example) in _TAG_VERBS.items():
        each = verbs.add_parser(
            verb, help=text, description=description, epilog=f"examples:\n{example}", formatter_class=Raw
        )
        add_reader(each)
        each.add_argument(
            "--timeout", type=seconds, default=30.0, metavar="S", help="how long a tag is waited for; default: 30"
        )
        if verb == "read":
            each.add_argument(
                "--show-secret", action="store_true", help="show the text of the QR code, with the secret"
            )
        else:
            each.add_argument("--force", action="store_true", help="also if what is on it is not of this program")
        if verb == "write":
            each.add_argument("--url", default="", metavar="URL", help="for phones without an app: an https URL")
            each.add_argument("--app", default="", metavar="PACKAGE", help="the app that Android opens")
            each.add_argument("--lock", action="store_true", help="make it read-only, for ever")
        if verb == "lock":
            each.add_argument("--yes", action="store_true", help="it is meant: nobody can undo it")
        each.add_argument("--json", action="store_true", help="one JSON object, for machines")
        each.set_defaults(run=f"oob.cli.tag.{verb}")


_TAG_VERBS = {
    # help, description, examples
    "read": (
        "show what is on a tag",
        "Show what is on a tag: as text, nothing is opened, and the secret is not shown unless that is asked for.",
        "  oob tag read\n"
        "  oob tag read --reader pcsc --json\n"
        "  oob tag read --show-secret                  the text of its QR code, for: oob pair",
    ),
    "write": (
        "write a device's bootstrap data to a tag",
        "Write the text of a device's QR code (OOB:...), which is read from stdin, to a tag, and read it back.\n"
        "Type 2 (NTAG213, 215, 216), Type 3 (FeliCa Lite-S) and Type 4 tags. Whoever reads or copies the tag has\n"
        "the secret that is in it.",
        "  oob tag write --url https://example.com/d/7Q4M <code.txt\n"
        "  oob tag write --app com.example.lamp --lock <code.txt\n"
        "  oob tag write --force --reader usb:072f:2200 <code.txt",
    ),
    "erase": (
        "empty a tag",
        "Empty a tag, so that it can be used for something else.",
        "  oob tag erase\n  oob tag erase --force                       also if it is somebody else's",
    ),
    "lock": (
        "make a tag read-only, for ever",
        "Make a tag read-only, for ever: NTAG213, 215 and 216, FeliCa Lite-S, and Type 4 tags that let it be done.",
        "  oob tag lock --yes",
    ),
}
