"""Whose a call is: what telemetry, rules, parent runs and the registry say, in which order, and what said so."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from bookkeeping import Desk, call, evidence, log, point, span, trace_hex

from analytics.config import Loop, OwnerRule
from analytics.evidence import Part

NIGHTLY = Loop(name="nightly", team="payments", owner="dana", cost_center="CC-1", environment="prod", agent="fixer", role="checker")
OWNED = ("loop", "team", "cost_center", "user", "role", "environment", "owner_rule", "loop_rule")
NOBODY = dict.fromkeys(OWNED)


def rule(
    name: str, when: dict[str, Any], *, override: bool = False, since: str | None = None, until: str | None = None, **said
) -> OwnerRule:
    return OwnerRule(name=name, when=when, set=said, override=override, valid_from=since, valid_to=until)


@pytest.fixture
def ruled(opened) -> Callable[..., Desk]:
    """Opens a desk under some rules."""
    return lambda *rules, loops=(): opened(rules=rules, loops=loops)


def owned(desk: Desk) -> list[dict[str, Any]]:
    """Whose the standing charges are, dearest first."""
    rows = desk.rows(
        f"""select {", ".join(f'"{name}"' for name in OWNED)} from charges
        qualify row_number() over (partition by tenant, call_id order by version desc, sign desc) = 1 and sign = 1 order by cost_usd desc"""
    )
    return [dict(zip(OWNED, row, strict=True)) for row in rows]


def of_one(desk: Desk) -> dict[str, Any]:
    (only,) = owned(desk)
    return only


# What rules match


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"agent": "fixer"}, {"agent": "fixer"}),
        ({"role": "maker"}, {"role": "maker"}),
        ({"team": "red"}, {"team": "red"}),
        ({"user": "ann"}, {"user": "ann"}),
        ({"loop": "weekly"}, {"loop": "weekly"}),
        ({"run": "r1"}, {"run": "r1"}),
        ({"service": "gateway"}, {"service": "gateway"}),
        ({"service.name": "gateway"}, {"service": "gateway"}),
        ({"runtime": "scope"}, {"runtime": "scope"}),
        ({"dialect": "gen_ai"}, {}),
        ({"provider": "mint"}, {}),
        ({"model": "gold"}, {}),
        ({"model": "gold-2026"}, {"model_served": "gold-2026"}),
        ({"kind": "model"}, {}),
        ({"session": "s1"}, {"session": "s1"}),
    ],
    ids=str,
)
def test_a_rule_matches_any_column_of_telemetry(ruled, when, said):
    desk = ruled(rule("it", when, cost_center="CC-7"), rule("other", dict.fromkeys(when, "something else"), environment="never"))
    desk.post(call("one", **said))
    assert (of_one(desk)["cost_center"], of_one(desk)["environment"]) == ("CC-7", None)


def test_a_rule_matches_the_tool_of_a_priced_tool_call(ruled):
    desk = ruled(rule("it", {"tool": "cra*"}, team="site"))
    desk.post(span("lift", kind="tool", tool="crane"))
    assert of_one(desk) == {**NOBODY, "team": "site", "owner_rule": "rule it"}


@pytest.mark.parametrize(
    ("globs", "matches"),
    [("pay*", True), ("PAY*", False), (["x", "pay?"], True), ("pay", False), ("[!p]*", False), (["*"], True)],
)
def test_values_are_shell_globs_of_which_one_must_match(ruled, globs, matches):
    desk = ruled(rule("it", {"service": globs}, team="payments"))
    desk.post(call("one", service="pays"))
    assert (of_one(desk)["team"] == "payments") is matches


def test_all_attributes_of_a_rule_must_match_and_one_that_nobody_says_does_not(ruled):
    desk = ruled(rule("it", {"service": "a", "agent": "*"}, team="payments"))
    desk.post(call("both", 3, service="a", agent="x"), call("one", 2, service="a"), call("none", 1, agent="x"))
    assert [row["team"] for row in owned(desk)] == ["payments", None, None]


def test_of_several_rules_the_first_that_says_a_field_holds(ruled):
    first, second = rule("first", {"service": "a"}, team="red"), rule("second", {"service": "*"}, team="blue", user="ann")
    desk = ruled(first, second)
    desk.post(call("one", 2, service="a"), call("two", 1, service="b"))
    assert owned(desk) == [
        {**NOBODY, "team": "red", "user": "ann", "owner_rule": "rule first"},
        {**NOBODY, "team": "blue", "user": "ann", "owner_rule": "rule second"},
    ]


# Precedence


def test_telemetry_wins_over_rules_and_rules_win_over_the_registry(ruled):
    said = {"team": "rule", "cost_center": "CC-rule", "environment": "rule", "role": "orchestrator"}
    desk = ruled(rule("it", {"service": "a"}, **said), loops=[NIGHTLY])
    telling = {"loop": "nightly", "agent": "fixer"}
    desk.post(call("all", 3, service="a", team="said", role="maker", **telling))
    desk.post(call("some", 2, trace="b", service="a", **telling), call("none", trace="c", **telling))
    by_telemetry = {"team": "said", "role": "maker", "cost_center": "CC-rule", "environment": "rule", "owner_rule": "telemetry"}
    by_rule = {"team": "rule", "role": "orchestrator", "cost_center": "CC-rule", "environment": "rule", "owner_rule": "rule it"}
    by_registry = {"team": "payments", "role": "checker", "cost_center": "CC-1", "environment": "prod", "owner_rule": "registry"}
    common = {"loop": "nightly", "loop_rule": "telemetry", "user": None}
    assert owned(desk) == [{**common, **by_telemetry}, {**common, **by_rule}, {**common, **by_registry}]


def test_an_overriding_rule_wins_over_telemetry_and_over_rules_before_it(ruled):
    fills, wins = rule("fills", {"service": "*"}, team="red"), rule("wins", {"service": "a"}, override=True, team="blue", loop="weekly")
    desk = ruled(fills, wins)
    desk.post(call("one", 2, service="a", team="said", loop="nightly"), call("two", 1, service="b", team="said", loop="nightly"))
    assert owned(desk) == [
        {**NOBODY, "team": "blue", "loop": "weekly", "owner_rule": "rule wins", "loop_rule": "rule wins"},
        {**NOBODY, "team": "said", "loop": "nightly", "owner_rule": "telemetry", "loop_rule": "telemetry"},
    ]


def test_a_loop_that_a_rule_sets_brings_the_registry_with_it(ruled):
    desk = ruled(rule("it", {"service": "a"}, loop="nightly"), loops=[NIGHTLY])
    desk.post(call("one", service="a", agent="fixer"))
    of_registry = {"team": "payments", "cost_center": "CC-1", "environment": "prod", "role": "checker", "owner_rule": "registry"}
    assert of_one(desk) == {**NOBODY, **of_registry, "loop": "nightly", "loop_rule": "rule it"}


def test_a_rule_looks_at_the_loop_and_the_team_that_were_decided(ruled):
    desk = ruled(
        rule("centre", {"team": "payments"}, cost_center="CC-9"), rule("loop", {"service": "a"}, loop="nightly"),
        rule("user", {"loop": "nightly"}, user="robot"), loops=[NIGHTLY],
    )  # fmt: skip
    desk.post(call("one", service="a"))
    assert (of_one(desk)["cost_center"], of_one(desk)["user"]) == ("CC-9", "robot")


def test_a_rule_holds_from_its_first_moment_until_its_last(ruled):
    first, then = "2026-11-16T00:10:00Z", "2026-11-16T00:20:00Z"
    desk = ruled(
        rule("early", {"service": "*"}, team="red", until=first), rule("late", {"service": "*"}, team="blue", since=first, until=then)
    )
    desk.post(*(call(f"c{minute}", usd, minute=minute, service="a") for usd, minute in ((4, 9.99), (3, 10), (2, 19.99), (1, 20))))
    assert [row["team"] for row in owned(desk)] == ["red", "blue", "blue", None]


def test_a_rule_says_nothing_of_who_is_counted(ruled):
    desk = ruled(rule("it", {"kind": "*"}, team="red", loop="x", role="other", user="u"))
    desk.post(span("root", kind="agent", input_uncached_tokens=3), call("one", 3, parent="root"))
    desk.settle()
    assert desk.rows("select sum(calls), sum(cost_usd)::int from charges") == [(1, 3)]


def test_the_tenant_is_never_decided_by_a_rule(ruled):
    desk = ruled(rule("it", {"kind": "*"}, team="red"))
    desk.post(call("one"), tenant="one")
    desk.post(call("two"), tenant="two")
    assert desk.rows("select tenant, team from charges order by tenant") == [("one", "red"), ("two", "red")]


# Tags


def tags(desk: Desk) -> list[tuple]:
    return desk.rows("select tags from records order by commit_no, ordinal")


ALPHA = rule("it", {"my.project": "alpha"}, team="red")


def test_an_attribute_that_a_rule_asks_for_is_kept_beside_the_record(ruled):
    desk = ruled(ALPHA)
    mine, other = (Part.ATTRIBUTE, 0, "my.project", "alpha"), (Part.ATTRIBUTE, 1, "my.other", "alpha")
    desk.post(call("one", 2), call("two", 1), attributes=evidence(mine, other))
    assert [row["team"] for row in owned(desk)] == ["red", None]
    assert tags(desk) == [('{"my.project":"alpha"}',), (None,)]


def test_nothing_is_kept_when_no_rule_asks(desk):
    desk.post(call("one"), attributes=evidence((Part.ATTRIBUTE, 0, "my.project", "alpha")))
    assert tags(desk) == [(None,)]


def test_a_records_own_value_stands_before_its_resources(ruled):
    desk = ruled(ALPHA)
    own, of_resource = (Part.ATTRIBUTE, 0, "my.project", "beta"), (Part.RESOURCE, 5, "my.project", "alpha")
    desk.post(call("one", 2, resource=5), call("two", 1, resource=5), call("three", 0, resource=4), attributes=evidence(own, of_resource))
    assert tags(desk) == [('{"my.project":"beta"}',), ('{"my.project":"alpha"}',), (None,)]
    assert [row["team"] for row in owned(desk)] == [None, "red", None]


def test_numbers_and_truths_are_matched_as_text_and_what_was_redacted_is_not(ruled):
    keys = ("a.number", "a.truth", "a.text", "z.secret")
    desk = ruled(rule("it", {"a.number": "42", "a.truth": "true", "a.text": '"q"*'}, team="red"), rule("no", {"z.secret": "*"}, user="x"))
    table = evidence(
        *((Part.ATTRIBUTE, 0, key, text) for key, text in zip(keys, (None, None, '"q"\\', "[redacted: 3 characters]"), strict=True))
    )
    table = table.set_column(table.schema.get_field_index("int_value"), "int_value", [[42, None, None, None]])
    table = table.set_column(table.schema.get_field_index("bool_value"), "bool_value", [[None, True, None, None]])
    desk.post(call("one"), attributes=table)
    assert of_one(desk) == {**NOBODY, "team": "red", "owner_rule": "rule it"}


def test_a_call_has_the_tags_of_the_spans_above_it_each_key_from_the_nearest(ruled):
    desk = ruled(ALPHA, rule("near", {"my.stage": "near"}, user="ann"), rule("far", {"my.stage": "far"}, user="bob"))
    said = [(0, "my.project", "alpha"), (0, "my.stage", "far"), (1, "my.stage", "near")]
    spans = (span("root", kind="agent"), span("step", parent="root"), call("one", parent="step"))
    desk.post(*spans, attributes=evidence(*((Part.ATTRIBUTE, *one) for one in said)))
    assert of_one(desk) == {**NOBODY, "team": "red", "user": "ann", "owner_rule": "rule it"}


def test_a_span_above_that_comes_later_still_says_whose_the_call_was(ruled):
    desk = ruled(ALPHA)
    desk.post(call("one", parent="root"))
    assert of_one(desk) == NOBODY
    desk.post(span("root", kind="agent"), attributes=evidence((Part.ATTRIBUTE, 0, "my.project", "alpha")))
    assert of_one(desk) == {**NOBODY, "team": "red", "owner_rule": "rule it"}
    assert desk.rows("select kind, sum(sign), sum(cost_usd)::int from charges group by all order by kind") == [
        ("re-attribution", 0, 0),
        ("usage", 1, 1),
    ]


def test_records_of_one_call_say_their_tags_together(ruled):
    desk = ruled(rule("it", {"my.project": "alpha", "key.alias": "k1"}, team="red"))
    attributes = evidence((Part.ATTRIBUTE, 0, "my.project", "alpha"), (Part.ATTRIBUTE, 1, "key.alias", "k1"))
    desk.post(call("one", response_id="r"), call("gateway", trace="other", response_id="r"), attributes=attributes)
    assert of_one(desk)["team"] == "red"


def test_a_metric_that_counts_has_tags_too(ruled):
    desk = ruled(ALPHA)
    points = (point("p1", 3, "input", service="a"), point("p2", 1, "output", service="a"))
    desk.post(*points, attributes=evidence(*((Part.ATTRIBUTE, row, "my.project", "alpha") for row in (0, 1))))
    desk.settle()
    assert of_one(desk)["team"] == "red"


# Runs that start others


def parent(**said) -> dict:
    return span("starts", trace="p", run="P", kind="agent", **said)


def child(**said) -> dict:
    return call("started", trace="c", run="C", run_parent="P", **said)


BILLED = {**NOBODY, "loop": "nightly", "loop_rule": "parent run"}


@pytest.mark.parametrize("batches", [[["p", "c"]], [["p"], ["c"]], [["c"], ["p"]]], ids=str)
def test_a_run_without_a_loop_bills_to_that_of_the_run_that_started_it(desk, batches):
    records = {"p": parent(loop="nightly"), "c": child()}
    for batch in batches:
        desk.post(*(records[name] for name in batch))
    assert of_one(desk) == BILLED
    assert desk.rows("select distinct run from charges") == [("C",)]


def test_the_registry_of_the_parents_loop_applies(opened):
    desk = opened(loops=[NIGHTLY])
    desk.post(parent(loop="nightly"))
    desk.post(child(agent="fixer"))
    assert of_one(desk) == {
        **BILLED, "team": "payments", "cost_center": "CC-1", "environment": "prod", "role": "checker", "owner_rule": "registry"
    }  # fmt: skip


def test_a_loop_of_its_own_stands_before_the_parents(desk):
    desk.post(parent(loop="nightly"), child(loop="weekly"))
    assert of_one(desk) == {**NOBODY, "loop": "weekly", "loop_rule": "telemetry"}


def test_a_rule_may_say_the_parents_loop(ruled):
    desk = ruled(rule("it", {"service": "scheduler"}, loop="nightly"))
    desk.post(child())
    desk.post(parent(service="scheduler"))
    assert of_one(desk) == BILLED


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)], ids=str)
def test_a_loop_goes_down_through_several_runs(desk, order):
    records = [span("first", trace="g", run="G", loop="nightly"), span("second", trace="p", run="P", run_parent="G"), child()]
    for place in order:
        desk.post(records[place])
    assert of_one(desk) == BILLED


def test_runs_that_start_each_other_bill_to_nobody(desk):
    desk.post(span("second", trace="p", run="P", run_parent="C"), child())
    assert of_one(desk) == NOBODY


def test_a_metric_and_a_log_record_of_a_started_run_follow_its_parent(desk):
    own = {"run": "C", "run_parent": "P"}
    desk.post({**log("said", 5, trace_id=None, process="l"), **own})
    desk.post(*({**point(name, usd, measure, process="m"), **own} for name, usd, measure in (("p1", 3, "input"), ("p2", 1, "output"))))
    desk.settle()
    desk.post(parent(loop="nightly"))
    assert [row["loop"] for row in owned(desk)] == ["nightly", "nightly"]


def test_a_restart_knows_the_families(opened):
    desk = opened()
    desk.post(parent(loop="nightly"), child())
    desk = opened()
    desk.post(call("more", 2, trace="d", run="C", run_parent="P"))
    assert owned(desk) == [BILLED, BILLED]


def test_another_tenants_runs_are_nobodys_parents(desk):
    desk.post(parent(loop="nightly"), tenant="other")
    desk.post(child())
    assert of_one(desk) == NOBODY


def test_the_guard_sees_a_run_under_its_rules(ruled):
    desk = ruled(rule("it", {"service": "a", "my.project": "alpha"}, loop="nightly"), loops=[NIGHTLY])
    posted = desk.post(call("one", service="a"), attributes=evidence((Part.ATTRIBUTE, 0, "my.project", "alpha")))
    desk.guard.observe(posted, desk.now)
    (run,) = desk.guard._runs.running(desk.now)
    assert (run.run, run.seen["loop"], run.seen["team"]) == (
        trace_hex("trace") if run.run != "trace" else "trace",
        {"nightly"},
        {"payments"},
    )


# Order


RULES = (
    rule("project", {"my.project": "alpha"}, team="red"),
    rule("agent", {"agent": "fix*"}, role="checker", cost_center="CC-2"),
    rule("service", {"service": "gate*"}, override=True, environment="prod"),
    rule("loop", {"my.stage": "s"}, loop="nightly"),
)
SCENE: Sequence[tuple[dict, dict[str, str]]] = (
    (span("root", trace="a", kind="agent", agent="fixer"), {"my.project": "alpha"}),
    (span("mid", trace="a", parent="root", service="gateway"), {"my.stage": "s"}),
    (call("leaf", 2, trace="a", parent="mid"), {}),
    (call("twin", 1, trace="t", response_id="r"), {"my.project": "beta"}),
    (call("same", 1, trace="u", response_id="r", service="gateway"), {"my.stage": "t"}),
    (call("kid", 4, trace="k", run="K", run_parent="a"), {}),
    (call("grandkid", 8, trace="kk", run="KK", run_parent="K"), {}),
    (log("word", 16, trace="a", within="mid"), {}),
)


def charged(desk: Desk) -> list[tuple]:
    columns = ", ".join(f'"{name}"' for name in (*OWNED, "run", "agent"))
    return desk.rows(f"select call_id, {columns}, sum(cost_usd) from charges group by all having sum(sign) <> 0 order by call_id")


def feed(desk: Desk, order: Sequence[int], size: int) -> None:
    for start in range(0, len(order), size):
        taken = [SCENE[place] for place in order[start : start + size]]
        said = [(Part.ATTRIBUTE, row, key, text) for row, (_, tags) in enumerate(taken) for key, text in tags.items()]
        desk.post(*(one for one, _ in taken), attributes=evidence(*said))


@pytest.mark.parametrize("seed", range(12))
def test_the_order_of_arrival_changes_no_owner(tmp_path, seed):
    chance = random.Random(seed)
    order = [*range(len(SCENE)), *chance.choices(range(len(SCENE)), k=3)]
    chance.shuffle(order)
    desks = [Desk(tmp_path / name, rules=RULES, loops=[NIGHTLY]) for name in ("straight", "shuffled")]
    feed(desks[0], range(len(SCENE)), len(SCENE))
    feed(desks[1], order, chance.choice((1, 2, 3)))
    straight, shuffled = map(charged, desks)
    for desk in desks:
        desk.close()
    assert straight == shuffled
    assert [row[1] for row in straight].count("nightly") == 4
