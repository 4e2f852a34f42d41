"""Whose a call is: told by itself, by who is above, by its trace, by its resource, in this order."""

import pytest
from bookkeeping import call, log, span
from counting import count
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.model import FLOWING, OF_RESOURCE


def of_resource(*names: str) -> int:
    """What a record says of itself only because its resource does."""
    return sum(1 << OF_RESOURCE.index(name) for name in names)


def whose(column: str, *records: dict) -> list[str | None]:
    """The column of each call, in order of its dollars."""
    return [value for _, value in sorted(count(*records).resolved.calls.select("input_uncached_tokens", column).rows())]


@pytest.mark.parametrize("column", FLOWING)
def test_what_a_call_does_not_say_the_nearest_span_above_says(column):
    unsaid = {column: None}
    above = [span("root", **{column: "far"}), span("inner", parent="root", **{column: "near"}), span("silent", parent="inner", **unsaid)]
    below = [
        call("a", 1, parent="silent", **unsaid),
        call("b", 2, parent="silent", **{column: "own"}),
        call("c", 3, parent="root", **unsaid),
    ]
    assert whose(column, *above, *below) == ["near", "own", "far"]


@pytest.mark.parametrize("column", OF_RESOURCE)
def test_any_span_above_outranks_a_resource(column):
    lent = {column: "lent", "of_resource": of_resource(column)}
    assert whose(column, span("root", **{column: "said"}), call("a", 1, parent="root", **lent)) == ["said"]
    assert whose(column, span("root", run=None), call("a", 1, parent="root", **lent)) == ["lent"]


@pytest.mark.parametrize("column", ["team", "user", "session", "loop", "run", "run_parent"])
def test_what_nobody_above_says_the_rest_of_the_trace_may_if_it_knows_one_answer(column):
    aside, other = span("aside", **{column: "one"}), span("other", **{column: "two"})
    unsaid = call("a", 1, run=None)
    assert whose(column, aside, unsaid) == ["one"]
    assert whose(column, aside, other, unsaid) == [None]


@pytest.mark.parametrize("column", ["agent", "role"])
def test_an_agent_of_somebody_else_is_none_of_its_own(column):
    assert whose(column, span("aside", kind="agent", **{column: "other"}), call("a", 1)) == [None]


def test_a_run_that_is_only_a_trace_gives_way_to_one_that_somebody_names():
    trace = call("x")["trace_id"].hex()
    assert whose("run", span("root", run="nightly"), call("a", 1, parent="root", run=trace)) == ["nightly"]
    assert whose("run", span("root", run=trace), call("a", 1, parent="root", run=trace)) == [trace]


def test_a_run_nobody_names_is_the_trace_and_without_one_the_session():
    assert whose("run", log("a", trace_id=None, run=None, session="chat")) == ["chat"]


def test_a_call_without_any_relative_is_nobodys():
    assert count(call("a", 1, run=None)).said(*FLOWING) == [(None,) * len(FLOWING)]


def test_several_records_of_a_call_answer_by_the_deepest():
    shallow = call("shallow", 1, response_id="r", trace="one", agent="gateway", team="platform")
    deep = call("deep", 1, response_id="r", trace="two", parent="root", agent="maker")
    assert count(shallow, deep, span("root", trace="two")).said("agent", "team") == [("maker", "platform")]


@settings(max_examples=30)
@given(st.permutations(range(5)))
def test_whose_a_call_is_does_not_depend_on_the_order_of_records(order):
    records = [
        span("root", kind="agent", agent="maker", team="mint"),
        span("inner", parent="root", kind="agent", agent="checker"),
        span("aside", user="ada"),
        call("a", 1, parent="inner", loop="lent", of_resource=of_resource("loop")),
        call("b", 2, parent="root"),
    ]
    found = count(*(records[place] for place in order)).said("agent", "team", "user", "loop")
    assert found == [("checker", "mint", "ada", "lent"), ("maker", "mint", "ada", None)]
