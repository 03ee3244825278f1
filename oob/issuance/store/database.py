"""The database: opening it, reading and writing, and its errors by our name.

Queries are plain functions over a SQLAlchemy `Connection`, so they run under any engine. For SQLite the engine is the
synchronous one: its asyncio driver hops to a thread for every cursor, execute, fetch and commit, which took two thirds
of an issuance. Here a write is one hop, to a thread that is the one writer SQLite allows, and a read is none: it comes
out of the page cache in less time than a hop takes, and under WAL it never waits for the writer.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from oob import storage
from oob.errors import StorageError
from oob.issuance.store import tables

_T = TypeVar("_T")
Query = Callable[[sa.Connection], _T]
# FULL: a commit is on the disk before anybody is told of it.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000")


class Database:
    """An open database. It belongs to the event loop that opened it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        url = URL.create("sqlite", database=str(path))
        # A read is one statement: in autocommit mode it needs neither BEGIN nor ROLLBACK.
        self._reader = sa.create_engine(url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
        self._reading: sa.Connection | None = None
        self._writer = sa.create_engine(url, pool_size=1, max_overflow=0)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="oob-store")
        for engine in (self._reader, self._writer):
            sa.event.listen(engine, "connect", _set_pragmas)

    @classmethod
    async def open(cls, path: Path) -> "Database":
        """Open the file, or make it (0600); StorageError if it is damaged or of a later release."""
        storage.private_directory(path.parent)
        with storage.renamed_errors("open", path):
            # SQLite gives its journal the mode of the file, so the mode must be right from the start.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = cls(path)
        try:
            await database.write(database._make_schema)
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Finish the write that is under way and close all connections."""
        self._thread.shutdown()
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        self._reader.dispose()
        self._writer.dispose()

    async def read(self, query: Query[_T]) -> _T:
        """Run single SELECTs; StorageError if that fails."""
        with self._renamed_errors():
            if self._reading is None:
                self._reading = self._reader.connect()
            return query(self._reading)

    async def write(self, change: Query[_T]) -> _T:
        """Run a transaction: committed when `change` returns, undone when it raises. StorageError if that fails.

        Its first statement must be the one that changes something: a transaction that reads first could find, when it
        comes to write, that what it read is old.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, change)

    def _transact(self, change: Query[_T]) -> _T:
        with self._renamed_errors(), self._writer.begin() as connection:
            return change(connection)

    def _make_schema(self, connection: sa.Connection) -> None:
        # The driver opens a transaction before INSERT and the like, but not before CREATE TABLE.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        version = connection.execute(sa.text("PRAGMA user_version")).scalar_one()
        if version > tables.VERSION:
            remedy = "Install the release that wrote it, or a later one"
            raise StorageError(f"{self._path} was written by a later release", step="storage", remedy=remedy)
        tables.metadata.create_all(connection)
        connection.execute(sa.text(f"PRAGMA user_version={tables.VERSION}"))

    @contextmanager
    def _renamed_errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            # str(error) would quote the statement with its parameters; the driver's own words are "disk is full".
            cause = str(getattr(error, "orig", None) or type(error).__name__)
            remedy = "Check free space and permissions, then try again"
            raise StorageError(f"cannot use {self._path}: {cause}", step="storage", remedy=remedy) from error


def _set_pragmas(connection: Any, _: object) -> None:  # noqa: ANN401  the driver's connection
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
