"""Metric points: increments, and calls where nothing better reports their tokens."""

from datetime import timedelta

import polars as pl
import pytest
from bookkeeping import at, call, frame, point
from counting import count
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.usage.points import Metered, compared, meter
from analytics.usage.told import input_tokens, output_tokens

USAGE = "gen_ai.client.token.usage"


def metered(*points: dict, calls: tuple[dict, ...] = ()) -> Metered:
    """What points come to beside calls."""
    return meter(frame(*points), compared(count(*calls).resolved.calls))


def total(found: Metered) -> tuple[int, int]:
    """(input, output) of what only metrics report."""
    return found.calls.select(input_tokens().sum().cast(pl.Int64), output_tokens().sum().cast(pl.Int64)).row(0)


def reasons(found: Metered) -> set[str]:
    return set(found.links["reason"])


def seen(key: str, amount: int, measure: str = "input", *, minute: float = 1, **said) -> dict:
    """A point of one usage metric; `key` only tells points apart."""
    return {**point(key, amount, measure, minute=minute), "name": USAGE, "process": "p", **said}


def grows(amounts: list[int], *, reset_at: int | None = None, measure: str = "input", series: int = 7) -> list[dict]:
    """A cumulative series of these amounts, minute by minute; at `reset_at` its process starts again."""
    started = [at(0) if reset_at is None or nth < reset_at else at(reset_at) - timedelta(seconds=30) for nth in range(len(amounts))]
    same = {"is_cumulative": True, "series_key": series}
    return [
        seen(f"{measure} {nth}", amount, measure, minute=nth + 1, started_at=start, **same)
        for nth, (amount, start) in enumerate(zip(amounts, started, strict=True))
    ]


# Increments


def test_deltas_add_up():
    assert total(metered(seen("a", 5, minute=1), seen("b", 7, minute=2))) == (12, 0)


def test_of_cumulative_points_the_last_one_is_the_sum():
    assert total(metered(*grows([5, 12, 12, 30]))) == (30, 0)


def test_a_series_that_starts_again_adds_up_from_there():
    assert total(metered(*grows([5, 12, 4, 9], reset_at=2))) == (21, 0)
    assert total(metered(*grows([5, 12, 20, 22], reset_at=2))) == (34, 0)


def test_a_series_that_falls_without_saying_so_starts_again():
    assert total(metered(*grows([5, 12, 4, 9]))) == (21, 0)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_cumulative_points_in_any_order_come_to_the_increments(increments, chance):
    amounts = [sum(increments[: nth + 1]) for nth in range(len(increments))]
    points = grows(amounts)
    assert total(metered(*chance.sample(points, k=len(points)))) == (sum(increments), 0)


def test_a_repeated_total_says_that_nothing_is_new():
    assert "nothing new since the point before" in reasons(metered(*grows([5, 5])))


# What a unit is


def test_the_points_of_one_interval_are_one_call():
    found = metered(seen("in", 10), seen("out", 4, "output"), seen("read", 6, "cache_read"), seen("think", 3, "reasoning"))
    row = found.calls.select("input_uncached_tokens", "cache_read_tokens", "output_text_tokens", "reasoning_tokens", "kind").rows()
    assert (row, found.links["counts"].sum()) == ([(4, 6, 1, 3, "model")], 1)


def test_points_that_one_collection_reads_microseconds_apart_are_one_call():
    """As Copilot's command line does; each counter says its own time."""
    measures = [("input", 10), ("output", 4), ("cache_read", 6), ("reasoning", 3)]
    points = [
        seen(measure, amount, measure, ended_at=at(1) + timedelta(microseconds=3 * nth)) for nth, (measure, amount) in enumerate(measures)
    ]
    assert (total(metered(*points)), metered(*points).calls.height) == ((10, 4), 1)
    beside = metered(*points, calls=(call("x", 4, cache_read_tokens=6, process="p"), call("y", 0, reasoning_tokens=4, process="p")))
    assert beside.links["remainder_tokens"].to_list() == [None] * 4


def test_disjoint_measures_are_taken_as_they_are():
    found = metered(
        seen("in", 4, "input_uncached"), seen("read", 6, "cache_read"), seen("out", 1, "output_text"), seen("think", 3, "reasoning")
    )
    assert total(found) == (10, 4)


def test_a_split_that_no_point_carries_is_null():
    assert metered(seen("in", 10), seen("out", 4, "output")).calls.select("cache_read_tokens", "reasoning_tokens").rows() == [(None, None)]


@pytest.mark.parametrize("column", ["model_requested", "session", "agent"])
def test_points_of_different_calls_stay_apart(column):
    found = metered(seen("a", 5, **{column: "one"}), seen("b", 7, **{column: "two"}))
    assert sorted(found.calls.select(column, "input_uncached_tokens").rows()) == [("one", 5), ("two", 7)]


def test_counters_with_names_of_their_own_are_one_metric():
    counters = {
        "input_tokens": "input",
        "output_tokens": "output",
        "cache_read.input_tokens": "cache_read",
        "reasoning.output_tokens": "reasoning",
    }
    amounts = {"input": 10, "output": 4, "cache_read": 6, "reasoning": 3}
    points = [seen(name, amounts[measure], measure, name=f"gen_ai.client.inference.usage.{name}") for name, measure in counters.items()]
    assert total(metered(*points)) == (10, 4)


def test_of_two_metrics_of_the_same_tokens_the_one_with_more_measures_stands():
    own = [seen("1", 10, name="own.usage"), seen("2", 4, "output", name="own.usage"), seen("3", 6, "cache_read", name="own.usage")]
    found = metered(*own, seen("4", 10), seen("5", 4, "output"))
    assert (total(found), "another metric of the same tokens" in reasons(found)) == ((10, 4), True)


# Where spans and log records report as well


def test_points_repeat_the_calls_of_their_process():
    found = metered(seen("a", 5), calls=(call("x", 5, process="p"),))
    assert (total(found), reasons(found)) == ((0, 0), {"repeats calls that count"})


@pytest.mark.parametrize(
    "elsewhere",
    [{"process": "q"}, {"model_requested": "lead"}, {"session": "other"}, {"minute": 200}],
    ids=["another process", "another model", "another session", "hours later"],
)
def test_calls_of_something_else_are_no_repetition(elsewhere):
    said = {"process": "p", "session": "one", **elsewhere}
    assert total(metered(seen("a", 5, session="one"), calls=(call("x", 5, **said),))) == (5, 0)


def test_a_model_is_the_same_with_provider_and_date():
    assert total(metered(seen("a", 5), calls=(call("x", 5, process="p", model_requested="mint/gold-2026-01-02"),))) == (0, 0)


def test_what_a_metric_holds_beyond_its_calls_is_a_remainder():
    found = metered(seen("a", 9), seen("b", 4, "output"), calls=(call("x", 5, process="p"),))
    assert found.links.drop_nulls("remainder_tokens")["remainder_tokens"].to_list() == [8]


def test_what_a_metric_knows_of_a_call_without_usage_is_a_remainder():
    found = metered(seen("a", 9), calls=(call("x", None, process="p"),))
    assert (total(found), found.links["remainder_tokens"].to_list()) == ((0, 0), [9])


@settings(max_examples=20)
@given(st.permutations(range(6)))
def test_the_order_of_points_changes_nothing(order):
    points = [
        *grows([5, 12]),
        *grows([1, 2], measure="output", series=8),
        seen("other", 3, model_requested="lead"),
        seen("again", 3, session="s"),
    ]
    expected, found = metered(*points), metered(*(points[place] for place in order))
    assert found.links.sort("record_key").rows() == expected.links.sort("record_key").rows()
    assert found.calls.sort("call_id").rows() == expected.calls.sort("call_id").rows()
