"""A file that is opened, used by many threads, and forgotten between uses."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import duckdb
import pytest

from analytics.database import Database
from analytics.errors import StoreError


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "a.duckdb")
    with database.cursor() as cursor:
        cursor.execute("create table t as select * from range(100000)")
    yield database
    database.close()


def counted(database: Database) -> int:
    with database.cursor() as cursor:
        return cursor.execute("select count(*) from t").fetchone()[0]


def test_what_is_forgotten_is_read_again(database):
    assert (database.forget(), counted(database), database.forget(), counted(database)) == (True, 100_000, True, 100_000)


def test_nothing_is_forgotten_while_it_is_used(database):
    with database.cursor() as cursor:
        cursor.begin()
        cursor.execute("insert into t values (1)")
        assert not database.forget()
        with database.cursor() as same:
            assert same is cursor
        cursor.commit()
    stream = database.stream("select * from t", None, 1000)
    stream.read_next_batch()
    assert not database.forget()
    assert len(stream.read_all()) == 99_001
    del stream
    assert (database.forget(), counted(database)) == (True, 100_001)


def test_a_query_that_fails_uses_nothing(database):
    with pytest.raises(duckdb.Error, match="nonsense"):
        database.stream("select nonsense", None, 10)
    with pytest.raises(duckdb.Error, match="nonsense"), database.cursor() as cursor:
        cursor.execute("select nonsense")
    assert database.forget()


def test_threads_read_while_it_is_forgotten_again_and_again(database):
    begun = Barrier(4)

    def read() -> set[int]:
        begun.wait()
        return {counted(database) for _ in range(100)}

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        begun.wait()
        while not all(reader.done() for reader in readers):
            database.forget()
    assert set().union(*(reader.result() for reader in readers)) == {100_000}
    assert database.forget()


def test_a_stream_may_be_collected_by_whoever_is_at_the_lock(database):
    stream = database.stream("select * from t", None, 1000)
    with database._lock:
        del stream
    assert database.forget()


def test_a_file_that_cannot_be_opened_again_is_told_and_tried_again(database, tmp_path):
    assert database.forget()
    path, away = tmp_path / "a.duckdb", tmp_path / "away.duckdb"
    path.rename(away)
    path.mkdir()
    with pytest.raises(StoreError):
        counted(database)
    path.rmdir()
    with pytest.raises(StoreError, match=r"a\.duckdb is gone"):
        counted(database)
    away.rename(path)
    assert counted(database) == 100_000


def test_what_is_closed_is_not_opened_again(database):
    database.close()
    with pytest.raises(StoreError, match=r"a\.duckdb is closed"):
        counted(database)
