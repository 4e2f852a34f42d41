import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from bookkeeping import MONDAY, TENANT, Desk, at, call, policy, span
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from analytics.config import Threshold

STOP = (Threshold(percent=100, action="stop"),)
DAY = 24 * 60  # minutes


def incidents(desk: Desk) -> list[tuple]:
    """(scope, window, percent, action, state, minute of the crossing, dollars)."""
    return [
        (
            row["scope"],
            row["window"],
            row["percent"],
            row["action"],
            row["state"],
            _minute(row["crossed_at"]),
            row["spent_nano_usd"] // 10**9,
        )
        for row in desk.control.all_incidents()
    ]


def orders(desk: Desk) -> list[tuple]:
    """(run, action) of every signal, in the order they were given."""
    return [(row["run_id"], row["action"]) for row in desk.control.signals_after(TENANT, 0)]


def _minute(moment) -> float:
    return (moment - MONDAY) / timedelta(minutes=1)


# One incident


def test_a_threshold_has_one_incident_in_its_scope_and_window(opened):
    desk = opened(policy(per="loop"))
    for minute in range(1, 7):
        desk.watch(call(f"{minute}", 4, minute=minute, loop="bump"), call(f"{minute}-", 4, minute=minute, loop="sync"))
    desk.watch(call("tomorrow", 20, minute=DAY, loop="bump"))
    assert incidents(desk) == [
        ("bump", "2026-11-16", 80, "warn", "open", 2, 8),
        ("sync", "2026-11-16", 80, "warn", "open", 2, 8),
        ("bump", "2026-11-16", 100, "stop", "open", 3, 12),
        ("sync", "2026-11-16", 100, "stop", "open", 3, 12),
        ("bump", "2026-11-17", 80, "warn", "open", DAY, 20),
        ("bump", "2026-11-17", 100, "stop", "open", DAY, 20),
    ]


def test_an_incident_says_what_its_policy_limits(opened):
    desk = opened(policy(limit_tokens=20, thresholds=STOP))
    desk.watch(call("a", 30, agent="maker"))
    (row,) = desk.control.all_incidents()
    assert row == row | {
        "policy": "cap", "mode": "enforce", "limit_nano_usd": None, "limit_tokens": 20, "spent_tokens": 30, "assumed_nano_usd": 0,
        "run_id": "trace", "window_ends_at": at(DAY), "detected_at": MONDAY, "is_assumed": 0,
    }  # fmt: skip


def test_nothing_happens_below_the_limit(opened):
    desk = opened(policy())
    desk.watch(call("a", 7), call("b", None))
    assert (incidents(desk), orders(desk)) == ([], [])


# Who is ordered


def test_the_run_that_crosses_and_those_going_on_in_its_scope_are_ordered(opened):
    desk = opened(policy(per="loop", thresholds=STOP))
    desk.watch(call("a", 1, trace="beside", loop="bump"), call("b", 1, trace="elsewhere", loop="sync"))
    desk.watch(call("c", 10, trace="crosser", loop="bump", minute=1))
    assert sorted(orders(desk)) == [("beside", "stop"), ("crosser", "stop")]


def test_a_run_that_is_over_is_left_alone_unless_it_crossed(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(span("root", trace="over", kind="agent"), call("a", 1, trace="over", parent="root"))
    desk.watch(call("b", 1, trace="silent", minute=1))
    desk.watch(call("c", 10, trace="crosser", minute=30, parent="top"), span("top", trace="crosser", kind="agent", minute=30))
    assert orders(desk) == [("crosser", "stop")]


def test_a_budget_for_each_run_stops_that_run_alone(opened):
    desk = opened(policy(window="run", thresholds=STOP))
    desk.watch(call("a", 9, trace="one"), call("b", 9, trace="two"))
    desk.watch(call("c", 9, trace="two", minute=3 * DAY))
    desk.watch(call("d", 1, trace="three", minute=3 * DAY))
    assert incidents(desk) == [("two", "run", 100, "stop", "open", 3 * DAY, 18)]
    assert orders(desk) == [("two", "stop")]
    assert desk.control.signal(TENANT, desk.control.signals_after(TENANT, 0)[0]["id"])["expires_at"] == at(4 * DAY)


def test_a_stop_stands_and_orders_each_later_run_once(opened):
    desk = opened(policy(per="team", thresholds=STOP))
    desk.watch(call("a", 10, trace="first", team="mint"))
    for minute in (1, 2):
        desk.watch(call(f"b{minute}", 1, trace="second", team="mint", minute=minute), call(f"c{minute}", 1, team="bank", minute=minute))
    desk.watch(span("x", trace="third", team="mint", minute=3))
    assert orders(desk) == [("first", "stop"), ("second", "stop"), ("third", "stop")]


def test_a_stop_stands_until_its_window_ends(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(call("a", 10, trace="first"))
    desk.watch(call("b", 1, trace="second", minute=DAY))
    assert orders(desk) == [("first", "stop")]


def test_a_warning_does_not_stand(opened):
    desk = opened(policy())
    desk.watch(call("a", 8, trace="first"))
    desk.watch(call("b", 1, trace="second", minute=1))
    assert orders(desk) == [("first", "warn")]


def test_a_stop_supersedes_the_warning_of_its_policy(opened):
    desk = opened(policy())
    desk.watch(call("a", 8))
    desk.watch(call("b", 2, minute=1))
    open_now = [row["action"] for row in desk.signals.open_for(TENANT, ["trace"], at(1))]
    assert (orders(desk), open_now) == ([("trace", "warn"), ("trace", "stop")], ["stop"])


def test_an_audited_budget_tells_but_orders_nothing(opened):
    desk = opened(policy(mode="audit", thresholds=STOP, notify=("ops",)))
    desk.watch(call("a", 10))
    desk.watch(call("b", 10, trace="later", minute=1))
    assert (len(incidents(desk)), orders(desk), len(desk.control.messages())) == (1, [], 1)


def test_assumed_cost_pauses_and_known_cost_then_stops(opened):
    desk = opened(policy(thresholds=STOP, assume_usd_per_call="10"))
    desk.watch(call("a", None))
    desk.watch(call("a", 12))
    assert orders(desk) == [("trace", "pause"), ("trace", "stop")]
    assert incidents(desk) == [("all", "2026-11-16", 100, "stop", "open", 0, 12)]


def test_tenants_have_budgets_of_their_own(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(call("a", 6))
    desk.watch(call("b", 6), tenant="other")
    assert incidents(desk) == []
    desk.watch(call("c", 6, minute=1), tenant="other")
    assert [(row["tenant"], row["run_id"]) for row in desk.control.unanswered(at(1))] == [("other", "trace")]


# Late data


def test_late_data_orders_nothing_for_a_window_that_is_closed(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(call("today", 1, minute=DAY + 60))
    desk.watch(call("yesterday", 50, minute=60))
    assert (incidents(desk), orders(desk)) == ([("all", "2026-11-16", 100, "stop", "open", 60, 50)], [])


def test_late_data_moves_a_crossing_to_where_it_was(opened):
    desk = opened(policy(thresholds=STOP, notify=("ops",)))
    desk.watch(call("a", 6, minute=10), call("b", 6, minute=20))
    desk.watch(call("c", 5, trace="late", minute=5))
    assert incidents(desk) == [("all", "2026-11-16", 100, "stop", "open", 10, 11)]
    assert len(desk.control.messages()) == 1


def test_an_incident_that_the_rows_no_longer_support_is_withdrawn_and_may_come_back(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(call("a", 12))
    desk.watch(call("a", 3, user="ada"))
    assert incidents(desk) == [("all", "2026-11-16", 100, "stop", "withdrawn", 0, 12)]
    desk.watch(call("b", 8, minute=5))
    assert incidents(desk) == [("all", "2026-11-16", 100, "stop", "open", 5, 11)]


def test_a_withdrawn_stop_no_longer_stands(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(call("a", 12))
    desk.watch(call("a", 3, user="ada"))
    desk.watch(call("b", 1, trace="later", minute=1))
    assert orders(desk) == [("trace", "stop")]


def test_what_a_withdrawn_incident_ordered_need_not_be_obeyed(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(call("a", 12))
    desk.watch(call("a", 3, user="ada"))
    assert desk.signals.open_for(TENANT, ["trace"], at(1)) == []


def test_a_run_seen_late_that_had_ended_before_the_crossing_is_not_stopped(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(call("a", 10, minute=30))
    desk.watch(span("b", trace="earlier", minute=5))
    assert orders(desk) == [("trace", "stop")]


AMOUNTS = st.lists(st.tuples(st.sampled_from([None, 1, 3, 6]), st.sampled_from(["one", "two"]), st.integers(0, 3)), min_size=1, max_size=5)


@settings(max_examples=8, deadline=None)
@given(amounts=AMOUNTS, data=st.data())
def test_incidents_are_a_function_of_the_ledger_whatever_the_order(tmp_path_factory, amounts, data):
    calls = [call(f"{place}", usd, trace=run, minute=place + day * DAY) for place, (usd, run, day) in enumerate(amounts)]
    found = []
    for order in (calls, data.draw(st.permutations(calls))):
        desk = Desk(tmp_path_factory.mktemp("desk"), [policy(assume_usd_per_call="2", per="run")])
        for one in order:
            desk.watch(one)
        found.append(incidents(desk))
        desk.close()
    assert found[0] == found[1]


# Messages


def test_each_channel_hears_of_an_incident_once(opened):
    desk = opened(policy(thresholds=STOP, notify=("ops", "finance")))
    desk.watch(call("a", 12, loop="bump"))
    desk.watch(call("b", 1, minute=1))
    first, second = desk.control.messages()
    assert [(row["channel"], row["type"], row["state"], row["attempts"]) for row in (first, second)] == [
        ("ops", "budget.crossed", "pending", 0),
        ("finance", "budget.crossed", "pending", 0),
    ]
    said = json.loads(first["body"])
    assert (said["type"], said["timestamp"]) == ("budget.crossed", "2026-11-16T00:00:00.000000Z")
    assert said["data"] == {
        "incident_id": desk.control.all_incidents()[0]["id"],
        "tenant": TENANT,
        "policy": "cap",
        "scope": "all",
        "window": "2026-11-16",
        "threshold": 100,
        "action": "stop",
        "mode": "enforce",
        "reason": "cap: all reached 100 % of its limit (12.000000000 of 10.000000000 USD) in 2026-11-16",
        "limit_usd": "10.000000000",
        "limit_tokens": None,
        "spent_usd": "12.000000000",
        "spent_tokens": 12,
        "assumed_usd": "0.000000000",
        "crossed_at": "2026-11-16T00:00:00.000000Z",
        "run_id": "trace",
        "signals": [desk.control.signals_after(TENANT, 0)[0]["id"]],
    }


# When something fails


@contextmanager
def locked(desk: Desk) -> Iterator[None]:
    """The control store while somebody else writes to it."""
    other = sqlite3.connect(desk.control.path, isolation_level=None)
    other.execute("begin immediate")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def test_what_could_not_be_written_is_made_up_for_by_the_next_act(opened):
    desk = opened(policy(thresholds=STOP, notify=("ops",)))
    with locked(desk), pytest.raises(OperationalError):
        desk.watch(call("a", 12))
    assert (incidents(desk), desk.control.cursor()) == ([], 0)
    desk.guard.act(at(1))
    assert incidents(desk) == [("all", "2026-11-16", 100, "stop", "open", 0, 12)]
    assert (orders(desk), len(desk.control.messages()), desk.control.cursor()) == ([("trace", "stop")], 1, 1)


def test_later_commits_are_counted_while_the_store_is_locked(opened):
    desk = opened(policy(thresholds=STOP))
    desk.watch(call("a", 12, trace="first"))
    with locked(desk), pytest.raises(OperationalError):
        desk.watch(call("b", 1, trace="second", minute=1))
    desk.watch(call("c", 1, trace="third", minute=2))
    assert orders(desk) == [("first", "stop"), ("second", "stop"), ("third", "stop")]


def test_a_restart_catches_up_with_commits_the_guard_never_saw(opened):
    desk = opened(rule := policy(thresholds=STOP, notify=("ops",)))
    desk.watch(call("a", 6))
    desk.post(call("b", 6, trace="unseen", minute=1))
    desk = opened(rule)
    assert incidents(desk) == [("all", "2026-11-16", 100, "stop", "open", 1, 12)]
    assert (orders(desk), len(desk.control.messages())) == ([("unseen", "stop")], 1)


def test_a_guard_with_nothing_to_do_moves_its_cursor_and_no_other_does(opened):
    desk = opened(policy(thresholds=STOP))
    desk.guard.keep_up()
    desk.watch(call("a", 1))
    desk.watch(call("b", 1, minute=1))
    desk.guard.keep_up(behind=2)
    assert desk.control.cursor() == 0
    desk.guard.keep_up()
    assert desk.control.cursor() == 2
    with locked(desk), pytest.raises(OperationalError):
        desk.watch(call("c", 12, minute=2))
    desk.guard.keep_up()
    assert desk.control.cursor() == 2
    desk.guard.act(at(3))
    assert (incidents(desk)[0][4], desk.control.cursor()) == ("open", 3)


def test_a_restart_repeats_nothing_and_the_stop_still_stands(opened):
    desk = opened(rule := policy(notify=("ops",)))
    desk.watch(call("a", 12, trace="first"))
    before = (incidents(desk), orders(desk), desk.control.messages())
    for _ in range(2):
        desk = opened(rule)
        assert (incidents(desk), orders(desk), desk.control.messages()) == before
    desk.watch(call("b", 1, trace="second", minute=1))
    assert orders(desk)[-1] == ("second", "stop")


def test_a_limit_that_was_raised_withdraws_its_incidents_at_the_next_start(opened):
    opened(policy(thresholds=STOP)).watch(call("a", 12))
    assert [row[4] for row in incidents(opened(policy(thresholds=STOP, limit_usd="20")))] == ["withdrawn"]


def test_a_policy_that_is_gone_orders_nobody(opened):
    opened(policy(thresholds=STOP)).watch(call("a", 12))
    desk = opened()
    desk.watch(call("b", 1, trace="later", minute=1))
    assert orders(desk) == [("trace", "stop")]


def test_a_policy_that_is_new_judges_what_is_recorded(opened):
    opened().post(call("a", 12))
    assert incidents(opened(policy(thresholds=STOP))) == [("all", "2026-11-16", 100, "stop", "open", 0, 12)]


def test_of_too_many_runs_the_one_silent_longest_is_taken_for_idle(tmp_path):
    desk = Desk(tmp_path, running_runs=2)
    for number, run in enumerate(("first", "second", "first", "third")):
        desk.watch(call(f"call {number}", 1, run=run, trace=f"trace {number}", parent="never came", minute=number))
    assert [run.run for run in desk.guard.runs.running(desk.now)] == ["first", "third"]
    assert desk.guard.runs.crowded_out == 1
