import importlib
import inspect
import pkgutil
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from bookkeeping import TENANT, Desk, at, call, policy, span
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import reports
from analytics.bridge import APART, EFFECTS
from analytics.config import Loop, Threshold
from analytics.ledger import SQL
from analytics.model import MONEY
from analytics.reports import DIMENSIONS, FILTERS, REPORTS, Question, QuestionError, coverage

MEASURES = [
    "calls", "unknown_calls", "unpriced_calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "cost_usd",
]  # fmt: skip
COLUMNS = {
    "spend": MEASURES,
    "usage": MEASURES,
    "runs": [
        "run", "loop", "team", "user", "started_at", "ended_at", "state", "duration_ms", "steps", "agents", "calls", "unknown_calls",
        "unpriced_calls", "input_tokens", "output_tokens", "cost_usd", "signals", "last_action",
    ],
    "run_trace": [
        "step", "depth", "signal", "trace_id", "span_id", "parent_span_id", "name", "kind", "agent", "role", "model", "tool", "started_at",
        "ended_at", "duration_ms", "failed", "error_type", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
        "reasoning_tokens", "cost_usd", "counts", "reason", "remainder_tokens", "price_set", "unpriced_reason",
    ],
    "explain": [
        "entry", "call", "happened_at", "kind", "loop", "run", "team", "agent", "role", "provider", "model", "model_served", "tool",
        "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens", "unit",
        "quantity", "list_usd", "contracted_usd", "cost_usd", "basis", "contract", "owner_rule", "loop_rule", "price_set", "price_book",
        "price_source", "input_unit_usd", "cache_read_unit_usd", "cache_write_unit_usd", "cache_write_1h_unit_usd", "output_unit_usd",
        "reasoning_unit_usd", "call_unit_usd", "second_unit_usd", "unpriced_reason", "counts", "reason", "remainder_tokens", "signal",
        "name", "record_kind", "dialect", "runtime", "service", "trace_id", "span_id", "response_id", "request_id", "started_at",
        "ended_at", "said_input_tokens", "said_cache_read_tokens",
        "said_cache_write_tokens", "said_output_tokens", "said_reasoning_tokens", "measure", "amount", "usage_role", "usage_settled",
        "reported_usd",
    ],
    "data_quality": [
        "finding", "severity", "detail", "service", "runtime", "model", "records", "calls", "tokens", "first_at", "last_at", "says",
    ],
    "budgets": [
        "policy", "mode", "per", "scope", "window", "window_starts_at", "window_ends_at", "limit_usd", "limit_tokens", "spent_usd",
        "spent_tokens", "assumed_usd", "missing_calls", "percent", "state", "action",
    ],
    "budget_burn": ["happened_at", "spent_usd", "limit_usd"],
    "incidents": [
        "id", "policy", "scope", "window", "threshold", "action", "mode", "limit_usd", "limit_tokens", "spent_usd", "spent_tokens",
        "assumed_usd", "is_assumed", "crossed_at", "detected_at", "state", "run", "signals", "delivered", "acknowledged",
        "messages_delivered",
    ],
    "signals": [
        "id", "run", "loop", "action", "policy", "scope", "window", "reason", "incident_id", "epoch", "issued_at", "expires_at",
        "delivered_at", "delivered_by", "acknowledged_at", "confirmed_at", "state", "spend_after_delivery_usd",
    ],
    "unattributed": [
        "missing", "attribute", "value", "calls", "unknown_calls", "unpriced_calls", "runs", "cost_usd", "first_at", "last_at", "rule",
    ],
    "inventory": [
        "loop", "status", "state", "team", "owner", "cost_center", "environment", "version", "approved_by", "schedule", "timezone",
        "agents", "models", "runs", "calls", "cost_usd", "last_7_days_usd", "expected_runs", "missed_runs", "doubled_runs",
        "unused_grants", "undeclared_touches", "findings", "first_seen", "last_seen",
    ],
    "prices": [
        "price_set", "calls", "cost_usd", "provider", "model", "tool", "conditions", "basis", "contract", "teams", "source", "valid_from",
        "valid_to", "daily_from", "daily_to", "above_input_tokens", "up_to_input_tokens", "input_unit_usd", "cache_read_unit_usd",
        "cache_write_unit_usd", "cache_write_1h_unit_usd", "output_unit_usd", "reasoning_unit_usd", "call_unit_usd", "second_unit_usd",
        "search_unit_usd", "request_unit_usd", "inherited", "price_book", "recorded_at", "input_mtok", "cache_read_mtok",
        "cache_write_mtok", "output_mtok",
    ],
    "price_changes": [
        "provider", "model", "tool", "conditions", "contract", "valid_from", "above_input_tokens", "change", "input_before_unit_usd",
        "input_after_unit_usd", "cache_read_before_unit_usd", "cache_read_after_unit_usd", "output_before_unit_usd",
        "output_after_unit_usd", "tool_before_unit_usd", "tool_after_unit_usd", "others_changed", "price_set_before", "price_set_after",
    ],
    "unpriced": [
        "provider", "model_requested", "model_served", "tool", "conditions", "reason", "calls", "input_tokens", "output_tokens",
        "at_risk_usd", "first_at", "last_at",
    ],
    "commitments": [
        "contract", "kind", "provider", "model", "state", "starts_at", "ends_at", "calls", "list_usd", "drawn_usd", "committed_usd",
        "remaining_usd", "drawn_percent", "elapsed_percent", "exhausted_at",
    ],
    "repricing": [
        "team", "loop", "model", "calls", "before_usd", "after_usd", "change_usd",
    ],
    "roles": [
        "loop", "role", "calls", "unknown_calls", "unpriced_calls", "input_tokens", "output_tokens", "duration_ms", "model_usd", "tool_usd",
        "sandbox_usd", "allocated_usd", "cost_usd", "cost_share", "checker_share",
    ],
    "waste": [
        "loop", "reason", "runs", "calls", "unknown_calls", "unpriced_calls", "input_tokens", "output_tokens", "cost_usd", "cost_share",
    ],
    "reported": [
        "runtime", "calls", "reported_calls", "unreported_calls", "reported_usd", "compared_calls", "compared_usd", "cost_usd",
        "difference_usd", "difference_percent", "unreported_usd",
    ],
    "variance": [
        "loop", "before_usd", "after_usd", "change_usd", "change_percent", "state", "why",
        *(f"{name}_usd" for name in (*EFFECTS, *APART)),
        *(f"{name}_{when}" for name in ("runs", "calls", "unpriced_calls", "input_tokens", "cache_read_tokens", "output_tokens",
          "checker_calls", "checker_share", "cache_share") for when in ("before", "after")),
        "before_from", "before_to",
    ],
    "grants": [
        "loop", "agent", "role", "kind", "name", "declared", "touched", "uses", "first_used", "last_used", "finding",
    ],
    "schedule": ["loop", "expected_at", "state", "run", "started_at", "late_seconds", "runs"],
}  # fmt: skip
WINDOWS = {"variance": {"since": datetime(2026, 11, 16), "until": datetime(2026, 11, 18)}}
"""Reports that need one."""
WORDS = {"policy": "cap", "scope": "bump", "window": "2026-11-16", "run": "night"}

BUMP = Loop(name="bump", team="mint", owner="ada", agent="maker", trigger={"schedule": "@daily"})
SILENT = Loop(name="silent", team="bank", owner="bob")
STORY = (
    span("root", kind="agent", agent="maker", trace="night", loop="bump", minute=3),
    call("a", 9, trace="night", parent="root", loop="bump", user="ada", model_served="gold-2", service="fixer"),
    call("b", None, trace="night", parent="root", loop="bump", minute=1),
    call("c", 4, trace="night", parent="root", loop="bump", minute=2, cache_read_tokens=2, cache_write_1h_tokens=1, reasoning_tokens=3),
    span("d", trace="night", parent="root", loop="bump", kind="tool", tool="crane", minute=2.5),
    call("e", 5, trace="day", loop="sync", team="bank", role="checker", minute=600, runtime="sdk"),
    call("f", 7, trace="day", loop="sync", model_requested="lead", provider="foundry", minute=601),
    call("g", 6, trace="noon", minute=1500),
)


def told(directory: Path) -> Desk:
    """A ledger with a bit of everything, and a correction."""
    desk = Desk(directory, [policy(per="loop", thresholds=(Threshold(percent=100, action="stop"),))], (BUMP, SILENT))
    desk.watch(call("a", 3, trace="night", parent="root", loop="bump"))
    for one in STORY:
        desk.watch(one)
    desk.signals.delivered(desk.control.signals_after(TENANT, 0), "otlp", at(2))
    return desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The story, for reading."""
    desk = told(tmp_path_factory.mktemp("story"))
    yield desk
    desk.close()


@pytest.fixture
def own(tmp_path):
    """The story, to be told further."""
    desk = told(tmp_path)
    yield desk
    desk.close()


def ask(desk: Desk, name: str, *by: str, now: datetime | None = None, **said) -> pl.DataFrame:
    words = {**WORDS, **said.pop("words", {})}
    question = Question(TENANT, by=by, words=words, **{**WINDOWS.get(name, {}), **said})
    return REPORTS[name](desk.sources(now), question)


def total(desk: Desk, where: str = "true") -> tuple:
    """(calls, unknown calls, unpriced calls, dollars) in the ledger."""
    return desk.rows(f"select sum(calls), sum(unknown_calls), sum(unpriced_calls), sum(cost_usd) from charges where {where}")[0]


def summed(rows: pl.DataFrame) -> tuple:
    return rows.select(pl.col("calls", "unknown_calls", "unpriced_calls", "cost_usd").sum()).row(0)


# Columns


def test_every_report_has_its_documented_columns(desk):
    assert {name: ask(desk, name).columns for name in REPORTS} == COLUMNS


@pytest.mark.parametrize("name", REPORTS)
def test_every_column_is_in_the_docstring(name):
    about = inspect.getdoc(REPORTS["spend" if name == "usage" else name])
    assert [column for column in COLUMNS[name] if column not in about] == []


def test_no_report_holds_a_float_and_all_money_is_decimal(desk):
    schemas = {f"{name}.{column}": kind for name in REPORTS for column, kind in ask(desk, name).schema.items()}
    assert [column for column, kind in schemas.items() if kind.is_float()] == []
    money = {column: kind for column, kind in schemas.items() if column.endswith("_usd")}
    places = {column: 18 if column.endswith("_unit_usd") else 9 for column in money}
    assert {column for column, kind in money.items() if not (kind.is_decimal() and kind.scale == places[column])} == set()


def test_no_table_of_the_ledger_holds_a_float_and_all_money_is_decimal(desk):
    columns = desk.rows("select table_name, column_name, data_type from duckdb_columns() where not internal")
    assert [column for column in columns if column[2] in ("DOUBLE", "FLOAT")] == []
    exact = {"prices": "DECIMAL(38,18)", "operations": "DECIMAL(38,9)"}
    wrong = [column for column in columns if column[1].endswith("_usd") and column[2] != exact.get(column[0], "DECIMAL(18,9)")]
    assert wrong == []


# Every dollar once


@settings(max_examples=20, deadline=None)
@given(by=st.lists(st.sampled_from(DIMENSIONS), max_size=4, unique=True))
def test_spend_by_any_dimensions_sums_to_the_ledger(desk, by):
    rows = ask(desk, "spend", *by)
    assert (rows.columns, summed(rows)) == ([*by, *MEASURES], total(desk))
    assert rows.select(by).is_duplicated().any() is False or not by


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_usage_sums_to_the_model_calls_of_the_ledger(desk, dimension):
    assert summed(ask(desk, "usage", dimension)) == total(desk, "call_kind = 'model'")


@pytest.mark.parametrize("name", ["runs", "inventory"])
def test_runs_and_loops_sum_to_the_ledger(desk, name):
    assert ask(desk, name)["cost_usd"].sum() == total(desk)[3]
    assert ask(desk, name)["calls"].sum() == total(desk)[0]


def test_the_steps_of_a_run_sum_to_the_run(desk):
    per_run = dict(ask(desk, "runs").select("run", "cost_usd").iter_rows())
    assert {run: ask(desk, "run_trace", words={"run": run})["cost_usd"].sum() for run in per_run} == per_run


def test_budgets_sum_to_the_ledger_and_burn_down_to_the_budget(desk):
    budgets = ask(desk, "budgets")
    assert budgets["spent_usd"].sum() == total(desk)[3]
    spent = budgets.filter(scope="bump")["spent_usd"].item()
    assert ask(desk, "budget_burn")["spent_usd"].to_list() == [9, 9, 19, spent]


def test_windows_that_follow_each_other_sum_to_the_whole(desk):
    cuts = [None, at(1), at(2), at(600), at(1500), None]
    parts = [ask(desk, "spend", since=since, until=until) for since, until in pairwise(cuts)]
    assert summed(pl.concat(parts)) == total(desk)
    loops = [ask(desk, "inventory", since=since, until=until)["cost_usd"].sum() for since, until in pairwise(cuts)]
    assert sum(loops) == total(desk)[3]


def test_a_loop_named_by_another_record_of_a_call_keeps_its_spend_in_any_window(opened):
    desk = opened()
    desk.post(call("gateway", 5, response_id="r", trace="one", minute=0.05, cache_read_tokens=0))
    desk.post(call("sdk", 5, response_id="r", trace="two", loop="bump", minute=0))
    assert ask(desk, "spend", "loop", since=at(0.02)).select("loop", "cost_usd").rows() == [("bump", 5)]
    assert ask(desk, "inventory", since=at(0.02))["cost_usd"].sum() == 5


# What the rows say


def test_usage_by_model_reads_like_a_bill(desk):
    assert ask(desk, "usage", "model").rows() == [
        ("gold", 5, 1, 0, 27, 2, 1, 3, 3, Decimal(30)),
        ("lead", 1, 0, 1, 7, None, None, 0, None, None),
    ]


def test_what_nobody_reported_is_null_and_not_zero(opened):
    desk = opened()
    desk.post(call("a", None, trace="unknown"), call("b", 4, trace="known"))
    assert ask(desk, "usage", "run").rows() == [
        ("known", 1, 0, 0, 4, None, None, 0, None, Decimal(4)),
        ("unknown", 1, 1, 0, None, None, None, None, None, None),
    ]
    assert ask(desk, "runs").select("run", "input_tokens", "output_tokens", "cost_usd").sort("run").rows() == [
        ("known", 4, 0, Decimal(4)),
        ("unknown", None, None, None),
    ]


def test_what_nobody_is_named_for_is_unattributed(desk):
    assert dict(ask(desk, "spend", "team").select("team", "cost_usd").iter_rows()) == {
        "mint": Decimal("19.5"),
        "unattributed": 6,
        "bank": 5,
    }
    assert ask(desk, "spend", "tool", filters={"tool": ("unattributed",)})["cost_usd"].to_list() == [30]


def test_days_are_utc_and_dearest_comes_first(desk):
    assert ask(desk, "spend", "day").select("day", "cost_usd").rows() == [("2026-11-16", Decimal("24.5")), ("2026-11-17", 6)]


def test_dimensions_come_in_the_order_they_were_asked_for(desk):
    assert ask(desk, "spend", "loop", "team").columns[:2] == ["loop", "team"]
    assert ask(desk, "spend", "team", "loop").columns[:2] == ["team", "loop"]


def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(desk):
    def calls(since, until):
        return ask(desk, "spend", since=since, until=until)["calls"].sum()

    assert (calls(at(0), at(1)), calls(at(1), at(2)), calls(at(2), None), calls(None, at(0))) == (1, 1, 5, 0)


@pytest.mark.parametrize(
    ("filters", "usd"),
    [
        ({"team": ("mint",)}, "19.5"),
        ({"team": ("mint", "bank")}, "24.5"),
        ({"loop": ("sync",), "model": ("lead",)}, None),
        ({"agent": ("maker",)}, "19.5"),
        ({"role": ("checker",)}, "5"),
        ({"user": ("ada",)}, "19.5"),
        ({"provider": ("foundry",)}, None),
        ({"run": ("noon",)}, "6"),
        ({"tool": ("crane",)}, "0.5"),
    ],
)
def test_filters_keep_what_matches_all_of_them(desk, filters, usd):
    assert ask(desk, "spend", filters=filters)["cost_usd"].to_list() == [usd and Decimal(usd)]


def test_a_filter_that_nothing_matches_leaves_no_row(desk):
    assert ask(desk, "spend", filters={"team": ("nobody",)}).rows() == []


def test_what_was_corrected_away_leaves_no_row(opened):
    desk = opened()
    desk.post(call("a", 4, team="wrong", response_id="r", trace="one"))
    desk.post(call("a", 4, team="right", response_id="r", trace="one", user="ada"))
    assert ask(desk, "spend", "team").select("team", "cost_usd").rows() == [("right", 4)]


def test_a_loop_that_was_corrected_away_is_not_seen_with_what_it_no_longer_has(opened):
    desk = opened()
    desk.post(call("a", 4, agent="early", team="wrong"), call("b", 1, minute=1, trace="other"))
    desk.post(call("a", 4, agent="later", team="right", loop="bump", user="ada"))
    rows = ask(desk, "inventory").select("loop", "agents", "calls", "cost_usd").rows()
    assert rows == [("bump", ["later"], 1, 4), ("unattributed", [], 1, 1)]
    assert ask(desk, "runs").select("loop", "team", "user", "agents").rows() == [
        ("unattributed", "unattributed", "unattributed", []),
        ("bump", "right", "ada", ["later"]),
    ]


# Runs


def test_runs_say_who_what_and_how_it_stands(desk):
    rows = ask(desk, "runs", now=at(602)).select("run", "loop", "team", "state", "steps", "agents", "calls", "signals", "last_action")
    assert rows.rows() == [
        ("noon", "unattributed", "unattributed", "running", 1, [], 1, 0, None),
        ("day", "sync", "bank", "running", 2, [], 2, 0, None),
        ("night", "bump", "mint", "ended", 5, ["maker"], 4, 1, "stop"),
    ]


def test_a_run_that_is_silent_for_long_has_ended(opened):
    desk = opened()
    desk.post(call("a", parent="root"))
    assert [ask(desk, "runs", now=at(minute))["state"].item() for minute in (15, 15.1)] == ["running", "ended"]


def test_runs_come_in_pages(desk):
    first, second = (ask(desk, "runs", limit=2, cursor=cursor)["run"].to_list() for cursor in (None, "2"))
    assert (first, second) == (["noon", "day"], ["night"])


def test_a_trace_is_a_tree_in_order_of_time(desk):
    rows = ask(desk, "run_trace").select("step", "depth", "name", "model", "tool", "agent", "input_tokens", "cost_usd", "counts", "reason")
    assert rows.rows() == [
        (0, 0, "root", None, None, "maker", None, None, None, None),
        (1, 1, "a", "gold", None, "maker", 9, Decimal(9), True, "counts"),
        (2, 1, "b", "gold", None, "maker", None, None, True, "counts"),
        (3, 1, "c", "gold", None, "maker", 7, Decimal(10), True, "counts"),
        (4, 1, "d", None, "crane", "maker", None, Decimal("0.5"), True, "counts"),
    ]


def test_a_trace_whose_parents_form_a_ring_shows_every_step(opened):
    desk = opened()
    desk.post(span("a", parent="b"), span("b", parent="a", minute=1), span("c", parent="missing", minute=2), span("self", parent="self"))
    assert sorted(ask(desk, "run_trace", words={"run": "trace"}).select("name", "depth").rows()) == [
        ("a", 0), ("b", 0), ("c", 0), ("self", 0),
    ]  # fmt: skip


# Budgets, incidents, signals, loops


def test_budgets_say_how_full_they_are(desk):
    assert ask(desk, "budgets").select("scope", "window", "spent_usd", "missing_calls", "percent", "state", "action").rows() == [
        ("bump", "2026-11-16", Decimal("19.5"), 1, Decimal(195), "breached", "stop"),
        ("unattributed", "2026-11-17", 6, 0, Decimal(60), "ok", None),
        ("sync", "2026-11-16", 5, 1, Decimal(50), "ok", None),
    ]


def test_a_budget_without_spend_shows_its_window_of_now(opened):
    desk = opened(policy(), policy(name="each", per="loop", window="month"))
    assert ask(desk, "budgets").select("policy", "scope", "window", "spent_usd", "percent", "state").rows() == [
        ("cap", "all", "2026-11-16", 0, 0, "ok"),
        ("each", "", "2026-11", 0, 0, "ok"),
    ]


def test_a_burn_down_has_few_points_and_ends_exactly(opened):
    desk = opened(policy(limit_usd="5"))
    desk.post(*(call(f"{number}", 1, minute=number / 10) for number in range(1200)))
    rows = ask(desk, "budget_burn", words={"scope": "all"})
    assert (rows.height <= 500, rows["spent_usd"][-1], rows["happened_at"].is_sorted()) == (True, 1200, True)


def test_incidents_are_bounded_by_their_crossing(desk):
    columns = ("policy", "scope", "threshold", "run", "spent_usd", "signals", "delivered", "state")
    assert ask(desk, "incidents").select(columns).rows() == [
        ("unregistered loop", "sync", None, "day", None, 0, 0, "open"),
        ("undeclared touch", "bump: tool crane", None, "night", None, 0, 0, "open"),
        ("cap", "bump", 100, "night", 19, 1, 1, "open"),
    ]
    bounds = ((at(2), at(2.1)), (at(601), None), (None, at(2)))
    assert [ask(desk, "incidents", since=since, until=until).height for since, until in bounds] == [1, 0, 0]


def test_signals_say_what_was_spent_after_they_were_delivered(own):
    own.post(call("h", 8, trace="night", loop="bump", minute=4))
    assert ask(own, "signals", now=at(5)).select("run", "loop", "action", "state", "delivered_by", "spend_after_delivery_usd").rows() == [
        ("night", "bump", "stop", "delivered", "otlp", Decimal("8.5"))
    ]


def test_signals_are_bounded_by_their_issue(desk):
    bounds = ((at(3), at(4)), (at(3.1), None), (None, at(3)))
    assert [ask(desk, "signals", since=since, until=until).height for since, until in bounds] == [1, 0, 0]


def test_loops_are_registered_seen_or_both(desk):
    assert ask(desk, "inventory").select("loop", "status", "team", "owner", "schedule", "agents", "runs", "calls", "cost_usd").rows() == [
        ("bump", "registered and seen", "mint", "ada", "@daily", ["maker"], 1, 4, Decimal("19.5")),
        ("unattributed", "unregistered", "unattributed", None, None, [], 1, 1, 6),
        ("sync", "unregistered", "bank", None, None, [], 1, 2, 5),
        ("silent", "registered, silent", "bank", "bob", None, [], 0, 0, None),
    ]


def test_coverage_stands_beside_every_total(desk):
    assert coverage(desk.sources(), Question(TENANT)) == {
        "calls": 7, "priced_calls": 5, "unknown_calls": 1, "unpriced_calls": 1, "attributed_calls": 6, "waiting_records": 0,
        "remainder_tokens": 0, "blind_services": 0, "last_record_at": at(1500),
    }  # fmt: skip


# Questions


@pytest.mark.parametrize(
    "wrong",
    [{"by": ("colour",)}, {"filters": {"colour": ("red",)}}, {"limit": 0}, {"limit": 1001}],
)
def test_a_question_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(QuestionError, match=r"unknown (dimension|filter) 'colour': give any of|between 1 and 1000"):
        Question(TENANT, **wrong)


@pytest.mark.parametrize(
    "words",
    [{"policy": "nobody"}, {"window": "yesterday"}, {"policy": "each", "window": "2026-11-16"}],
)
def test_a_burn_down_of_nothing_is_refused(opened, words):
    desk = opened(policy(per="loop"), policy(name="each", window="run"))
    with pytest.raises(QuestionError):
        ask(desk, "budget_burn", words=words)


def test_a_word_that_is_missing_is_named(desk):
    with pytest.raises(QuestionError, match="this report needs run="):
        REPORTS["run_trace"](desk.sources(), Question(TENANT))


def test_no_report_shows_another_tenants_rows(own):
    before = {name: ask(own, name, now=at(9)).rows() for name in REPORTS}
    for loop in ("bump", "sync", "new"):
        own.watch(call(loop, 50, trace="foreign", loop=loop, minute=5), tenant="other")
    assert {name: ask(own, name, now=at(9)).rows() for name in REPORTS} == before


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_answers_from_an_empty_ledger(opened, name):
    desk = opened(policy(per="loop"))
    assert ask(desk, name).columns == COLUMNS[name]


# Wiring


def test_every_report_module_is_registered():
    modules = {module.name for module in pkgutil.iter_modules(reports.__path__)} - {"question", "coverage", "run_names", "charged"}
    registered = {report.__module__.rpartition(".")[2] for report in REPORTS.values()}
    assert registered == modules
    assert all(name == report.__name__ for name, report in REPORTS.items())


def test_every_statement_of_reports_belongs_to_a_report():
    statements = {path.stem for path in (SQL / "reports").iterdir()}
    texts = {module.name: Path(importlib.import_module(f"analytics.reports.{module.name}").__file__).read_text() for module in
             pkgutil.iter_modules(reports.__path__)}  # fmt: skip
    assert {name for name in statements if f'"reports/{name}"' in texts.get(name, "")} == statements


def test_filters_are_dimensions():
    assert set(FILTERS) <= set(DIMENSIONS)
    assert MONEY.is_decimal()
