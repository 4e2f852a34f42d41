"""Whatever happens to a collector or its files, nothing acknowledged is lost or doubled without a word.

The table of many more points: python tests/faults.py
"""

import random

import faults
import pytest


def test_kills_while_stopping_lose_nothing():
    row = faults.kills_while_stopping(4, random.Random(7))
    assert (row.points, row.found, row.holds) == (4, row.acknowledged, True)
    assert row.acknowledged > 0


def test_kills_at_other_moments_lose_nothing():
    row = faults.kills(3, random.Random(8))
    assert (row.points, row.found, row.holds) == (3, row.acknowledged, True)


def test_damaged_files_are_whole_or_refused():
    rows = list(faults.damages(8, random.Random(9)))
    assert len(rows) == 2 * len(faults.FILES)
    assert [row.fault for row in rows if not row.holds] == []
    assert all(row.refused == row.points for row in rows if "cut short" in row.fault)


def test_a_disk_that_was_full_goes_on_when_there_is_room():
    row = faults.full_disk()
    if row is None:
        pytest.skip("no small file system can be mounted here")
    assert (row.found, row.holds) == (row.acknowledged, True)
    assert row.told >= 5


def test_a_directory_that_may_only_be_read_is_refused():
    row = faults.read_only()
    if row is None:
        pytest.skip("no file system can be mounted here")
    assert (row.points, row.refused) == (1, 1)


def test_mutated_bodies_are_read_or_refused():
    told = faults.fuzz(20_000, random.Random(10))
    assert min(told["read"], told["refused"]) > 500
    assert set(told) == {"read", "refused"}
