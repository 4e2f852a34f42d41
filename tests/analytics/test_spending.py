import tempfile
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.budgets import RUN_WINDOW, Limit, Spent, places
from analytics.config import Policy, Threshold
from analytics.spending import Spending

NOON = datetime(2026, 11, 26, 12)
WARN = Threshold(percent=50, action="warn")
LIMIT = Limit.of(Policy(name="run", per="run", limit_usd=Decimal("0.000000100"), window="run", thresholds=(WARN,)))


def totals(*spent: tuple[int, int]) -> pl.DataFrame:
    """(run, nano US dollars) each."""
    rows = [("tenant", f"run {run}", RUN_WINDOW, nano_usd, 2 * nano_usd, 1, NOON) for run, nano_usd in spent]
    columns = {"tenant": pl.String, "scope": pl.String, "window": pl.String, "nano_usd": pl.Int64, "tokens": pl.Int64}
    frame = pl.DataFrame(rows, columns | {"missing_calls": pl.Int64, "happened_at": pl.Datetime}, orient="row")
    return frame.with_columns(place=places(frame["tenant"], frame["scope"], frame["window"]))


def told(spending: Spending, *spent: tuple[int, int]) -> list[int]:
    """The runs that `add` tells of."""
    return [spent[row][0] for row in np.flatnonzero(spending.add(totals(*spent)))]


@settings(max_examples=50)
@given(
    commits=st.lists(st.dictionaries(st.integers(0, 30), st.integers(-5, 40), max_size=12), max_size=12),
    at_hand=st.integers(0, 8),
)
def test_wherever_sums_are_kept_they_are_those_of_a_dict(commits, at_hand):
    expected: Counter = Counter()
    with tempfile.TemporaryDirectory() as place:
        spending = Spending(LIMIT, Path(place))
        spending.at_hand = at_hand
        for commit in commits:
            expected.update(commit)
            assert told(spending, *commit.items()) == [run for run in commit if expected[run] >= 50]
            sums = [spending.of(("tenant", f"run {run}", RUN_WINDOW)) for run in commit]
            assert [(one.nano_usd, one.tokens) for one in sums] == [(expected[run], 2 * expected[run]) for run in commit]
        assert not list(Path(place).iterdir())


def filled(place: Path, runs: int) -> Spending:
    """With so many runs, 100 a commit and 50 at hand."""
    spending = Spending(LIMIT, place)
    spending.at_hand = 50
    for first in range(0, runs, 100):
        assert not told(spending, *((run, 1) for run in range(first, first + 100)))
    return spending


def test_what_was_put_away_long_ago_goes_on(tmp_path):
    spending = filled(tmp_path, 2000)
    assert len(spending) == 2000
    assert told(spending, (3, 49), (1999, 48), (5000, 50)) == [3, 5000]


def test_files_merge_so_that_few_are_asked(tmp_path):
    assert len(filled(tmp_path, 10_000)._older) <= 8


def test_where_no_file_can_be_written_sums_stay_in_memory(tmp_path):
    spending = filled(tmp_path / "not there", 400)
    assert told(spending, (3, 49)) == [3]


def test_of_a_place_nothing_was_added_to_nothing_is_spent(tmp_path):
    assert filled(tmp_path, 200).of(("tenant", "never", RUN_WINDOW)) == Spent()


def test_what_is_watched_is_told_of_whatever_is_spent(tmp_path):
    spending = filled(tmp_path, 200)
    spending.watch([("tenant", "run 7", RUN_WINDOW)])
    spending.watch([])
    assert told(spending, (6, 1), (7, 1), (8, 1)) == [7]


def test_assumed_cost_may_be_more_than_a_machine_counts(tmp_path):
    most = Decimal(999_999_999)
    rule = Policy(name="x", per="run", limit_usd=most, window="run", assume_usd_per_call=most, thresholds=(WARN,))
    spending = Spending(Limit.of(rule), tmp_path)
    assert spending.add(totals((1, 0)).with_columns(missing_calls=pl.lit(15, pl.Int64))).tolist() == [True]
