"""A registry with one of everything that can be wrong, and what the reports must say of it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest
from bookkeeping import MONDAY, TENANT, Desk, at, call, span

from analytics.config import Loop
from analytics.reports import REPORTS, Question

DAY = 24 * 60  # minutes
DUE = 5.5 * 60  # 06:30 in Berlin in November
TRIAGE = Loop(
    name="triage", team="mint", owner="ada", cost_center="CC-1", environment="production", version="3", approved_by="lee",
    agent="drafter", model="gold", skills=("write-test", "reproduce"), mcp_servers=("github", "sentry"), tools=("Read", "Edit*", "Bash"),
    approvals=("Bash", "merge"), trigger={"schedule": "30 6 * * *", "timezone": "Europe/Berlin"},
    subagents=(
        {"name": "reviewer", "role": "checker", "model": "gold", "tools": ("Read",)},
        {"name": "planner", "role": "other", "model": "lead"},
    ),
)  # fmt: skip
SILENT = Loop(name="silent", team="bank", owner="bob", tools=("Read",), trigger={"schedule": "0 0 * * SUN#3"})
SYNC = Loop(name="sync", team="bank", owner="cy", trigger={"schedule": "0 0 * * L"})  # what a lone L means depends on the scheduler
LOOPS = (TRIAGE, SILENT, SYNC)


def run(trace: str, minute: float, *inside: dict, loop: str = "triage", agent: str = "drafter", **said) -> list[dict]:
    """A run of a main agent that makes one call, from that minute on for two minutes."""
    root = span("root", trace=trace, kind="agent", agent=agent, loop=loop, minute=minute + 2, started_at=at(minute), **said)
    return [root, call("ask", 2, trace=trace, parent="root", loop=loop, minute=minute + 1, **said), *inside]


def tool(name: str, trace: str, minute: float, *, parent: str = "root", loop: str = "triage", **said) -> dict:
    return span(f"{name} {minute}", trace=trace, parent=parent, kind="tool", tool=name, loop=loop, minute=minute, **said)


def story() -> list[dict]:
    """Monday's run is late, Tuesday's misses, Wednesday has two, Thursday's is on time."""
    late, first, second, last = (DUE + minute for minute in (4, 2 * DAY, 2 * DAY + 30, 3 * DAY))
    review = {"trace": "mon", "loop": "triage"}
    reviewing = [
        span("review", parent="root", kind="agent", agent="reviewer", minute=late + 1.9, **review),
        call("judge", 1, parent="review", minute=late + 1.5, **review),
        tool("Edit", "mon", late + 1.6, parent="review"),
        tool("Read", "mon", late + 1.7, parent="review"),
    ]
    used = [
        tool("Read", "mon", late + 0.5),
        tool("Read", "mon", late + 0.6, tool_call_id="t"),
        tool("Read", "mon", late + 0.6, tool_call_id="t", signal="log", span_id=None, record_key=7),
        tool("EditFile", "mon", late + 0.7),
        tool("deploy", "mon", late + 0.8),
        tool("mcp__github__search", "mon", late + 0.9, mcp_server="github"),
        tool("mcp__jira__comment", "mon", late + 1, mcp_server="jira"),
        tool("write-test", "mon", late + 1.1),
        tool("Agent", "mon", late + 1.2),
        span("may I", trace="mon", parent="root", kind="approval", tool="Bash", loop="triage", minute=late + 1.3),
    ]
    stranger = [
        span("odd", trace="thu", parent="root", kind="agent", agent="stranger", loop="triage", minute=last + 1.5),
        call("odd call", 3, trace="thu", parent="odd", loop="triage", minute=last + 1.4, model_requested="lead"),
    ]
    return [
        *run("mon", late, *used, *reviewing),
        *run("wed", first),
        *run("wed again", second),
        *run("thu", last, *stranger),
        *run("helper", last + 1, run_parent="thu"),
        *run("bank", DAY, loop="sync", agent="syncer", team="bank"),
        *run("mint", 2 * DAY, loop="sync", agent="syncer", team="mint", user="eve"),
        *run("dark", 3 * DAY, loop="shadow", agent="ghost"),
        call("nobody", 7, trace="loose", minute=3 * DAY),
    ]


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Desk]:
    """The story, told until Thursday noon; the ledger's first record is of Sunday evening."""
    desk = Desk(tmp_path_factory.mktemp("inventory"), loops=LOOPS)
    desk.watch(span("first", trace="first", minute=-60))
    for one in story():
        desk.watch(one)
    desk.settle()
    desk.now = at(3 * DAY + 720)
    yield desk
    desk.close()


def ask(desk: Desk, name: str, **said) -> pl.DataFrame:
    return REPORTS[name](desk.sources(), Question(TENANT, **said))


def of(rows: pl.DataFrame, loop: str) -> dict:
    return rows.filter(loop=loop).row(0, named=True)


# Expected beside found


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        ("triage", {"state": "registered", "status": "registered and seen", "team": "mint", "owner": "ada", "cost_center": "CC-1",
                    "environment": "production", "version": "3", "approved_by": "lee",
                    "schedule": "30 6 * * *", "timezone": "Europe/Berlin", "runs": 5, "calls": 7,
                    "cost_usd": Decimal(11), "last_7_days_usd": Decimal(11), "expected_runs": 4, "missed_runs": 1, "doubled_runs": 1}),
        ("triage", {"unused_grants": ["mcp_server sentry", "model lead", "subagent planner", "tool Bash"]}),
        ("triage", {"undeclared_touches": ["mcp_server jira", "model lead", "subagent stranger", "tool Edit", "tool deploy"]}),
        ("triage", {"findings": ["a checker on the maker's model: reviewer on gold", "a checker that wrote: reviewer used Edit"]}),
        ("silent", {"state": "silent", "status": "registered, silent", "owner": "bob", "runs": 0, "cost_usd": None, "expected_runs": 0,
                    "unused_grants": ["tool Read"], "undeclared_touches": [], "findings": []}),
        ("sync", {"state": "duplicated", "status": "registered and seen", "owner": "cy", "team": "bank", "runs": 2, "expected_runs": None,
                  "missed_runs": None, "findings": ["run by several teams: bank, mint"]}),
        ("shadow", {"state": "unregistered", "status": "unregistered", "owner": None, "team": "unattributed", "agents": ["ghost"],
                    "unused_grants": [], "undeclared_touches": [], "findings": []}),
        ("unattributed", {"state": "unattributed", "status": "unregistered", "cost_usd": Decimal(7), "findings": []}),
    ],
)  # fmt: skip
def test_the_inventory_names_every_state_and_finding(desk, loop, expected):
    row = of(ask(desk, "inventory"), loop)
    assert {name: row[name] for name in expected} == expected


def test_every_dollar_is_in_one_row_in_any_window_and_in_the_last_week(desk):
    assert ask(desk, "inventory")["loop"].is_duplicated().any() is False
    for since, until in ((None, None), (at(DAY), at(3 * DAY)), (None, at(0)), (at(3 * DAY), None)):
        rows = ask(desk, "inventory", since=since, until=until)
        assert rows["cost_usd"].sum() == ask(desk, "spend", since=since, until=until)["cost_usd"].sum()
        assert rows["last_7_days_usd"].sum() == ask(desk, "spend")["cost_usd"].sum()


def test_the_last_week_ends_now_whatever_the_window(desk):
    desk.now += timedelta(days=6)  # Monday's run is nine days ago
    try:
        assert (
            of(ask(desk, "inventory"), "triage")["last_7_days_usd"] == of(ask(desk, "inventory", since=at(3 * DAY)), "triage")["cost_usd"]
        )
    finally:
        desk.now -= timedelta(days=6)


def test_a_loop_is_chosen_by_name(desk):
    filters = {"loop": ("triage",)}
    assert {name: ask(desk, name, filters=filters)["loop"].unique().to_list() for name in ("inventory", "grants", "schedule")} == {
        "inventory": ["triage"], "grants": ["triage"], "schedule": ["triage"]
    }  # fmt: skip


# Grants


@pytest.mark.parametrize(
    ("agent", "kind", "name", "expected"),
    [  # declared, touched, uses, finding
        ("drafter", "model", "gold", (True, True, 5, None)),
        ("drafter", "tool", "Read", (True, True, 2, None)),
        ("drafter", "tool", "Edit*", (True, True, 1, None)),
        ("drafter", "tool", "Bash", (True, False, 0, "unused grant")),
        ("drafter", "tool", "deploy", (False, True, 1, "undeclared touch")),
        ("drafter", "mcp_server", "github", (True, True, 1, None)),
        ("drafter", "mcp_server", "sentry", (True, False, 0, "unused grant")),
        ("drafter", "mcp_server", "jira", (False, True, 1, "undeclared touch")),
        ("drafter", "tool", "mcp__github__search", (True, True, 1, None)),
        ("drafter", "tool", "mcp__jira__comment", (False, True, 1, None)),
        ("drafter", "skill", "write-test", (True, True, 1, None)),
        ("drafter", "skill", "reproduce", (True, None, 0, None)),
        ("drafter", "approval", "Bash", (True, True, 1, None)),
        ("drafter", "approval", "merge", (True, None, 0, None)),
        ("drafter", "subagent", "reviewer", (True, True, 1, None)),
        ("drafter", "subagent", "planner", (True, False, 0, "unused grant")),
        ("drafter", "subagent", "stranger", (False, True, 1, "undeclared touch")),
        ("reviewer", "model", "gold", (True, True, 1, None)),
        ("reviewer", "tool", "Read", (True, True, 1, None)),
        ("reviewer", "tool", "Edit", (False, True, 1, "undeclared touch")),
        ("planner", "model", "lead", (True, False, 0, "unused grant")),
        ("ghost", "model", "gold", (False, True, 1, None)),
    ],
)  # fmt: skip
def test_grants_stand_beside_touches(desk, agent, kind, name, expected):
    (row,) = ask(desk, "grants").filter(agent=agent, kind=kind, name=name).rows(named=True)
    assert (row["declared"], row["touched"], row["uses"], row["finding"]) == expected
    assert (row["first_used"] is None) == (not row["touched"])


def test_a_tool_that_calls_a_granted_agent_needs_no_grant(desk):
    assert ask(desk, "grants").filter(kind="tool", name="Agent").is_empty()


def test_grants_are_compared_within_the_window(desk):
    monday = ask(desk, "grants", since=MONDAY, until=at(DAY), filters={"agent": ("drafter",)})
    later = ask(desk, "grants", since=at(DAY), filters={"agent": ("drafter",)})
    uses = [rows.filter(kind="model", name="gold")["uses"].item() for rows in (monday, later)]
    assert uses == [1, 4]
    assert later.filter(kind="tool", name="Read")["finding"].item() == "unused grant"


def test_first_and_last_use_are_those_of_the_steps(desk):
    (row,) = ask(desk, "grants").filter(agent="drafter", kind="tool", name="Read").rows(named=True)
    assert (row["first_used"], row["last_used"]) == (at(DUE + 4.5), at(DUE + 4.6))


# Schedules


def test_each_start_has_the_run_that_answered(desk):
    rows = ask(desk, "schedule", filters={"loop": ("triage",)})
    assert rows.select("expected_at", "state", "run", "late_seconds", "runs").rows() == [
        (at(DUE + 3 * DAY), "ran", "thu", 0, 1),
        (at(DUE + 2 * DAY), "doubled", "wed", 0, 2),
        (at(DUE + DAY), "missed", None, None, 0),
        (at(DUE), "ran", "mon", 240, 1),
    ]


def test_a_start_is_due_for_an_hour_before_it_is_missed(desk):
    friday = at(DUE + 4 * DAY)
    found = []
    for now in (friday - timedelta(seconds=1), friday, friday + timedelta(minutes=59), friday + timedelta(hours=1)):
        rows = REPORTS["schedule"](desk.sources(now), Question(TENANT))
        found.append(rows.filter(loop="triage").head(1).select("expected_at", "state").row(0))
    assert found == [(at(DUE + 3 * DAY), "ran"), (friday, "due"), (friday, "due"), (friday, "missed")]


def test_a_run_after_the_window_answers_a_start_inside_it(desk):
    rows = ask(desk, "schedule", since=MONDAY, until=at(DUE + 1))
    assert rows.select("state", "run").rows() == [("ran", "mon")]


def test_starts_before_the_first_record_are_not_missed(desk):
    asked = ask(desk, "inventory", since=MONDAY - timedelta(days=30))
    assert of(asked, "triage")["expected_runs"] == 4


def test_a_window_with_more_starts_than_are_shown_counts_them_all(opened):
    busy = Loop(name="busy", team="mint", owner="ada", trigger={"schedule": "* * * * *"})
    desk = opened(loops=(busy,))
    desk.post(span("first", trace="first"))
    desk.now = at(2 * DAY)
    assert ask(desk, "schedule").height == 1000
    assert of(ask(desk, "inventory"), "busy")["missed_runs"] == 2 * DAY
