"""One call that two sources saw apart from each other: in trees of their own, beside each other, or one of them in a log record."""

import pytest
from bookkeeping import at, call, log, span
from counting import Counted, count
from hypothesis import given, settings
from hypothesis import strategies as st


def seen(name: str, by: str = "one", tokens: int | None = 5, *, start: float = 0, end: float = 1, **said) -> dict:
    """A call as an instrumentation saw it, in a trace of its own: from and to so many minutes into Monday."""
    said = {"trace": name, "runtime": by, "process": "p", "started_at": at(start), "ended_at": at(end), **said}
    return call(name, tokens, **said)


def calls(*spans: dict) -> int:
    found = count(*spans)
    assert found.total == count(*reversed(spans)).total
    return found.total[0]


# The cases that telemetry.md 8.2 lists


def test_one_call_in_two_traces_is_one():
    assert calls(seen("a", "one"), seen("b", "two", start=0.1, end=0.9)) == 1


def test_two_equal_parallel_calls_each_seen_twice_are_two():
    assert calls(*(seen(f"{by}{nth}", by, start=nth / 10) for nth in range(2) for by in ("one", "two"))) == 2


def test_equal_calls_one_after_the_other_are_two():
    assert calls(seen("a", "one", end=1), seen("b", "two", start=2, end=3)) == 2


def test_equal_calls_at_once_in_one_scope_are_two():
    assert calls(seen("a", "one"), seen("b", "one")) == 2


@pytest.mark.parametrize("column", ["response_id", "request_id"])
def test_calls_of_different_ids_are_two(column):
    assert calls(seen("a", "one", **{column: "r"}), seen("b", "two", **{column: "s"})) == 2


@pytest.mark.parametrize("column", ["cache_read_tokens", "reasoning_tokens"])
def test_calls_whose_splits_disagree_are_two(column):
    rest = "input_uncached_tokens" if column == "cache_read_tokens" else "output_text_tokens"
    split = [{rest: 10 - part, column: part} for part in (6, 4)]
    said = {"input_uncached_tokens": 10, "output_text_tokens": 10}
    assert calls(*(seen(by, by, None, **{**said, **part}) for by, part in zip(("one", "two"), split, strict=True))) == 2


def test_a_twin_may_end_a_little_late():
    assert calls(seen("a", "one", end=1), seen("b", "two", start=0.5, end=1 + 0.004 / 60)) == 1
    assert calls(seen("a", "one", end=1), seen("b", "two", start=0.5, end=1 + 0.2 / 60)) == 2


def test_equal_calls_of_two_processes_are_two():
    assert calls(seen("a", "one"), seen("b", "two", process="q")) == 2


# More of them


def test_one_call_that_three_sources_saw_is_one():
    assert calls(*(seen(by, by, start=nth / 10) for nth, by in enumerate(("one", "two", "three")))) == 1


def test_a_split_that_only_one_of_them_knows_completes_the_other():
    blind, fine = seen("a", "one", 10), seen("b", "two", 4, cache_read_tokens=6, agent="maker")
    assert count(blind, fine).said("agent", "input_uncached_tokens", "cache_read_tokens") == [("maker", 4, 6)]


def test_a_zero_in_a_split_contradicts_nothing():
    assert calls(seen("a", "one", 10, cache_read_tokens=0), seen("b", "two", 4, cache_read_tokens=6)) == 1


def test_calls_of_different_sessions_are_two():
    assert calls(seen("a", "one", session="x"), seen("b", "two", session="y")) == 2
    assert calls(seen("a", "one", session="x"), seen("b", "two")) == 1


def test_a_call_that_overlaps_without_being_inside_is_another():
    assert calls(seen("a", "one", start=0, end=2), seen("b", "two", start=1, end=3)) == 2


@pytest.mark.parametrize(("late_seconds", "found"), [(1.9, 1), (2.1, 2)])
def test_a_log_record_is_written_within_two_seconds_of_its_call(late_seconds, found):
    said = {"trace_id": None, "process": "p", "runtime": "one"}
    assert calls(seen("a", "one"), log("b", 5, minute=1 + late_seconds / 60, **said)) == found


def test_two_events_of_one_scope_about_one_call_are_one():
    said = {"trace_id": None, "process": "p", "runtime": "one", "minute": 1}
    assert calls(log("api_response", 5, **said), log("operation.details", 5, **said)) == 1
    assert calls(log("api_response", 5, **said), {**log("again", 5, **said), "name": "api_response"}) == 2


def test_tools_are_no_twins():
    assert count(span("a", kind="tool", tool="crane", runtime="one"), span("b", kind="tool", tool="crane", runtime="two")).total[0] == 0


# One of them without usage


def test_a_call_that_one_source_saw_without_usage_is_the_other_ones_call():
    found = count(seen("a", "one", None, agent="maker"), seen("b", "two", 5, start=0.1, end=0.9))
    assert (found.total, found.said("agent")) == ((1, 5, 0), [("maker",)])


def test_two_silent_records_of_two_sources_are_one_unknown_call():
    assert count(seen("a", "one", None), seen("b", "two", None, start=0.1)).total == (1, 0, 0)


def test_a_silent_call_takes_the_nearest_of_several():
    silent = seen("a", "one", None, start=0, end=1)
    near, far = seen("near", "two", 5, start=0.01, end=0.99), seen("far", "two", 7, start=0.4, end=0.6)
    assert count(far, silent, near).together == {frozenset({"a", "near"}), frozenset({"far"})}


def test_a_silent_call_of_another_model_is_another():
    assert calls(seen("a", "one", None, model_requested="gold"), seen("b", "two", 5, model_requested="lead")) == 2


def test_a_model_is_the_same_with_provider_and_date():
    dated = {"model_requested": "mint/gold-2026-01-02"}
    assert calls(seen("a", "one", None, model_requested="gold"), seen("b", "two", 5, **dated)) == 1


def test_each_silent_call_takes_a_call_of_its_own():
    silent = [seen(f"s{nth}", "one", None, start=nth / 10) for nth in range(3)]
    told = [seen(f"t{nth}", "two", 5, start=nth / 10 + 0.01, end=0.9) for nth in range(2)]
    assert calls(*silent, *told) == 3


# Any number of equal calls


@st.composite
def equal_calls(draw) -> tuple[int, list[dict]]:
    """How many equal parallel calls, and them as two or three sources saw each."""
    count, sources = draw(st.integers(1, 6)), draw(st.sampled_from(["ab", "abc"]))
    records = [seen(f"{by}{nth}", by, start=nth / 100 + place / 1000) for nth in range(count) for place, by in enumerate(sources)]
    return count, draw(st.permutations(records))


@settings(max_examples=40)
@given(equal_calls())
def test_equal_parallel_calls_that_all_sources_saw_are_as_many_as_they_are(case: tuple[int, list[dict]]):
    number, records = case
    found: Counted = count(*records)
    assert found.total == (number, 5 * number, 0)
