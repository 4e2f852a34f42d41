"""Prices corrected after the fact: what changes is shown first, then charged by new versions that say who and why."""

from decimal import Decimal

import pytest
from bookkeeping import CRANE, GOLD, TENANT, Desk, at, call, policy, span
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.config import CustomPrice
from analytics.operations import Operation
from analytics.reports import REPORTS, Question
from analytics.repricing import reprice

HALF = CustomPrice(model="gold", input_mtok="500000", output_mtok="500000")
SUMS = "select sum(calls), sum(cost_usd), sum(input_uncached_tokens), count(*) from charges"


def scope(tenant: str = TENANT, **said) -> Operation:
    return Operation(tenant, "repricing", "dana", "signed late", **said)


EVERYTHING = scope()


def repriced(desk: Desk, operation: Operation = EVERYTHING) -> int:
    """Prices again as the command does; how many calls changed."""
    entry = desk.books.repriced(operation)
    if entry:
        desk.guard.observe(desk.books.operate(operation, entry, desk.now), desk.now)
    return entry.charges["call_id"].n_unique() if entry else 0


def reopened(desk: Desk, *prices: CustomPrice) -> Desk:
    desk.close()
    return Desk(desk.directory, desk.policies, desk.loops, prices)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path, [policy(limit_usd=Decimal(1000))])
    desk.watch(
        call("a", 6, team="mint", loop="nightly"),
        call("b", 4, minute=60, team="forge", trace="other"),
        call("u", None, minute=61, trace="u"),
    )
    desk.watch(span("lift", kind="tool", tool="crane", minute=62, trace="tools"))
    yield desk
    desk.close()


def test_what_changes_is_shown_by_team_loop_and_model_before_anything_does(desk):
    again = reopened(desk, HALF, CRANE)
    found = reprice(again.ledger, again.books.rules.prices, EVERYTHING)
    assert found.moved().select("team", "loop", "model", "calls", "before_usd", "after_usd", "change_usd").rows() == [
        ("mint", "nightly", "gold", 1, Decimal(6), Decimal(3), Decimal(-3)),
        ("forge", "unattributed", "gold", 1, Decimal(4), Decimal(2), Decimal(-2)),
    ]
    assert again.rows(SUMS)[0][1] == Decimal("10.5")
    again.close()


def test_the_new_charge_replaces_the_old_one_and_says_who_and_why(desk):
    again = reopened(desk, HALF, CRANE)
    assert repriced(again) == 2
    rows = again.rows("select version, sign, kind, reason, cost_usd, price_book from charges where team = 'mint' order by version, sign")
    old, new = rows[0][-1], rows[-1][-1]
    assert rows == [
        (1, 1, "usage", "counted", Decimal(6), old),
        (2, -1, "repricing", "operation 1", Decimal(-6), old),
        (2, 1, "repricing", "operation 1", Decimal(3), new),
    ]
    assert old != new
    (noted,) = again.rows("select operation, kind, who, why, from_books, to_book, calls, delta_usd from operations")
    assert noted == (1, "repricing", "dana", "signed late", [old], new, 2, Decimal(-5))
    assert again.rows(SUMS) == [(4, Decimal("5.5"), 10, 8)]
    again.close()


def test_a_repricing_that_changes_nothing_writes_nothing(desk):
    commit = desk.ledger.commit_no
    assert repriced(desk) == 0
    assert (desk.ledger.commit_no, desk.rows("select * from operations")) == (commit, [])
    again = reopened(desk, HALF, CRANE)
    assert (repriced(again), repriced(again)) == (2, 0)
    again.close()


def test_only_what_is_in_scope_is_priced_again(desk):
    again = reopened(desk, HALF, CRANE)
    assert repriced(again, scope(since=at(30), until=at(61))) == 1
    assert again.rows("select sum(cost_usd) from charges where team = 'mint'") == [(Decimal(6),)]
    assert repriced(again, scope(models=("silver",))) == 0
    assert repriced(again, scope("somebody else")) == 0
    again.close()


def test_a_price_that_became_known_prices_what_had_none(tmp_path):
    desk = Desk(tmp_path, prices=[CRANE])
    desk.watch(call("a", 6), call("b", None, minute=1))
    assert desk.rows("select sum(unpriced_calls), sum(unknown_calls), sum(priced), sum(cost_usd) from charges") == [(1, 1, 0, None)]
    again = reopened(desk, GOLD)
    assert repriced(again) == 1
    assert again.rows("select sum(unpriced_calls), sum(unknown_calls), sum(priced), sum(cost_usd) from charges") == [(0, 1, 1, Decimal(6))]
    later = reopened(again, CRANE)
    assert repriced(later) == 1
    assert later.rows("select sum(unpriced_calls), sum(unknown_calls), sum(priced), sum(cost_usd) from charges") == [(1, 1, 0, Decimal(0))]
    later.close()


def test_budgets_follow_and_an_incident_that_the_prices_no_longer_support_is_withdrawn(tmp_path):
    desk = Desk(tmp_path, [policy()])
    desk.watch(call("a", 6), call("b", 5, minute=1))
    spent = REPORTS["budgets"](desk.sources(), Question(TENANT))["spent_usd"].to_list()
    again = reopened(desk, HALF)
    repriced(again)
    budgets, incidents = (REPORTS[name](again.sources(), Question(TENANT)) for name in ("budgets", "incidents"))
    assert (spent, budgets["spent_usd"].to_list()) == ([Decimal(11)], [Decimal("5.5")])
    assert set(incidents["state"]) == {"withdrawn"}
    again.close()


def test_what_arrives_later_goes_on_from_the_repriced_charge(desk):
    again = reopened(desk, HALF, CRANE)
    repriced(again)
    once_more = reopened(again, HALF, CRANE)
    once_more.watch(call("a", 8, team="mint", loop="nightly"))
    rows = once_more.rows("select version, sign, cost_usd from charges where team = 'mint' order by version, sign desc")
    assert rows[-2:] == [(3, 1, Decimal(4)), (3, -1, Decimal(-3))]
    once_more.close()


@settings(max_examples=10, deadline=None)
@given(costs=st.lists(st.one_of(st.none(), st.integers(1, 50)), min_size=1, max_size=8), percent=st.integers(1, 300))
def test_every_sum_moves_by_exactly_what_was_announced(tmp_path_factory, costs, percent):
    desk = Desk(tmp_path_factory.mktemp("books"))
    desk.watch(*(call(f"c{place}", usd, minute=place, team=f"t{place % 2}") for place, usd in enumerate(costs)))
    before = dict(desk.rows("select team, sum(cost_usd) from charges group by team"))
    price = str(10_000 * percent)
    again = reopened(desk, CustomPrice(model="gold", input_mtok=price, output_mtok=price))
    moved = reprice(again.ledger, again.books.rules.prices, EVERYTHING).moved()
    repriced(again)
    after = dict(again.rows("select team, sum(cost_usd) from charges group by team"))
    told = dict(moved.group_by("team").agg("change_usd").iter_rows())
    assert after == {team: None if usd is None else usd + sum(told.get(team, [])) for team, usd in before.items()}
    assert again.rows("select call_id from charges group by call_id having sum(sign) <> 1") == []
    again.close()
