"""Loops and touches that no definition declares: one incident each, the same whatever the order, withdrawn when it no longer holds."""

import random
import sqlite3
from contextlib import closing

import pytest
from bookkeeping import MONDAY, Desk, at, call, policy, span
from sqlalchemy.exc import OperationalError

from analytics import undeclared
from analytics.config import Loop, Threshold

BUMP = Loop(
    name="bump", team="mint", owner="ada", agent="maker", model="gold", tools=("Read",), mcp_servers=("github",),
    subagents=({"name": "checker", "role": "checker", "model": "silver"},),
)  # fmt: skip


def found(desk: Desk, state: str = "open") -> list[tuple]:
    """(scope, minute of the first use, run) of every incident that is none of a budget."""
    rows = desk.control.all_incidents()
    assert {(row["action"], row["mode"]) for row in rows if row["window"] == "ever"} <= {("warn", "audit")}
    return sorted(
        (row["scope"], (row["crossed_at"] - MONDAY).total_seconds() / 60, row["run_id"])
        for row in rows
        if row["window"] == "ever" and row["state"] == state
    )


def tool(name: str, **said) -> dict:
    return span(f"{name} {said}", kind="tool", tool=name, **{"loop": "bump", **said})


STORY = (
    call("a", loop="bump", agent="maker", minute=1),
    call("b", loop="bump", agent="checker", model_requested="silver", minute=2),
    tool("Read", minute=3),
    tool("mcp__github__search", mcp_server="github", minute=4),
    tool("deploy", minute=6, trace="late"),
    tool("deploy", minute=5, trace="early"),
    tool("mcp__jira__find", mcp_server="jira", minute=7),
    tool("mcp__jira__comment", mcp_server="jira", minute=8),
    call("c", loop="bump", agent="stranger", minute=9),
    call("d", loop="bump", agent="maker", model_requested="lead", minute=10),
    call("e", loop="shadow", minute=12, trace="second"),
    call("f", loop="shadow", minute=11, trace="first"),
    tool("anything", loop="shadow", minute=10),
    call("g", minute=13),
    call("h", 1, trace="one", loop="wrong", response_id="r", minute=14),
    call("h", 1, trace="one", loop="bump", agent="maker", response_id="r", minute=14, user="ada"),
)
FOUND = [
    ("bump: MCP server jira", 7, "trace"),
    ("bump: agent stranger", 9, "trace"),
    ("bump: model lead", 10, "trace"),
    ("bump: tool deploy", 5, "early"),
    ("shadow", 11, "first"),
]


def test_each_is_one_incident_at_its_first_use_and_orders_nothing(opened):
    desk = opened(loops=(BUMP,))
    for one in STORY:
        desk.watch(one)
    assert found(desk) == FOUND
    assert (desk.control.signals_after("default", 0), desk.control.messages()) == ([], [])


@pytest.mark.parametrize("seed", range(12))
def test_any_order_and_restarts_make_the_same_incidents(opened, seed):
    chance = random.Random(seed)
    records = chance.sample(STORY, len(STORY))
    desk = opened(loops=(BUMP,))
    while records:
        size = chance.randint(1, 4)
        desk.watch(*records[:size])
        records = records[size:]
        if chance.random() < 0.3:
            desk = opened(loops=(BUMP,))
    assert found(desk) == FOUND


def test_a_loop_that_was_corrected_away_is_withdrawn(opened):
    desk = opened(loops=(BUMP,))
    desk.watch(call("a", 4, loop="wrong"))
    assert found(desk) == [("wrong", 0, "trace")]
    desk.watch(call("a", 4, loop="bump", agent="maker", user="ada"))
    assert (found(desk), found(desk, "withdrawn")) == ([], [("wrong", 0, "trace")])
    desk.watch(call("b", 4, loop="wrong", minute=1))
    assert found(desk) == [("wrong", 1, "trace")]


def test_a_loop_may_be_named_like_the_incident_of_another(opened):
    tricky = BUMP.model_copy(update={"name": "bump: tool deploy"})
    desk = opened(loops=(BUMP, tricky))
    desk.watch(tool("deploy"), tool("deploy", loop=tricky.name, minute=1))
    desk.watch(tool("other", minute=2), call("a", loop=tricky.name, agent="maker", minute=2))
    assert [scope for scope, *_ in found(desk)] == ["bump: tool deploy", "bump: tool deploy: tool deploy", "bump: tool other"]


def test_a_step_that_was_revised_is_looked_at_again(opened):
    desk = opened(loops=(BUMP,))
    desk.watch(span("step", kind="tool", tool="deploy", loop="bump"))
    desk.watch(span("step", kind="tool", tool="Read", loop="bump", user="ada"))
    assert (found(desk), found(desk, "withdrawn")) == ([], [("bump: tool deploy", 0, "trace")])


def test_a_definition_that_grants_it_later_withdraws_and_one_that_goes_brings_it_back(opened):
    opened(loops=(BUMP,)).watch(tool("deploy"), call("a", loop="new"))
    wider = BUMP.model_copy(update={"tools": ("Read", "dep*")})
    new = Loop(name="new", team="mint", owner="ada")
    assert [found(opened(loops=loops)) for loops in ((wider, new), (wider,), (BUMP, new))] == [
        [], [("new", 0, "trace")], [("bump: tool deploy", 0, "trace")]
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_a_start_that_looks_at_what_is_new_finds_what_one_that_looks_at_everything_does(opened, seed):
    """Some commits come before a crash, so that the guard never saw them; some after it had said that all is done."""
    chance = random.Random(seed)
    desk = opened(loops=(BUMP,))
    for one in chance.sample(STORY, len(STORY)):
        if chance.random() < 0.3:
            desk.post(one)
            desk = opened(loops=(BUMP,))
        else:
            desk.watch(one)
        if chance.random() < 0.5:
            desk.guard.keep_up()
        if chance.random() < 0.3:
            desk = opened(loops=(BUMP,))
    assert desk.control.registry() is not None
    assert found(desk) == FOUND


def test_another_registry_is_compared_with_everything(opened):
    desk = opened(loops=(BUMP,))
    desk.watch(tool("deploy"), call("a", loop="new"))
    desk.guard.keep_up()
    for loops, expected in (((BUMP.model_copy(update={"tools": ("Read", "dep*")}),), ["new"]), ((BUMP,), ["bump: tool deploy", "new"])):
        desk = opened(loops=loops)
        desk.guard.keep_up()
        assert [scope for scope, *_ in found(desk)] == expected


def test_a_start_withdraws_an_incident_of_before_whose_step_is_revised_then(opened):
    desk = opened(loops=(BUMP,))
    desk.watch(span("step", kind="tool", tool="deploy", loop="bump"))
    desk.guard.keep_up()
    desk = opened(loops=(BUMP,))
    desk.watch(span("step", kind="tool", tool="Read", loop="bump", user="ada"))
    assert (found(desk), found(desk, "withdrawn")) == ([], [("bump: tool deploy", 0, "trace")])


def test_without_a_registry_there_is_nothing_to_compare_with(opened):
    desk = opened()
    for one in STORY:
        desk.watch(one)
    assert found(opened()) == []


def test_of_what_is_not_declared_nothing_is_said(opened):
    """A main agent without a name may be anybody, and an agent without a model may use any."""
    loose = Loop(name="loose", team="mint", owner="ada", subagents=({"name": "checker", "role": "checker", "model": "silver"},))
    desk = opened(loops=(loose,))
    desk.watch(call("a", loop="loose", agent="whoever"), call("b", loop="loose", model_requested="lead"))
    assert found(desk) == []


def test_what_a_locked_store_could_not_take_is_written_later_and_once(opened):
    desk = opened(policy(thresholds=(Threshold(percent=100, action="stop"),)), loops=(BUMP,))
    with closing(sqlite3.connect(desk.control.path, isolation_level=None)) as blocker:
        blocker.execute("begin immediate")
        with pytest.raises(OperationalError, match="locked"):
            desk.watch(tool("deploy", minute=1), call("a", 20, loop="bump", agent="maker"))
        blocker.execute("rollback")
    assert found(desk) == []
    desk.guard.act(at(2))
    desk.watch(tool("deploy", minute=2))
    assert found(desk) == [("bump: tool deploy", 1, "trace")]
    assert [row["action"] for row in desk.control.signals_after("default", 0)] == ["stop"]


def test_what_was_stored_before_a_crash_is_found_at_the_next_start(opened):
    opened(loops=(BUMP,)).post(tool("deploy"))
    assert found(opened(loops=(BUMP,))) == [("bump: tool deploy", 0, "trace")]


def test_of_more_things_than_it_remembers_none_is_lost(opened, monkeypatch):
    monkeypatch.setattr(undeclared, "_MOST_KNOWN", 3)
    desk = opened(loops=(BUMP,))
    for minute in range(8):
        desk.watch(tool(f"tool-{minute}", minute=minute), tool("tool-0", minute=minute))
    assert [scope for scope, *_ in found(desk)] == [f"bump: tool tool-{number}" for number in range(8)]


def test_tenants_have_incidents_of_their_own(opened):
    desk = opened(loops=(BUMP,))
    for tenant in ("default", "other"):
        desk.watch(tool("deploy"), tenant=tenant)
    assert sorted(row["tenant"] for row in desk.control.all_incidents()) == ["default", "other"]
