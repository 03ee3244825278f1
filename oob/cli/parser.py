"""What can be said on the command line. The help teaches by example."""

import argparse
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from oob.cli.arguments import Raw
from oob.cli.parties import add_device, add_issuer, add_owner, add_pair
from oob.cli.tag_parser import add_tag
from oob.cli.tools import add_conformance, add_demo, add_discover, add_doctor, add_label, add_sim

_EPILOG = """\
try it, without any hardware:
  oob demo                       a simulated device, paired and opened over HTTPS
  oob demo --attack mitm         an attack on it, which must fail
  oob sim device --ble           a device on simulated Bluetooth, for a client in another terminal

be all three parties, in three terminals:
  oob issuer init --zone home.example --network 127.0.0.0/8 --state ca
  oob issuer serve --state ca
  oob device run --socket lamp
  oob pair --socket lamp --issuer https://127.0.0.1:8443/directory --root ca/root.pem --token-file ca/token

exit codes:
  0 done    1 local failure    2 usage    3 link    4 authentication refused
  5 issuance refused    130 stopped by Ctrl-C    143 terminated"""


class _Parser(argparse.ArgumentParser):
    """Says of what it does not know how the very command is used, where argparse shows the usage of them all."""

    def parse_known_args(  # type: ignore[override]  # typeshed allows any namespace; none is given here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; exits with 2 where anything is left over."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse `argv`; bad usage exits with 2. The namespace has `run`, the dotted name of the command's function."""
    parser: argparse.ArgumentParser = _Parser(
        prog="oob",
        description="Pair with a device within reach, then talk real HTTPS to it.",
        epilog=_EPILOG,
        formatter_class=Raw,
    )
    parser.add_argument("--version", action="version", version=f"oob {_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (
        add_demo,
        add_pair,
        add_owner,
        add_device,
        add_issuer,
        add_label,
        add_tag,
        add_discover,
        add_doctor,
        add_conformance,
        add_sim,
    ):
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


def _state(part: str, parser: argparse.ArgumentParser) -> Path:
    """Return a part of the state directory (XDG Base Directory Specification, which ignores relative paths)."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path.home() / ".local" / "state"
        except RuntimeError:
            parser.error("this user has no home directory: say --state DIR")
    return base / "oob" / part
