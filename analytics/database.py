"""DuckDB: how it is opened, and how frames get in and out."""

import ctypes
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet, finalize

import duckdb
import polars as pl
import pyarrow as pa

from analytics.errors import StoreError

CONFIG = {
    "storage_compatibility_version": "v1.5.0",
    "checkpoint_threshold": "1GB",  # the automatic checkpoint stalls a commit for up to 1.7 s; see `checkpoint`
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_unsigned_extensions": "false",
    "memory_limit": "256MB",
    "threads": "1",
    "max_vacuum_tasks": "0",  # a checkpoint that also merges row groups takes four times as long and as much room; `copy_to` does it
}


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """The database in a file, which is made if there is none. Raises StoreError when it is locked or no database."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return duckdb.connect(path, config=CONFIG)
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise StoreError(f"{path} is in use by another process; stop it, or let commands with --data find its collector") from error
        raise StoreError(f"{path} cannot be opened: {error}") from error
    except duckdb.Error as error:
        raise StoreError(f"{path} cannot be opened: {error}") from error


class Database:
    """One file, open, with a cursor for each thread.

    DuckDB remembers where every part of the file is for as long as it is open, some 2 MB a million records. `forget` ends that.
    """

    def __init__(self, path: Path, accept: Callable[[duckdb.DuckDBPyConnection], None] = lambda _: None):
        """Raises StoreError when the file is locked or no database. `accept` looks at one that is opened again, and raises StoreError
        when it is not as it was."""
        self._path, self._accept, self._users = path, accept, 0
        self._lock = threading.RLock()  # whoever holds it may be the one to collect a stream that nobody holds any more
        self._connection: duckdb.DuckDBPyConnection | None = connect(path)
        self._local, self._cursors, self._is_over = threading.local(), WeakSet(), False

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """This thread's cursor, while it is used."""
        self._enter()
        try:
            if not hasattr(self._local, "cursor"):
                self._local.cursor = self._another()
            yield self._local.cursor
        finally:
            self._leave()

    def stream(self, sql: str, params: dict | None, batch_rows: int) -> pa.RecordBatchReader:
        """The rows of a query as a stream, which is a use for as long as somebody holds it."""
        self._enter()
        try:
            reader = self._another().sql(sql, params=params).to_arrow_reader(batch_rows)
        except BaseException:
            self._leave()
            raise
        finalize(reader, self._leave)
        return reader

    def forget(self) -> bool:
        """Closes the file, to be opened again by the next use; false when somebody uses it."""
        with self._lock:
            if self._users:
                return False
            self._close()
            return True

    def close(self) -> None:
        """For good."""
        with self._lock:
            self._is_over = True
            self._close()

    def _close(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()
        self._local, self._cursors = threading.local(), WeakSet()
        if self._connection:
            self._connection.close()
        self._connection = None

    def _enter(self) -> None:
        with self._lock:
            self._connection = self._connection or self._again()
            self._users += 1

    def _again(self) -> duckdb.DuckDBPyConnection:
        if self._is_over or not self._path.exists():
            raise StoreError(f"{self._path} is {'closed' if self._is_over else 'gone'}")
        connection = connect(self._path)
        try:
            self._accept(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1

    def _another(self) -> duckdb.DuckDBPyConnection:
        cursor = self._connection.cursor()
        self._cursors.add(cursor)
        return cursor


# DuckDB finds a frame under the name of a variable; to register one costs as much as the statement.


def insert(cursor: duckdb.DuckDBPyConnection, table: str, batch: pl.DataFrame) -> None:
    """Adds rows to a table, by the names of their columns."""
    cursor.execute(f"insert into {table} by name select * from batch")


def ask(
    cursor: duckdb.DuckDBPyConnection,
    sql: str,
    params: dict | None,
    *,
    wanted: pl.DataFrame | None = None,
    wanted_commits: pl.DataFrame | None = None,
    **others: pl.DataFrame,
) -> pl.DataFrame:
    """The rows of a query in which frames may be named as tables."""
    with registered(cursor, others):
        return cursor.sql(sql, params=params).pl()


@contextmanager
def registered(cursor: duckdb.DuckDBPyConnection, frames: Mapping[str, pl.DataFrame]) -> Iterator[None]:
    """Frames are tables by their names for as long as the context lasts."""
    for name, frame in frames.items():
        cursor.register(name, frame)
    try:
        yield
    finally:
        for name in frames:
            cursor.unregister(name)


def give_back() -> None:
    """Memory that is free goes back to the system, a matter of milliseconds: glibc by itself keeps a tenth of what a collector holds."""
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
