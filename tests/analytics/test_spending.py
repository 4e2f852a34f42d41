import tempfile
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.budgets import RUN_WINDOW, Limit
from analytics.config import Policy, Threshold
from analytics.spending import Spending

NOON = datetime(2026, 11, 26, 12)
LIMIT = Limit.of(
    Policy(name="run", per="run", limit_usd=Decimal("0.000000100"), window="run", thresholds=(Threshold(percent=50, action="warn"),))
)


def total(run: int, nano_usd: int) -> tuple:
    return ("tenant", f"run {run}", RUN_WINDOW, nano_usd, 2 * nano_usd, 1, NOON)


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
            reached = {one[1] for one in spending.add([total(*spent) for spent in commit.items()])}
            assert reached == {f"run {run}" for run in commit if expected[run] >= 50}
            sums = [spending.of(("tenant", f"run {run}", RUN_WINDOW)) for run in commit]
            assert [(one.nano_usd, one.tokens) for one in sums] == [(expected[run], 2 * expected[run]) for run in commit]
        assert not list(Path(place).iterdir())


def filled(place: Path, runs: int) -> Spending:
    """With so many runs, 100 a commit and 50 at hand."""
    spending = Spending(LIMIT, place)
    spending.at_hand = 50
    for first in range(0, runs, 100):
        assert not list(spending.add([total(run, 1) for run in range(first, first + 100)]))
    return spending


def test_what_was_put_away_long_ago_goes_on(tmp_path):
    spending = filled(tmp_path, 2000)
    assert len(spending) == 2000
    assert [one[1] for one in spending.add([total(3, 49), total(1999, 48), total(5000, 50)])] == ["run 3", "run 5000"]


def test_files_merge_so_that_few_are_asked(tmp_path):
    assert len(filled(tmp_path, 10_000)._older) <= 8


def test_where_no_file_can_be_written_sums_stay_in_memory(tmp_path):
    spending = filled(tmp_path / "not there", 400)
    assert [one[1] for one in spending.add([total(3, 49)])] == ["run 3"]


def test_of_a_place_nothing_was_added_to_nothing_is_known(tmp_path):
    with pytest.raises(KeyError):
        filled(tmp_path, 200).of(("tenant", "never", RUN_WINDOW))
