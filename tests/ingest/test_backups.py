"""A backup is one moment of a ledger, whatever goes on meanwhile, and comes back whole or not at all."""

import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from collectors import Collector, configure, report, running
from test_kill import Load, span_ids

from analytics.errors import StoreError
from ingest.backups import backup, restore


@pytest.fixture(scope="module")
def taken(tmp_path_factory) -> tuple[Path, dict, list[dict]]:
    """A backup made under load, what it says, and the whole ledger's spend once the load has ended."""
    place = tmp_path_factory.mktemp("backups")
    with running(place / "data", configure(place / "config", [])) as collector, ThreadPoolExecutor(2) as pool:
        told = _under_load(collector, place / "one.tar", pool)
    assert list((place / "data").glob("backup-*")) == []
    return place / "one.tar", told, report(place / "data", "spend")


def _under_load(collector: Collector, file: Path, pool: ThreadPoolExecutor) -> dict:
    load = Load(collector)
    clients = [pool.submit(load.work) for _ in range(2)]
    try:
        load.wait_for(20)
        before = len(load.acknowledged)
        told = backup(collector.data, file)
        load.wait_for(before // 5 + 20)  # spans are sent by fives: the load went on
    finally:
        collector.stop()
    for client in clients:
        client.result()
    return told


def test_a_backup_taken_under_load_holds_whole_commits_and_verifies(taken, tmp_path):
    file, told, everything = taken
    restored = restore(file, tmp_path / "data")
    assert restored == told
    (spend,) = report(tmp_path / "data", "spend")
    ids = span_ids(tmp_path / "data")
    assert 0 < spend["calls"] == len(ids) == len(set(ids)) < everything[0]["calls"]
    assert json.loads((tmp_path / "data" / "ledger.mark").read_text())["commit_no"] == told["commit_no"]
    with running(tmp_path / "data") as collector:
        assert collector.report("spend") == [spend]


def test_a_backup_is_not_restored_over_anything(taken, tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(StoreError, match="not empty"):
        restore(taken[0], tmp_path)


def test_no_secret_is_in_a_backup(taken):
    with tarfile.open(taken[0]) as tar:
        assert set(tar.getnames()) == {"backup.json", "control.sqlite", "ledger.duckdb"}


@pytest.mark.parametrize("part", [0.001, 0.3, 0.5, 0.8, 0.99])
def test_a_damaged_backup_is_refused_and_leaves_nothing(taken, tmp_path, part):
    whole = bytearray(taken[0].read_bytes())
    with tarfile.open(taken[0]) as tar:
        member = tar.getmember("ledger.duckdb")
    whole[member.offset_data + int(member.size * part)] ^= 1
    (tmp_path / "bad.tar").write_bytes(whole)
    with pytest.raises(StoreError, match="damaged"):
        restore(tmp_path / "bad.tar", tmp_path / "data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tar"]


def test_a_backup_cut_short_or_of_something_else_is_refused(taken, tmp_path):
    (tmp_path / "short.tar").write_bytes(taken[0].read_bytes()[:70_000])
    (tmp_path / "other.tar").write_bytes(b"not a tar at all" * 100)
    for name in ("short.tar", "other.tar"):
        with pytest.raises(StoreError):
            restore(tmp_path / name, tmp_path / "data")
    assert not (tmp_path / "data").exists()
