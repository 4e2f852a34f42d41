"""Usage that waits for something better: when it counts, that it survives a restart, and that it gives way to what comes later."""

from datetime import timedelta
from itertools import pairwise

import pytest
from bookkeeping import Desk, at, call, log, point, span
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.waiting import PATIENCE

OPEN = """
    select run, agent, sum(calls), sum(unknown_calls), sum(cost_usd) from charges group by all having sum(calls) <> 0 or sum(cost_usd) <> 0
    order by all
"""
CHAINS = "select sum(sign), sum(calls), coalesce(sum(cost_usd), 0)::int from charges group by call_id order by all"
TWICE = "select call_id from charges group by call_id, version, sign having count(*) > 1"


def total(desk: Desk) -> tuple[int, int]:
    """(calls, dollars) of what is charged."""
    ((calls, dollars),) = desk.rows("select coalesce(sum(calls), 0), coalesce(sum(cost_usd), 0) from charges")
    return calls, dollars


def agent(name: str, usd: int, parent: str = "never came", **said) -> dict:
    """The span of an agent that holds usage, in a run that goes on: its parent is not there yet."""
    said = {"kind": "agent", "agent": name, "model_requested": "gold", "input_uncached_tokens": usd, "output_text_tokens": 0, **said}
    return span(name, parent=parent, **said)


def counted(name: str, usd: int, *, minute: float = 1, **said) -> dict:
    """A point of process p that counts input."""
    return {**point(name, usd, "input", minute=minute), "name": "usage", "process": "p", **said}


# When it counts


def test_a_sum_of_a_run_that_goes_on_waits(desk):
    desk.post(agent("maker", 5))
    assert (total(desk), desk.rows("select counts, reason from links")) == ((0, 0), [(False, "waits: no call below it yet")])


def test_it_counts_as_soon_as_the_root_of_its_run_has_ended(desk):
    desk.post(agent("maker", 5, parent="root"))
    desk.post(span("root"))
    assert total(desk) == (1, 5)


def test_it_counts_when_its_run_was_silent_for_long_enough(desk):
    desk.post(agent("maker", 5))
    assert desk.settle(at(0) + PATIENCE - timedelta(seconds=1)) is None
    assert desk.settle(at(0) + PATIENCE).charges.height == 1
    assert (total(desk), desk.settle(at(0) + 2 * PATIENCE)) == ((1, 5), None)


def test_every_record_of_its_run_lets_it_wait_on(desk):
    desk.post(agent("maker", 5))
    desk.post(span("tool", kind="tool", tool="rope", parent="maker", minute=1.5))
    assert desk.settle(at(0) + PATIENCE) is None
    assert desk.settle(at(1.5) + PATIENCE).charges.height == 1


def test_what_is_due_counts_with_the_next_commit_of_anybody(desk):
    desk.post(agent("maker", 5))
    desk.post(call("a", 3, trace="other", minute=5))
    assert total(desk) == (2, 8)


def test_of_too_many_that_wait_the_oldest_count_at_once(tmp_path):
    desk = Desk(tmp_path, waiting_traces=2)
    for number in range(4):
        desk.post(agent(f"maker {number}", 1, trace=f"trace {number}"))
    assert (total(desk), desk.books.crowded_out) == ((1, 1), 1)  # the third was one too many when the fourth came
    desk.post(call("a", 3, trace="trace 0", parent="maker 0"))
    desk.settle(at(0) + PATIENCE)
    assert total(desk) == (4, 6)  # the call below it has replaced it


def test_points_count_when_no_span_or_log_record_came_for_long_enough(desk):
    desk.post(counted("one", 5))
    assert (total(desk), desk.settle(at(1) + PATIENCE - timedelta(seconds=1))) == ((0, 0), None)
    desk.settle(at(1) + PATIENCE)
    assert total(desk) == (1, 5)


def test_points_of_a_process_whose_calls_came_never_count(desk):
    desk.post(counted("one", 5))
    desk.post(call("a", 5, process="p"))
    desk.settle()
    assert total(desk) == (1, 5)


def test_nothing_waits_where_everything_is_a_call(desk):
    desk.post(call("a", 5), log("b", 3))
    assert desk.settle() is None


# What comes later


@pytest.mark.parametrize("ended", [True, False], ids=["its root had ended", "it had waited long enough"])
def test_calls_that_come_late_take_the_place_of_their_sum(desk, ended):
    desk.post(agent("maker", 5, parent="root"), *([span("root")] if ended else []))
    desk.settle()
    assert total(desk) == (1, 5)
    desk.post(call("a", 2, parent="maker"), call("b", 3, parent="maker"))
    assert (desk.rows(OPEN), desk.rows(CHAINS)) == ([("trace", "maker", 2, 0, 5)], [(0, 0, 0), (1, 1, 2), (1, 1, 3)])


def test_a_call_that_comes_alone_takes_the_place_of_a_sum_of_several(desk):
    desk.post(agent("maker", 5))
    desk.settle()
    desk.post(call("a", 2, parent="maker"))
    assert total(desk) == (1, 2)
    assert desk.rows("select max(remainder_tokens) from links") == [(3,)]


def test_a_call_without_usage_that_comes_late_is_in_the_sum(desk):
    desk.post(agent("maker", 5))
    desk.settle()
    desk.post(call("a", None, parent="maker"))
    desk.settle()
    assert desk.rows(OPEN) == [("trace", "maker", 1, 0, 5)]


def test_a_call_without_usage_is_unknown_until_the_sum_around_it_counts(desk):
    desk.post(call("a", None, parent="maker"))
    assert desk.rows(OPEN) == [("trace", None, 1, 1, None)]
    desk.post(agent("maker", 5))
    desk.settle()
    assert desk.rows(OPEN) == [("trace", "maker", 1, 0, 5)]


def test_spans_that_come_late_take_the_place_of_points(desk):
    desk.post(counted("one", 5))
    desk.settle()
    desk.post(call("a", 5, process="p", minute=1))
    assert (total(desk), desk.rows(CHAINS)) == ((1, 5), [(0, 0, 0), (1, 1, 5)])


def test_points_of_other_models_stay_when_spans_come(desk):
    desk.post(counted("one", 5), counted("two", 7, model_requested="gold-lite"))
    desk.settle()
    desk.post(call("a", 5, process="p", minute=1))
    assert desk.rows("select model, sum(calls) from charges group by model having sum(calls) <> 0 order by model") == [
        ("gold", 1),
        ("gold-lite", 1),
    ]


def test_a_stronger_id_that_comes_late_closes_the_chain_of_the_weaker(desk):
    desk.post(call("a", 3))
    desk.post(call("b", 3, parent="a", response_id="r"))
    desk.post(call("c", 3, trace="two", response_id="r"))
    assert (total(desk), desk.rows(CHAINS)) == ((1, 3), [(0, 0, 0), (1, 1, 3)])


# Restarts


def test_what_waits_goes_on_waiting_after_a_restart(opened):
    opened().post(agent("maker", 5), counted("one", 7))
    desk = opened()
    assert desk.settle(desk.now + PATIENCE - timedelta(seconds=1)) is None
    desk.settle(desk.now + PATIENCE)
    assert total(desk) == (2, 12)


@pytest.mark.parametrize("before", [True, False], ids=["counted before", "counted after"])
def test_late_calls_take_the_place_of_a_sum_from_before_a_restart(opened, before):
    desk = opened()
    desk.post(agent("maker", 5), counted("one", 7))
    if before:
        desk.settle()
    desk = opened()
    desk.post(call("a", 5, parent="maker"), call("x", 7, process="p", trace="other", minute=1))
    desk.settle()
    assert (total(desk), desk.rows(TWICE)) == ((2, 12), [])


def test_a_restart_in_which_nothing_happens_writes_nothing(opened):
    opened().post(agent("maker", 5), counted("one", 7))
    opened().settle()
    desk = opened()
    assert (desk.settle(), desk.rows("select count(*) from commits")) == (None, [(2,)])


def test_tenants_wait_apart(opened):
    desk = opened()
    desk.post(agent("maker", 5), tenant="one")
    desk.post(call("a", 5, parent="maker"), tenant="two")
    desk.settle()
    assert desk.rows("select tenant, sum(cost_usd) from charges group by tenant order by tenant") == [("one", 5), ("two", 5)]


# Whatever the order

STORY = [
    agent("maker", 9, parent="root", response_id=None),
    span("root", ended_at=None),
    call("a", 4, parent="maker", runtime="sdk", process="p"),
    call("a2", 4, trace="two", runtime="client", process="p", cache_read_tokens=0),
    log("a3", 4, within="a", runtime="sdk", process="p", response_id="r"),
    call("b", None, parent="maker"),
    call("b", 5, parent="maker", user="ada"),
    agent("helper", 3, trace="three"),
    agent("helper", 3, trace="three", user="bob"),
    counted("p1", 4),
    counted("p2", 6, process="q"),
    call("c", 1, trace="four", process="r", minute=2),
    counted("p3", 1, process="r", minute=2),
]
BOOKS = [("four", None, 1, 0, 1), ("three", "helper", 1, 0, 3), ("trace", "maker", 2, 0, 9), (None, None, 1, 0, 6)]


@settings(max_examples=6)
@given(
    order=st.permutations(STORY),
    cuts=st.sets(st.integers(1, len(STORY) - 1), max_size=5),
    restarts=st.booleans(),
    impatient=st.sets(st.integers(0, 4)),
)
def test_what_is_charged_in_the_end_is_the_same_whatever_came_first(tmp_path_factory, order, cuts, restarts, impatient):
    desk = Desk(directory := tmp_path_factory.mktemp("desk"))
    for nth, (start, end) in enumerate(pairwise([0, *sorted(cuts), len(order)])):
        desk.post(*order[start:end])
        if nth in impatient:
            desk.settle()
        if restarts:
            desk.close()
            desk = Desk(directory)
    desk.settle()
    books, signs = desk.rows(OPEN), {sign for sign, *_ in desk.rows(CHAINS)}
    twice = desk.rows(TWICE)
    desk.close()
    assert (books, signs <= {0, 1}, twice) == (BOOKS, True, [])
