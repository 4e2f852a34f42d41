"""Absence is a state: what a total cannot say of itself is a row of its own."""

import polars as pl
import pytest
from bookkeeping import TENANT, Desk, at, call, log, point, span

from analytics.reports import REPORTS, Question, coverage
from analytics.reports.data_quality import FINDINGS

NAMED = {"agent": "maker", "team": "mint", "loop": "bump", "service": "fixer"}


def findings(desk: Desk, *names: str, **said) -> pl.DataFrame:
    rows = REPORTS["data_quality"](desk.sources(), Question(TENANT, **said))
    return rows.filter(pl.col("finding").is_in(names)) if names else rows


def known(desk: Desk, **said) -> tuple[int, int, int]:
    counts = coverage(desk.sources(), Question(TENANT, **said))
    return tuple(counts[name] for name in ("waiting_records", "remainder_tokens", "blind_services"))


def test_without_a_finding_all_is_well(opened):
    desk = opened()
    desk.post(span("root", kind="agent", **NAMED), call("a", 3, parent="root", **NAMED))
    assert findings(desk).rows() == []
    assert known(desk) == (0, 0, 0)


def test_calls_without_usage_or_price_are_told_by_service_runtime_and_model(opened):
    desk = opened()
    desk.post(
        call("a", None, runtime="sdk", **NAMED),
        call("b", None, runtime="sdk", minute=2, **NAMED),
        call("c", 3, model_requested="lead", minute=1, **NAMED),
    )
    assert findings(desk).select(pl.exclude("says", "severity")).rows() == [
        ("unknown", "no usage", "fixer", "sdk", "gold", 2, 2, None, at(0), at(2)),
        ("unpriced", "unknown model", "fixer", None, "lead", 1, 1, 3, at(1), at(1)),
    ]


def test_a_service_is_named_by_its_process_where_it_has_no_name(opened):
    desk = opened()
    desk.post(call("a", None, process="worker-1"), call("b", None, trace="other"))
    assert findings(desk, "unknown")["service"].sort().to_list() == ["unattributed", "worker-1"]


@pytest.mark.parametrize("kind", ["agent", "tool"])
def test_a_service_that_acts_without_a_word_of_usage_is_blind(opened, kind):
    desk = opened()
    desk.post(span("a", kind=kind, runtime="crew", **NAMED), span("b", kind=kind, minute=1, **NAMED), span("c", minute=2, **NAMED))
    assert findings(desk).drop("says").rows() == [("blind", "alarm", None, "fixer", "crew", None, 2, None, None, at(0), at(1))]
    assert known(desk) == (0, 0, 1)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(call("b", None, trace="other", service="fixer"), id="a call without usage"),
        pytest.param(log("b", 2, trace="other", service="fixer"), id="a log record with usage"),
        pytest.param(point("b", 2, "input", service="fixer"), id="a metric of tokens"),
        pytest.param(call("b", 2, service="gateway"), id="a call of another service in the same trace"),
    ],
)
def test_a_service_of_which_anything_is_heard_is_not_blind(opened, word):
    desk = opened()
    desk.post(span("a", kind="agent", service="fixer"), word)
    assert findings(desk, "blind").rows() == []


def test_a_service_is_blind_for_a_trace_in_which_nobody_tells(opened):
    desk = opened()
    desk.post(
        span("a", kind="agent", service="fixer"), call("b", 2, service="gateway"), span("c", kind="agent", service="fixer", trace="dark")
    )
    assert findings(desk, "blind").select("service", "records").rows() == [("fixer", 1)]


def test_a_sum_that_holds_more_than_its_calls_is_an_alarm_and_no_spend(opened):
    desk = opened()
    desk.post(call("root", 12, kind="agent", **NAMED), call("a", 10, parent="root", **NAMED))
    assert findings(desk).select("finding", "severity", "detail", "service", "records", "calls", "tokens").rows() == [
        ("remainder", "alarm", "a sum over calls that count", "fixer", 1, None, 2)
    ]
    assert known(desk) == (0, 2, 0)
    desk.post(call("b", 2, parent="root", **NAMED))
    assert (findings(desk).height, known(desk)) == (0, (0, 0, 0))


def test_usage_waits_until_it_is_counted_and_is_a_sums_alone_then(opened):
    desk = opened()
    desk.post(call("sum", 7, kind="agent", parent="elsewhere", **NAMED))
    assert findings(desk).select("finding", "records", "calls", "tokens").rows() == [("waiting", 1, None, 7)]
    assert known(desk) == (1, 0, 0)
    desk.settle()
    assert findings(desk).select("finding", "detail", "records", "calls", "tokens").rows() == [
        ("sum_only", "the only report of its usage", 1, 1, 7)
    ]
    assert known(desk) == (0, 0, 0)


def test_a_metric_waits_and_counts_when_nothing_better_comes(opened):
    desk = opened()
    desk.post(point("tokens.input", 5, "input", **NAMED), point("tokens.output", 2, "output", **NAMED))
    assert findings(desk, "waiting").select("records", "tokens").rows() == [(2, None)]
    desk.settle()
    assert findings(desk).select("finding", "records", "calls", "tokens").rows() == [("metric_only", 2, 1, 7)]


def test_guesses_are_told(opened):
    desk = opened()
    desk.post(call("a", 3, usage_settled="assumed", **NAMED), call("b", 3, usage_settled="derived", minute=1, **NAMED))
    assert findings(desk).select("finding", "calls", "tokens").rows() == [("assumed", 1, 3)]


def test_clocks_that_cannot_be_right_are_told(opened):
    desk = opened()
    desk.post(call("a", 1, clock_skewed=True, runtime="sdk", **NAMED), span("b", clock_skewed=True, runtime="sdk", minute=1, **NAMED))
    assert findings(desk).select("finding", "service", "runtime", "records", "first_at", "last_at").rows() == [
        ("skewed", "fixer", "sdk", 2, at(0), at(1))
    ]


@pytest.mark.parametrize("missing", ["agent", "team", "loop"])
def test_calls_that_nobody_is_named_for_are_told_with_what_is_missing(opened, missing):
    desk = opened()
    desk.post(call("a", 1, **{name: value for name, value in NAMED.items() if name != missing}))
    assert findings(desk).select("finding", "detail", "calls", "model").rows() == [("unattributed", missing, 1, None)]


def test_what_was_corrected_is_no_finding_any_more(opened):
    desk = opened()
    desk.post(call("a", None, response_id="r", **NAMED))
    desk.post(call("b", 3, response_id="r", runtime="sdk", trace="other", **NAMED))
    assert findings(desk).rows() == []


def test_a_window_bounds_every_finding(opened):
    desk = opened()
    desk.post(
        span("agent", kind="agent", service="dark", trace="dark"),
        call("sum", 7, kind="agent", parent="elsewhere", trace="waits"),
        call("root", 12, kind="agent", trace="less"), call("a", 10, parent="root", trace="less", clock_skewed=True),
        call("b", None, trace="unknown"), call("c", 1, model_requested="lead", usage_settled="assumed", trace="unpriced"),
    )  # fmt: skip
    everything = set(findings(desk)["finding"])
    assert everything == {"blind", "waiting", "remainder", "unknown", "unpriced", "assumed", "skewed", "unattributed"}
    bounds = ((at(0), at(1)), (at(1), None), (None, at(0)))
    assert [set(findings(desk, since=since, until=until)["finding"]) for since, until in bounds] == [everything, set(), set()]
    assert [known(desk, since=since, until=until) for since, until in bounds] == [(1, 2, 1), (0, 0, 0), (0, 0, 0)]


def test_the_severest_finding_comes_first_and_each_says_what_to_do(opened):
    desk = opened()
    desk.post(call("a", None), span("b", kind="agent", service="dark", trace="dark"), call("c", 1, model_requested="lead", minute=1))
    rows = findings(desk)
    places = [list(FINDINGS).index(finding) for finding in rows["finding"]]
    assert places == sorted(places)
    assert set(rows["severity"]) == {"alarm", "warning", "note"}
    assert all(": " in said for said in rows["says"])
    assert findings(desk, limit=1)["finding"].to_list() == ["blind"]


def test_no_tenant_sees_the_findings_of_another(opened):
    desk = opened()
    desk.post(call("a", None), span("b", kind="agent", service="dark", trace="dark"), tenant="other")
    assert (findings(desk).height, known(desk)) == (0, (0, 0, 0))
