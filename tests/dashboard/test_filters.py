"""Periods end at the collector's clock."""

from datetime import date, datetime

import pytest

from dashboard.filters import window

NOW = datetime(2026, 11, 16, 7, 55, 37, 254000)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("24 h", {"from": "2026-11-15T07:55:00"}),
        ("7 d", {"from": "2026-11-10T00:00:00"}),
        ("30 d", {"from": "2026-10-18T00:00:00"}),
        ("All", {}),
    ],
)
def test_a_period_counts_back_from_now_in_whole_days_with_today(period, expected):
    assert window(period, (), NOW) == expected


def test_chosen_dates_include_their_last_day():
    assert window("Dates", (date(2026, 11, 13), date(2026, 11, 14)), NOW) == {"from": "2026-11-13", "to": "2026-11-15"}


def test_a_range_that_is_being_chosen_is_its_first_day():
    assert window("Dates", (date(2026, 11, 13),), NOW) == {"from": "2026-11-13", "to": "2026-11-14"}
