"""Which record of a call counts and why the others do not; and whose run a record is, whoever names it."""

from decimal import Decimal

import polars as pl
import pytest
from bookkeeping import TENANT, Desk, at, call, log, point, span, trace_hex

from analytics.reports import REPORTS, Question, QuestionError

UNNAMED = {"run": trace_hex("trace")}
SEEN = ("entry", "name", "signal", "counts", "reason", "remainder_tokens")


def ask(desk: Desk, name: str, run: str, **said) -> pl.DataFrame:
    return REPORTS[name](desk.sources(), Question(TENANT, filters={"run": (run,)}, **said))


def runs(desk: Desk) -> dict[str, tuple]:
    """Of each run its steps, calls and cost."""
    rows = REPORTS["runs"](desk.sources(), Question(TENANT)).select("run", "steps", "calls", "cost_usd").rows()
    assert len({row[0] for row in rows}) == len(rows)
    return {run: measures for run, *measures in rows}


# Calls and their records


def test_a_call_is_explained_by_every_record_it_was_seen_in(opened):
    desk = opened()
    desk.post(
        call("sdk", 5, response_id="r", runtime="sdk", agent="maker", role="maker", service="fixer"),
        call("proxy", 5, response_id="r", runtime="proxy", trace="there", minute=0.01),
    )
    rows = ask(desk, "explain", "trace")
    assert rows.select(*SEEN, "runtime", "service").rows() == [
        (0, "sdk", "span", True, "counts", None, "sdk", "fixer"),
        (0, "proxy", "span", False, "same response id", None, "proxy", None),
    ]
    assert rows.select("call", "agent", "role", "model", "input_tokens", "cost_usd", "unpriced_reason").unique().rows() == [
        (rows["call"][0], "maker", "maker", "gold", 5, 5, None)
    ]
    assert rows["trace_id"].to_list() == [trace_hex("trace"), trace_hex("there")]
    assert len(rows["call"][0]) == 16


def test_a_price_row_says_what_a_single_token_costs_and_where_that_stands(opened):
    desk = opened()
    desk.post(call("a", None, input_uncached_tokens=2, output_text_tokens=1), span("crane", kind="tool", tool="crane", minute=1))
    model, tool = ask(desk, "explain", "trace").iter_rows(named=True)
    (stored,) = desk.rows("select distinct price_set, price_book, basis, input_usd from prices where model = 'gold'")
    assert (model["price_set"], model["price_book"], model["basis"], model["input_unit_usd"]) == stored
    assert (model["input_unit_usd"], model["output_unit_usd"], model["call_unit_usd"]) == (1, 1, None)
    assert (tool["kind"], tool["tool"], tool["unit"], tool["quantity"], tool["call_unit_usd"]) == (
        "tool",
        "crane",
        "call",
        1,
        Decimal("0.5"),
    )
    assert sum(row["cost_usd"] for row in (model, tool)) == Decimal("3.5")


def test_a_call_without_usage_or_price_says_why_it_costs_nothing_known(opened):
    desk = opened()
    desk.post(call("a", None), call("b", 3, model_requested="lead", minute=1))
    assert ask(desk, "explain", "trace").select("input_tokens", "cost_usd", "price_set", "input_unit_usd", "unpriced_reason").rows() == [
        (None, None, None, None, "no usage"),
        (3, None, None, None, "unknown model"),
    ]


def test_a_log_record_of_a_call_is_listed_with_it_and_stands_below_its_span(opened):
    desk = opened()
    desk.post(
        span("root", kind="agent"),
        call("a", 4, parent="root", request_id="q", cache_read_tokens=0),
        log("event", 4, within="root", request_id="q"),
    )
    assert ask(desk, "explain", "trace").select(SEEN).rows() == [
        (0, "a", "span", True, "counts", None),
        (0, "event", "log", False, "same request id", None),
    ]
    assert ask(desk, "run_trace", "trace").select("depth", "signal", "name", "cost_usd", "counts", "reason").rows() == [
        (0, "span", "root", None, None, None),
        (1, "span", "a", 4, True, "counts"),
        (1, "log", "event", None, False, "same request id"),
    ]


def test_a_sum_is_of_no_call_and_says_what_its_calls_do_not(opened):
    desk = opened()
    desk.post(call("root", 12, kind="agent", minute=1), call("a", 10, parent="root"))
    rows = ask(desk, "explain", "trace")
    assert rows.select(SEEN).rows() == [
        (0, "a", "span", True, "counts", None),
        (1, "root", "span", False, "a sum over calls that count", 2),
    ]
    assert rows.select("call", "cost_usd", "said_input_tokens").row(1) == (None, None, 12)
    assert ask(desk, "run_trace", "trace")["remainder_tokens"].to_list() == [2, None]


def test_usage_that_waits_is_of_no_call_until_it_counts(opened):
    desk = opened()
    desk.post(call("sum", 7, kind="agent", parent="elsewhere"))
    assert ask(desk, "explain", "trace").select("call", "counts", "reason").rows() == [(None, False, "waits: no call below it yet")]
    desk.settle()
    (row,) = ask(desk, "explain", "trace").iter_rows(named=True)
    assert (row["counts"], row["reason"], row["cost_usd"]) == (True, "the only report of its usage", 7)
    assert row["call"] is not None


def test_a_metric_of_the_session_stands_with_the_calls_that_it_repeats(opened):
    desk = opened()
    desk.post(call("a", 4, session="s", process="p"), point("tokens", 4, "input", session="s", process="p", minute=1))
    desk.settle()
    rows = ask(desk, "explain", "trace")
    assert rows.select(SEEN).rows() == [
        (0, "a", "span", True, "counts", None),
        (1, "tokens", "point", False, "repeats calls that count", None),
    ]
    assert rows.select("measure", "amount", "said_input_tokens").row(1) == ("input", 4, None)
    assert ask(desk, "run_trace", "trace").select("signal", "input_tokens").rows() == [("span", 4), ("point", 4)]


def test_a_call_that_only_a_metric_reports_is_seen_in_its_points(opened):
    desk = opened()
    desk.post(*(point(f"tokens.{name}", 3, name, session="s", process="p") for name in ("input", "output")))
    desk.settle()
    rows = ask(desk, "explain", "s")
    assert rows.select("entry", "measure", "amount", "cost_usd").sort("measure").rows() == [(0, "input", 3, 6), (0, "output", 3, 6)]
    assert rows["counts"].sum() == 1
    assert runs(desk) == {"s": [0, 1, 6]}


def test_entries_come_in_pages_and_a_call_stays_whole(opened):
    desk = opened()
    for number in range(3):
        twins = ((f"{name}{number}", {"response_id": f"r{number}", "runtime": name, "minute": number}) for name in ("x", "y"))
        desk.post(*(call(name, 1, **said) for name, said in twins))
    pages = [ask(desk, "explain", "trace", limit=2, cursor=cursor) for cursor in (None, "2", "4")]
    assert [page["entry"].to_list() for page in pages] == [[0, 0, 1, 1], [2, 2], []]
    with pytest.raises(QuestionError):
        ask(desk, "explain", "trace", cursor="x")


def test_a_window_bounds_what_is_explained(opened):
    desk = opened()
    desk.post(call("a", 1), call("b", 1, minute=1))
    assert [
        ask(desk, "explain", "trace", since=since, until=until)["name"].to_list() for since, until in ((at(1), None), (None, at(1)))
    ] == [
        ["b"],
        ["a"],
    ]


# Whose run it is


def test_a_run_that_only_the_root_names_has_the_whole_trace(opened):
    desk = opened()
    desk.post(
        span("root", kind="agent", run="night"), call("a", 3, parent="root", **UNNAMED), span("tool", parent="a", kind="tool", **UNNAMED)
    )
    assert runs(desk) == {"night": [3, 1, 3]}
    assert ask(desk, "explain", "night")["name"].to_list() == ["a"]
    assert ask(desk, "run_trace", "night").select("depth", "name").rows() == [(0, "root"), (1, "a"), (2, "tool")]


def test_a_run_joined_later_takes_its_trace_along(opened):
    desk = opened()
    desk.post(call("a", 3, parent="root", **UNNAMED), span("tool", parent="root", kind="tool", **UNNAMED))
    assert runs(desk) == {trace_hex("trace"): [2, 1, 3]}
    desk.post(span("root", kind="agent", run="night"))
    assert runs(desk) == {"night": [3, 1, 3]}
    assert ask(desk, "run_trace", "night")["cost_usd"].sum() == 3


@pytest.mark.parametrize("name", [trace_hex("trace"), "session-1"])
@pytest.mark.parametrize("report", ["runs", "run_trace", "explain"])
def test_a_run_answers_to_its_trace_and_its_session(opened, report, name):
    desk = opened()
    desk.post(span("root", kind="agent", run="night", session="session-1"), call("a", 3, parent="root", **UNNAMED))
    assert ask(desk, report, name).rows() == ask(desk, report, "night").rows() != []


def test_log_records_outside_of_any_trace_are_of_the_run_that_has_their_session(opened):
    desk = opened()
    chat = {"run": "chat", "session": "chat", "trace_id": None}
    desk.post(
        span("root", **UNNAMED),
        call("a", 3, parent="root", session="chat", request_id="q", **UNNAMED),
        log("told", 3, request_id="q", **chat),
        log("silent", None, kind="other", **chat),
    )
    assert runs(desk) == {trace_hex("trace"): [2, 1, 3]}
    for name in ("chat", trace_hex("trace")):
        assert set(ask(desk, "explain", name)["name"]) == {"a", "told"}


def test_runs_of_one_trace_keep_apart_and_share_what_nobody_claims(opened):
    desk = opened()
    desk.post(
        span("root", **UNNAMED),
        span("left", parent="root", kind="agent", run="left"), call("a", 1, parent="left", **UNNAMED),
        span("right", parent="root", kind="agent", run="right"), call("b", 2, parent="right", **UNNAMED),
    )  # fmt: skip
    assert {run: cost for run, (*_, cost) in runs(desk).items()} == {"left": 1, "right": 2, trace_hex("trace"): None}
    traces = {run: set(ask(desk, "run_trace", run)["name"]) for run in ("left", "right")}
    assert traces == {"left": {"root", "left", "a"}, "right": {"root", "right", "b"}}
    assert [ask(desk, "run_trace", run)["cost_usd"].sum() for run in traces] == [1, 2]


def test_what_is_charged_to_no_run_is_a_run_of_that_name(opened):
    desk = opened()
    desk.post(log("lost", 5, run=None, trace_id=None), call("a", 1))
    assert runs(desk) == {"unattributed": [0, 1, 5], "trace": [1, 1, 1]}
    assert ask(desk, "explain", "unattributed").select("name", "cost_usd").rows() == [("lost", 5)]


def test_a_name_that_nobody_bears_has_no_rows(opened):
    desk = opened()
    desk.post(call("a", 1))
    assert [ask(desk, name, "nobody").height for name in ("runs", "run_trace", "explain")] == [0, 0, 0]
