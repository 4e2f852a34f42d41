import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.budgets import RUN_WINDOW, Limit, Spent, places
from analytics.config import Policy, Threshold
from analytics.sealed import Shelf
from analytics.spending import SUMS, Spending

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


def stored(place: Path, last: int | None = None) -> Spending:
    """What is on a shelf of a ledger that ends with a commit."""
    return Spending(LIMIT, Shelf(place, SUMS, lambda commit: commit if last is None or commit <= last else None))


@settings(max_examples=50)
@given(
    commits=st.lists(st.dictionaries(st.integers(0, 30), st.integers(-5, 40), max_size=12), max_size=12),
    sealed=st.sets(st.integers(1, 12)),
    lost=st.integers(0, 3),
)
def test_wherever_sums_are_kept_they_are_those_of_a_dict(commits, sealed, lost):
    with tempfile.TemporaryDirectory() as place:
        expected: Counter = Counter()
        spending = stored(Path(place))
        for number, commit in enumerate(commits, 1):
            expected.update(commit)
            assert told(spending, *commit.items()) == [run for run in commit if expected[run] >= 50]
            assert sums(spending, commit) == [(expected[run], 2 * expected[run]) for run in commit]
            if number in sealed:
                spending.seal(number)
        last = max(0, len(commits) - lost)
        again = stored(Path(place), last)
        assert again.through <= last
        for commit in commits[again.through : last]:
            again.add(totals(*commit.items()))
        expected = Counter()
        for commit in commits[:last]:
            expected.update(commit)
        assert sums(again, range(31)) == [(expected[run], 2 * expected[run]) for run in range(31)]


def sums(spending: Spending, runs: Iterable[int]) -> list[tuple[int, int]]:
    """Nano US dollars and tokens of each."""
    held = [spending.of(("tenant", f"run {run}", RUN_WINDOW)) for run in runs]
    return [(one.nano_usd, one.tokens) for one in held]


def filled(place: Path, runs: int) -> Spending:
    """With so many runs, 100 a commit and sealed with it."""
    spending = stored(place)
    for commit, first in enumerate(range(0, runs, 100), 1):
        assert not told(spending, *((run, 1) for run in range(first, first + 100)))
        spending.seal(commit)
    return spending


def test_what_was_sealed_long_ago_goes_on(tmp_path):
    filled(tmp_path, 2000)
    assert told(stored(tmp_path), (3, 49), (1999, 48), (5000, 50)) == [3, 5000]


def test_files_merge_so_that_few_are_asked(tmp_path):
    filled(tmp_path, 10_000)
    assert len(list(tmp_path.iterdir())) <= 8


def test_commits_without_spend_are_not_read_again(tmp_path):
    spending = filled(tmp_path, 300)
    for commit in range(4, 20):
        spending.seal(commit)
    assert (stored(tmp_path).through, len(list(tmp_path.iterdir()))) == (19, 2)


def test_where_no_file_can_be_written_sums_stay_in_memory(tmp_path, caplog):
    (tmp_path / "a file").write_text("")
    spending = filled(tmp_path / "a file" / "shelf", 400)
    assert (told(spending, (3, 49)), spending.through) == ([3], 0)
    assert "stays in memory" in caplog.text


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
    spending = Spending(Limit.of(rule), Shelf(tmp_path, SUMS, lambda commit: commit))
    assert spending.add(totals((1, 0)).with_columns(missing_calls=pl.lit(15, pl.Int64))).tolist() == [True]
