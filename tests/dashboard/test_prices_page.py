"""The page of prices on a real collector: what was charged by which row, what has no price, and what today's prices would change."""

from decimal import Decimal

from pages import column, figures, report, said


def test_each_price_row_stands_with_its_source_and_what_was_charged_by_it(filled, visit):
    at = visit(filled, "prices")
    rows = [row for row in report(filled, "prices") if row["price_set"]]
    shown = next(table for table in at.dataframe if "source" in table.value.columns)
    assert column(shown, "cost_usd") == [Decimal(row["cost_usd"]) for row in rows]
    assert set(column(shown, "source")) == {row["source"] for row in rows}
    assert "Nothing: every call is charged at today's prices." in said(at)


def test_calls_without_a_price_are_named_with_what_is_at_risk(filled, visit):
    at = visit(filled, "prices")
    (row,) = report(filled, "unpriced")
    assert column(at.dataframe[0], "reason") == [row["reason"]] == ["no usage"]
    priced, calls = figures(at)["Priced"]
    assert priced != "100%"
    assert "calls" in calls


def test_a_contract_shows_how_far_it_is_used_and_the_dry_run_what_it_would_have_changed(agreed, visit):
    at = visit(agreed, "prices")
    (deal,), moved = report(agreed, "commitments"), report(agreed, "repricing")
    assert deal["contract"] == "deal"
    assert Decimal(deal["drawn_usd"]) > 0
    assert Decimal(deal["remaining_usd"]) == 9 - Decimal(deal["drawn_usd"])
    assert sum(Decimal(row["change_usd"]) for row in moved) < 0
    assert column(at.dataframe[-1], "change_usd") == [Decimal(row["change_usd"]) for row in moved]
    assert any("drawn_usd" in table.value.columns and column(table, "drawn_usd") == [Decimal(deal["drawn_usd"])] for table in at.dataframe)


def test_prices_that_two_books_do_not_share_are_named(agreed):
    changes = report(agreed, "price_changes", limit=1000)
    assert {row["change"] for row in changes} == {"new"}
    assert {row["contract"] for row in changes} == {"deal"}
