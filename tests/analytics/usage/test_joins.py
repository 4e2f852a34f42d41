"""Records of one call by its id, by nesting, and by a report that follows it."""

from datetime import timedelta

import numpy as np
import pytest
from bookkeeping import at, call, log, span
from counting import count
from hypothesis import given
from hypothesis import strategies as st

from analytics.usage.joins import components

A, B = frozenset("a"), frozenset("b")


# One id


@pytest.mark.parametrize("column", ["response_id", "request_id"])
@pytest.mark.parametrize(("gap_seconds", "calls"), [(-60, 1), (0, 1), (5, 1), (5.001, 2), (3600, 2)])
def test_one_id_is_one_call_unless_time_lies_between(column, gap_seconds, calls):
    first = call("a", started_at=at(0), ended_at=at(1), **{column: "r"})
    second_start = at(1) + timedelta(seconds=gap_seconds)
    second = call("b", started_at=second_start, ended_at=second_start + timedelta(seconds=90), **{column: "r"})
    assert len(count(first, second).together) == len(count(second, first).together) == calls


def test_a_call_lasts_as_long_as_its_longest_record():
    spans = [
        call("long", response_id="r", started_at=at(0), ended_at=at(10)),
        call("short", response_id="r", started_at=at(1), ended_at=at(2)),
        call("late", response_id="r", started_at=at(9), ended_at=at(11)),
    ]
    assert count(*spans).together == {frozenset({"long", "short", "late"})}


def test_ids_chain_records_that_share_none():
    spans = [call("a", response_id="r"), call("b", response_id="r", request_id="q"), call("c", request_id="q")]
    assert count(*spans).together == {frozenset("abc")}


def test_one_id_is_one_call_whatever_its_trace_and_process():
    assert count(call("a", response_id="r", trace="one", process="x"), call("b", response_id="r", trace="two", process="y")).together == {
        A | B
    }


def test_records_without_an_id_are_calls_of_their_own():
    assert count(call("a"), call("b"), call("c", response_id="r")).together == {A, B, frozenset("c")}


def test_an_id_and_the_same_text_as_another_kind_of_id_are_two():
    assert count(call("a", response_id="r"), call("b", request_id="r")).together == {A, B}


def test_a_record_without_any_time_is_still_a_call():
    timeless = {"started_at": None, "ended_at": None, "response_id": "r"}
    assert len(count(call("a", **timeless), call("b", **timeless)).together) == 2


# One inside the other


@pytest.mark.parametrize("between", [(), (span("between", parent="a"),)], ids=["directly", "with a span between"])
@pytest.mark.parametrize("inner", [{"usd": 5}, {"usd": None}], ids=["with usage", "without usage"])
def test_a_call_inside_a_call_is_the_same_one_when_they_agree(between, inner):
    found = count(call("a", 5), *between, call("b", parent="between" if between else "a", **inner))
    assert (found.together, found.total) == ({A | B}, (1, 5, 0))


@pytest.mark.parametrize("kind", ["agent", "tool", "sandbox"])
def test_a_call_below_an_agent_or_tool_of_a_call_is_another(kind):
    found = count(call("a", 5), span("between", kind=kind, parent="a"), call("b", 7, parent="between"))
    assert (found.together, found.total) == ({A, B}, (2, 12, 0))


def test_of_a_call_around_several_the_inner_ones_are_the_requests():
    found = count(call("a", 5), call("b", 2, parent="a"), call("c", 3, parent="a"))
    assert (found.counts, found.reasons["a"], found.remainders) == ({"b", "c"}, "a sum over calls that count", {})


def test_of_a_call_around_another_that_says_something_else_the_inner_one_is_the_request():
    found = count(call("a", 9), call("b", 3, parent="a"))
    assert (found.counts, found.total, found.remainders) == ({"b"}, (1, 3, 0), {"a": 6})


def test_records_that_say_one_id_are_one_call_though_their_totals_differ():
    assert count(call("a", 9, response_id="r"), call("b", 3, parent="a", response_id="r")).together == {A | B}


def test_a_call_without_usage_around_one_with_is_the_same_one():
    assert count(call("a", None, agent="maker"), call("b", 3, parent="a")).said("agent", "input_uncached_tokens") == [("maker", 3)]


def test_three_records_inside_each_other_are_one_call():
    found = count(call("a", 5), call("b", 5, parent="a"), call("c", 5, parent="b"))
    assert (found.together, found.total) == ({frozenset("abc")}, (1, 5, 0))


def test_a_wrapper_of_a_wrapper_of_several_requests_is_none_either():
    found = count(call("a", 5), call("b", 5, parent="a"), call("c", 2, parent="b"), call("d", 3, parent="b"))
    assert (found.counts, found.total) == ({"c", "d"}, (2, 5, 0))


def test_a_failed_attempt_inside_a_call_is_no_request():
    found = count(call("a", 5), call("b", None, failed=True, parent="a"), call("c", 5, parent="a"))
    assert (found.together, found.total) == ({frozenset("ac")}, (1, 5, 0))


@pytest.mark.parametrize("usd", [5, None], ids=["same usage", "no usage"])
def test_a_log_record_in_its_call_is_the_same_one(usd):
    found = count(call("a", 5), log("b", usd, within="a"))
    assert found.total == (1, 5, 0)


def test_a_log_record_with_usage_speaks_for_a_silent_span():
    found = count(call("a", None, agent="maker"), log("b", 5, within="a"))
    assert (found.together, found.said("agent", "input_uncached_tokens")) == ({A | B}, [("maker", 5)])


# A report that follows its call


def test_a_report_belongs_to_the_last_call_without_usage_before_it():
    calls = [call("a", None, minute=1, parent="root"), call("b", None, minute=3, parent="root")]
    reports = [call("for a", 5, usage_role="echo", minute=2, parent="root"), call("for b", 7, usage_role="echo", minute=4, parent="root")]
    found = count(span("root"), *calls, *reports)
    assert found.together == {frozenset({"a", "for a"}), frozenset({"b", "for b"})}
    assert found.total == (2, 12, 0)


@pytest.mark.parametrize(
    "elsewhere",
    [{"parent": "root"}, {"runtime": "another", "parent": "other"}, {"minute": 0}, {"trace": "two"}],
    ids=["another parent", "another scope", "before the call", "another trace"],
)
def test_a_report_from_elsewhere_is_a_call_of_its_own(elsewhere):
    report = {"usage_role": "echo", "minute": 2, "parent": "other", **elsewhere}
    found = count(span("root"), span("other"), call("a", None, minute=1, parent="other"), call("b", 5, **report))
    assert found.together == {A, B}


def test_a_call_that_knows_its_usage_takes_no_report():
    found = count(span("root"), call("a", 3, minute=1, parent="root"), call("b", 5, usage_role="echo", minute=2, parent="root"))
    assert found.total == (2, 8, 0)


# Rows that pairs connect


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_connected_rows_have_the_smallest_of_them_as_their_label(graph):
    size, edges = graph
    expected = list(range(size))
    for _ in range(size):
        for one, other in edges:
            expected[one] = expected[other] = min(expected[one], expected[other])
    pairs = [tuple(np.array([edge[side] for edge in edges], np.int64) for side in (0, 1))]
    assert components(size, pairs).tolist() == expected
