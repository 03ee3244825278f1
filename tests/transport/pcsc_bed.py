"""Genuine pcscd with a virtual reader, where nothing else can reach it: in namespaces of its own.

vpcd, the reader's driver, listens on all interfaces, and pcscd's socket has a fixed path. Thus a test that is marked
`in_bed` runs in a process of its own, in namespaces for network, mounts and processes (unshare(1)); those end with all
that is in them, however the test ends. Root is not needed where the kernel lets users make namespaces. Where something
is missing the test is skipped.
"""

import asyncio
import fcntl
import functools
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 60.0
"""Seconds for one test in the bed."""
READER: Final = "Virtual PCD"
NEEDED: Final = "needs Linux, pcscd and vpcd (Debian, Ubuntu: apt-get install pcscd vsmartcard-vpcd), and pyscard"

_DRIVERS: Final = ("/usr/lib/pcsc/drivers/serial", "/usr/lib64/pcsc/drivers/serial")
_SOCKET: Final = Path("/run/pcscd/pcscd.comm")
# No D-Bus, by which pcscd would ask polkit; no other pcscd's socket; no reader on USB.
_HIDE: Final = 'mount -t tmpfs none /run && { [ ! -d /dev/bus ] || mount -t tmpfs none /dev/bus; } && exec "$@"'
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1


class Bed:
    """pcscd, which runs inside the block, with a reader that has an empty slot."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        """For files of the test, too; it goes with the bed."""
        self._config, self._log = directory / "readers", directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._config.mkdir()
        (self._config / "vpcd").write_text(
            f'FRIENDLYNAME "{READER}"\nDEVICENAME /dev/null:0x8C7B\nLIBPATH {_driver()}\nCHANNELID 0x8C7B\n'
        )
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What pcscd wrote."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start pcscd, and wait until it listens."""
        command = [_pcscd(), "--foreground", "--config", str(self._config)]
        if b"--disable-polkit" in subprocess.run([_pcscd(), "--help"], capture_output=True).stdout:  # noqa: S603
            command.append("--disable-polkit")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603
        deadline = time.monotonic() + PATIENCE
        while not _listens():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def stop(self) -> None:
        """End pcscd, as if the service went down."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


def in_bed(test: Callable[[Bed], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a coroutine function that is given a `Bed`; it runs in a process of its own inside the bed."""

    @functools.wraps(test)
    def outside() -> None:
        if missing := what_is_missing():
            pytest.skip(missing)
        run_in_bed(test.__module__, test.__name__)

    del outside.__dict__["__wrapped__"]  # pytest would look there for fixtures
    outside.__dict__["inside"] = test
    return outside


def run_in_bed(module: str, name: str) -> None:
    """Run the test `name` of a module in a bed. Fails with all that it said if it did not pass."""
    done = apart(sys.executable, "-m", "tests.transport.pcsc_bed", module, name)
    if done.returncode != 0:
        pytest.fail(f"in the bed:\n{done.stdout}{done.stderr}", pytrace=False)


@functools.cache
def what_is_missing() -> str:
    """Say what keeps this machine from having a bed, "" for nothing."""
    if not (sys.platform == "linux" and _pcscd() and _driver() and find_spec("smartcard")):
        return NEEDED
    tried = apart("true")
    return f"needs namespaces of its own: {tried.stderr.strip()}" if tried.returncode else ""


def apart(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in namespaces of its own, where nothing of the machine's own is in reach."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    spaces = ("unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child")
    return subprocess.run(  # noqa: S603
        [*spaces, "--", "sh", "-c", _HIDE, "sh", *command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1.5 * PATIENCE,
    )


def _pcscd() -> str:
    return shutil.which("pcscd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def _driver() -> Path | None:
    return next((path for each in _DRIVERS if (path := Path(each, "libifdvpcd.so")).exists()), None)


def _listens() -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(_SOCKET)) == 0


def _switch_loopback_on() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def main(module: str, name: str) -> None:
    """Run a test, inside the namespaces."""
    _switch_loopback_on()
    test = getattr(import_module(module), name).inside
    with tempfile.TemporaryDirectory() as directory, Bed(Path(directory)) as bed:
        try:
            asyncio.run(asyncio.wait_for(test(bed), PATIENCE))
        except BaseException as error:
            error.add_note(f"pcscd said: {bed.log}")
            raise


if __name__ == "__main__":
    main(*sys.argv[1:])
