"""What the guard has summed is stored with its cursor: a start takes in what came after it, and knows all the same what is spent where."""

import logging
from collections import Counter

import pytest
from bookkeeping import MONDAY, TENANT, Desk, call, policy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.budgets import UNBOUNDED, totals
from analytics.config import Threshold
from analytics.erasure import erase
from analytics.keyed import Keyed
from analytics.operations import Operation

STOP = (Threshold(percent=100, action="stop"),)
CAP, RUN, USER = policy(thresholds=STOP), policy(name="run", window="run", limit_usd=1000), policy(name="user", per="user")


def opened_incidents(desk: Desk) -> list[tuple]:
    return [(row["policy"], row["scope"][:6], row["percent"], row["spent_nano_usd"] // 10**9) for row in desk.control.all_incidents()]


def through(desk: Desk) -> set[int]:
    """The commits up to which sums are stored."""
    return {spent.through for spent in desk.guard._spent.values()}


def is_exact(desk: Desk) -> bool:
    """Whether the guard's sums are those of all charges."""
    charges = desk.ledger.query("queries/budget_charges", **UNBOUNDED)
    return all(
        desk.guard._spent[rule.name].of((tenant, scope, window)) == (nano_usd, tokens, missing)
        for rule in desk.policies
        for _, tenant, scope, window, nano_usd, tokens, missing, _ in totals(rule, charges).iter_rows()
    )


def test_a_start_goes_on_from_stored_sums(opened):
    desk = opened(CAP, RUN)
    desk.watch(call("a", 6))
    desk.guard.keep_up()
    desk.watch(call("b", 1, minute=1))
    desk = opened(CAP, RUN)
    assert (through(desk), is_exact(desk), opened_incidents(desk)) == ({1}, True, [])
    desk.watch(call("c", 4, minute=2))
    assert opened_incidents(desk) == [("cap", "all", 100, 11)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["watch", "watch", "miss", "keep up", "restart", "fewer policies", "lose files"]), max_size=14))
def test_whatever_happens_in_between_sums_are_exact_and_each_crossing_is_known(tmp_path_factory, steps):
    place = tmp_path_factory.mktemp("desk")
    desk, seen = Desk(place, [CAP, RUN]), Counter()
    for number, step in enumerate(steps):
        seen["calls"] += step in ("watch", "miss")
        if step == "watch":
            desk.watch(call(f"{number}", 4, minute=number, trace=f"{number % 3}"))
        elif step == "miss":
            desk.post(call(f"{number}", 4, minute=number, trace=f"{number % 3}"))
        elif step == "keep up":
            desk.guard.keep_up()
        else:
            desk.close()
            for file in (place / "index").rglob("*.run") if step == "lose files" else ():
                file.unlink()
            if step == "fewer policies":
                desk = Desk(place, [])
                desk.guard.keep_up()
                desk.close()
            desk = Desk(place, [CAP, RUN])
    desk.close()
    desk = Desk(place, [CAP, RUN])
    assert is_exact(desk)
    assert [row[2:] for row in opened_incidents(desk)] == ([(100, 12)] if seen["calls"] >= 3 else [])
    desk.close()


def test_a_changed_policy_begins_with_the_whole_ledger(opened):
    desk = opened(CAP)
    desk.watch(call("a", 6))
    desk.guard.keep_up()
    desk = opened(policy(thresholds=STOP, limit_usd=5))
    assert (through(desk), opened_incidents(desk)) == ({0}, [("cap", "all", 100, 6)])
    desk.guard.keep_up()
    assert len(list((desk.directory / "index" / "spending").iterdir())) == 1


def test_without_its_control_store_a_start_decides_anew(opened):
    desk = opened(CAP)
    desk.watch(call("a", 12))
    desk.guard.keep_up()
    desk.close()
    for file in desk.directory.glob("control.sqlite*"):
        file.unlink()
    desk = opened(CAP)
    assert (through(desk), opened_incidents(desk)) == ({0}, [("cap", "all", 100, 12)])


def test_what_the_guard_never_saw_is_not_taken_for_decided(opened, caplog):
    desk = opened(CAP)
    desk.watch(call("a", 6))
    desk.post(call("b", 6, minute=1))
    with caplog.at_level(logging.ERROR):
        desk.guard.keep_up()
    assert (through(desk), desk.control.cursor(), "has not seen every charge" in caplog.text) == ({0}, 0, True)
    assert opened_incidents(opened(CAP)) == [("cap", "all", 100, 12)]


def test_sums_are_stored_at_a_cursor_that_decisions_moved(opened):
    desk = opened(CAP)
    desk.watch(call("a", 12))
    assert (desk.control.cursor(), through(desk)) == (1, {0})
    desk.guard.keep_up()
    assert through(desk) == {1}


def test_a_load_without_rest_is_stored_on_the_way(opened, monkeypatch):
    monkeypatch.setattr("analytics.guard._MOST_TAKEN", 5)
    desk = opened(CAP, RUN)
    for number in range(8):
        desk.watch(call(f"{number}", 1, minute=number))
    assert (through(desk), desk.control.cursor()) == ({6}, 6)


@pytest.mark.parametrize("restarts", [False, True])
def test_after_an_erasure_the_sums_are_under_the_new_name(opened, restarts):
    desk = opened(USER)
    desk.watch(call("a", 6, user="ada@mint.example"))
    desk.guard.keep_up()
    keyed = Keyed.of(desk.directory)
    erase(desk.books, desk.control, keyed, Operation(TENANT, "erasure", "tests", "asked"), "ada@mint.example", MONDAY)
    if restarts:
        desk = opened(USER)
    desk.guard.reload(MONDAY)
    assert (through(desk), is_exact(desk)) == ({0}, True)


def test_where_sums_cannot_be_stored_they_are_tried_with_the_next_commit_and_not_before(opened, caplog):
    desk = opened(CAP)
    desk.watch(call("a", 6))
    (desk.directory / "index").mkdir(exist_ok=True)
    (desk.directory / "index" / "spending").write_text("in the way")
    for _ in range(3):
        desk.guard.keep_up()
    assert (through(desk), desk.control.cursor(), caplog.text.count("stays in memory")) == ({0}, 1, 1)
    (desk.directory / "index" / "spending").unlink()
    desk.watch(call("b", 1, minute=1))
    desk.guard.keep_up()
    desk = opened(CAP)
    assert (through(desk), is_exact(desk)) == ({2}, True)


def test_policies_of_different_age_each_take_in_what_they_lack(opened):
    desk = opened(CAP)
    desk.watch(call("a", 6))
    desk.guard.keep_up()
    desk.watch(call("b", 1, minute=1))
    desk = opened(CAP, RUN)
    assert (through(desk), is_exact(desk)) == ({0, 1}, True)
    desk.guard.keep_up()
    assert through(desk) == {2}
