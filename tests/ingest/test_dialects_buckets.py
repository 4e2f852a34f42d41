"""Reported counts become disjoint buckets."""

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics.model import BUCKETS, MONEY
from ingest.dialects import buckets
from ingest.dialects.dialect import AMOUNTS, COUNTS, TEXT

REPORTED = ("reported_input", "reported_output", "reported_total", "cache_read_tokens", "cache_write_total", "cache_write_5m_tokens",
            "cache_write_1h_tokens", "reasoning_tokens")  # fmt: skip
READ = {**dict.fromkeys(TEXT, pl.String), **dict.fromkeys(COUNTS, pl.Int64), **dict.fromkeys(AMOUNTS, MONEY), "traced": pl.Boolean}


def settled(*reported: int | None, includes_cache: bool | None = True, reasoning_apart: bool = False) -> tuple:
    """(how, the seven buckets) of what was reported, in the order of REPORTED."""
    said = pl.DataFrame([dict(zip(REPORTED, reported, strict=False))], schema=READ)
    said = said.with_columns(input_includes_cache=pl.lit(includes_cache, pl.Boolean), reasoning_apart=reasoning_apart)
    return buckets.settled(said).select("usage_settled", *BUCKETS).row(0)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        pytest.param((100, 20, None, 60, 30), ("exact", 10, 60, 30, None, None, 20, None), id="input includes the cache"),
        pytest.param((100, 20, 120, 60, 30), ("exact", 10, 60, 30, None, None, 20, None), id="and the total agrees"),
        pytest.param((100, 20, 210, 60, 30), ("derived", 100, 60, 30, None, None, 20, None), id="the total says it does not"),
        pytest.param((10, 20, None, 60, 30), ("derived", 10, 60, 30, None, None, 20, None), id="too small to include it"),
        pytest.param((10, 20, 30, 60, 30), ("derived", 10, 60, 30, None, None, 20, None), id="too small, whatever the total"),
        pytest.param((90, 20, None, 60, 30), ("exact", 0, 60, 30, None, None, 20, None), id="all of it cached"),
        pytest.param((100, 20, 777, 60, 30), ("exact", 10, 60, 30, None, None, 20, None), id="a total that fits nothing"),
        pytest.param((100, 20, None, None, 30, 10, 5), ("exact", 70, None, 15, 10, 5, 20, None), id="lifetimes of some writes"),
        pytest.param((100, 20, None, None, None, 10, 5), ("exact", 85, None, 0, 10, 5, 20, None), id="lifetimes alone"),
        pytest.param((100, 20, None, None, None, None, 5), ("exact", 95, None, 0, None, 5, 20, None), id="one lifetime alone"),
        pytest.param((100, 20, None, None, None, None, None, 20), ("exact", 100, None, None, None, None, 0, 20), id="all reasoning"),
        pytest.param((100, 20, None, None, None, None, None, 30), ("exact", 100, None, None, None, None, 20, 30), id="reasoning apart"),
        pytest.param((None, 20), ("exact", None, None, None, None, None, 20, None), id="output alone"),
        pytest.param((100,), ("exact", 100, None, None, None, None, None, None), id="input alone"),
        pytest.param((None, None, 120, 60), (None,) * 8, id="neither"),
        pytest.param(
            (100, 20, 125, None, None, None, None, 5), ("exact", 100, None, None, None, None, 20, 5), id="reasoning apart by the total"
        ),
        pytest.param((100, 20, 120, None, None, None, None, 5), ("exact", 100, None, None, None, None, 15, 5), id="and within"),
        pytest.param((0, 0), (None,) * 8, id="nothing but zeros is no report"),
        pytest.param((0, 5), ("exact", 0, None, None, None, None, 5, None), id="a zero beside a number is one"),
    ],
)
def test_reported_counts_become_disjoint_buckets(reported, expected):
    assert settled(*reported) == expected


def test_a_dialect_whose_input_leaves_the_cache_out():
    assert settled(100, 20, None, 60, includes_cache=False) == ("exact", 100, 60, None, None, None, 20, None)
    assert settled(100, 20, 120, 60, includes_cache=False) == ("exact", 40, 60, None, None, None, 20, None)


def test_a_dialect_of_which_nobody_knows_is_assumed_to_include_the_cache():
    assert settled(100, 20, None, 60, includes_cache=None) == ("assumed", 40, 60, None, None, None, 20, None)
    assert settled(100, 20, 120, 60, includes_cache=None) == ("exact", 40, 60, None, None, None, 20, None)
    assert settled(100, 20, includes_cache=None) == ("exact", 100, None, None, None, None, 20, None)


def test_a_dialect_whose_output_leaves_reasoning_out():
    assert settled(100, 20, None, None, None, None, None, 5, reasoning_apart=True) == ("exact", 100, None, None, None, None, 20, 5)
    assert settled(100, 20, 120, None, None, None, None, 5, reasoning_apart=True) == ("exact", 100, None, None, None, None, 15, 5)


COUNT = st.none() | st.integers(0, 20)


@settings(max_examples=120)
@given(st.integers(0, 40), st.integers(0, 40), st.none() | st.integers(0, 120), COUNT, COUNT, COUNT, COUNT, COUNT, st.booleans())
@example(10, 0, None, None, None, None, 5, None, True)
@example(10, 0, None, None, 1, 3, 3, None, True)
def test_buckets_are_never_negative_and_sum_to_what_was_reported(put, got, total, read, write, short, long, thought, includes):
    how, *found = settled(put, got, total, read, write, short, long, thought, includes_cache=includes)
    cached = (read or 0) + max(write or 0, (short or 0) + (long or 0))
    assert min((bucket for bucket in found if bucket is not None), default=0) >= 0
    if put + got + cached == 0:
        assert found == [None] * 7
    else:
        assert sum(bucket or 0 for bucket in found[:5]) in {put, put + cached}
        assert sum(bucket or 0 for bucket in found[5:]) in ({got} if (thought or 0) == 0 else {got, got + thought})
        assert how in ("exact", "derived")
