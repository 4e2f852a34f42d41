"""Usage on a record that is no call: what it sums, when it counts, and what is left over."""

import pytest
from bookkeeping import call, span
from counting import count

ONLY, SUM, WAITS = "the only report of its usage", "a sum over calls that count", "waits: no call below it yet"
LESS, LIFETIME = "what no call below it reports", "a total over the life of its agent"


def total(name: str, usd: int, parent: str | None = None, **said) -> dict:
    """An agent's span with so many tokens on it."""
    return span(name, **{"kind": "agent", "parent": parent, "input_uncached_tokens": usd, "output_text_tokens": 0, **said})


# A sum above calls


def test_a_sum_above_its_calls_adds_nothing():
    found = count(total("root", 5), call("a", 2, parent="root"), call("b", 3, parent="root"))
    assert (found.total, found.reasons["root"], found.remainders) == ((2, 5, 0), SUM, {})


def test_what_a_sum_holds_beyond_its_calls_is_a_remainder():
    assert count(total("root", 9), call("a", 2, parent="root")).remainders == {"root": 7}


def test_a_sum_that_says_less_than_its_calls_leaves_nothing():
    assert count(total("root", 1), call("a", 2, parent="root")).remainders == {}


def test_too_little_input_hides_no_remainder_of_output():
    assert count(total("root", 1, output_text_tokens=9), call("a", 5, parent="root")).remainders == {"root": 9}


def test_a_lifetime_is_never_a_remainder_and_never_counts():
    found = count(total("root", 900, usage_role="lifetime"), call("a", 2, parent="root"))
    assert (found.total, found.reasons["root"], found.remainders) == ((1, 2, 0), LIFETIME, {})
    assert count(total("root", 900, usage_role="lifetime")).total == (0, 0, 0)


def test_a_sum_of_its_own_agent_is_compared_without_agents_below():
    found = count(
        total("root", 5, usage_role="own"),
        call("a", 5, parent="root"),
        total("helper", 3, "root", usage_role="own"),
        call("b", 2, parent="helper"),
    )
    assert (found.total, found.remainders) == ((2, 7, 0), {"helper": 1})


# A sum that is the only report


@pytest.mark.parametrize("kind", ["agent", "tool", "chain", "other"])
def test_a_sum_without_calls_below_is_the_only_report_whatever_its_kind(kind):
    found = count(total("root", 5, kind=kind))
    assert (found.total, found.reasons, found.said("kind", "agent")) == ((1, 5, 0), {"root": ONLY}, [("model", None)])


def test_calls_without_usage_below_a_sum_are_in_it():
    found = count(total("root", 5), call("a", None, parent="root"), call("b", None, parent="root"))
    assert (found.total, found.reasons["a"]) == ((1, 5, 0), "its usage is in the sum around it")


def test_of_sums_inside_each_other_the_inner_ones_count():
    found = count(total("root", 5), total("step 1", 2, "root", kind="chain"), total("step 2", 3, "root", kind="chain"))
    assert (found.total, found.counts) == ((2, 5, 0), {"step 1", "step 2"})


def test_a_sum_that_repeats_the_calls_beside_it_is_no_report():
    found = count(span("root"), call("a", 2, parent="root"), call("b", 3, parent="root"), total("summary", 5, "root", kind="other"))
    assert (found.total, found.reasons["summary"]) == ((2, 5, 0), SUM)


def test_a_sum_beside_calls_that_says_something_else_counts():
    assert count(span("root"), call("a", 2, parent="root"), total("other", 7, "root", kind="other")).total == (2, 9, 0)


def test_two_equal_sums_beside_each_other_are_two():
    assert count(span("root"), total("one", 5, "root"), total("two", 5, "root")).total == (2, 10, 0)


# A sum above other agents' calls


def test_what_no_call_below_reports_counts():
    found = count(
        total("root", 9, agent="lead"), span("tool", kind="tool", parent="root"), total("helper", 4, "tool"), call("a", 4, parent="helper")
    )
    assert (found.tokens, found.reasons["root"], found.reasons["helper"]) == ([(4, 0), (5, 0)], LESS, SUM)


def test_what_is_left_keeps_a_split_that_both_sides_say():
    root = total("root", 5, cache_read_tokens=4)
    helper, called = total("helper", 3, "root", cache_read_tokens=1), call("a", 3, parent="helper", cache_read_tokens=1)
    assert count(root, helper, called).said("input_uncached_tokens", "cache_read_tokens") == [(2, 3), (3, 1)]


def test_what_is_left_keeps_no_split_that_a_call_below_does_not_say():
    root, helper = total("root", 5, cache_read_tokens=4), total("helper", 4, "root")
    found = count(root, helper, call("a", 4, parent="helper"))
    assert found.said("input_uncached_tokens", "cache_read_tokens") == [(4, None), (5, None)]


def test_a_sum_below_what_other_agents_report_is_none():
    found = count(total("root", 3), total("helper", 4, "root"), call("a", 4, parent="helper"))
    assert (found.total, found.remainders) == ((1, 4, 0), {})


# A call that is a sum in disguise


def test_a_call_that_says_exactly_what_the_calls_below_its_tools_say_is_their_sum():
    found = count(call("root", 5), span("tool", kind="tool", parent="root"), call("a", 2, parent="tool"), call("b", 3, parent="tool"))
    assert (found.total, found.reasons["root"]) == ((2, 5, 0), SUM)


def test_a_call_that_says_something_else_than_the_calls_below_its_tools_is_one():
    assert count(call("root", 6), span("tool", kind="tool", parent="root"), call("a", 2, parent="tool")).total == (2, 8, 0)


# A span that nobody calls anything


def test_a_span_with_usage_and_a_model_is_presumed_to_be_a_call():
    found = count(span("root"), span("ask", parent="root", input_uncached_tokens=5, model_requested="gold"))
    assert (found.total, found.said("kind", "model_requested")) == ((1, 5, 0), [("model", "gold")])


def test_a_span_with_usage_and_a_model_above_calls_is_their_sum():
    found = count(span("root", input_uncached_tokens=5, model_requested="gold"), call("a", 2, parent="root"), call("b", 3, parent="root"))
    assert (found.total, found.counts) == ((2, 5, 0), {"a", "b"})


def test_of_presumed_calls_inside_each_other_the_innermost_is_the_call():
    unnamed = {"input_uncached_tokens": 5, "model_requested": "gold"}
    found = count(span("outer", **unnamed), span("inner", parent="outer", **unnamed))
    assert (found.total, found.counts) == ((1, 5, 0), {"inner"})


# When a sum counts


def test_a_sum_without_calls_below_waits_while_its_run_goes_on():
    running = [span("inner", parent="never came"), total("agent", 5, "inner")]
    found = count(*running, over=False)
    assert (found.total, found.reasons["agent"], found.waiting) == ((0, 0, 0), WAITS, 1)
    assert count(*running).total == (1, 5, 0)


def test_a_root_that_ended_is_the_end_of_waiting():
    assert count(span("root"), total("agent", 5, "root"), over=False).total == (1, 5, 0)
    assert count(span("root", ended_at=None), total("agent", 5, "root"), over=False).total == (0, 0, 0)


def test_a_sum_that_counted_before_goes_on_counting():
    running = [span("inner", parent="never came"), total("agent", 5, "inner")]
    assert count(*running, over=False, counted=("agent",)).total == (1, 5, 0)


def test_what_no_call_below_reports_waits_too():
    running = [total("root", 9, "never came"), total("helper", 4, "root"), call("a", 4, parent="helper")]
    assert count(*running, over=False).total == (1, 4, 0)
    assert count(*running).total == (2, 9, 0)


def test_a_sum_above_calls_never_waits():
    found = count(total("agent", 5, "never came"), call("a", 5, parent="agent"), over=False)
    assert (found.total, found.waiting) == ((1, 5, 0), 0)


# What never counts


@pytest.mark.parametrize(("role", "reason"), [("partial", "a part that its runtime does not vouch for"), ("free", "nobody bills it")])
@pytest.mark.parametrize("kind", ["model", "agent", "other"])
def test_partial_and_free_usage_never_counts(role, reason, kind):
    found = count(span("a", kind=kind, usage_role=role, input_uncached_tokens=5, model_requested="gold"))
    assert (found.total, found.reasons) == ((0, 0, 0), {"a": reason})


def test_a_sum_around_partial_calls_is_the_only_report():
    assert count(total("root", 5), call("a", 2, parent="root", usage_role="partial")).total == (1, 5, 0)
