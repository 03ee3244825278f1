import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from oob import storage
from oob.errors import StorageError


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_is_written_with_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "state"
    storage.write_atomic(path, b"one", mode)
    storage.write_atomic(path, b"two", mode)
    assert storage.read(path) == b"two"
    assert mode_of(path) == mode
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("step", ["fsync", "fchmod", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space"), KeyboardInterrupt()])
def test_a_failure_at_any_step_leaves_the_former_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = tmp_path / "state"
    storage.write_atomic(path, b"former")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        storage.write_atomic(path, b"new")
    monkeypatch.undo()
    assert storage.read(path) == b"former"
    assert os.listdir(tmp_path) == ["state"]


def test_a_full_disk_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"^storage: cannot write .*: the disk is full\. Free some space") as caught:
        storage.write_atomic(tmp_path / "state", b"secret")
    assert "secret" not in str(caught.value)


def noted(steps: list[str], name: str, genuine: Callable[..., None]) -> Callable[..., None]:
    def call(*arguments: object) -> None:
        steps.append(name)
        genuine(*arguments)

    return call


def test_the_content_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(steps, name, getattr(os, name)))
    storage.write_atomic(tmp_path / "state", b"x")
    assert steps == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("call", [storage.read, lambda path: storage.write_atomic(path, b"")])
def test_what_is_not_there_is_a_storage_error(tmp_path: Path, call: Callable[[Path], object]) -> None:
    with pytest.raises(StorageError, match="it does not exist"):
        call(tmp_path / "missing" / "state")


def test_a_directory_is_private(tmp_path: Path) -> None:
    assert mode_of(storage.private_directory(tmp_path / "a" / "b")) == 0o700
    storage.private_directory(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        storage.private_directory(tmp_path / "file")


def test_a_directory_is_used_by_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        storage.exclusive(tmp_path / "state"),
        pytest.raises(StorageError, match="another process"),
        storage.exclusive(tmp_path / "state"),
    ):
        pytest.fail("two of them")
    with storage.exclusive(tmp_path / "state"), pytest.raises(OSError, match="of the body"):
        raise OSError("of the body")


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Somebody else may have been in the directory before; nobody's file is emptied, and none is made elsewhere."""
    directory, target = tmp_path / "state", tmp_path / "precious"
    directory.mkdir()
    (directory / storage.LOCK_FILE).symlink_to(target)
    for content in (None, b"all that there is"):
        if content is not None:
            target.write_bytes(content)
        with pytest.raises(StorageError, match="symbolic link"), storage.exclusive(directory):
            pytest.fail("it was followed")
        assert storage.find(target) == content


def test_remove(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    storage.remove(path)
    storage.remove(path)
    assert not path.exists()
    with pytest.raises(StorageError, match="cannot remove"):
        storage.remove(tmp_path)
