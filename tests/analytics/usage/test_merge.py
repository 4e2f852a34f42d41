"""One row for a call from all records it was seen in."""

from bookkeeping import call, frame, log
from counting import count
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.model import BUCKETS

SPLIT = BUCKETS[:3]


def test_tokens_come_from_the_finest_split_and_other_facts_from_whoever_says_them():
    coarse = call("coarse", 100, response_id="r", agent="maker", attribute_count=50)
    fine = call("fine", 60, response_id="r", cache_read_tokens=40, model_served="gold-2026")
    blind = call("blind", None, response_id="r", team="mint", attribute_count=90)
    found = count(coarse, fine, blind)
    assert found.said("agent", "team", "model_served", *SPLIT) == [("maker", "mint", "gold-2026", 60, 40, None)]
    assert found.resolved.calls["primary"].to_list() == frame(fine)["record_key"].to_list()


def test_splits_that_different_records_know_come_together():
    read = call("read", 60, response_id="r", cache_read_tokens=40)
    thought = call("thought", 100, response_id="r", reasoning_tokens=0)
    written = call("written", 70, response_id="r", cache_write_1h_tokens=30)
    found = count(read, thought, written)
    assert found.said(*BUCKETS) == [(30, 40, None, None, 30, 0, 0)]
    assert found.total == (1, 100, 0)


def test_a_record_of_other_totals_lends_no_split():
    fine = call("fine", 100, response_id="r", cache_write_tokens=0, reasoning_tokens=0)
    other = call("other", 10, response_id="r", cache_read_tokens=7)
    assert count(fine, other).said("input_uncached_tokens", "cache_read_tokens") == [(100, None)]


def test_reasoning_that_a_runtime_leaves_out_of_its_output_comes_on_top():
    """As Gemini's CLI does: only one of its records knows of thoughts, and all say the same output."""
    usage = {"input_uncached_tokens": 10, "output_text_tokens": 4, "reasoning_apart": True}
    told = log("told", None, response_id="r", **usage, reasoning_tokens=6)
    found = count(call("blind", None, response_id="r", **usage), told)
    assert (found.total, found.said("output_text_tokens", "reasoning_tokens")) == ((1, 10, 10), [(4, 6)])


def test_a_call_without_usage_has_no_buckets():
    assert count(call("a", None, response_id="r"), call("b", None, response_id="r")).said(*BUCKETS) == [(None,) * len(BUCKETS)]


def test_calls_of_one_record_and_of_several_stand_beside_each_other():
    assert count(call("a", 1), call("b", 2, response_id="r"), call("c", 2, response_id="r")).tokens == [(1, 0), (2, 0)]


def test_what_the_client_says_it_cost_is_kept():
    assert count(call("a", 1, response_id="r"), call("b", 1, response_id="r", reported_usd=3)).said("reported_usd") == [(3,)]


@settings(max_examples=30)
@given(st.permutations(range(4)))
def test_what_a_call_is_does_not_depend_on_the_order_of_its_records(order):
    records = [
        call("a", 100, response_id="r", user="ada"),
        call("b", 60, response_id="r", cache_read_tokens=40, user="bob", minute=0.01),
        call("c", 60, response_id="r", cache_read_tokens=40, loop="nightly"),
        call("d", None, response_id="r", agent="maker", minute=0.02),
    ]
    expected, found = count(*records).resolved.calls, count(*(records[place] for place in order)).resolved.calls
    assert found.select(sorted(found.columns)).rows() == expected.select(sorted(expected.columns)).rows()
