"""Capacity paid by the hour: every hour of it is charged once, to those who used it, or to nobody."""

from datetime import timedelta
from decimal import Decimal

import pytest
from bookkeeping import MONDAY, TENANT, Desk, call

from analytics.config import Contract
from analytics.operations import Operation
from analytics.reports import REPORTS, Question

DAY = timedelta(days=1)
RESERVED = Contract(name="reserved", kind="provisioned", provider="openai", usd_per_hour="3.10", valid_from="2026-11-16T06:00:00Z")


@pytest.fixture
def desk(tmp_path):
    """A desk where red and blue used the capacity on Monday, two tokens to one, and nobody on Tuesday."""
    desk = Desk(tmp_path, contracts=(RESERVED,))
    used = {"provider": "openai", "model_requested": "gpt-5-mini", "minute": 600}
    desk.post(call("r", 200, team="red", trace="r", **used), call("b", 100, team="blue", trace="b", **used))
    desk.post(call("late", 1, team="red", trace="late", minute=3 * 1440))
    yield desk
    desk.close()


def allocate(desk: Desk, *contracts: Contract, days: int = 2) -> int:
    operation = Operation(TENANT, "allocation", "dana", "month end", MONDAY, MONDAY + days * DAY)
    entry = desk.books.allocated(operation, (), contracts or desk.contracts)
    if entry:
        desk.books.operate(operation, entry, desk.now)
    return entry.charges.height if entry else 0


def test_calls_cost_nothing_more_and_keep_what_the_list_asks(desk):
    assert desk.rows("select count(*), sum(cost_usd), sum(list_usd) > 0 from charges where contract = 'reserved'") == [(2, 0, True)]


def test_each_day_s_hours_are_charged_to_those_who_used_them_and_idle_ones_to_nobody(desk):
    assert allocate(desk) == 3
    day = "happened_at::date - date '2026-11-16'"
    rows = desk.rows(f"select {day}, team, quantity, cost_usd, method from charges where kind = 'allocation' order by all")
    assert rows == [
        (0, "blue", Decimal(6), Decimal("18.60"), "tokens"),
        (0, "red", Decimal(12), Decimal("37.20"), "tokens"),
        (1, None, Decimal(24), Decimal("74.40"), "tokens"),
    ]


def test_the_same_days_again_change_nothing_and_another_rate_replaces_them(desk):
    assert (allocate(desk), allocate(desk)) == (3, 0)
    dearer = RESERVED.model_copy(update={"usd_per_hour": Decimal("4")})
    assert allocate(desk, dearer) == 6
    assert desk.rows("select sum(cost_usd), sum(quantity) from charges where kind = 'allocation'") == [(4 * 42, 42)]


def test_only_days_that_are_over_are_charged(desk):
    allocate(desk, days=30)
    assert desk.rows("select sum(quantity) from charges where kind = 'allocation'") == [(18 + 2 * 24,)]


def test_reports_still_sum_and_the_contract_shows_what_its_hours_are_worth(desk):
    allocate(desk)
    ((total,),) = desk.rows("select sum(cost_usd) from charges")
    (row,) = REPORTS["commitments"](desk.sources(), Question(TENANT)).to_dicts()
    assert REPORTS["spend"](desk.sources(), Question(TENANT, by=("team",)))["cost_usd"].sum() == total
    assert (row["calls"], row["kind"], row["list_usd"] > 0) == (2, "provisioned", True)
    assert row["committed_usd"] == Decimal("3.10") * (18 + 2 * 24)
