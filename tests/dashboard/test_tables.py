"""Tables: cells that people read, numbers that stay numbers."""

from datetime import datetime
from decimal import Decimal

import polars as pl

from dashboard.tables import COLUMNS, by_role, readable

USD = pl.Decimal(38, 9)


def test_words_that_are_missing_are_not_unknown_and_numbers_stay_exact():
    frame = pl.DataFrame(
        {
            "run": ["a", None],
            "agents": [["maker", "checker"], []],
            "delivered_at": [datetime(2026, 11, 14, 6, 1, 27, 226000), None],
            "duration_ms": [1500, None],
            "cost_usd": [Decimal("0.123456789"), None],
            "state": ["running", None],
        },
        schema_overrides={"cost_usd": USD, "agents": pl.List(pl.String)},
    )
    assert readable(frame).rows() == [
        ("a", "maker, checker", "2026-11-14 06:01:27", 1.5, Decimal("0.123456789"), ["running"]),
        ("–", "", "–", None, None, []),
    ]


def test_a_loop_without_a_checker_spent_nothing_on_one_and_an_unknown_cost_stays_unknown():
    spent = pl.DataFrame(
        [("a", "maker", Decimal("1.5")), ("a", "other", Decimal(2)), ("b", "checker", None)],
        schema={"loop": pl.String, "role": pl.String, "cost_usd": USD},
        orient="row",
    )
    assert by_role(spent).sort("loop").rows() == [("a", Decimal("1.5"), Decimal(0)), ("b", Decimal(0), None)]


def test_every_column_of_money_is_drawn_in_dollars():
    formats = {name: column["type_config"]["format"] for name, column in COLUMNS.items() if name.endswith("_usd")}
    assert set(formats.values()) == {"$%,.2f", "$%,.4f"}
