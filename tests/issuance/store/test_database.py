import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from oob.errors import StorageError
from oob.issuance.store import Database, Store
from tests.issuance.items import a_session
from tests.issuance.world import NOW

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from oob.issuance.store import Database

def change(connection):
    connection.execute(sa.text("UPDATE sessions SET status = 'refused'"))
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    database = await Database.open(Path(sys.argv[1]))
    await database.write(change)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.parametrize(("moment", "status"), [("before", "pending"), ("after", "refused")])
async def test_a_kill_before_the_commit_undoes_and_after_it_does_not(path: Path, moment: str, status: str) -> None:
    store = await Store.open(path)
    session = a_session()
    await store.sessions.add(session, now=NOW, limit=9)
    await store.close()
    process = subprocess.run([sys.executable, "-c", KILLED, str(path), moment], check=False)  # noqa: S603
    assert process.returncode == -9
    store = await Store.open(path)
    found = await store.sessions.get(session.id)
    assert found is not None
    assert found.status == status
    await store.close()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)]
)
async def test_the_settings_hold_on_both_connections(store: Store, pragma: str, value: object) -> None:
    def ask(connection: sa.Connection) -> object:
        return connection.execute(sa.text(f"PRAGMA {pragma}")).scalar_one()

    assert await store.database.read(ask) == value
    assert await store.database.write(ask) == value


async def test_a_body_that_raises_undoes(store: Store) -> None:
    def change(connection: sa.Connection) -> None:
        connection.execute(sa.text("INSERT INTO names VALUES ('a', x'00')"))
        raise KeyError("stop")

    with pytest.raises(KeyError):
        await store.database.write(change)
    count = sa.text("SELECT count(*) FROM names")
    assert await store.database.read(lambda connection: connection.execute(count).scalar_one()) == 0


async def test_the_files_are_private(store: Store, path: Path) -> None:
    await store.sessions.add(a_session(), now=NOW, limit=9)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("issuer.sqlite", "issuer.sqlite-wal", "issuer.sqlite-shm"), 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_an_interrupted_creation_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(metadata: sa.MetaData, connection: sa.Connection) -> None:
        metadata.tables["names"].create(connection)
        raise KeyError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(sa.MetaData, "create_all", half)
        with pytest.raises(KeyError):
            await Store.open(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    store = await Store.open(path)
    await store.sessions.add(a_session(), now=NOW, limit=9)
    await store.close()


async def test_what_a_later_release_wrote_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StorageError, match="later release"):
        await Database.open(path)


async def test_a_damaged_file_is_a_storage_error(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match=r"cannot use .*: file is not a database"):
        await Database.open(path)


async def test_a_full_disk_is_a_storage_error_and_passes(store: Store) -> None:
    limit = sa.text("PRAGMA max_page_count=1")
    await store.database.write(lambda connection: connection.execute(limit))
    with pytest.raises(StorageError, match="database or disk is full") as caught:
        await store.sessions.add(a_session(origin="origin" * 90000), now=NOW, limit=999)
    assert "origin" not in str(caught.value)
    await store.database.write(lambda connection: connection.execute(sa.text("PRAGMA max_page_count=100000")))
    await store.sessions.add(a_session(), now=NOW, limit=999)


async def test_a_directory_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        await Database.open(tmp_path / "file" / "issuer.sqlite")
    os.mkdir(tmp_path / "issuer.sqlite")
    with pytest.raises(StorageError, match="it is a directory"):
        await Database.open(tmp_path / "issuer.sqlite")
