"""The ledger's store.

Append-only tables in one file. A commit is one transaction; after it a high-water mark is synced beside the file, so that a ledger
that lost what it acknowledged refuses to serve instead of showing a smaller total.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from analytics.database import CONFIG, Database, ask, give_back, insert, registered
from analytics.errors import StoreError
from analytics.mark import Mark
from analytics.sealed import Shelf, stamp

_LOG = logging.getLogger(__name__)
SQL = Path(__file__).parent / "sql"
Change = tuple[str, Mapping[str, object]]
"""A statement below analytics/sql that removes or rewrites rows, and its parameters; frames among them are tables it may name."""
REWRITE = "rewrite"
"""The change that puts, in one `column` of a `table`, the texts `after` in the place of those `before`, columns of the frame `changed`."""
_ROW_GROUP = 122_880  # rows; a checkpoint begins a new one, and DuckDB remembers some 100 kB of each
_LAST_COMMIT = "select coalesce(max(commit_no), 0) from commits"
_FORGOTTEN = 16  # checkpoints between two times that the file is opened anew
_GIVE_BACK = 1.0  # seconds between two times that free memory goes back to the system
_WAL_BYTES = 96_000_000  # checkpoint at this size, or at half of it with a full row group: DuckDB holds half as much again in memory


@cache
def statement(name: str) -> str:
    """The text of one .sql file, by its path below analytics/sql without the ending."""
    return (SQL / f"{name}.sql").read_text()


def migrations(store: str) -> list[str]:
    """Names of a store's numbered migrations, in order; the last one's number is the schema version."""
    return [f"{store}/{path.stem}" for path in sorted((SQL / store).glob("[0-9]*.sql"))]


class Ledger:
    """One tenant-keyed ledger file, owned by this process. Reads may come from any thread, appends from one."""

    def __init__(self, directory: Path, *, below_mark: bool = False):
        """Opens or makes the ledger in a directory. Raises StoreError when it is locked, of another version or below its mark."""
        self.path = directory / "ledger.duckdb"
        self._mark = Mark(directory)
        self._checkpoints = 0
        self._rows_since, self._largest, self._gave_back_at = 0, 0, 0.0
        self._database = Database(self.path, self._refuse_other_commits)
        try:
            is_new = self._migrate()
            self.commit_no = self._rows(_LAST_COMMIT)[0][0]
            if is_new and self._mark.read() is None:
                self._mark.write(0)
            if not below_mark:
                self._check_mark()
        except BaseException:
            self._database.close()
            raise

    def query(self, name: str, frames: Mapping[str, pl.DataFrame] | None = None, **params) -> pl.DataFrame:
        """The rows of analytics/sql/NAME.sql. `frames` may be named in it as tables."""
        with self._database.cursor() as cursor:
            return ask(cursor, statement(name), params or None, **(frames or {}))

    def read(self, name: str, batch_rows: int = 10_000, **params) -> pa.RecordBatchReader:
        """Like `query`, as a stream of record batches for answers that should not be held at once."""
        return self._database.stream(statement(name), params or None, batch_rows)

    def stretches(self, after: int) -> list[tuple[int, int]]:
        """(first, last) commit of parts of the ledger that fit into memory, beginning after a commit."""
        return self.query("queries/stretches", after=after).rows()

    def shelf(self, name: str, value: np.dtype, stamp_of: Callable[[int], int | None] | None = None) -> Shelf:
        """Where an index of this ledger keeps what does not belong in memory, by default good for as long as its commits are there."""
        return Shelf(self.path.parent / "index" / name, value, stamp_of or self.stamp)

    def keep_shelves(self, folder: str, names: Iterable[str]) -> None:
        """Removes the shelves in a folder that have none of these names."""
        kept = set(names)
        for path in (self.path.parent / "index" / folder).glob("*"):
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def stamp(self, commit_no: int, query: str = "queries/commit_stamp") -> int | None:
        """A number that tells a commit from others of its number; None when there is none."""
        facts = self.query(query, commit_no=commit_no).rows()
        return stamp(commit_no, *facts[0]) if facts else None

    def append(self, commit_no: int, now: datetime, tables: Mapping[str, pl.DataFrame], changes: Sequence[Change] = ()) -> None:
        """One transaction of changes and of rows by table name, then the mark. Raises duckdb.Error or StoreError when nothing is stored."""
        counts = {name: len(rows) for name, rows in tables.items()}
        summary = pl.DataFrame(
            {"commit_no": [commit_no], "now_at": [now], "records": [counts.get("records", 0)], "charges": [counts.get("charges", 0)]}
        )
        with self._transaction() as cursor:
            for change in changes:
                self._change(cursor, *change)
            for name, rows in {**tables, "commits": summary}.items():
                if len(rows):
                    self._insert(cursor, name, rows)
        self.commit_no = commit_no
        self._rows_since, self._largest = self._rows_since + counts.get("records", 0), max(self._largest, counts.get("records", 0))
        try:
            self._mark.write(commit_no)
        except OSError:  # the commit is durable all the same, and must be answered as such; the next one writes its mark again
            _LOG.exception("the mark of commit %d could not be written", commit_no)

    def checkpoint(self) -> bool:
        """Moves the write-ahead log into the file when it is large; true if it did. No commit goes on meanwhile. Free memory goes back."""
        if time.monotonic() - self._gave_back_at > _GIVE_BACK:
            give_back()
            self._gave_back_at = time.monotonic()
        wal = self.path.with_suffix(".duckdb.wal")
        is_full = -self._rows_since % _ROW_GROUP < self._largest
        if not wal.exists() or wal.stat().st_size < (_WAL_BYTES // 2 if is_full else _WAL_BYTES):
            return False
        self._rows("checkpoint")
        self._rows_since, self._largest, self._checkpoints = 0, 0, self._checkpoints + 1
        if self._checkpoints >= _FORGOTTEN and self._database.forget():
            self._checkpoints = 0
        return True

    def accept_loss(self, now: datetime, reason: str) -> int:
        """Serves again below the mark or without one, with the gap on record; the number of commits that are missing, as far as it is
        known."""
        try:
            mark = self._mark.read() or self.commit_no
        except StoreError:
            mark = self.commit_no
        self._rows("insert into accepted_losses values ($1, $2, $3, $4)", [now, mark, self.commit_no, reason])
        self._mark.path.unlink(missing_ok=True)
        self._mark.write(self.commit_no)
        return mark - self.commit_no

    def snapshot(self, path: Path) -> int:
        """Writes every row as of one moment into a new file, while commits go on; the number of the last commit in it."""
        with self._copied(path) as cursor:
            return cursor.execute("select coalesce(max(commit_no), 0) from copied.commits").fetchone()[0]

    def copy_to(self, path: Path) -> None:
        """Writes every row into a new file, in order and without the space of what was deleted. Raises StoreError when the copy differs;
        nothing may be committed meanwhile."""
        here = self._rows("select current_database()")[0][0]
        self._rows("checkpoint")
        with self._copied(path) as cursor:
            for (table,) in self._rows("select table_name from duckdb_tables() where database_name = $1 order by 1", [here]):
                said = [
                    cursor.execute(f'select count(*), sum(hash(t)::hugeint), bit_xor(hash(t)) from "{name}".main."{table}" t').fetchone()
                    for name in (here, "copied")
                ]
                if said[0] != said[1]:
                    raise StoreError(f"the copy of {self.path} differs in table {table}: nothing is replaced")

    @contextmanager
    def _copied(self, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that sees a copy of everything, in this new file, as `copied`. Raises StoreError when it cannot be written."""
        here = self._rows("select current_database()")[0][0]
        quoted, version = str(path).replace("'", "''"), CONFIG["storage_compatibility_version"]
        try:
            with self._database.cursor() as cursor:
                cursor.execute(f"attach '{quoted}' as copied (storage_version '{version}')")
                try:
                    cursor.execute(f'copy from database "{here}" to copied')
                    yield cursor
                    cursor.execute("checkpoint copied")
                finally:
                    cursor.execute("detach copied")
        except duckdb.Error as error:
            raise StoreError(f"{self.path} could not be copied to {path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All that its cursor does, or nothing."""
        with self._database.cursor() as cursor:
            cursor.begin()
            try:
                yield cursor
                cursor.commit()
            except BaseException:
                with suppress(duckdb.Error):
                    cursor.rollback()
                raise

    def close(self) -> None:
        """Checkpoints and closes, so that the next start has nothing to recover."""
        with suppress(duckdb.Error, StoreError):
            self._rows("checkpoint")
        self._database.close()

    def _insert(self, cursor: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
        if rows.height == 1:  # values cost a tenth of what it takes to register a frame
            said = {name: value for name, value in rows.row(0, named=True).items() if value is not None}
            names, marks = ", ".join(f'"{name}"' for name in said), ", ".join("?" * len(said))
            cursor.execute(f"insert into {table} ({names}) values ({marks})", list(said.values()))
            return
        said = rows[[name for name in rows.columns if rows[name].null_count() < rows.height]]  # a column costs, even one of nulls
        insert(cursor, table, said)

    def distinct(self, table: str, column: str, tenant: str) -> pl.Series:
        """The different texts of a column of one tenant's rows."""
        with self._database.cursor() as cursor:
            found = cursor.sql(f'select distinct "{column}" from "{table}" where tenant = $1', params=[tenant]).pl()
        return found.to_series().drop_nulls()

    def _change(self, cursor: duckdb.DuckDBPyConnection, name: str, given: Mapping[str, object]) -> None:
        if name == REWRITE:
            table, column = given["table"], given["column"]
            with registered(cursor, {"changed": given["changed"]}):
                sql = f'update "{table}" set "{column}" = c.after from changed c where tenant = $1 and "{column}" = c.before'
                cursor.execute(sql, [given["tenant"]])
            return
        frames = {key: value for key, value in given.items() if isinstance(value, pl.DataFrame)}
        with registered(cursor, frames):
            cursor.execute(statement(name), {key: value for key, value in given.items() if key not in frames})

    def _rows(self, sql: str, params: list | None = None) -> list[tuple]:
        with self._database.cursor() as cursor:
            return cursor.execute(sql, params).fetchall()

    def _migrate(self) -> bool:
        """Whether the ledger was made just now."""
        steps = migrations("ledger")
        fresh = not self._rows("select 1 from duckdb_tables() where table_name = 'schema_version'")
        version = 0 if fresh else self._rows("select version from schema_version")[0][0]
        if version > len(steps):
            raise StoreError(f"{self.path} has schema version {version}, this loopledger knows up to {len(steps)}: use a newer loopledger")
        for number in range(version, len(steps)):
            self._rows(
                f"begin; {statement(steps[number])}; delete from schema_version; insert into schema_version values ({number + 1}); commit"
            )
        return fresh

    def _refuse_other_commits(self, connection: duckdb.DuckDBPyConnection) -> None:
        """While the file was closed for a moment another process may have got hold of it."""
        found = connection.execute(_LAST_COMMIT).fetchone()[0]
        if found != self.commit_no:
            raise StoreError(f"{self.path} ends with commit {found}, not {self.commit_no}: another process wrote to it. Start again")

    def _check_mark(self) -> None:
        mark, directory = self._mark.read(), self.path.parent
        then = f"Restore a backup, or run: loopledger doctor --data {directory} --accept-loss --reason TEXT"
        if mark is None and self.commit_no:
            raise StoreError(f"{self._mark.path} is missing, so nobody can tell whether {self.path} is whole. {then}")
        if mark is not None and self.commit_no < mark:
            missing = mark - self.commit_no
            raise StoreError(
                f"{self.path} holds commits up to {self.commit_no}, but {mark} were acknowledged: {missing} are missing. {then}"
            )
