"""Stored charges under today's rules: who pays moves, nothing else, and only where something changed."""

from collections.abc import Callable
from datetime import datetime

import polars as pl
import pytest
from bookkeeping import TENANT, Desk, at, call, evidence, log, point, span
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.config import Loop, OwnerRule
from analytics.evidence import Part
from analytics.operations import Operation, moved

NIGHTLY = Loop(name="nightly", team="payments", owner="dana", cost_center="CC-1")
ALPHA = OwnerRule(name="alpha", when={"my.project": "alpha"}, set={"team": "red"})
OWNER_COLUMNS = ("loop", "team", "cost_center", "user", "role", "environment", "owner_rule", "loop_rule")


def operation(since: datetime | None = None, until: datetime | None = None) -> Operation:
    return Operation(TENANT, "re-attribution", "dana", "a new rule", since, until)


def reattribute(desk: Desk, **window) -> pl.DataFrame | None:
    """Re-attributes a desk's charges; what it moved, None for nothing."""
    entry = desk.books.reattributed(operation(**window), desk.now)
    return None if entry is None else moved(desk.books.operate(operation(**window), entry, desk.now).charges)


def sums(desk: Desk, *by: str) -> list[tuple]:
    named = "".join(f'"{name}", ' for name in by)
    return desk.rows(f"select {named} sum(calls), sum(cost_usd) from charges group by all having sum(calls) <> 0 order by all")


def test_charges_follow_a_new_rule_and_what_moved_is_told_first(opened):
    opened().post(call("one", 3, service="a"), call("two", 2, trace="b", service="b"))
    desk = opened(rules=[OwnerRule(name="a", when={"service": "a"}, set={"team": "red", "loop": "nightly"})], loops=[NIGHTLY])
    before = desk.ledger.commit_no
    told = moved(desk.books.reattributed(operation(), desk.now).charges)
    assert told.rows() == [
        ("team", "red", 1, 3), ("team", "unattributed", -1, -3), ("loop", "nightly", 1, 3), ("loop", "unattributed", -1, -3),
        ("cost_center", "CC-1", 1, 3), ("cost_center", "unattributed", -1, -3),
    ]  # fmt: skip
    assert (desk.ledger.commit_no, sums(desk, "team")) == (before, [(None, 2, 5)])
    assert reattribute(desk).rows() == told.rows()
    assert sums(desk, "team", "loop", "owner_rule", "loop_rule") == [
        ("red", "nightly", "rule a", "rule a", 1, 3),
        (None, None, None, None, 1, 2),
    ]


def test_it_is_versions_of_charges_and_one_row_that_says_who_and_why(opened):
    opened().post(call("one", 3, service="a"))
    desk = opened(rules=[OwnerRule(name="a", when={"service": "a"}, set={"team": "red"})])
    reattribute(desk, since=at(-5), until=at(5))
    versions = desk.rows("select version, sign, kind, reason, team, calls, cost_usd from charges order by version, sign")
    assert versions == [
        (1, 1, "usage", "counted", None, 1, 3),
        (2, -1, "re-attribution", "operation 1", None, -1, -3),
        (2, 1, "re-attribution", "operation 1", "red", 1, 3),
    ]
    said = desk.rows("select operation, commit_no, happened_at, kind, who, why, since, until, calls, delta_usd from operations")
    assert said == [(1, 2, desk.now, "re-attribution", "dana", "a new rule", at(-5), at(5), 1, 0)]


def test_what_changes_nothing_writes_nothing(opened):
    desk = opened(rules=[ALPHA])
    desk.post(call("one", 3), attributes=evidence((Part.ATTRIBUTE, 0, "my.project", "alpha")))
    commit_no = desk.ledger.commit_no
    assert (reattribute(desk), desk.ledger.commit_no, desk.rows("select * from operations")) == (None, commit_no, [])


def test_the_second_time_changes_nothing(opened):
    opened().post(call("one", 3, service="a"))
    desk = opened(rules=[OwnerRule(name="a", when={"service": "a"}, set={"team": "red"})])
    assert reattribute(desk) is not None
    assert reattribute(desk) is None
    assert reattribute(opened(rules=desk.rules)) is None


def test_only_the_window_changes(opened):
    opened().post(*(call(f"c{minute}", usd, minute=minute, service="a") for usd, minute in ((1, 1), (2, 2), (4, 3))))
    desk = opened(rules=[OwnerRule(name="a", when={"service": "a"}, set={"team": "red"})])
    reattribute(desk, since=at(2), until=at(3))
    assert sums(desk, "team") == [("red", 1, 2), (None, 2, 5)]


def test_attributes_that_only_todays_rules_ask_for_are_found_in_evidence(opened):
    said = evidence((Part.ATTRIBUTE, 0, "my.project", "alpha"), (Part.RESOURCE, 7, "my.project", "alpha"), (Part.ATTRIBUTE, 1, "x", "y"))
    opened().post(call("own", 1), call("resource", 2, trace="b", resource=7), call("neither", 4, trace="c"), attributes=said)
    desk = opened(rules=[ALPHA])
    reattribute(desk)
    assert sums(desk, "team") == [("red", 2, 3), (None, 1, 4)]
    desk.post(span("later", parent="own"))
    assert sums(opened(rules=[ALPHA]), "team") == [("red", 2, 3), (None, 1, 4)]


def test_attributes_of_spans_above_are_found_in_other_commits(opened):
    desk = opened()
    desk.post(call("one", 3, parent="root"))
    desk.post(span("root", kind="agent"), attributes=evidence((Part.ATTRIBUTE, 0, "my.project", "alpha")))
    desk = opened(rules=[ALPHA])
    reattribute(desk)
    assert sums(desk, "team") == [("red", 1, 3)]
    desk.post(call("two", 4, parent="root"))
    assert sums(desk, "team") == [("red", 2, 7)]


def test_evidence_of_records_whose_tags_changed_stays_theirs(opened):
    said = evidence((Part.ATTRIBUTE, 0, "x", "first"), (Part.ATTRIBUTE, 1, "my.project", "alpha"), (Part.RESOURCE, 3, "y", "of both"))
    opened().post(call("one", 1, resource=3), call("two", 2, trace="b", resource=3), attributes=said)
    desk = opened(rules=[ALPHA])
    reattribute(desk)
    (blob,) = desk.ledger.query("queries/evidence_of_commit", tenant=TENANT, commit_no=2)["attributes"]
    from analytics.evidence import unpack

    rows = [(row["part"], row["owner"], row["string_value"]) for row in unpack(blob).to_pylist()]
    (resource,) = desk.rows("select resource from records where commit_no = 2")[0]
    assert rows == [(Part.ATTRIBUTE, 0, "alpha"), (Part.RESOURCE, resource, "of both")]


def test_a_parent_run_that_a_rule_names_pays_for_its_children(opened):
    opened().post(span("starts", trace="p", run="P", service="scheduler"), call("started", 3, trace="c", run="C", run_parent="P"))
    desk = opened(rules=[OwnerRule(name="it", when={"service": "scheduler"}, set={"loop": "nightly"})], loops=[NIGHTLY])
    reattribute(desk)
    assert sums(desk, "loop", "team", "loop_rule") == [("nightly", "payments", "parent run", 1, 3)]


def test_metrics_log_records_and_sums_that_count_move_too(opened):
    desk = opened()
    desk.post(point("p1", 3, "input", service="a", process="m"), point("p2", 1, "output", service="a", process="m"))
    desk.post(
        log("said", 5, service="a", trace_id=None, process="l"),
        span("only", trace="s", service="a", kind="agent", model_requested="gold", provider="mint", input_uncached_tokens=7),
    )
    desk.settle()
    before = sums(desk)
    desk = opened(rules=[OwnerRule(name="a", when={"service": "a"}, set={"team": "red"})])
    reattribute(desk)
    assert sums(desk, "team") == [("red", *before[0])]
    assert before[0][0] == 3


def test_another_price_of_today_changes_nothing(opened):
    from analytics.config import CustomPrice

    opened().post(call("one", 3, service="a"))
    dearer = CustomPrice(model="gold", input_mtok="5000000", output_mtok="1000000")
    desk = opened(rules=[OwnerRule(name="a", when={"service": "a"}, set={"team": "red"})], prices=[dearer])
    reattribute(desk)
    assert sums(desk, "team") == [("red", 1, 3)]


def test_another_tenants_charges_stay(opened):
    desk = opened()
    desk.post(call("one", 3, service="a"), tenant="other")
    desk = opened(rules=[OwnerRule(name="a", when={"service": "a"}, set={"team": "red"})])
    assert reattribute(desk) is None


NAMES = st.sampled_from(("a", "b", "c"))
CALLS = st.lists(st.tuples(st.integers(0, 9), NAMES, NAMES), min_size=1, max_size=6)
RULES = st.lists(
    st.builds(
        lambda keys, team, loop, wins: {"when": keys, "set": {"team": team, "loop": loop}, "override": wins},
        st.dictionaries(st.sampled_from(("service", "agent", "team", "my.tag")), NAMES, min_size=1),
        NAMES, st.none() | st.just("nightly"), st.booleans(),
    ),
    max_size=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Callable[[], object]:
    return lambda: tmp_path_factory.mktemp("desk")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS, first=RULES, then=RULES)
def test_it_conserves_every_sum_and_ends_where_a_fresh_ledger_would(fresh, calls, first, then):
    def opened(directory, rules) -> Desk:
        return Desk(directory, rules=[OwnerRule(name=f"r{number}", **one) for number, one in enumerate(rules)], loops=[NIGHTLY])

    def post(desk: Desk) -> None:
        for place, (usd, service, tag) in enumerate(calls):
            said = evidence((Part.ATTRIBUTE, 0, "my.tag", tag))
            desk.post(call(f"c{place}", usd, trace=f"t{place}", service=service, agent=tag), attributes=said)

    columns = (*OWNER_COLUMNS, "call_id")
    directory = fresh()
    desk = opened(directory, first)
    post(desk)
    before = desk.rows("select call_id, sum(calls), sum(cost_usd), sum(input_uncached_tokens) from charges group by 1 order by 1")
    desk.close()
    desk, other = opened(directory, then), opened(fresh(), then)
    post(other)
    reattribute(desk)
    assert desk.rows("select call_id, sum(calls), sum(cost_usd), sum(input_uncached_tokens) from charges group by 1 order by 1") == before
    assert sums(desk, *columns) == sums(other, *columns)
    assert reattribute(desk) is None
    desk.close()
    other.close()
