"""The command line: `oob demo`, `pair`, `owner`, `device`, `issuer`, `label`, `tag`, `discover` and so on.

Exit codes: 0 done, 1 local failure or failed vectors, 2 usage, 3 link, 4 authentication refused, 5 issuance refused,
130 stopped by Ctrl-C, 143 terminated.
"""

import sys
from collections.abc import Sequence

STOPPED = 130
_EXTRAS = {
    "PIL": "qr",
    "bumble": "sim",
    "dbus_fast": "sim",
    "rich": "cli",
    "segno": "qr",
    "sqlalchemy": "issuer",
    "starlette": "issuer",
    "uvicorn": "issuer",
    "websockets": "sim",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` and return its exit code."""
    try:
        # What takes time to import is imported here, where a Ctrl-C is already expected.
        from oob.cli.command import run

        return run(argv)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        sys.stderr.write(f'oob: this needs {package}. Run: pip install "oob[{_EXTRAS[package]}]"\n')
        return 2
    except KeyboardInterrupt:
        # "\r" covers the ^C that a terminal shows.
        sys.stderr.write("\rStopped.\n" if sys.stderr.isatty() else "Stopped.\n")
        return STOPPED
