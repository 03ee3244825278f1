"""Files that are there whole or not at all: what every layer uses that keeps state on a disk.

A file is written beside its place, brought to the disk, and only then renamed: whoever is killed between two steps
leaves the former content, and at worst a stray `.<name>.<8 characters>.tmp` that nothing reads.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oob.errors import StorageError

LOCK_FILE = ".lock"
_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "Free some space, then try again"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, then try again"),
    errno.EACCES: ("permission denied", "Check who owns the directory, or choose another one"),
    errno.EPERM: ("permission denied", "Check who owns the directory, or choose another one"),
    errno.EROFS: ("the file system is read-only", "Choose a directory that can be written"),
    errno.ENOENT: ("it does not exist", "Check the path"),
    errno.ENOTDIR: ("a part of its path is not a directory", "Check the path"),
    errno.ELOOP: ("it is a symbolic link", "Remove it, or choose another directory"),
    errno.EISDIR: ("it is a directory", "Check the path"),
}


def read(path: Path) -> bytes:
    """Return what the file holds; StorageError if it cannot be read."""
    with renamed_errors("read", path):
        return path.read_bytes()


def find(path: Path) -> bytes | None:
    """Return what the file holds, None if there is no such file; StorageError if it cannot be read."""
    with renamed_errors("read", path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the file by `data`, or leave it as it was and raise StorageError. Its directory must exist."""
    with renamed_errors("write", path):
        # mkstemp makes the file 0600, so a secret is never readable by others, not even before the rename.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
        _sync_directory(path.parent)


def remove(path: Path) -> None:
    """Remove the file if it is there; StorageError if that fails."""
    with renamed_errors("remove", path):
        path.unlink(missing_ok=True)


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Be the only process that uses this directory; StorageError if another one does.

    Where the system has no `flock` (Windows), nobody is kept out.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with renamed_errors("lock", directory):
        # A link of this name, from whoever may write in the directory, must not have another file emptied or made.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(private_directory(directory) / LOCK_FILE, flags, 0o600)
    with os.fdopen(handle, "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            remedy = "Stop that one, or choose another directory"
            raise StorageError(f"another process uses {directory}", step="storage", remedy=remedy) from error
        yield


def private_directory(path: Path) -> Path:
    """Make the directory (0700, with its parents) if it is missing, and return it; StorageError if that fails."""
    with renamed_errors("make", path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@contextmanager
def renamed_errors(verb: str, path: Path) -> Iterator[None]:
    """Turn an OSError of the body into a StorageError "cannot <verb> <path>" with its cause and remedy."""
    try:
        yield
    except OSError as error:
        cause, remedy = _REMEDIES.get(error.errno or 0, (error.strerror or type(error).__name__, ""))
        raise StorageError(f"cannot {verb} {path}: {cause}", step="storage", remedy=remedy) from error


def _sync_directory(path: Path) -> None:
    """Bring a rename to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
