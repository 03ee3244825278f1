"""Full disks and files that may not grow: a clear error, the former state, and the next try works."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oob.cli import main
from oob.device.state import STATE_FILE, DeviceState
from oob.errors import OobError, StorageError
from tests.e2e.family import ROOT, free_port
from tests.e2e.program import program
from tests.e2e.stage import Stage, stage

DEVICE_WRITES = ("guess", "confirmed", "owner", "certificate", "tls.pem")
CLIENT_WRITES = ("code entered", "code right", "agreed", "bound", "ready")


@contextmanager
def full(monkeypatch: pytest.MonkeyPatch, part: str, n: int) -> Iterator[None]:
    """Have the disk full at the n-th write of "device" or "client", by the fsync in which a disk says so."""
    genuine, seen = os.fsync, [0]

    def fsync(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        if f"/{part}/" in path and path.endswith(".tmp"):
            seen[0] += 1
            if seen[0] > n:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        genuine(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        yield


def state(on: Stage) -> DeviceState:
    return DeviceState.decode((on.directory / "device" / STATE_FILE).read_bytes())


@pytest.mark.parametrize("n", range(len(DEVICE_WRITES)), ids=DEVICE_WRITES)
async def test_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    async with stage(tmp_path) as on:
        with full(monkeypatch, "device", n):
            error = await on.fail()
        # Before message_4 the client is refused without a reason: it is a stranger still.
        assert error.exit_code == (4 if n < 2 else 5)
        assert ("device", "failed") in on.steps
        assert any("the disk is full. Free some space" in detail for detail in on.details)
        assert state(on) == on.device.store.state
        guesses = state(on).guesses
        assert guesses is not None
        assert guesses.burnt or guesses.window == (n > 0), "what was counted stays counted"
        assert not list((tmp_path / "device").glob("*.tmp"))
        on.device.offer.press()
        assert (await on.pair()).status == "ready"


@pytest.mark.parametrize("n", range(len(CLIENT_WRITES)), ids=CLIENT_WRITES)
async def test_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    async with stage(tmp_path) as on:
        with full(monkeypatch, "client", n):
            error = await on.fail()
        assert isinstance(error, StorageError)
        assert (error.exit_code, error.step) == (1, "storage")
        assert "the disk is full" in error.cause
        assert [each.status for each in on.client.store.all()] == [
            each for each in CLIENT_WRITES[:n][-1:] if not each.startswith("code")
        ]
        on.device.offer.press()
        assert (await on.pair()).status == "ready"


def limited(size: int) -> Callable[[], None]:
    """Return what keeps a child from writing files above `size` bytes: the kernel says EFBIG, as it would ENOSPC."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def run(*arguments: object, limit: int, directory: Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "oob.cli", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(directory), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limited(limit),
        capture_output=True,
        text=True,
        input=stdin,
        timeout=30,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("demo", "--carrier", "memory"),
        ("issuer", "init", "--zone", "home.example", "--state", "STATE"),
        ("device", "run", "--socket", "SOCKET", "--state", "STATE"),
    ],
    ids=lambda command: command[0],
)
def test_files_that_may_not_grow(tmp_path: Path, command: tuple[str, ...]) -> None:
    places = {"STATE": str(tmp_path / "state"), "SOCKET": str(tmp_path / "s")}
    done = run(*(places.get(each, each) for each in command), limit=8, directory=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("Failed") == 1
    assert "storage: cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s").exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"]


def test_an_issuer_whose_database_may_not_grow(tmp_path: Path) -> None:
    assert main(["issuer", "init", "--zone", "home.example", "--network", "127.0.0.0/8", "--state", str(tmp_path)]) == 0
    listen = f"127.0.0.1:{free_port()}"
    done = run("issuer", "serve", "--state", tmp_path, "--listen", listen, limit=2048, directory=tmp_path)
    assert done.returncode == 1
    assert "cannot use" in done.stderr
    assert "issuer.sqlite" in done.stderr
    assert "Check free space" in done.stderr
    assert "Traceback" not in done.stderr
    with program("issuer", "serve", "--state", tmp_path, "--listen", listen, temporary=tmp_path) as running:
        running.until("serving")
        assert running.stop() == 130


async def test_an_issuer_with_a_full_disk_refuses(tmp_path: Path) -> None:
    """SQLite's own limit on the size of the file stands in for the disk: it fails as on a full one."""
    import sqlalchemy as sa

    async with stage(tmp_path) as on:
        assert on.switch.issuer is not None
        database = on.switch.issuer.store.database
        pages = await database.read(lambda connection: connection.execute(sa.text("PRAGMA page_count")).scalar_one())
        limit = sa.text(f"PRAGMA max_page_count={pages}")
        await database.write(lambda connection: connection.execute(limit))
        error: OobError | None = None
        while error is None:
            on.device.offer.press()
            try:
                await on.pair()
            except OobError as refusal:
                error = refusal
        assert error.exit_code == 5
        assert "cannot use its storage now" in error.cause
        await database.write(lambda connection: connection.execute(sa.text("PRAGMA max_page_count=100000")))
        on.device.offer.press()
        assert (await on.pair()).status == "ready"


def test_an_output_that_takes_nothing(tmp_path: Path) -> None:
    with open("/dev/full", "w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "oob.cli", "demo", "--json", "--carrier", "memory"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "Failed  stdout: the output cannot be written: No space left on device.\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_nobody_reads(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(  # noqa: S603
        [
            sys.executable,
            "-m",
            "oob.cli",
            "issuer",
            "init",
            "--zone",
            "home.example",
            "--json",
            "--state",
            tmp_path / "i",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_directory_of_somebody_else(capsys: pytest.CaptureFixture[str]) -> None:
    # Not even root may write there.
    assert main(["issuer", "init", "--zone", "home.example", "--state", "/sys/oob"]) == 1
    assert "cannot make /sys/oob: permission denied" in capsys.readouterr().err


def test_a_directory_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    below = str(tmp_path / "file" / "state")
    for command in (
        ["demo", "--carrier", "memory"],
        ["issuer", "init", "--zone", "home.example"],
        ["device", "run", "--socket", str(tmp_path / "s")],
    ):
        assert main([*command, "--json", "--state", below]) == 1
        error = json.loads(capsys.readouterr().out)["error"]
        assert error["kind"] == "StorageError"
        assert str(tmp_path / "file") in error["cause"]
        assert error["remedy"] == "Check the path"
