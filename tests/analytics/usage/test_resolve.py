"""What is a call, what it is called, and that the order of records decides nothing."""

import polars as pl
import pytest
from bookkeeping import call, frame, log, span
from counting import count
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.usage import LINK


def is_crane(names: pl.Series):
    return (names == "crane").fill_null(False).to_numpy()


USED = {"input_uncached_tokens": 1}


@pytest.mark.parametrize(
    ("one", "is_call"),
    [
        pytest.param(call("a", 1), True, id="model call"),
        pytest.param(call("a", None), True, id="model call without usage"),
        pytest.param(call("a", None, failed=True), False, id="failed attempt"),
        pytest.param(call("a", 1, failed=True), True, id="failed, but billed"),
        pytest.param(call("a", 1, kind="embedding"), True, id="embedding"),
        pytest.param(call("a", 1, kind="rerank"), True, id="rerank"),
        pytest.param(log("a", 1), True, id="log record with usage"),
        pytest.param(log("a", None), False, id="log record without usage"),
        pytest.param(span("a", kind="agent"), False, id="agent"),
        pytest.param(span("a", kind="other", model_requested="gold"), False, id="something with a model and without usage"),
        pytest.param(log("a", 1, kind="other"), True, id="log record of nobody knows what, with usage and a model"),
        pytest.param({**log("a", 1, kind="other"), "model_requested": None}, False, id="log record of something else"),
        pytest.param(span("a", kind="tool", tool="crane"), True, id="tool with a price"),
        pytest.param(span("a", kind="sandbox", tool="crane", failed=True), True, id="failed run of a sandbox with a price"),
        pytest.param(span("a", kind="tool", tool="rope"), False, id="tool without a price"),
    ],
)
def test_a_record_is_a_call_or_not(one, is_call):
    assert count(one, tools=is_crane).total[0] == is_call


def test_records_that_say_nothing_of_usage_have_no_link():
    found = count(span("root", kind="agent"), span("tool", kind="tool", tool="rope"), call("a", parent="root"))
    assert set(found.reasons) == {"a"}


def test_a_failed_attempt_has_no_link():
    assert count(call("a", None, failed=True)).resolved.links.height == 0


# Links


def test_one_record_of_a_call_counts_and_the_others_say_why_not():
    records = [
        call("first", 5, response_id="r", attribute_count=9),
        call("second", 5, response_id="r", trace="two"),
        call("third", 5, request_id="q", response_id="r", trace="three"),
        call("fourth", 5, request_id="q", trace="four"),
        call("fifth", None, parent="fourth", trace="four"),
    ]
    assert count(*records).reasons == {
        "first": "counts",
        "second": "same response id",
        "third": "same response id",
        "fourth": "same request id",
        "fifth": "the same call, seen by another instrumentation",
    }


def test_the_log_record_of_a_call_says_so_where_the_span_knows_more():
    found = count(call("a", 3, cache_read_tokens=2), log("b", 5, within="a"))
    assert found.reasons == {"a": "counts", "b": "the log record of the same call"}


def test_a_link_says_whose_the_record_is_by_the_tree_alone():
    links = count(span("root", kind="agent", agent="maker", role="maker"), call("a", parent="root")).resolved.links
    assert (tuple(links.columns), links.select("agent", "role").rows()) == (LINK, [("maker", "maker")])


# Names of calls


def test_a_call_without_an_id_is_named_by_its_earliest_record():
    early, late = call("early", 5, runtime="one"), call("late", 5, runtime="two", minute=0.001, parent="early")
    (alone,), (both,) = (count(*records).resolved.calls["call_id"] for records in ((early,), (early, late)))
    assert alone == both


def test_a_call_with_an_id_is_named_by_it_and_by_its_earliest_record():
    """A cache may answer with an old id hours later, so the id alone names nothing."""
    one, again = call("a", response_id="r"), call("b", response_id="r", minute=120)
    assert count(one, again).resolved.calls["call_id"].n_unique() == 2
    assert count(one).resolved.calls["call_id"][0] != count(call("a")).resolved.calls["call_id"][0]


def test_a_response_outranks_a_request_as_a_name():
    both, response, request = (
        count(call("a", **said)).resolved.calls["call_id"][0]
        for said in ({"response_id": "r", "request_id": "q"}, {"response_id": "r"}, {"request_id": "q"})
    )
    assert both == response != request


@settings(max_examples=30)
@given(st.permutations(range(5)))
def test_calls_have_the_same_names_in_any_order(order):
    records = [
        call("a", response_id="r", minute=0),
        call("b", response_id="r", minute=0.01),
        call("c", response_id="r", minute=30),
        call("d", minute=0, parent="a"),
        call("e", response_id="s", minute=0),
    ]
    named = count(*records).resolved.links.sort("record_key").rows()
    assert count(*(records[place] for place in order)).resolved.links.sort("record_key").rows() == named


# Hostile trees


def test_a_ring_of_calls_are_calls_of_their_own():
    one, other = call("one", 2, parent="other"), call("other", 3, parent="one")
    assert count(one, other).total == (2, 5, 0)


def test_a_call_below_itself_is_one_call():
    assert count(call("a", 5, parent="a")).total == (1, 5, 0)


def test_a_ring_of_sums_ends():
    sums = [span(name, kind="agent", parent=parent, **USED) for name, parent in (("a", "b"), ("b", "c"), ("c", "a"))]
    assert count(*sums).total[1] >= 1


def test_no_records_are_no_calls():
    found = count()
    assert (found.total, found.resolved.links.height, found.waiting) == ((0, 0, 0), 0, 0)
    assert found.resolved.calls.columns == count(call("a")).resolved.calls.columns
    assert frame().height == 0
