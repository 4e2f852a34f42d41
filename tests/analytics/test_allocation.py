"""Shared costs, split among those who used them: exactly, by day, again and again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from bookkeeping import MONDAY, TENANT, Desk, call, policy, span
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.allocation import split
from analytics.config import Loop, Policy, SharedCost
from analytics.operations import Operation, moved
from analytics.reports import DIMENSIONS, REPORTS, Question

DAY = timedelta(days=1)
NIGHTLY = Loop(name="nightly", team="red", owner="dana", cost_center="CC-1")
GATEWAY = {"loop": "gateway"}


def shared(method: str, name: str = "gateway", when: dict | None = None, **said: Any) -> SharedCost:
    return SharedCost(name=name, when=when or GATEWAY, method=method, **said)


def allocate(desk: Desk, since: datetime | None = None, until: datetime | None = None) -> pl.DataFrame | None:
    """Splits what is shared at a desk; what it moved, None for nothing."""
    operation = Operation(TENANT, "allocation", "dana", "month end", since, until)
    entry = desk.books.allocated(operation, desk.shared)
    return None if entry is None else moved(desk.books.operate(operation, entry, desk.now).charges)


def by(desk: Desk, *names: str) -> dict:
    named = ", ".join(names)
    rows = desk.rows(f"select {named}, sum(cost_usd) from charges group by all having sum(cost_usd) <> 0")
    return {row[:-1] if len(names) > 1 else row[0]: row[-1] for row in rows}


@pytest.fixture
def spending(opened) -> Callable[..., Desk]:
    """A desk where a gateway spent ten dollars for red (6 dollars in 2 runs) and blue (3 dollars, 1 run)."""

    def _spending(*entries: SharedCost, policies: Sequence[Policy] = (), **more) -> Desk:
        desk = opened(*policies, shared=entries, **more)
        desk.post(call("g", 10, loop="gateway", team="platform", trace="g"))
        desk.post(call("r1", 2, team="red", trace="r1"), call("r2", 4, team="red", trace="r2"), call("b", 3, team="blue", trace="b"))
        return desk

    return _spending


@pytest.mark.parametrize(
    ("entry", "red", "blue"),
    [
        (shared("even"), "5", "5"),
        (shared("even", among=("blue",)), "0", "10"),
        (shared("fixed", shares={"red": "70", "blue": "30"}), "7", "3"),
        (shared("cost"), "6.666666667", "3.333333333"),
        (shared("tokens"), "6.666666667", "3.333333333"),
        (shared("runs"), "6.666666667", "3.333333333"),
        (shared("runs", among=("red", "nobody")), "10", "0"),
    ],
    ids=lambda one: one.method if isinstance(one, SharedCost) else None,
)
def test_each_method_splits_the_cost_exactly(spending, entry, red, blue):
    desk = spending(entry)
    allocate(desk)
    assert by(desk, "team") == {"red": 6 + Decimal(red), "blue": 3 + Decimal(blue)}


def test_a_share_keeps_what_it_is_of_and_says_by_which_method(spending):
    desk = spending(shared("fixed", shares={"red": "70", "blue": "30"}))
    allocate(desk)
    owner = "kind, reason, call_kind, happened_at, loop, team, model, owner_rule, method"
    columns = f"{owner}, calls, priced, usage_known, input_uncached_tokens, cost_usd"
    common = ("allocation", "operation 1", "allocation", MONDAY + DAY / 2, "gateway")
    rest = ("gold", "shared gateway", "fixed", 0, 1, 0, None)
    assert desk.rows(f"select {columns} from charges where kind = 'allocation' order by cost_usd") == [
        (*common, "platform", *rest, -10), (*common, "blue", *rest, 3), (*common, "red", *rest, 7)
    ]  # fmt: skip
    assert desk.rows("select kind, calls, delta_usd from operations") == [("allocation", 0, 0)]


def test_list_and_contracted_cost_are_split_with_it_and_what_is_unknown_stays_unknown(spending):
    desk = spending(shared("fixed", shares={"red": "50", "blue": "50"}))
    desk.post(call("g2", 1000, loop="gateway", team="platform", trace="g2", provider="openai", model_requested="gpt-4o"))
    desk.post(call("g3", 1000, loop="gateway", team="platform", trace="g3", provider="nobody", model_requested="nothing"))
    allocate(desk)
    sums = "sum(list_usd), sum(contracted_usd), sum(cost_usd), sum(priced)"
    rows = {row[:2]: row[2:] for row in desk.rows(f"select team, model, {sums} from charges where kind = 'allocation' group by all")}
    listed = Decimal("0.00125")
    assert rows[("red", "gpt-4o")] == rows[("blue", "gpt-4o")] == (listed, listed, listed, 1)
    assert rows[("red", "gold")] == (None, 5, 5, 1)
    assert {model for _, model in rows} == {"gold", "gpt-4o"}


def test_what_is_split_again_changes_nothing_and_what_changed_replaces_it(spending, opened):
    desk = spending(shared("even"))
    assert allocate(desk) is not None
    commit_no = desk.ledger.commit_no
    assert (allocate(desk), allocate(desk, MONDAY, MONDAY + DAY), desk.ledger.commit_no) == (None, None, commit_no)
    desk.post(call("g2", 4, loop="gateway", team="platform", trace="g2"))
    allocate(desk)
    assert by(desk, "team") == {"red": 13, "blue": 10}
    desk = opened(shared=[shared("fixed", shares={"red": "100"})])
    allocate(desk)
    assert by(desk, "team") == {"red": 20, "blue": 3}
    desk = opened()
    allocate(desk)
    assert by(desk, "team") == {"platform": 14, "red": 6, "blue": 3}
    chains = desk.rows("select distinct sum(sign) over (partition by call_id) from charges where kind = 'allocation'")
    assert chains == [(0,)]


def test_days_are_split_by_themselves_and_only_those_asked_for(opened):
    desk = opened(shared=[shared("cost")])
    for day, (red, blue) in enumerate(((1, 3), (3, 1))):
        minute = 1440 * day + 5
        spent = (("gateway", 4, {"loop": "gateway"}), ("red", red, {"team": "red"}), ("blue", blue, {"team": "blue"}))
        desk.post(*(call(f"{name}{day}", usd, trace=f"{name}{day}", minute=minute, **said) for name, usd, said in spent))
    allocate(desk, MONDAY, MONDAY + DAY)
    assert by(desk, "team") == {None: 4, "red": 5, "blue": 7}
    allocate(desk)
    assert by(desk, "team") == {"red": 8, "blue": 8}


def test_a_day_without_receivers_stays_where_it_is(opened):
    desk = opened(shared=[shared("cost"), shared("even", "other", {"team": "platform"}, among=("x",))])
    desk.post(call("g", 10, loop="gateway", team="platform"))
    assert allocate(desk) is None


def test_a_cost_that_two_entries_match_is_split_once_by_the_first(spending):
    desk = spending(shared("even", "first", among=("red",)), shared("even", "second", {"team": "platform"}, among=("blue",)))
    allocate(desk)
    assert by(desk, "team") == {"red": 16, "blue": 3}


def test_an_entry_holds_for_days_that_begin_in_its_time(spending):
    early = shared("even", "early", among=("red",), valid_to="2026-11-16")
    late = shared("even", "late", among=("blue",), valid_from="2026-11-16", valid_to="2026-11-17")
    desk = spending(early, late)
    allocate(desk)
    assert by(desk, "team") == {"red": 6, "blue": 13}


def test_unattributed_spend_may_be_shared_but_takes_no_share(opened):
    desk = opened(shared=[shared("cost", when={"team": "unattributed"})])
    desk.post(call("nobody", 5, trace="n"), call("red", 1, trace="r", team="red"))
    allocate(desk)
    assert by(desk, "team") == {"red": 6}


def test_a_share_for_a_loop_is_billed_as_the_registry_says(spending):
    desk = spending(shared("fixed", to="loop", shares={"nightly": "50", "weekly": "50"}), loops=[NIGHTLY])
    allocate(desk)
    assert by(desk, "loop", "team", "cost_center") == {
        (None, "red", None): 6, (None, "blue", None): 3, ("nightly", "red", "CC-1"): 5, ("weekly", "platform", None): 5
    }  # fmt: skip


def test_a_share_for_a_team_goes_to_its_cost_centre_when_it_has_one(spending):
    desk = spending(shared("even"), loops=[NIGHTLY])
    allocate(desk)
    assert by(desk, "team", "cost_center") == {("red", None): 6, ("red", "CC-1"): 5, ("blue", None): 8}


def test_budgets_follow_a_split(spending):
    """Shares count from noon on: what the gateway had spent by then did cross."""
    desk = spending(shared("even"), policies=[policy(per="team", limit_usd="10", thresholds=[{"percent": 100, "action": "stop"}])])
    desk.guard.catch_up(desk.now)
    entry = desk.books.allocated(Operation(TENANT, "allocation", "dana", "month end"), desk.shared)
    desk.guard.observe(desk.books.operate(Operation(TENANT, "allocation", "dana", "month end"), entry, desk.now), desk.now)
    crossed = {row["scope"]: row["crossed_at"] for row in desk.control.all_incidents() if row["state"] == "open"}
    assert crossed == {"platform": MONDAY, "red": MONDAY + DAY / 2}


def test_every_report_sums_to_the_ledger_after_a_split(spending):
    desk = spending(shared("cost"), policies=[policy(per="team", window="month")])
    desk.post(span("lift", kind="tool", tool="crane", loop="gateway", trace="t"))
    allocate(desk)

    def ask(name: str, *dimensions: str) -> pl.DataFrame:
        return REPORTS[name](desk.sources(), Question(TENANT, by=dimensions))

    ((total, calls),) = desk.rows("select sum(cost_usd), sum(calls) from charges")
    assert total == Decimal("19.5")
    spends = [ask("spend", dimension) for dimension in ("team", *DIMENSIONS)]
    assert {(one["cost_usd"].sum(), one["calls"].sum()) for one in spends} == {(total, calls)}
    assert {ask("usage", dimension)["cost_usd"].sum() for dimension in DIMENSIONS} == {Decimal(19)}
    assert {name: ask(name)["cost_usd"].sum() for name in ("runs", "inventory")} == {"runs": total, "inventory": total}
    assert ask("budgets")["spent_usd"].sum() == total


# Splitting


@given(amount=st.integers(-(10**18), 10**18), weights=st.dictionaries(st.text(max_size=3), st.integers(0, 10**15), min_size=1, max_size=8))
def test_parts_sum_to_the_whole_and_are_off_by_less_than_one(amount, weights):
    parts, total = split(amount, weights), sum(weights.values())
    if total == 0:
        assert parts == {}
        return
    assert sum(parts.values()) == amount
    assert all(abs(parts[name] * total - amount * weight) < total for name, weight in weights.items())
    assert all(parts[name] == 0 for name, weight in weights.items() if weight == 0)


@given(weights=st.dictionaries(st.text(max_size=3), st.integers(1, 9), min_size=2, max_size=8), amount=st.integers(0, 10**9))
def test_parts_do_not_depend_on_the_order_of_receivers(weights, amount):
    assert split(amount, weights) == split(amount, dict(reversed(weights.items())))


NAMES = st.sampled_from((None, "gateway", "red", "blue"))
CALLS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2), NAMES, NAMES), min_size=1, max_size=8)
ENTRIES = st.sampled_from(
    (
        (shared("cost"),), (shared("tokens", to="loop"),), (shared("runs"), shared("even", "two", {"team": "red"})),
        (shared("fixed", shares={"a": "33.3", "b": "33.3", "red": "33.4"}),), 
        (shared("even", when={"loop": "*"}, to="cost_center", among=("x", "y", "z")),),
    )
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS, entries=ENTRIES)
def test_every_day_sums_to_what_was_spent_before_and_after(tmp_path_factory, calls, entries):
    desk = Desk(tmp_path_factory.mktemp("desk"), shared=entries, loops=[NIGHTLY])
    for place, (usd, day, loop, team) in enumerate(calls):
        desk.post(call(f"c{place}", usd, trace=f"t{place}", minute=1440 * day + 60, loop=loop, team=team, model_requested="gold"))
    of_days = "select happened_at::date, sum(cost_usd), sum(list_usd), sum(calls) from charges group by 1 order by 1"
    before = desk.rows(of_days)
    allocate(desk)
    assert desk.rows(of_days) == before
    assert allocate(desk) is None
    desk.close()
