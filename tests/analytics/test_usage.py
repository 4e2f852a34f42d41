from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest
from bookkeeping import MONDAY, at, call, frame, span
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import usage
from analytics.model import BUCKETS

NO_TOOL = pl.lit(False)
CRANES = pl.col("tool") == "crane"


def members(*spans: dict) -> pl.DataFrame:
    """The spans that are calls, as `merge` takes them."""
    return usage.calls_of(usage.candidates(frame(*spans), NO_TOOL))


def together(*spans: dict) -> set[frozenset[str]]:
    """Which spans, by their names, are one call."""
    return {frozenset(names) for (names,) in members(*spans).group_by("call_id").agg("name").select("name").iter_rows()}


# Revisions of one record


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        pytest.param(call("a", 9, ended_at=None), call("a", None), id="ended over open"),
        pytest.param(call("a", None, agent="x", team="y", tool="z"), call("a", 1), id="usage over many attributes"),
        pytest.param(call("a", 1), call("a", 1, agent="x"), id="more attributes over fewer"),
        pytest.param(call("a", 1, content_hash=7), call("a", 1, content_hash=8), id="else the greater hash"),
    ],
)
def test_the_greatest_revision_stands_whatever_came_first(lower, higher):
    for spans in ((lower, higher), (higher, lower)):
        standing = usage.best_revisions(frame(*spans))
        assert standing.rows() == frame(higher).rows()


# What is a call


@pytest.mark.parametrize(
    ("one", "is_call"),
    [
        pytest.param(call("a", 1), True, id="model call"),
        pytest.param(call("a", None), True, id="model call without usage"),
        pytest.param(call("a", None, failed=True), False, id="failed attempt"),
        pytest.param(call("a", 1, failed=True), True, id="failed, but billed"),
        pytest.param(call("a", 1, kind="embedding"), True, id="embedding"),
        pytest.param(call("a", 1, kind="agent"), False, id="agent that repeats a sum"),
        pytest.param(call("a", 1, signal="log"), False, id="log of a call"),
        pytest.param(span("a", kind="tool", tool="crane"), True, id="tool with a price"),
        pytest.param(span("a", kind="sandbox", tool="crane", failed=True), True, id="failed run of a sandbox with a price"),
        pytest.param(span("a", kind="tool", tool="rope"), False, id="tool without a price"),
    ],
)
def test_a_record_is_a_call_or_not(one, is_call):
    assert usage.candidates(frame(one), CRANES).height == is_call


@pytest.mark.parametrize(
    ("gap_seconds", "calls"),
    [(-60, 1), (0, 1), (5, 1), (5.001, 2), (3600, 2)],
)
def test_one_response_id_is_one_call_unless_time_lies_between(gap_seconds, calls):
    first = call("a", response_id="r", started_at=at(0), ended_at=at(1))
    second_start = at(1) + timedelta(seconds=gap_seconds)
    second = call("b", response_id="r", started_at=second_start, ended_at=second_start + timedelta(seconds=90))
    assert len(together(first, second)) == len(together(second, first)) == calls


def test_a_call_lasts_as_long_as_its_longest_record():
    spans = [
        call("long", response_id="r", started_at=at(0), ended_at=at(10)),
        call("short", response_id="r", started_at=at(1), ended_at=at(2)),
        call("late", response_id="r", started_at=at(9), ended_at=at(11)),
    ]
    assert together(*spans) == {frozenset({"long", "short", "late"})}


def test_records_without_a_response_id_are_calls_of_their_own():
    assert together(call("a"), call("b"), call("c", response_id="r")) == {frozenset("a"), frozenset("b"), frozenset("c")}


def test_a_record_without_any_time_is_still_a_call():
    timeless = {"started_at": None, "ended_at": None, "response_id": "r"}
    assert members(call("a", **timeless), call("b", **timeless)).height == 2


@settings(max_examples=30)
@given(st.permutations(range(5)))
def test_calls_have_the_same_names_in_any_order(order):
    spans = [
        call("a", response_id="r", minute=0),
        call("b", response_id="r", minute=0.01),
        call("c", response_id="r", minute=30),
        call("d", minute=0),
        call("e", response_id="s", minute=0),
    ]
    named = dict(members(*spans).select("name", "call_id").iter_rows())
    assert dict(members(*(spans[place] for place in order)).select("name", "call_id").iter_rows()) == named


# What the records of a call say together


def test_tokens_come_from_the_finest_split_and_other_facts_from_whoever_says_them():
    coarse = call("coarse", 100, response_id="r", agent="maker", attribute_count=50)
    fine = call("fine", 60, response_id="r", cache_read_tokens=40, model_served="gold-2026")
    blind = call("blind", None, response_id="r", team="mint", attribute_count=90)
    merged = usage.merge(members(coarse, fine, blind))
    assert merged.select("name", "agent", "team", "model_served", *BUCKETS[:3]).rows() == [
        ("fine", "maker", "mint", "gold-2026", 60, 40, None),
    ]
    assert merged["primary"].to_list() == frame(fine)["record_key"].to_list()


@given(st.permutations(range(4)))
def test_what_a_call_is_does_not_depend_on_the_order_of_its_records(order):
    spans = [
        call("a", 100, response_id="r", user="ada"),
        call("b", 60, response_id="r", cache_read_tokens=40, user="bob", minute=0.01),
        call("c", 60, response_id="r", cache_read_tokens=40, loop="nightly"),
        call("d", None, response_id="r", agent="maker", minute=0.02),
    ]
    expected = usage.merge(members(*spans))
    merged = usage.merge(members(*(spans[place] for place in order)))
    assert merged.select(sorted(merged.columns)).rows() == expected.select(sorted(expected.columns)).rows()


# What is charged already, and what should be

_COLUMNS = (*usage.DIMENSIONS, *usage.COUNTERS, *usage.MEASURES)
_CHARGE = pl.Schema(
    {
        "call_id": pl.UInt64,
        **dict.fromkeys(usage.DIMENSIONS, pl.String),
        "happened_at": pl.Datetime("us"),
        **dict.fromkeys(usage.COUNTERS, pl.Int8),
        **dict.fromkeys(BUCKETS, pl.Int64),
        **dict.fromkeys(("list_usd", "contracted_usd", "cost_usd", "quantity"), pl.Decimal(18, 9)),
    }
)
_CHAIN = {"version": pl.Int32, "sign": pl.Int8, "kind": pl.String, "reason": pl.String}
_SHOWN = ("call_id", "version", "sign", "kind", "team", "cost_usd", "input_uncached_tokens")


def charge(call_id: int, usd: int | None, team: str | None = None) -> dict:
    """What a call should be charged; None is a call without usage."""
    known = usd is not None
    counters = {"calls": 1, "unknown_calls": not known, "unpriced_calls": 0, "priced": known, "usage_known": known}
    measures = {"cost_usd": Decimal(usd), "input_uncached_tokens": usd} if known else {}
    absent = dict.fromkeys(("cache_read_known", "cache_write_known", "reasoning_known"), 0)
    return {"call_id": call_id, "happened_at": MONDAY, "team": team, **counters, **absent, **measures}


def desired(*charges: dict) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(_CHARGE), **one} for one in charges], _CHARGE)


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """What `versions` takes as current."""
    return rows.sort("version", "sign", descending=True).unique("call_id", keep="first")


def after(*states: pl.DataFrame) -> pl.DataFrame:
    """Every row that is written while what should be charged goes from state to state."""
    rows = pl.DataFrame(schema={**_CHAIN, **_CHARGE})
    for state in states:
        rows = pl.concat([rows, usage.versions(state, newest(rows)).select(rows.columns)])
    return rows


def test_nothing_changed_is_no_row():
    state = desired(charge(1, 5), charge(2, None))
    assert after(state, state, state).select(_SHOWN).rows() == [
        (1, 1, 1, "usage", None, Decimal(5), 5),
        (2, 1, 1, "usage", None, None, None),
    ]


def test_a_correction_is_the_exact_negative_and_the_new_row():
    assert after(desired(charge(1, None)), desired(charge(1, 7))).select(_SHOWN).rows() == [
        (1, 1, 1, "usage", None, None, None),
        (1, 2, -1, "correction", None, None, None),
        (1, 2, 1, "correction", None, Decimal(7), 7),
    ]


def test_only_the_owner_changed_is_a_reattribution():
    assert after(desired(charge(1, 7)), desired(charge(1, 7, "mint"))).select(_SHOWN).rows()[1:] == [
        (1, 2, -1, "re-attribution", None, Decimal(-7), -7),
        (1, 2, 1, "re-attribution", "mint", Decimal(7), 7),
    ]


def test_what_is_no_longer_a_call_is_only_reversed_and_its_chain_may_go_on():
    assert after(desired(charge(1, 7)), desired(), desired(charge(1, 9))).select(_SHOWN).rows() == [
        (1, 1, 1, "usage", None, Decimal(7), 7),
        (1, 2, -1, "correction", None, Decimal(-7), -7),
        (1, 3, 1, "usage", None, Decimal(9), 9),
    ]


STATES = st.dictionaries(
    st.integers(1, 4), st.tuples(st.none() | st.integers(0, 5), st.sampled_from([None, "mint", "bank"])), max_size=4
).map(lambda calls: desired(*(charge(call_id, usd, team) for call_id, (usd, team) in calls.items())))


@settings(max_examples=40)
@given(st.lists(STATES, min_size=1, max_size=6))
def test_charges_always_sum_to_what_should_be_charged(states):
    rows = after(*states)
    measures = [pl.col(name).fill_null(0).sum() for name in (*usage.COUNTERS, *usage.MEASURES)]
    owned = ["call_id", "team"]
    sums = rows.group_by(owned).agg(measures).filter(pl.col("calls") != 0).sort(owned)
    assert sums.rows() == states[-1].group_by(owned).agg(measures).sort(owned).rows()


@settings(max_examples=40)
@given(st.lists(STATES, min_size=1, max_size=6))
def test_the_signs_of_a_chain_sum_to_none_or_one_and_each_row_is_there_once(states):
    rows = after(*states)
    assert set(rows.group_by("call_id").agg(pl.col("sign").sum())["sign"]) <= {0, 1}
    assert rows.select("call_id", "version", "sign").is_duplicated().sum() == 0
